/** The public set; what it is made of is tested in epoll_set_test.ts and parking_test.ts. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EVENT_READ, EVENT_WRITE, PollSet } from "../../../io/mod.ts";
import { withLibc } from "../ffi/broken_libc.ts";

/** Two connected sockets; what is written to one can be read from the other. */
function withPair<R>(run: (one: number, other: number, send: (fd: number) => void) => R): R {
  return withLibc((libc) => {
    const pair = new Int32Array(new ArrayBuffer(256), 0, 2);
    assertEquals(libc.call.socketpair(1, 1 | 0x800, 0, pair), 0);
    const bytes = new Uint8Array(new ArrayBuffer(256), 0, 4);
    const send = (fd: number) => void libc.call.send(fd, bytes, libc.size(4), 0);
    const close = () => pair.forEach((fd) => libc.call.close(fd));
    const result = run(pair[0]!, pair[1]!, send);
    if (result instanceof Promise) return result.finally(close) as R;
    close();
    return result;
  });
}

Deno.test("it selects as Python's selectors do", () => {
  withPair((one, other, send) => {
    using poll = PollSet.open<string>();
    poll.register(one, EVENT_READ, "one");
    assertEquals([poll.size, poll.select(1)], [1, []]);
    send(other);
    assertEquals(poll.select(5_000), [{ fd: one, events: EVENT_READ, data: "one" }]);
    poll.modify(one, EVENT_READ | EVENT_WRITE, "both");
    assertEquals(poll.select(), [{ fd: one, events: EVENT_READ | EVENT_WRITE, data: "both" }]);
    poll.unregister(one);
    assertEquals([poll.size, poll.select()], [0, []]);
    assertThrows(() => poll.unregister(one), TypeError);
    assert(poll.fd > 2);
  });
});

Deno.test("it waits without holding the thread", async () => {
  await withPair(async (one, other, send) => {
    using poll = PollSet.open<string>();
    poll.register(one, EVENT_READ, "one");
    for (let round = 0; round < 2; round++) {
      const ready = poll.selectLater();
      await assertRejects(() => poll.selectLater(), TypeError, "another wait is out");
      send(other);
      assertEquals((await ready).map(({ data }) => data), ["one"]);
      poll.unregister(one);
      poll.register(one, EVENT_WRITE, "writing");
      assertEquals((await poll.selectLater()).map(({ data }) => data), ["writing"]);
      poll.modify(one, round === 0 ? 0 : EVENT_WRITE, "done");
      if (round === 0) {
        poll.unregister(one);
        poll.register(other, EVENT_READ, "one");
        [one, other] = [other, one];
      }
    }
  });
});

Deno.test("closing it ends the wait", async () => {
  await withPair(async (one) => {
    const poll = PollSet.open<string>();
    poll.register(one, EVENT_READ, "one");
    const ready = poll.selectLater();
    poll.close();
    poll.close();
    assertEquals(await ready, []);
    assertEquals(await poll.selectLater(), []);
  });
});
