import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { ServerClock } from "../../server/server_clock.ts";

function open(wallMs = Date.UTC(1994, 10, 6, 8, 49, 37, 250)) {
  const clock = new VirtualClock({ startMs: 1_000, wallMs });
  const timers = new TimerWheel(clock);
  return { clock, timers, time: new ServerClock(clock, timers) };
}

Deno.test("the time is never behind the clock's, and at most a tick and the wheel's resolution ahead", async () => {
  const { clock, time } = open();
  for (let i = 0; i < 200; i++) {
    const ahead = time.now() - clock.now();
    assert(ahead >= -4 && ahead <= 20, `${ahead} ms ahead`);
    await clock.advance(i % 7);
  }
  time.close();
  assertEquals(clock.pendingCount, 0);
});

Deno.test("the date is an IMF-fixdate, and the same string object for a second", async () => {
  const { clock, time } = open();
  const first = time.date();
  assertEquals(first, "Sun, 06 Nov 1994 08:49:37 GMT");
  await clock.advance(500);
  assertStrictEquals(time.date(), first);
  await clock.advance(500);
  assertEquals(time.date(), "Sun, 06 Nov 1994 08:49:38 GMT");
  time.close();
});

Deno.test("a wall clock that is set back or ahead is followed", async () => {
  const { clock, time } = open();
  time.date();
  clock.setWall(Date.UTC(1994, 10, 6, 8, 49, 30));
  await clock.advance(30);
  assertEquals(time.date(), "Sun, 06 Nov 1994 08:49:30 GMT");
  clock.setWall(Date.UTC(2000, 0, 1));
  await clock.advance(30);
  assertEquals(time.date(), "Sat, 01 Jan 2000 00:00:00 GMT");
  time.close();
});

Deno.test("nobody who asks means no timer", async () => {
  const { clock, time } = open();
  time.now();
  await clock.advance(1_000);
  assertEquals(clock.pendingCount, 0);
  time.close();
});
