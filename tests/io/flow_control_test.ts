import { assertEquals, assertThrows } from "@std/assert";
import { FlowControl, HIGH_BYTES_DEFAULT, resolveWriteLimits } from "../../io/flow_control.ts";
import { Prng } from "../../io/testing/prng.ts";

Deno.test("the default marks are asyncio's: 64 KiB and a quarter of it", () => {
  assertEquals(new FlowControl().limits, { highBytes: 65_536, lowBytes: 16_384 });
  assertEquals(HIGH_BYTES_DEFAULT, 65_536);
});

Deno.test("pausing is due strictly above the high mark, once", () => {
  const flow = new FlowControl();
  flow.setLimits({ highBytes: 100 });
  assertEquals([100, 101, 102].map((bytes) => flow.shouldPause(bytes)), [false, true, false]);
  assertEquals(flow.isPaused, true);
});

Deno.test("resuming is due at or below the low mark, once, and only after a pause", () => {
  const flow = new FlowControl();
  flow.setLimits({ highBytes: 100, lowBytes: 40 });
  assertEquals(flow.shouldResume(0), false);
  flow.shouldPause(101);
  assertEquals([41, 40, 39].map((bytes) => flow.shouldResume(bytes)), [false, true, false]);
  assertEquals(flow.isPaused, false);
});

Deno.test("a high mark of 0 pauses at the first byte and resumes at the last", () => {
  const flow = new FlowControl();
  flow.setLimits({ highBytes: 0 });
  assertEquals([flow.shouldPause(0), flow.shouldPause(1)], [false, true]);
  assertEquals([flow.shouldResume(1), flow.shouldResume(0)], [false, true]);
});

Deno.test("the low mark defaults to a quarter of the high one, rounded down", () => {
  assertEquals(resolveWriteLimits({ highBytes: 7 }), { highBytes: 7, lowBytes: 1 });
  assertEquals(resolveWriteLimits({ highBytes: 3 }), { highBytes: 3, lowBytes: 0 });
  assertEquals(resolveWriteLimits({ highBytes: 5, lowBytes: 5 }), { highBytes: 5, lowBytes: 5 });
});

Deno.test("marks out of order, negative, fractional or infinite are refused and change nothing", () => {
  const flow = new FlowControl();
  const bad = [
    { highBytes: 1, lowBytes: 2 },
    { highBytes: -1 },
    { highBytes: 10, lowBytes: -1 },
    { highBytes: 1.5 },
    { highBytes: Infinity },
    { highBytes: NaN },
  ];
  for (const limits of bad) assertThrows(() => flow.setLimits(limits), RangeError);
  assertEquals(flow.limits, { highBytes: 65_536, lowBytes: 16_384 });
});

Deno.test("pause and resume alternate whatever the buffer does", () => {
  const prng = new Prng(1);
  const flow = new FlowControl();
  let buffered = 0;
  let isPaused = false;
  for (let i = 0; i < 10_000; i++) {
    buffered = Math.max(0, buffered + prng.integer(-30_000, 30_000));
    if (flow.shouldPause(buffered)) {
      assertEquals([isPaused, buffered > 65_536], [false, true]);
      isPaused = true;
    }
    if (flow.shouldResume(buffered)) {
      assertEquals([isPaused, buffered <= 16_384], [true, true]);
      isPaused = false;
    }
    assertEquals(flow.isPaused, isPaused);
  }
});
