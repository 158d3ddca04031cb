import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { EBADF } from "../../../io/ffi/errno.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { EpollSet, EVENT_READ, EVENT_WRITE } from "../../../io/selectors/epoll_set.ts";
import { type Breakage, OpenDescriptors, withLibc } from "../ffi/broken_libc.ts";

/** A set and a pair of connected sockets. */
function withPair(
  run: (set: EpollSet<string>, one: number, other: number, libc: Libc) => void,
  breakage: Breakage = () => ({}),
): void {
  withLibc((libc) => {
    const { found, refusal } = EpollSet.probe<string>(libc);
    assertEquals(refusal, null);
    const pair = new Int32Array(new ArrayBuffer(256), 0, 2);
    assertEquals(libc.call.socketpair(1, 1 | 0x800, 0, pair), 0);
    run(found!, pair[0]!, pair[1]!, libc);
    found!.close();
    for (const fd of pair) libc.call.close(fd);
  }, breakage);
}

const bytes = new Uint8Array(new ArrayBuffer(256), 0, 16);
const send = (libc: Libc, fd: number) => assertEquals(libc.call.send(fd, bytes, libc.size(16), 0), 16);

Deno.test("what is ready is told with what it was registered with, until it is not", () => {
  withPair((set, one, other, libc) => {
    set.register(one, EVENT_READ, "one");
    set.register(other, EVENT_READ | EVENT_WRITE, "other");
    assertEquals(set.size, 2);
    assertEquals(set.select(), [{ fd: other, events: EVENT_WRITE, data: "other" }]);
    send(libc, one);
    assertEquals(set.select(), [{ fd: other, events: EVENT_READ | EVENT_WRITE, data: "other" }]);
    assertEquals(set.select().length, 1); // Level-triggered: it is still so.
    send(libc, other);
    assertEquals(set.select(5_000).map(({ data }) => data).sort(), ["one", "other"]);
    set.unregister(other);
    assertEquals(set.select(), [{ fd: one, events: EVENT_READ, data: "one" }]);
  });
});

Deno.test("interest and data can be changed", () => {
  withPair((set, one, other, libc) => {
    set.register(one, EVENT_READ, "before");
    send(libc, other);
    set.modify(one, EVENT_READ, "after");
    assertEquals(set.select(), [{ fd: one, events: EVENT_READ, data: "after" }]);
    set.modify(one, EVENT_WRITE, "writing");
    assertEquals(set.select(), [{ fd: one, events: EVENT_WRITE, data: "writing" }]);
    set.modify(one, 0, "nothing");
    assertEquals(set.select(), []);
  });
});

Deno.test("one that hung up is ready for all it was registered for, and told with 0 if that was nothing", () => {
  withPair((set, one, other, libc) => {
    set.register(one, EVENT_READ | EVENT_WRITE, "both");
    libc.call.close(libc.call.dup(other)); // Not the last of its descriptors: nobody hung up.
    assertEquals(set.select(), [{ fd: one, events: EVENT_WRITE, data: "both" }]);
    libc.call.shutdown(other, 2);
    assertEquals(set.select(), [{ fd: one, events: EVENT_READ | EVENT_WRITE, data: "both" }]);
    set.modify(one, 0, "nothing");
    assertEquals(set.select(), [{ fd: one, events: 0, data: "nothing" }]);
  });
});

Deno.test("an event of a descriptor that was closed, and its number given anew, in the same batch is dropped", () => {
  withPair((set, one, other, libc) => {
    set.register(one, EVENT_WRITE, "one");
    set.register(other, EVENT_WRITE, "other");
    const seen: string[] = [];
    const count = set.dispatch((data, _events, fd) => {
      seen.push(data);
      const victim = fd === one ? other : one;
      set.unregister(victim);
      set.register(victim, EVENT_WRITE, "anew");
    });
    assertEquals(count, 2);
    assertEquals(seen.length, 1);
    const next = set.select().map(({ data }) => data).sort();
    assertEquals(next, ["anew", seen[0]!].sort());
    libc.call.close(libc.call.dup(one));
  });
});

Deno.test("a descriptor is in the set once; what is not in it cannot be changed", () => {
  withPair((set, one) => {
    set.register(one, EVENT_READ, "one");
    assertThrows(() => set.register(one, EVENT_READ, "one"), TypeError, "registered already");
    set.forget(one);
    assertThrows(() => set.modify(one, EVENT_READ, "one"), TypeError, "not registered");
    assertThrows(() => set.unregister(one), TypeError, "not registered");
  });
});

Deno.test("what cannot be waited for is refused, and is not in the set then", () => {
  withPair((set, one, _other, libc) => {
    const error = assertThrows(() => set.register(1_000_000, EVENT_READ, "none"));
    assertInstanceOf(error, UnsupportedError);
    assertStringIncludes(error.message, "EBADF");
    assertEquals(set.size, 0);
    libc.call.close(libc.call.dup(one));
  });
  withPair(
    (set) => {
      const error = assertThrows(() => set.register(9, EVENT_READ, "file"));
      assertStringIncludes((error as Error).message, "plain file");
    },
    (real, fail) => ({ epollCtl: (e, o, fd, event) => fd === 9 ? fail(1) : real.epollCtl(e, o, fd, event) }),
  );
});

Deno.test("a set that is broken says so; a signal is no failure", () => {
  let errno = 0;
  const breakage: Breakage = (real, fail) => ({
    epollWait: (...all) => errno === 0 ? real.epollWait(...all) : fail(errno),
  });
  withPair((set) => {
    errno = 4;
    assertEquals(set.select(), []);
    errno = EBADF;
    assertStringIncludes((assertThrows(() => set.select()) as Error).message, "Cannot select");
    errno = 0;
  }, breakage);
});

Deno.test("a change the kernel refuses is not remembered", () => {
  let isBroken = false;
  withPair((set, one) => {
    set.register(one, EVENT_READ, "one");
    isBroken = true;
    assertThrows(() => set.modify(one, EVENT_WRITE, "one"));
    isBroken = false;
    set.modify(one, EVENT_WRITE, "one");
    assertEquals(set.select().length, 1);
  }, (real, fail) => ({ epollCtl: (...all) => isBroken ? fail(12) : real.epollCtl(...all) }));
});

Deno.test("a set of sets: one is ready when any in it is", () => {
  withPair((set, one, other, libc) => {
    const outer = EpollSet.probe<string>(libc).found!;
    outer.register(set.fd, EVENT_READ, "inner");
    set.register(one, EVENT_READ, "one");
    assertEquals(outer.select(), []);
    send(libc, other);
    assertEquals(outer.select().map(({ data }) => data), ["inner"]);
    outer.close();
  });
});

Deno.test("a system without epoll is a reason, and nothing stays open", () => {
  const descriptors = new OpenDescriptors();
  withLibc((libc) => {
    assertEquals(EpollSet.probe(libc).refusal, "epoll_create1 fails with error 38");
  }, (real, fail) => ({ ...descriptors.breakage(real, fail), epollCreate1: () => fail(38) }));
  assertEquals(descriptors.open.size, 0);
});
