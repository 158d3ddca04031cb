/** Alarms on one timer: their order, their cancelling, and how long the timer is kept. */

import { assertEquals } from "@std/assert";
import { AlarmClock } from "../../pool/alarm_clock.ts";

/** A timer that is moved by hand. */
class FakeTimer {
  readonly armed: { ms: number; ring: () => void }[] = [];
  start = (ms: number, ring: () => void): () => void => {
    const entry = { ms, ring };
    this.armed.push(entry);
    return () => {
      const at = this.armed.indexOf(entry);
      if (at >= 0) this.armed.splice(at, 1);
    };
  };
  fire(): void {
    this.armed.shift()?.ring();
  }
}

Deno.test("alarms ring in the order of their times, on one timer", () => {
  const timer = new FakeTimer();
  const clock = new AlarmClock(timer.start);
  const now = performance.now();
  const rung: number[] = [];
  for (const offset of [-1, -3, -2]) clock.set(now + offset, () => rung.push(offset));
  const later = clock.set(now + 60_000, () => rung.push(0));
  assertEquals(timer.armed.length, 1);
  timer.fire();
  assertEquals(rung, [-3, -2, -1]);
  assertEquals(timer.armed.length, 1, "set again for the one that is left");
  assertEquals(later.ring === null, false);
  timer.fire();
  assertEquals(rung.length, 3, "never before its time");
  clock.clear();
  assertEquals(timer.armed.length, 0);
});

Deno.test("an alarm that is cancelled does not ring, and the last one takes the timer along", () => {
  const timer = new FakeTimer();
  const clock = new AlarmClock(timer.start);
  const now = performance.now();
  const rung: string[] = [];
  const first = clock.set(now - 1, () => rung.push("first"));
  const second = clock.set(now - 1, () => rung.push("second"));
  clock.cancel(first);
  clock.cancel(first);
  assertEquals(timer.armed.length, 1);
  timer.fire();
  assertEquals(rung, ["second"]);
  clock.cancel(second);
  const third = clock.set(now + 1_000, () => rung.push("third"));
  clock.cancel(third);
  assertEquals(timer.armed.length, 0);
  for (let index = 0; index < 2_000; index++) clock.cancel(clock.set(now + index, () => rung.push("no")));
  clock.set(now - 1, () => rung.push("after many"));
  timer.fire();
  assertEquals(rung, ["second", "after many"]);
});

Deno.test("an alarm may set and cancel others while it rings", () => {
  const timer = new FakeTimer();
  const clock = new AlarmClock(timer.start);
  const now = performance.now();
  const rung: string[] = [];
  const victim = clock.set(now - 1, () => rung.push("victim"));
  clock.set(now - 2, () => {
    clock.cancel(victim);
    clock.set(now - 1, () => rung.push("set while ringing"));
  });
  while (timer.armed.length > 0) timer.fire();
  assertEquals(rung, ["set while ringing"]);
});
