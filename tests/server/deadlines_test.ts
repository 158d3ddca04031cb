import { assert, assertEquals, assertThrows } from "@std/assert";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import {
  DeadlineSet,
  resolveDeadlines,
  SERVE_DEADLINES_DEFAULT,
  type ServeDeadlines,
} from "../../server/deadlines.ts";

const set = (name: string, value: unknown) => resolveDeadlines({ [name]: value } as ServeDeadlines);
const NAMES = Object.keys(SERVE_DEADLINES_DEFAULT);

/** How late the wheel may be. */
const LATE_MS = 8;

function open() {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const passed: [string, number][] = [];
  const deadlines = new DeadlineSet(timers, clock, { slotPassed: (slot, now) => passed.push([slot, now]) });
  return { clock, timers, deadlines, passed };
}

Deno.test("what is not set, or set to undefined, is the default, and the defaults stay", () => {
  assertEquals(resolveDeadlines(), SERVE_DEADLINES_DEFAULT);
  const before = { ...SERVE_DEADLINES_DEFAULT };
  for (const name of NAMES) {
    assertEquals(set(name, undefined), before);
    assertEquals(set(name, 7.5), { ...before, [name]: 7.5 });
  }
  assertEquals(SERVE_DEADLINES_DEFAULT, before);
});

Deno.test("a deadline is a positive finite number, and its name exists", () => {
  for (const name of NAMES) {
    for (const value of [0, -1, NaN, Infinity, "8", true]) {
      assertThrows(() => set(name, value), RangeError, name);
    }
  }
  for (const name of ["headms", "toString"]) assertThrows(() => set(name, 1), TypeError, "none of that name");
});

Deno.test("null switches a deadline off, makes a minimum rate zero, and is refused for lingering", () => {
  for (const name of NAMES) {
    if (name === "lingerMs") assertThrows(() => set(name, null), TypeError, "cannot be switched off");
    else {
      const value = (set(name, null) as Record<string, number>)[name];
      assertEquals(value, name.endsWith("BytesPerSecondMin") ? 0 : Infinity);
    }
  }
});

Deno.test("each slot passes once, at its time, whatever the order in which they were set", async () => {
  const { clock, deadlines, passed } = open();
  deadlines.total = 4_000;
  deadlines.read = 1_000;
  deadlines.write = 3_000;
  deadlines.handler = 2_000;
  await clock.advance(10_000);
  assertEquals(passed.map(([slot]) => slot), ["read", "handler", "write", "total"]);
  for (const [i, [, now]] of passed.entries()) {
    const due = 1_000 * (i + 1);
    assert(now >= due && now <= due + LATE_MS, `${now} for ${due}`);
  }
  assertEquals(deadlines.read, Infinity);
});

Deno.test("slots of the same time all pass", async () => {
  const { clock, deadlines, passed } = open();
  deadlines.read =
    deadlines.handler =
    deadlines.write =
    deadlines.total =
      500;
  await clock.advance(1_000);
  assertEquals(passed.map(([slot]) => slot), ["read", "handler", "write", "total"]);
});

Deno.test("a deadline that is put off passes at its new time only", async () => {
  const { clock, deadlines, passed } = open();
  deadlines.read = 1_000;
  for (let i = 1; i <= 10; i++) {
    await clock.advance(500);
    deadlines.read = clock.now() + 1_000;
  }
  assertEquals(passed, []);
  await clock.advance(1_000 + LATE_MS);
  assertEquals(passed.length, 1);
});

Deno.test("a deadline that is brought forward passes early, one that was taken away never", async () => {
  const { clock, deadlines, passed } = open();
  deadlines.read = 60_000;
  deadlines.read = 100;
  deadlines.write = 200;
  deadlines.write = Infinity;
  await clock.advance(100 + LATE_MS);
  assertEquals(passed.map(([slot]) => slot), ["read"]);
  await clock.advance(100_000);
  assertEquals(passed.length, 1);
});

Deno.test("a deadline that lies in the past passes at the next tick, not from within the setter", async () => {
  const { clock, deadlines, passed } = open();
  await clock.advance(1_000);
  deadlines.handler = 5;
  assertEquals(passed, []);
  await clock.advance(LATE_MS);
  assertEquals(passed.map(([slot]) => slot), ["handler"]);
});

Deno.test("what is set from within a passing deadline counts, in any slot", async () => {
  const clock = new VirtualClock();
  const passed: string[] = [];
  const deadlines: DeadlineSet = new DeadlineSet(new TimerWheel(clock), clock, {
    slotPassed(slot, now) {
      passed.push(slot);
      if (slot === "write") deadlines.read = now + 100;
      if (slot === "read" && passed.length < 4) deadlines.read = now + 100;
    },
  });
  deadlines.write = 100;
  await clock.advance(1_000);
  assertEquals(passed, ["write", "read", "read", "read"]);
});

Deno.test("what passed while the event loop stood still waits for the sockets to be read, but not for ever", async () => {
  const { clock, deadlines, passed } = open();
  deadlines.read = 1_000;
  await clock.jumpTo(5_000); // its timer fires now, four seconds late
  assertEquals(passed, []);
  deadlines.read = Infinity; // the bytes were there
  await clock.advance(10_000);
  assertEquals(passed, []);

  deadlines.read = clock.now() + 1_000;
  await clock.jumpTo(clock.now() + 5_000);
  assertEquals(passed, []);
  await clock.advance(20 + LATE_MS); // nothing was there
  assertEquals(passed.map(([slot]) => slot), ["read"]);

  deadlines.read = clock.now() + 1_000;
  let jumps = 0;
  for (; passed.length === 1; jumps++) await clock.jumpTo(clock.now() + 5_000); // always late
  assertEquals(jumps, 4);
});

Deno.test("clear takes all away and leaves no timer", async () => {
  const { clock, deadlines, passed } = open();
  deadlines.read =
    deadlines.handler =
    deadlines.write =
    deadlines.total =
      100;
  deadlines.clear();
  assertEquals(clock.pendingCount, 0);
  await clock.advance(1_000);
  assertEquals([passed, deadlines.total], [[], Infinity]);
  deadlines.read = clock.now() + 50;
  await clock.advance(100);
  assertEquals(passed.length, 1, "it can be used again");
});
