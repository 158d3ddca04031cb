import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Clock, Timer } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { Prng } from "../../io/testing/prng.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";

/** The wheel's resolution: nothing may be later than this on a clock that wakes exactly. */
const TICK_MS = 4;

Deno.test("a timer fires once, never before its deadline and less than a tick after it", async () => {
  for (
    const delayMs of [
      0,
      0.1,
      1,
      3.999,
      4,
      4.001,
      255.5,
      256,
      257,
      16_384,
      16_385.25,
      1_048_576,
      3 * 86_400_000,
    ]
  ) {
    const clock = new VirtualClock({ startMs: 1234.567 });
    const timers = new TimerWheel(clock);
    const fired: number[] = [];
    const timer = timers.after(delayMs, () => fired.push(clock.now() - 1234.567));
    assert(timer.isArmed);
    await clock.runAll();
    assertEquals(fired.length, 1, `${delayMs}`);
    const late = fired[0]! - delayMs;
    assert(late > -1e-6 && late < TICK_MS + 1e-6, `${delayMs} ms: off by ${late}`);
    assert(!timer.isArmed);
    assertEquals(timers.armedCount, 0);
  }
});

Deno.test("a deadline beyond the runtime's longest timer, and beyond the whole wheel, is met", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const delayMs = 2 ** 33 + 1;
  let firedAt = -1;
  timers.after(delayMs, () => firedAt = clock.now());
  await clock.advance(delayMs - 1);
  assertEquals(firedAt, -1);
  await clock.runAll();
  assertEquals(firedAt, delayMs + 3, "the next multiple of a tick");
});

Deno.test("no wake-up is longer than the runtime's timers can be", () => {
  const delays: number[] = [];
  const clock: Clock = {
    now: () => 0,
    wallMs: () => 0,
    setWake: (delayMs) => delays.push(delayMs),
    clearWake: () => {},
  };
  new TimerWheel(clock).after(2 ** 45, () => {});
  assert(delays.length === 1 && delays[0]! > 0 && delays[0]! < 2 ** 31, `${delays}`);
});

Deno.test("a wake-up that comes early fires nothing and is set again", () => {
  let now = 0;
  let wake: (() => void) | null = null;
  let fired = 0;
  const clock: Clock = {
    now: () => now,
    wallMs: () => now,
    setWake: (_delayMs, callback) => wake = callback,
    clearWake: () => wake = null,
  };
  new TimerWheel(clock).after(8, () => fired++);
  for (now of [1, 7.9, 7.9999]) {
    const early = wake!;
    wake = null;
    early();
    assertEquals(fired, 0);
    assert(wake !== null, "set again");
  }
  now = 8;
  wake!();
  assertEquals(fired, 1);
});

Deno.test("a timer that is armed while another is overdue does not delay it", () => {
  let now = 0;
  let wake: (() => void) | null = null;
  const fired: string[] = [];
  const clock: Clock = {
    now: () => now,
    wallMs: () => now,
    setWake: (_delayMs, callback) => wake = callback,
    clearWake: () => wake = null,
  };
  const timers = new TimerWheel(clock);
  timers.after(8, () => fired.push("overdue"));
  now = 100; // the loop was busy: the wake-up is late
  timers.after(50, () => fired.push("armed meanwhile"));
  wake!();
  assertEquals(fired, ["overdue"]);
  now = 152;
  wake!();
  assertEquals(fired, ["overdue", "armed meanwhile"]);
});

Deno.test("one wake-up is pending however many timers are armed, and none when none is", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const armed: Timer[] = [];
  for (let index = 0; index < 1000; index++) {
    armed.push(timers.after((index * 7919) % 100_000, () => {}));
    assertEquals(clock.pendingCount, 1);
  }
  await clock.advance(1000);
  assertEquals(clock.pendingCount, 1);
  for (const timer of armed) timer.cancel();
  assertEquals(clock.pendingCount, 0);
  assertEquals(timers.armedCount, 0);
});

Deno.test("re-arming to later deadlines does not touch the runtime's timer", () => {
  const clock = new VirtualClock();
  let wakesSet = 0;
  const counting: Clock = {
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    setWake: (delayMs, callback) => (wakesSet++, clock.setWake(delayMs, callback)),
    clearWake: (wake) => clock.clearWake(wake),
  };
  const timer = new TimerWheel(counting).after(5000, () => {});
  for (let times = 0; times < 10_000; times++) timer.reset(5000 + times / 100);
  assertEquals(wakesSet, 1);
});

Deno.test("reset() moves a deadline both ways, and arms a timer that fired or was cancelled", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const fired: number[] = [];
  const timer = timers.after(1000, () => fired.push(clock.now()));
  timer.reset(2000);
  await clock.advance(1500);
  assertEquals(fired, []);
  timer.reset(20);
  await clock.advance(100);
  assertEquals(fired, [1520]);
  timer.reset(40);
  timer.cancel();
  timer.cancel();
  assert(!timer.isArmed);
  await clock.advance(100);
  assertEquals(fired, [1520]);
  timer.reset(20);
  await clock.advance(100);
  assertEquals(fired, [1520, 1720]);
});

Deno.test("idle() makes a timer that waits for its first reset()", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  let fired = 0;
  const timer = timers.idle(() => fired++);
  assert(!timer.isArmed);
  assertEquals(clock.pendingCount, 0);
  timer.reset(8);
  await clock.runAll();
  assertEquals(fired, 1);
});

Deno.test("after a jump of the clock everything due fires once, in the order of deadlines", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const fired: number[] = [];
  const delays = [90_000, 1, 4_000_000, 300, 2, 17_000, 299.5, 5 * 86_400_000];
  for (const delayMs of delays) timers.after(delayMs, () => fired.push(delayMs));
  await clock.jumpTo(7 * 86_400_000);
  assertEquals(fired, delays.toSorted((a, b) => a - b));
  assertEquals(clock.pendingCount, 0);
});

Deno.test("equal deadlines fire in the order of arming, also when they came to the slot in different ways", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const fired: string[] = [];
  const first = timers.after(1, () => fired.push("re-armed last"));
  timers.after(10_000, () => fired.push("from a coarse slot"));
  await clock.advance(9_960);
  timers.after(40, () => fired.push("straight into a fine slot"));
  first.reset(40);
  await clock.runAll();
  assertEquals(fired, ["re-armed last", "from a coarse slot", "straight into a fine slot", "re-armed last"]);
});

Deno.test("what a callback arms does not fire in the same pass", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  let fired = 0;
  const timer: Timer = timers.after(0, () => {
    fired++;
    timer.reset(0);
  });
  await clock.jumpTo(1000);
  assertEquals(fired, 1);
  await clock.advance(TICK_MS);
  assertEquals(fired, 2);
  timer.cancel();
});

Deno.test("a callback cancels, re-arms and closes what is due in the same pass", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const fired: string[] = [];
  timers.after(1, () => {
    fired.push("first");
    cancelled.cancel();
    moved.reset(100);
  });
  const cancelled = timers.after(2, () => fired.push("cancelled"));
  const moved = timers.after(3, () => fired.push("moved"));
  timers.after(4, () => {
    fired.push("closing");
    timers.close();
  });
  const last = timers.after(4, () => fired.push("after close"));
  await clock.advance(50);
  assertEquals(fired, ["first", "closing"]);
  assert(!last.isArmed && !moved.isArmed);
  assertEquals(clock.pendingCount, 0);
  assertEquals(timers.armedCount, 0);
});

Deno.test("a callback that throws keeps no other from firing, and its error is reported as uncaught", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const reported: unknown[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  globalThis.addEventListener("error", onError);
  try {
    const errors = [new Error("one"), new Error("two")];
    let fired = 0;
    timers.after(1, () => {
      throw errors[0];
    });
    timers.after(2, () => fired++);
    timers.after(3, () => {
      throw errors[1];
    });
    await clock.advance(8);
    assertEquals(fired, 1);
    assertEquals(reported, errors);
    timers.after(1, () => fired++);
    await clock.advance(8);
    assertEquals(fired, 2, "the wheel goes on");
  } finally {
    globalThis.removeEventListener("error", onError);
  }
});

Deno.test("close() disarms all, for good, and may be repeated", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  let fired = 0;
  const kept = [10, 1000, 100_000, 10_000_000, 10 ** 10].map((delayMs) =>
    timers.after(delayMs, () => fired++)
  );
  timers.close();
  timers.close();
  for (const timer of kept) {
    assert(!timer.isArmed);
    timer.reset(1);
    assert(!timer.isArmed);
  }
  assert(!timers.after(1, () => fired++).isArmed);
  assertEquals(clock.pendingCount, 0);
  await clock.advance(10 ** 11);
  assertEquals(fired, 0);
});

Deno.test("a delay that is no finite number from 0 on is refused", () => {
  const timers = new TimerWheel(new VirtualClock());
  for (const delayMs of [-1, -0.001, NaN, Infinity, -Infinity]) {
    assertThrows(() => timers.after(delayMs, () => {}), RangeError, "Cannot arm a timer");
    assertThrows(() => timers.idle(() => {}).reset(delayMs), RangeError, `${delayMs}`);
  }
  assertEquals(timers.armedCount, 0);
});

Deno.test("on the machine's clock timers are never early, and the last one leaves no runtime timer behind", async () => {
  const clock = new SystemClock();
  const timers = new TimerWheel(clock);
  const early: number[] = [];
  await Promise.all([0, 0.4, 1.2, 5, 9.7, 12.3].map((delayMs) => {
    const armedAt = clock.now();
    return new Promise<void>((resolve) =>
      timers.after(delayMs, () => {
        if (clock.now() - armedAt < delayMs) early.push(delayMs);
        resolve();
      })
    );
  }));
  assertEquals(early, []);
  timers.after(60_000, () => {}).cancel(); // the sanitizers see a runtime timer that is left
});

/** The obvious way to do it: a list of deadlines, looked through from the first to the last. */
class NaiveTimers {
  readonly entries = new Map<number, { deadlineMs: number; order: number }>();
  #order = 0;

  arm(id: number, deadlineMs: number): void {
    this.entries.set(id, { deadlineMs, order: this.#order++ });
  }

  /** Ids due at `now`, in order, taken out. */
  takeDue(now: number): number[] {
    const due = [...this.entries].filter(([, entry]) => entry.deadlineMs <= now);
    due.sort(([, a], [, b]) => a.deadlineMs - b.deadlineMs || a.order - b.order);
    for (const [id] of due) this.entries.delete(id);
    return due.map(([id]) => id);
  }
}

Deno.test("400 seeds of random arming, cancelling and waiting agree with a sorted list", async () => {
  for (let seed = 1; seed <= 400; seed++) {
    const prng = new Prng(seed);
    const random = () => prng.next();
    const clock = new VirtualClock({ startMs: random() * 1e6 });
    const timers = new TimerWheel(clock);
    const model = new NaiveTimers();
    const fired: number[] = [];
    const handles = Array.from({ length: 12 }, (_, id) => timers.idle(() => fired.push(id)));
    for (let step = 0; step < 60; step++) {
      const id = Math.floor(random() * handles.length);
      const choice = random();
      if (choice < 0.55) {
        const delayMs = 10 ** (random() * 9 - 1) - 0.1;
        handles[id]!.reset(delayMs);
        model.arm(id, clock.now() + delayMs);
      } else if (choice < 0.7) {
        handles[id]!.cancel();
        model.entries.delete(id);
      } else {
        // A whole tick at a time, so that the model and the wheel mean the same moments.
        const target = Math.ceil((clock.now() + 10 ** (random() * 9)) / TICK_MS) * TICK_MS;
        if (choice < 0.85) await clock.advanceTo(target);
        else await clock.jumpTo(target);
        assertEquals(fired.splice(0), model.takeDue(target), `seed ${seed}, step ${step}, at ${target}`);
      }
      assertEquals(timers.armedCount, model.entries.size, `seed ${seed}, step ${step}`);
      assertEquals(clock.pendingCount, model.entries.size === 0 ? 0 : 1, `seed ${seed}, step ${step}`);
    }
  }
});
