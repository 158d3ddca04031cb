import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { EAGAIN, EBUSY, EINTR, EINVAL, ENOMEM, ENOSYS, EPERM } from "../../../io/ffi/errno.ts";
import { OP, SETUP } from "../../../io/ffi/uring_layout.ts";
import { Ring, RingError } from "../../../io/selectors/uring_ring.ts";
import { ChangedKernel, completionsOf, withKernel, withRing } from "./uring_support.ts";

/** Prepares `count` operations that do nothing, told by numbers from `first` on. */
function prepareNops(ring: Ring, first: number, count: number): void {
  for (let index = 0; index < count; index++) ring.prepare(OP.nop, -1, first + index, 7);
}

const numbers = (ring: Ring): number[] => completionsOf(ring).map(({ user }) => user[0]);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

Deno.test("what is prepared completes after it is submitted, and tells what it was told by", () => {
  withRing({ entries: 8 }, (ring) => {
    prepareNops(ring, 0, 3);
    assertEquals([ring.isPending, ring.isReady], [true, false]);
    ring.submit();
    assertEquals([ring.isPending, ring.isReady, ring.submits], [false, true, 1]);
    assertEquals(completionsOf(ring).map(({ user, result }) => [...user, result]), [[0, 7, 0], [1, 7, 0], [
      2,
      7,
      0,
    ]]);
    assertEquals([ring.isReady, ring.take(10)], [false, false]);
  });
});

Deno.test("a full ring submits by itself, and numbers wrap around for ever", () => {
  withRing({ entries: 4 }, (ring) => {
    for (let round = 0; round < 50; round++) {
      prepareNops(ring, 0, 11);
      ring.submit();
      assertEquals(numbers(ring), upTo(11));
    }
  });
});

Deno.test("completions are taken in portions", () => {
  withRing({ entries: 8 }, (ring) => {
    prepareNops(ring, 0, 8);
    ring.submit();
    assert(ring.take(3));
    assertEquals((ring.backlogEnd - ring.backlogStart) / 4, 3);
    ring.clearBacklog();
    assert(ring.isReady);
    assertEquals(numbers(ring), [3, 4, 5, 6, 7]);
  });
});

Deno.test("completions that have no place are kept by the kernel, in order, and none is lost", () => {
  withRing({ entries: 8, completions: 8 }, (ring) => {
    prepareNops(ring, 0, 100);
    ring.submit();
    assertEquals(numbers(ring), upTo(100));
    assert(ring.overflows > 0, "the ring was too small for them");
  });
});

Deno.test("an entry that makes no sense does not keep the others back", () => {
  withRing({ entries: 8 }, (ring) => {
    prepareNops(ring, 0, 1);
    ring.prepare(255, -1, 1, 7);
    prepareNops(ring, 2, 2);
    ring.submit();
    assertEquals(completionsOf(ring).map(({ user, result }) => [user[0], result]), [[0, 0], [1, -EINVAL], [
      2,
      0,
    ], [3, 0]]);
  });
});

Deno.test("fewer entries taken than given: the rest is submitted again", () => {
  withKernel((real) => {
    const kernel = new ChangedKernel(real, {
      enter: (ring, count, min, flags) => real.enter(ring, Math.min(count, 2), min, flags),
    });
    const ring = Ring.open(kernel, { entries: 8 });
    prepareNops(ring, 0, 7);
    ring.submit();
    assertEquals([numbers(ring), ring.submits], [upTo(7), 4]);
    ring.unmap();
    kernel.close(ring.descriptor);
  });
});

Deno.test("a submit the kernel has no room for is tried again, with room made in between", () => {
  withKernel((real) => {
    const refusals = [EBUSY, EAGAIN, EINTR, ENOMEM];
    const kernel = new ChangedKernel(real, {
      enter: (ring, count, min, flags) => {
        const refusal = count > 0 ? refusals.shift() : undefined;
        return refusal === undefined ? real.enter(ring, count, min, flags) : -refusal;
      },
    });
    const ring = Ring.open(kernel, { entries: 8 });
    prepareNops(ring, 0, 8);
    ring.submit();
    assertEquals([numbers(ring), refusals], [upTo(8), []]);
    ring.unmap();
    kernel.close(ring.descriptor);
  });
});

Deno.test("a kernel that refuses for good is an error, not a loop", () => {
  for (const errno of [EBUSY, EPERM]) {
    withRing({ entries: 8 }, (ring) => {
      prepareNops(ring, 0, 1);
      const error = assertThrows(() => ring.submit(), RingError);
      assertEquals(error.errno, errno);
    }, { enter: () => -errno });
  }
  withRing({ entries: 8 }, (ring) => {
    prepareNops(ring, 0, 1);
    assertThrows(() => ring.submit(), RingError);
  }, { enter: () => 0 });
});

Deno.test("armed means that nothing is ready", () => {
  withRing({ entries: 8 }, (ring) => {
    assertEquals(ring.arm(), true);
    prepareNops(ring, 0, 1);
    ring.submit();
    assertEquals(ring.arm(), false);
    assertEquals(numbers(ring), [0]);
    assertEquals(ring.arm(), true);
  });
});

Deno.test("an eventfd hears of completions while the ring is armed, and only then", () => {
  withRing({ entries: 8 }, (ring, libc) => {
    const event = libc.call.eventfd(0, 0x800);
    const count = new BigUint64Array(new ArrayBuffer(64), 0, 1);
    const heard = () => libc.call.read(event, count, libc.size(8)) === 8;
    assertEquals(ring.registerEvent(event), null);
    for (const isArmed of [true, false, true]) {
      if (isArmed) ring.arm();
      else ring.disarm();
      prepareNops(ring, 0, 1);
      ring.submit();
      assertEquals(heard(), isArmed);
      numbers(ring);
    }
    libc.call.close(event);
    assertMatch(ring.registerEvent(event)!, /error 9|busy|refuses/);
  });
});

Deno.test("a refusal at setup says what would help", () => {
  const reasons = new Map([
    [EPERM, /io_uring_disabled|seccomp/],
    [ENOSYS, /no io_uring/],
    [ENOMEM, /memory/],
    [
      EINVAL,
      /Linux 6\.0/,
    ],
    [99, /error 99/],
  ]);
  withKernel((real) => {
    for (const [errno, reason] of reasons) {
      const error = assertThrows(() => Ring.open(new ChangedKernel(real, { setup: () => -errno })));
      assertInstanceOf(error, UnsupportedError);
      assertMatch(error.message, reason);
    }
  });
});

Deno.test("a kernel without deferred work is asked for the next best", () => {
  withKernel((real) => {
    const flags: number[] = [];
    const kernel = new ChangedKernel(real, {
      setup: (entries, params) => {
        flags.push(new DataView(params.buffer).getUint32(8, true));
        return flags.length === 1 ? -EINVAL : real.setup(entries, params);
      },
    });
    const ring = Ring.open(kernel, { entries: 8 });
    assertEquals(ring.isDeferred, false);
    assertEquals(flags.map((bits) => (bits & SETUP.deferTaskrun) !== 0), [true, false]);
    prepareNops(ring, 0, 1);
    ring.submit();
    assertEquals(numbers(ring), [0]);
    ring.unmap();
    kernel.close(ring.descriptor);
  });
});

Deno.test("a kernel that lacks an operation, drops completions or maps nothing is refused, and holds nothing", () => {
  withKernel((real, libc) => {
    const before = libc.call.dup(0);
    libc.call.close(before);
    const changes = [
      { register: () => -EINVAL },
      { register: () => 0 }, // Says that it has no operation at all.
      { mapRing: () => -ENOMEM },
      {
        mapRing: (ring: number, bytes: number, at: number) => at === 0 ? real.mapRing(ring, bytes, at) : -12,
      },
      {
        setup: (entries: number, params: Uint8Array<ArrayBuffer>) => {
          const ring = real.setup(entries, params);
          new DataView(params.buffer).setUint32(20, 0, true);
          return ring;
        },
      },
    ];
    for (const change of changes) {
      assertThrows(() => Ring.open(new ChangedKernel(real, change)), UnsupportedError);
    }
    const after = libc.call.dup(0);
    libc.call.close(after);
    assertEquals(after, before, "every descriptor is closed");
  });
});

Deno.test("sizes that are no powers of two are refused", () => {
  withKernel((kernel) => {
    for (
      const sizes of [{ entries: 0 }, { entries: 3 }, { entries: 65_536 }, { entries: 8, completions: 4 }]
    ) {
      assertThrows(() => Ring.open(kernel, sizes), RangeError);
    }
  });
});
