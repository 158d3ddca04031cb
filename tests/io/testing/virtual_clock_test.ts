import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { VirtualClock, WakeLimitError } from "../../../io/testing/virtual_clock.ts";

Deno.test("wake-ups run in the order of their times, then of setting, each at its own time", async () => {
  const clock = new VirtualClock({ startMs: 100 });
  const seen: string[] = [];
  for (const [name, delayMs] of [["c", 30], ["a", 10], ["b1", 20], ["b2", 20], ["late", 51]] as const) {
    clock.setWake(delayMs, () => seen.push(`${name} at ${clock.now()}`));
  }
  await clock.advance(50);
  assertEquals(seen, ["a at 110", "b1 at 120", "b2 at 120", "c at 130"]);
  assertEquals([clock.now(), clock.pendingCount, clock.nextWakeMs], [150, 1, 151]);
  assertEquals(await clock.runAll(), 1);
  assertEquals([clock.now(), clock.pendingCount, clock.nextWakeMs], [151, 0, null]);
});

Deno.test("promise code that a wake-up sets going runs before the next wake-up", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.setWake(ms, resolve));
  const work = async (name: string) => {
    for (let round = 1; round <= 3; round++) {
      await sleep(10);
      for (let hop = 0; hop < 50; hop++) await null;
      seen.push(`${name}${round} at ${clock.now()}`);
    }
  };
  const both = Promise.all([work("x"), work("y")]);
  await clock.advanceTo(25);
  assertEquals(seen, ["x1 at 10", "y1 at 10", "x2 at 20", "y2 at 20"]);
  await clock.advanceTo(30);
  await both;
  assertEquals(seen.length, 6);
});

Deno.test("a wake-up that was cleared does not come, also when cleared by one at the same time", async () => {
  const clock = new VirtualClock();
  let came = 0;
  clock.setWake(5, () => clock.clearWake(second));
  const second = clock.setWake(5, () => came++);
  await clock.advance(10);
  clock.clearWake(second);
  assertEquals([came, clock.pendingCount], [0, 0]);
});

Deno.test("a jump shows every wake-up the new time", async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  clock.setWake(1, () => seen.push(clock.now()));
  clock.setWake(2, () => seen.push(clock.now()));
  await clock.jumpTo(1000);
  assertEquals(seen, [1000, 1000]);
});

Deno.test("wall time follows the clock and can be set without moving it", async () => {
  const clock = new VirtualClock({ startMs: 5, wallMs: 1_000_000 });
  await clock.advance(10);
  assertEquals(clock.wallMs(), 1_000_010);
  clock.setWall(7);
  assertEquals([clock.now(), clock.wallMs()], [15, 7]);
  await clock.advance(1);
  assertEquals(clock.wallMs(), 8);
  assertEquals(new Date(new VirtualClock().wallMs()).toISOString(), "2026-01-01T00:00:00.000Z");
});

Deno.test("runAll() gives up on what never ends", async () => {
  const clock = new VirtualClock();
  const again = () => void clock.setWake(1, again);
  again();
  const error = await assertRejects(() => clock.runAll({ wakesMax: 20 }), WakeLimitError, "20");
  assertEquals([error.code, error.wakesMax, clock.now()], ["SLUICE_WAKE_LIMIT", 20, 20]);
});

Deno.test("what a wake-up throws comes out of the call that moved the clock, which stays usable", async () => {
  const clock = new VirtualClock();
  clock.setWake(1, () => {
    throw new Error("from a wake-up");
  });
  await assertRejects(() => clock.advance(5), Error, "from a wake-up");
  await clock.advanceTo(5);
  assertEquals(clock.now(), 5);
});

Deno.test("time goes forward only, by one caller at a time", async () => {
  const clock = new VirtualClock({ startMs: 10 });
  await assertRejects(() => clock.advance(-1), RangeError, "Cannot move the clock");
  await assertRejects(() => clock.advanceTo(9), RangeError);
  await assertRejects(() => clock.jumpTo(9), RangeError);
  await assertRejects(() => clock.advance(NaN), RangeError);
  assertThrows(() => clock.setWake(-1, () => {}), RangeError);
  assertThrows(() => clock.setWake(Infinity, () => {}), RangeError);
  const first = clock.advance(1);
  await assertRejects(() => clock.advance(1), TypeError, "being moved");
  await first;
  assertEquals(clock.now(), 11);
});
