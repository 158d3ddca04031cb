/**
 * A clock for tests that stands still until it is told to go on.
 *
 * - Wake-ups run in the order of their times, those of one time in the order in which they were set, each seeing `now()`
 *   at its own time. One set while the clock advances runs in the same call if its time is reached.
 * - After every wake-up and before the call returns, everything that is ready runs: microtasks, ticks, and one turn of
 *   the event loop. So the promise code that a wake-up set going has gone as far as it can without I/O.
 * - Wall time follows the clock at an offset that can be set and moved, to test what happens when it jumps.
 *
 * @module
 */
import { SluiceError } from "../errors.ts";
import type { Clock } from "../selector.ts";

/** Where a virtual clock begins. */
export interface VirtualClockOptions {
  /** What `now()` says first, milliseconds. Default 0. */
  readonly startMs?: number;
  /** What `wallMs()` says first. Default 2026-01-01T00:00:00Z: fixed, so that tests repeat. */
  readonly wallMs?: number;
}

/** Default of `VirtualClockOptions.wallMs`. */
const WALL_START_MS = Date.UTC(2026, 0, 1);
/** Default bound of `runAll`: more than any test needs, and still over within a second. */
const WAKES_MAX = 10_000;

interface Wake {
  readonly atMs: number;
  readonly callback: () => void;
}

/** `runAll` found no end: something keeps setting wake-ups. */
export class WakeLimitError extends SluiceError {
  /** Wake-ups that ran. */
  readonly wakesMax: number;
  /** Makes the error. @param wakesMax wake-ups that ran */
  constructor(wakesMax: number) {
    super("SLUICE_WAKE_LIMIT", `Cannot run all wake-ups: ${wakesMax} ran and there are more`);
    this.wakesMax = wakesMax;
  }
}

/**
 * A `Clock` that a test moves by hand.
 *
 * @example
 * ```ts
 * import { TimerWheel } from "@sluice/kit/io";
 * import { VirtualClock } from "@sluice/kit/testing";
 *
 * const clock = new VirtualClock();
 * const timers = new TimerWheel(clock);
 * let fired = false;
 * timers.after(86_400_000, () => fired = true);
 * await clock.advance(86_400_000 + 4); // a day, and the wheel's tick
 * if (!fired) throw new Error("a day is over");
 * ```
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  #wallOffsetMs: number;
  /** Sorted by time; equal times in the order of setting. */
  readonly #wakes: Wake[] = [];
  #isMoving = false;

  /** Makes a clock that stands still. @param options where it begins */
  constructor(options: VirtualClockOptions = {}) {
    this.#nowMs = options.startMs ?? 0;
    this.#wallOffsetMs = (options.wallMs ?? WALL_START_MS) - this.#nowMs;
  }

  /** Virtual milliseconds. */
  now(): number {
    return this.#nowMs;
  }

  /** Virtual wall time, milliseconds since the Unix epoch. */
  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  /**
   * Sets the wall time and leaves the monotonic time alone, as when somebody sets the machine's clock.
   *
   * @param wallMs milliseconds since the Unix epoch
   */
  setWall(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.#nowMs;
  }

  /**
   * Wakes up once, when the clock is moved that far; never by itself, even at a delay of 0.
   *
   * @param delayMs virtual milliseconds, finite, from 0 on
   * @param callback what it throws comes out of the call that moved the clock
   * @returns what `clearWake` takes
   * @throws RangeError for any other delay
   */
  setWake(delayMs: number, callback: () => void): unknown {
    if (!(delayMs >= 0 && delayMs < Infinity)) {
      throw new RangeError(
        `Cannot set a wake-up: its delay must be a finite number from 0 on, not ${delayMs} ms`,
      );
    }
    const wake: Wake = { atMs: this.#nowMs + delayMs, callback };
    let index = this.#wakes.length;
    while (index > 0 && this.#wakes[index - 1]!.atMs > wake.atMs) index--;
    this.#wakes.splice(index, 0, wake);
    return wake;
  }

  /** Cancels a wake-up. @param wake what `setWake` returned; one that came already is ignored */
  clearWake(wake: unknown): void {
    const index = this.#wakes.indexOf(wake as Wake);
    if (index >= 0) this.#wakes.splice(index, 1);
  }

  /** Wake-ups that are pending; 0 when whatever used the clock has cleaned up. */
  get pendingCount(): number {
    return this.#wakes.length;
  }

  /** Time of the next wake-up, or `null`. */
  get nextWakeMs(): number | null {
    return this.#wakes[0]?.atMs ?? null;
  }

  /**
   * Goes on by `ms`, running what falls due on the way.
   *
   * @param ms virtual milliseconds, finite, from 0 on
   * @throws RangeError for any other number, TypeError while the clock is being moved already
   */
  async advance(ms: number): Promise<void> {
    await this.advanceTo(this.#nowMs + ms);
  }

  /**
   * Goes on to `timeMs`, running what falls due on the way.
   *
   * @param timeMs virtual milliseconds, not before `now()`
   * @throws RangeError for a time in the past or not finite, TypeError while the clock is being moved already
   */
  async advanceTo(timeMs: number): Promise<void> {
    if (!(timeMs >= this.#nowMs && timeMs < Infinity)) {
      throw new RangeError(
        `Cannot move the clock from ${this.#nowMs} to ${timeMs} ms: time goes forward only`,
      );
    }
    await this.#move(async () => {
      await settle();
      for (let wake = this.#wakes[0]; wake !== undefined && wake.atMs <= timeMs; wake = this.#wakes[0]) {
        await this.#run(wake);
      }
      this.#nowMs = timeMs;
    });
  }

  /**
   * Jumps to `timeMs` at once and then runs what fell due meanwhile, each seeing the new time: what a suspended
   * machine does when it wakes.
   *
   * @param timeMs virtual milliseconds, not before `now()`
   * @throws RangeError for a time in the past or not finite, TypeError while the clock is being moved already
   */
  async jumpTo(timeMs: number): Promise<void> {
    if (!(timeMs >= this.#nowMs && timeMs < Infinity)) {
      throw new RangeError(
        `Cannot move the clock from ${this.#nowMs} to ${timeMs} ms: time goes forward only`,
      );
    }
    this.#nowMs = timeMs;
    await this.advanceTo(timeMs);
  }

  /**
   * Runs wake-ups, moving the time to each, until none is pending.
   *
   * @param options.wakesMax bound on how many. Default 10,000
   * @returns how many ran
   * @throws WakeLimitError when there is still one after that many; TypeError while the clock is being moved already
   */
  async runAll(options: { readonly wakesMax?: number } = {}): Promise<number> {
    const wakesMax = options.wakesMax ?? WAKES_MAX;
    let ran = 0;
    await this.#move(async () => {
      await settle();
      for (let wake = this.#wakes[0]; wake !== undefined; wake = this.#wakes[0]) {
        if (ran === wakesMax) throw new WakeLimitError(wakesMax);
        ran++;
        await this.#run(wake);
      }
    });
    return ran;
  }

  /** Keeps two callers from moving the clock at once, which would run wake-ups out of order. */
  async #move(steps: () => Promise<void>): Promise<void> {
    if (this.#isMoving) throw new TypeError("Cannot move the clock: it is being moved already");
    this.#isMoving = true;
    try {
      await steps();
    } finally {
      this.#isMoving = false;
    }
  }

  async #run(wake: Wake): Promise<void> {
    this.#wakes.shift();
    this.#nowMs = Math.max(this.#nowMs, wake.atMs);
    wake.callback();
    await settle();
  }
}

/** One turn of the event loop: every microtask and tick that is ready runs before it, and what those make ready too. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
