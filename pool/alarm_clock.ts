/**
 * Any number of alarms on one timer of the runtime: for deadlines, grace periods, idle workers and pauses between starts.
 *
 * An alarm rings once, at its time or some milliseconds later, never before. One that is cancelled stays in the heap until its time or a
 * sweep: cancelling is a store, since nearly all alarms are cancelled. A timer that rings for nothing is set again.
 *
 * @module
 */
import { BinaryHeap } from "./binary_heap.ts";

/** One alarm. */
export class Alarm {
  /** When it rings, on the clock of `performance.now()`. */
  readonly at: number;
  /** What it calls; `null` once it has rung or is cancelled. */
  ring: (() => void) | null;

  /** Made by `AlarmClock.set`. */
  constructor(at: number, ring: () => void) {
    this.at = at;
    this.ring = ring;
  }
}

/** Starts a timer; the function that is returned stops it. */
export type StartTimer = (ms: number, ring: () => void) => () => void;

/** Cancelled alarms that are kept, at least, before a sweep. */
const DEAD_MIN = 256;

/** The longest timer that runtimes take, milliseconds: 2^31 - 1; a longer one rings at once. */
const TIMER_MS_MAX = 0x7fffffff;

/** Alarms on one timer. */
export class AlarmClock {
  readonly #startTimer: StartTimer;
  readonly #alarms = new BinaryHeap<Alarm>((a, b) => a.at < b.at);
  #dead = 0;
  /** When the timer rings; `Infinity` when there is none. */
  #timerAt = Infinity;
  #stopTimer: (() => void) | null = null;

  /** Makes a clock without alarms. @param startTimer the runtime's timers */
  constructor(startTimer: StartTimer) {
    this.#startTimer = startTimer;
  }

  /** Sets an alarm. @param at when, on the clock of `performance.now()` @param ring what it calls; it must not throw */
  set(at: number, ring: () => void): Alarm {
    const alarm = new Alarm(at, ring);
    this.#alarms.push(alarm);
    if (at < this.#timerAt) this.#arm(at);
    return alarm;
  }

  /** Cancels an alarm; one that has rung stays as it is. */
  cancel(alarm: Alarm): void {
    if (alarm.ring === null) return;
    alarm.ring = null;
    this.#dead++;
    if (this.#dead === this.#alarms.size) return this.clear(); // and the timer keeps nobody waiting
    if (this.#dead < DEAD_MIN || this.#dead * 2 < this.#alarms.size) return;
    this.#alarms.filter(({ ring }) => ring !== null);
    this.#dead = 0;
  }

  /** Cancels all alarms. */
  clear(): void {
    this.#alarms.filter(() => false);
    this.#dead = 0;
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#timerAt = Infinity;
  }

  #arm(at: number): void {
    this.#stopTimer?.();
    this.#timerAt = at;
    const ms = Math.min(TIMER_MS_MAX, Math.max(0, Math.ceil(at - performance.now())));
    this.#stopTimer = this.#startTimer(ms, () => this.#ring());
  }

  #ring(): void {
    this.#stopTimer = null;
    this.#timerAt = Infinity;
    const now = performance.now();
    for (let next = this.#alarms.peek(); next !== undefined; next = this.#alarms.peek()) {
      if (next.ring !== null && next.at > now) break;
      this.#alarms.pop();
      const { ring } = next;
      next.ring = null;
      if (ring === null) this.#dead--;
      else ring();
    }
    const next = this.#alarms.peek();
    if (next !== undefined && next.at < this.#timerAt) this.#arm(next.at);
  }
}
