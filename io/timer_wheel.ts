/**
 * Many deadlines on one runtime timer: a hierarchical timing wheel.
 *
 * Four levels of 64 slots (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987). A slot of level 0
 * is one tick of 4 ms, a slot of every next level is a whole turn of the one below. When a coarse slot comes up, what
 * is in it moves down or fires; a deadline further off than the whole wheel waits in its last slot and is placed again.
 *
 * - One wake-up of the clock is pending at most. It is kept when it comes no later than what is armed needs, so that
 *   re-arming costs the runtime nothing; it is cleared when nothing is armed, so that the process may exit.
 * - `reset()` to a deadline that is not before the entry's slot is a comparison and a store: the entry moves when its
 *   slot comes up. Only an earlier one relinks. Cancelling unlinks at once and leaves no reference in the wheel.
 * - Never early: an entry fires at the first tick that is not before its deadline, by the clock itself and not by the
 *   wake-up (runtimes round delays down and wake a fraction early). Late by less than one tick plus the loop's lag.
 * - What is due together fires in the order of deadlines, those of equal deadline in the order of arming; also after
 *   the clock jumped (a suspended machine). A callback that arms a timer never makes it fire in the same pass.
 * - A callback that throws does not stop the others; its error is thrown again from a microtask of its own, where the
 *   runtime reports it as uncaught.
 *
 * Known limits: arming a lone timer and cancelling it, over and over, sets and clears the runtime's timer each time
 * (about 1 µs); `reset()` on an armed timer does not.
 *
 * @module
 */
import type { Clock, Timer, Timers } from "./selector.ts";
import { reportUncaught } from "./report_uncaught.ts";

/** Length of a tick, milliseconds: below the 5 ms that short deadlines may be late, and a power of two, so that dividing is exact. */
const TICK_MS = 4;
/** Slots of a level: 64 makes the first level 256 ms long and four levels 18 hours, more than any deadline of a connection. */
const SLOTS = 64;
/** Levels of the wheel; see `SLOTS`. */
const LEVELS = 4;
/** Ticks that one slot of each level lasts. */
const SLOT_TICKS: readonly number[] = [1, SLOTS, SLOTS ** 2, SLOTS ** 3];
/** Ticks that the whole wheel lasts. */
const WHEEL_TICKS = SLOTS ** LEVELS;
/** `Entry.slot` of an entry that is not armed. */
const DISARMED = -1;
/** `Entry.slot` of an entry that was taken out of the wheel to be fired in this pass. */
const DUE = -2;

/** One deadline. Its fields are the wheel's; users see it as a `Timer`. */
class Entry implements Timer {
  /** When to fire, by the clock. */
  deadlineMs = 0;
  /** Number of its last arming, to fire equal deadlines in that order. */
  order = 0;
  /** A deadline after this moment can stay in the slot the entry is in. */
  slotMs = 0;
  /** Index of its slot over all levels, `DISARMED` or `DUE`. */
  slot = DISARMED;
  /** The one before it in the slot's list. */
  previous: Entry | null = null;
  /** The one after it in the slot's list. */
  next: Entry | null = null;
  /** Where it is armed. */
  readonly wheel: Wheel;
  /** What to run. */
  readonly callback: () => void;

  constructor(wheel: Wheel, callback: () => void) {
    this.wheel = wheel;
    this.callback = callback;
  }

  get isArmed(): boolean {
    return this.slot !== DISARMED;
  }

  reset(delayMs: number): void {
    if (!(delayMs >= 0 && delayMs < Infinity)) {
      throw new RangeError(
        `Cannot arm a timer: its delay must be a finite number from 0 on, not ${delayMs} ms`,
      );
    }
    const now = this.wheel.clock.now();
    this.deadlineMs = now + delayMs;
    this.order = this.wheel.order++;
    if (this.slot >= 0 && this.deadlineMs > this.slotMs) return;
    this.wheel.arm(this, now);
  }

  cancel(): void {
    if (this.slot !== DISARMED) this.wheel.disarm(this);
  }
}

/** The wheel itself, with its fields open to its entries. */
class Wheel {
  readonly clock: Clock;
  /** Counts armings. */
  order = 0;
  /** First entry of each slot, level after level. */
  readonly slots: (Entry | null)[] = new Array(SLOTS * LEVELS).fill(null);
  /** Entries in the slots of each level, to skip empty levels. */
  readonly counts: number[] = new Array(LEVELS).fill(0);
  /** Entries that are armed, including those about to fire in this pass. */
  armed = 0;
  /** Everything up to this tick was fired or moved. */
  tick: number;
  /** The clock's wake-up and its tick; `Infinity` when none is set. */
  wake: unknown = null;
  wakeTick = Infinity;
  /** Whether `advance` is at work: it sets the wake-up itself, once, when it is done. */
  isAdvancing = false;
  isClosed = false;
  readonly onWake: () => void = () => this.advance();

  constructor(clock: Clock) {
    this.clock = clock;
    this.tick = Math.floor(clock.now() / TICK_MS);
  }

  /** Puts an entry whose deadline was just set where it belongs; `now` is the clock's. */
  arm(entry: Entry, now: number): void {
    if (this.isClosed) return;
    if (entry.slot >= 0) this.unlink(entry);
    else if (entry.slot === DISARMED) this.armed++;
    // No slot comes up before the wake-up, so up to there the position can follow the clock: seen from a position
    // left behind the deadline would look far off, land in a coarse slot and cost a wake-up more.
    const tick = Math.floor(now / TICK_MS);
    if (tick > this.tick && tick < this.wakeTick && !this.isAdvancing) this.tick = tick;
    this.place(entry);
  }

  /** Takes an entry out; the last one takes the wake-up with it. */
  disarm(entry: Entry): void {
    if (entry.slot >= 0) this.unlink(entry);
    entry.slot = DISARMED;
    this.armed--;
    if (this.armed === 0) this.clearWake();
  }

  /** Links an entry into the slot of its deadline, seen from the current tick. */
  place(entry: Entry): void {
    const due = Math.max(Math.ceil(entry.deadlineMs / TICK_MS), this.tick + 1);
    const target = Math.min(due, this.tick + WHEEL_TICKS - 1);
    const distance = target - this.tick;
    let level = 0;
    while (distance >= SLOT_TICKS[level]! * SLOTS) level++;
    const turn = Math.floor(target / SLOT_TICKS[level]!);
    const slot = level * SLOTS + turn % SLOTS;
    const slotTick = turn * SLOT_TICKS[level]!;

    const first = this.slots[slot]!;
    entry.previous = null;
    entry.next = first;
    if (first !== null) first.previous = entry;
    this.slots[slot] = entry;
    entry.slot = slot;
    entry.slotMs = (slotTick - 1) * TICK_MS;
    this.counts[level]!++;
    if (slotTick < this.wakeTick && !this.isAdvancing) this.setWake(slotTick);
  }

  /** Takes an entry out of its slot's list. */
  unlink(entry: Entry): void {
    const { previous, next, slot } = entry;
    if (previous === null) this.slots[slot] = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    entry.previous = null;
    entry.next = null;
    this.counts[Math.floor(slot / SLOTS)]!--;
  }

  /** The next tick at which a slot with entries comes up; `Infinity` when there is none. */
  nextTick(): number {
    let earliest = Infinity;
    for (let level = 0; level < LEVELS; level++) {
      if (this.counts[level] === 0) continue;
      const turn = Math.floor(this.tick / SLOT_TICKS[level]!);
      let ahead = 1;
      while (this.slots[level * SLOTS + (turn + ahead) % SLOTS] === null) ahead++;
      earliest = Math.min(earliest, (turn + ahead) * SLOT_TICKS[level]!);
    }
    return earliest;
  }

  setWake(tick: number): void {
    this.clearWake();
    this.wakeTick = tick;
    this.wake = this.clock.setWake(Math.max(0, tick * TICK_MS - this.clock.now()), this.onWake);
  }

  clearWake(): void {
    if (this.wakeTick === Infinity) return;
    this.clock.clearWake(this.wake);
    this.wake = null;
    this.wakeTick = Infinity;
  }

  /** Fires what is due by the clock, then sets the next wake-up. */
  advance(): void {
    this.wake = null;
    this.wakeTick = Infinity;
    this.isAdvancing = true;
    const due = this.takeDue(Math.floor(this.clock.now() / TICK_MS));
    if (due.length > 1) due.sort((a, b) => a.deadlineMs - b.deadlineMs || a.order - b.order);
    for (const entry of due) {
      if (entry.slot !== DUE) continue; // cancelled, or armed again, by a callback before it
      entry.slot = DISARMED;
      this.armed--;
      if (!this.isClosed) this.fire(entry.callback);
    }
    this.isAdvancing = false;
    const next = this.nextTick();
    if (next !== Infinity) this.setWake(next);
  }

  /** Goes on to tick `now`: takes out what is due on the way, moves what is not into finer slots. */
  takeDue(now: number): Entry[] {
    const due: Entry[] = [];
    for (let next = this.nextTick(); next <= now; next = this.nextTick()) {
      this.tick = next;
      for (let level = LEVELS - 1; level >= 0; level--) {
        if (next % SLOT_TICKS[level]! !== 0) continue;
        this.empty(level * SLOTS + (next / SLOT_TICKS[level]!) % SLOTS, due);
      }
    }
    if (this.tick < now) this.tick = now;
    return due;
  }

  /** Empties the slot that came up: into `due` what is due, into later slots what is not. */
  empty(slot: number, due: Entry[]): void {
    let entry = this.slots[slot]!;
    while (entry !== null) {
      const next: Entry | null = entry.next;
      this.unlink(entry);
      if (entry.deadlineMs > this.tick * TICK_MS) {
        this.place(entry);
      } else {
        entry.slot = DUE;
        due.push(entry);
      }
      entry = next!;
    }
  }

  fire(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      reportUncaught(error);
    }
  }

  close(): void {
    this.isClosed = true;
    this.clearWake();
    for (const first of this.slots) {
      for (let entry = first; entry !== null;) {
        const next: Entry | null = entry.next;
        this.disarm(entry);
        entry = next;
      }
    }
  }
}

/**
 * Deadlines by the tens of thousands on one wake-up of a clock: `Timers` as a hierarchical timing wheel.
 *
 * Source: G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.
 *
 * @example
 * ```ts
 * import { SystemClock, TimerWheel } from "@sluice/kit/io";
 *
 * const timers = new TimerWheel(new SystemClock());
 * const idle = timers.after(30_000, () => console.log("idle for 30 s"));
 * idle.reset(30_000); // something happened: 30 s from here
 * timers.close();
 * ```
 */
export class TimerWheel implements Timers {
  readonly #wheel: Wheel;

  /** Makes an empty wheel. @param clock tells the time and wakes; the wheel has at most one wake-up of it pending */
  constructor(clock: Clock) {
    this.#wheel = new Wheel(clock);
  }

  /**
   * Runs `callback` once, `delayMs` from now: never earlier, later by less than 4 ms plus the loop's lag.
   *
   * @param delayMs milliseconds, finite, from 0 on
   * @param callback what it throws is reported as an uncaught error and keeps no other timer from firing
   * @throws RangeError for any other delay
   */
  after(delayMs: number, callback: () => void): Timer {
    const entry = new Entry(this.#wheel, callback);
    entry.reset(delayMs);
    return entry;
  }

  /**
   * Makes a disarmed timer, for deadlines that are armed again and again with `reset()`.
   *
   * @param callback runs every time it fires; what it throws is reported as an uncaught error
   */
  idle(callback: () => void): Timer {
    return new Entry(this.#wheel, callback);
  }

  /** Timers that are armed now. */
  get armedCount(): number {
    return this.#wheel.armed;
  }

  /** Disarms everything, for good: a timer that is armed later stays disarmed and never fires. Idempotent. */
  close(): void {
    this.#wheel.close();
  }
}
