import { assert, assertEquals, assertThrows } from "@std/assert";
import { LoopLag } from "../../io/loop_lag.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";

/** A sampler at work on a clock that is moved by hand. */
function started(options?: ConstructorParameters<typeof LoopLag>[1]) {
  const clock = new VirtualClock();
  const lag = new LoopLag(clock, options);
  lag.start();
  /** Blocks the loop from now on: time passes, and nothing runs before it is over. */
  const block = (ms: number) => clock.jumpTo(clock.now() + ms);
  return { clock, lag, block };
}

Deno.test("a loop with nothing to do is never late", async () => {
  const { clock, lag } = started();
  assertEquals(lag.summary(), { samples: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  await clock.advance(1_000);
  assertEquals(lag.summary(), { samples: 50, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  assertEquals(lag.standingMs, 0);
});

Deno.test("a blocked loop is late by what its wake-up waited, and by what each one left out would have waited", async () => {
  const { clock, lag, block } = started({ intervalMs: 20 });
  await block(150);
  // Due at 20, came at 150; those of 40, 60, …, 140 would have waited 110, 90, …, 10.
  assertEquals(lag.summary(), { samples: 7, p50Ms: 70, p99Ms: 130, maxMs: 130 });
  await clock.advance(20 * 693);
  assertEquals(lag.summary().p99Ms, 0);
});

Deno.test("the lag stands only while every wake-up is late", async () => {
  const { clock, lag, block } = started({ intervalMs: 10 });
  await clock.advance(100);
  await block(5_000);
  assertEquals(lag.standingMs, 0, "one long task");
  await clock.advance(100);
  for (const ms of [60, 40, 50]) await block(ms);
  assertEquals(lag.standingMs, 30);
  await block(11);
  assertEquals(lag.standingMs, 1);
  await clock.advance(10);
  assertEquals(lag.standingMs, 0);
});

Deno.test("only the newest samples are kept, also after the longest of sleeps", async () => {
  const { clock, lag, block } = started({ intervalMs: 10, samplesMax: 8 });
  await block(8 * 3_600_000);
  const { samples, maxMs } = lag.summary();
  assertEquals([samples, maxMs], [8, 8 * 3_600_000 - 10]);
  await clock.advance(80);
  assertEquals(lag.summary(), { samples: 8, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});

Deno.test("a sampler that is stopped leaves nothing pending, and can be started again", async () => {
  const { clock, lag, block } = started({ intervalMs: 10 });
  lag.start();
  assertEquals([clock.pendingCount, lag.isRunning], [1, true]);
  for (const ms of [60, 60, 60]) await block(ms);
  assertEquals(lag.standingMs, 50);
  lag.stop();
  lag.stop();
  assertEquals([clock.pendingCount, lag.isRunning, lag.standingMs], [0, false, 0]);
  await clock.advance(1_000);
  lag.start();
  await clock.advance(10);
  assertEquals(lag.standingMs, 0, "what was before does not count");
  lag.stop();
});

Deno.test("a real loop that is blocked is seen to be late", async () => {
  const clock = new SystemClock();
  const lag = new LoopLag(clock, { intervalMs: 5 });
  lag.start();
  const untilMs = clock.now() + 150;
  while (clock.now() < untilMs);
  while (lag.summary().samples === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  lag.stop();
  assert(lag.summary().maxMs >= 140, `${lag.summary().maxMs} ms`);
});

Deno.test("options out of range are refused", () => {
  const clock = new VirtualClock();
  for (const intervalMs of [0, -1, NaN, Infinity]) {
    assertThrows(() => new LoopLag(clock, { intervalMs }), RangeError);
  }
  for (const samplesMax of [0, 2, 2.5, NaN]) {
    assertThrows(() => new LoopLag(clock, { samplesMax }), RangeError);
  }
});
