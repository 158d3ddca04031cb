import { assert, assertEquals } from "@std/assert";
import { EPERM } from "../../../io/ffi/errno.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { PollRing } from "../../../io/ffi/poll_ring.ts";
import { type Breakage, OpenDescriptors, withLibc } from "./broken_libc.ts";

/** 5 s: how long a test waits for what the kernel does at once. */
const WAIT_MS = 5_000;

/** Waits until a descriptor is readable, or only looks. */
function isReadable(libc: Libc, fd: number, timeoutMs = WAIT_MS): boolean {
  const descriptor = new Int32Array(new ArrayBuffer(256), 0, 2);
  descriptor.set([fd, 1]);
  return libc.call.poll(descriptor, libc.size(1), timeoutMs) === 1;
}

/** Adds to an eventfd, or empties it and returns what it held. */
const counter = new Uint8Array(new ArrayBuffer(256), 0, 8);
function add(libc: Libc, fd: number): void {
  counter.fill(0)[0] = 1;
  assertEquals(libc.call.write(fd, counter, libc.size(8)), 8);
}
function take(libc: Libc, fd: number): number {
  return libc.call.read(fd, counter, libc.size(8)) === 8 ? counter[0]! : 0;
}

const NONBLOCK = 0x800;

function watched(libc: Libc): { fd: number; signal: number; ring: PollRing } {
  const fd = libc.call.eventfd(0, NONBLOCK);
  const signal = libc.call.eventfd(0, NONBLOCK);
  const { found, refusal } = PollRing.probe(libc, fd, { eventfd: signal });
  assertEquals(refusal, null);
  return { fd, signal, ring: found! };
}

Deno.test("readiness is signalled once for each time it is asked for", () => {
  withLibc((libc) => {
    const { fd, signal, ring } = watched(libc);
    for (let round = 0; round < 20; round++) { // More often than the rings have slots.
      assert(ring.arm());
      assert(ring.arm()); // Changes nothing.
      assertEquals([ring.isArmed, isReadable(libc, signal, 0)], [true, false]);
      add(libc, fd);
      assert(isReadable(libc, signal));
      ring.takeSignal();
      assertEquals([take(libc, signal), ring.isArmed], [1, false]);
      add(libc, fd); // Nobody asked.
      assertEquals(isReadable(libc, signal, 0), false);
      assertEquals(take(libc, fd), 2);
    }
    ring.close();
    for (const one of [fd, signal]) libc.call.close(one);
  });
});

Deno.test("what is ready already is signalled at once", () => {
  withLibc((libc) => {
    const { fd, signal, ring } = watched(libc);
    add(libc, fd);
    assert(ring.arm());
    assert(isReadable(libc, signal));
    ring.takeSignal();
    ring.close();
    for (const one of [fd, signal]) libc.call.close(one);
  });
});

Deno.test("a socket is signalled by a byte, and again by the next", () => {
  withLibc((libc) => {
    const pair = new Int32Array(new ArrayBuffer(256), 0, 2);
    assertEquals(libc.call.socketpair(1, 1 | NONBLOCK, 0, pair), 0);
    const fd = libc.call.eventfd(0, NONBLOCK);
    const ring = PollRing.probe(libc, fd, { socket: pair[1]! }).found!;
    for (let round = 0; round < 10; round++) {
      assert(ring.arm());
      add(libc, fd);
      assert(isReadable(libc, pair[0]!));
      assertEquals(libc.call.recv(pair[0]!, counter, libc.size(8), 0), 1);
      ring.takeSignal();
      take(libc, fd);
    }
    assert(ring.arm());
    ring.close(); // With both its requests out.
    for (const one of [fd, ...pair]) libc.call.close(one);
  });
});

Deno.test("memory is unmapped when the kernel is done with it, whenever the ring is closed", () => {
  for (const isArmed of [false, true]) {
    const mapped = new Set<number>();
    const breakage: Breakage = (real) => ({
      mmap: (...all) => {
        const address = real.mmap(...all);
        mapped.add(address);
        return address;
      },
      munmap: (...all) => {
        mapped.clear();
        return real.munmap(...all);
      },
    });
    withLibc((libc) => {
      const { fd, signal, ring } = watched(libc);
      assertEquals(mapped.size, 1);
      if (isArmed) assert(ring.arm());
      ring.close();
      for (const one of [fd, signal]) libc.call.close(one);
    }, breakage);
    assertEquals(mapped.size, 0);
  }
});

Deno.test("a system that has no io_uring, or forbids it, is a reason, and nothing stays open", () => {
  const reason = (breakage: Breakage): string | null => {
    const descriptors = new OpenDescriptors();
    let mappings = 0;
    const all: Breakage = (real, fail) => ({
      ...descriptors.breakage(real, fail),
      mmap: (...parameters) => (mappings++, real.mmap(...parameters)),
      munmap: (...parameters) => (mappings--, real.munmap(...parameters)),
      ...breakage(real, fail),
    });
    const { refusal } = withLibc((libc) => PollRing.probe(libc, 0, { eventfd: 0 }), all);
    assertEquals([descriptors.open.size, mappings], [0, 0]);
    return refusal;
  };
  assertEquals(reason((_, fail) => ({ ioUringSetup: () => fail(38) })), "io_uring_setup fails with error 38");
  assertEquals(
    reason((_, fail) => ({ ioUringSetup: () => fail(EPERM) })),
    "io_uring_setup fails with error 1",
  );
  assertEquals(
    reason((_, fail) => ({ ioUringRegister: () => fail(22) })),
    "io_uring_register fails with error 22",
  );
  assertEquals(reason((_, fail) => ({ mmap: () => fail(12) })), "mmap fails with error 12");
});

Deno.test("a kernel that takes no request is told from one that does", () => {
  let isBroken = false;
  const breakage: Breakage = (real, fail) => ({
    ioUringEnter: (...all) => isBroken ? fail(12) : real.ioUringEnter(...all),
  });
  withLibc((libc) => {
    const { fd, signal, ring } = watched(libc);
    isBroken = true;
    assertEquals([ring.arm(), ring.isArmed], [false, false]);
    isBroken = false;
    ring.close();
    for (const one of [fd, signal]) libc.call.close(one);
  }, breakage);
});
