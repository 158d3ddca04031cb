/**
 * How late the event loop is: a wake-up is set every few milliseconds, and how late it comes is the lag.
 *
 * The runtimes' own means cannot be used: on Deno `monitorEventLoopDelay` misses a block of 150 ms, and
 * `eventLoopUtilization` gives zeros on Deno and Bun.
 *
 * - A wake-up that comes late stands for all those that would have come meanwhile: each of them is recorded with what it
 *   would have waited. Otherwise a loop that is blocked half of the time would look late once in a while ("coordinated
 *   omission": Gil Tene, "How NOT to Measure Latency", 2015).
 * - Bounded: the newest `samplesMax` are kept, the oldest are overwritten. Quantiles are exact, sorted when asked for.
 * - `standingMs` is for decisions: the least of the last three wake-ups' lateness. One long task, or one collection of
 *   garbage, makes one wake-up late; only a loop that has more work than time makes all of them late (the reason why CoDel,
 *   RFC 8289 §3.2, goes by the minimum).
 *
 * Known limit: the runtimes' timers count whole milliseconds, so an idle loop shows 0 to 2 ms.
 *
 * @module
 */
import type { Clock } from "./selector.ts";

/** Options of `LoopLag`. */
export interface LoopLagOptions {
  /** Between two wake-ups, milliseconds from 1 on. Default 20: a fiftieth of a thousandth of a core, and every block of 20 ms is seen. */
  readonly intervalMs?: number;
  /** Samples kept, a whole number from 3 on. Default 512: the last ten seconds. */
  readonly samplesMax?: number;
}

/** What a sampler saw; milliseconds. */
export interface LoopLagSummary {
  /** Samples it is about. */
  readonly samples: number;
  /** Half of the samples were no later. */
  readonly p50Ms: number;
  /** 99 of 100 samples were no later. */
  readonly p99Ms: number;
  /** None of the samples was later. */
  readonly maxMs: number;
}

/** Default of `LoopLagOptions.intervalMs`; the reason is there. */
const INTERVAL_MS = 20;
/** Default of `LoopLagOptions.samplesMax`; the reason is there. */
const SAMPLES_MAX = 512;
/** Wake-ups that must be late in a row for the lag to stand: two can be late by one long task that began between them. */
const STANDING_WAKES = 3;

/**
 * Samples how late the event loop is.
 *
 * @example
 * ```ts
 * import { LoopLag, SystemClock } from "@sluice/kit/io";
 *
 * const lag = new LoopLag(new SystemClock());
 * lag.start();
 * await new Promise((resolve) => setTimeout(resolve, 100));
 * const { p99Ms } = lag.summary();
 * console.log(`99 % of the time the loop is at most ${p99Ms.toFixed(1)} ms late`);
 * lag.stop();
 * ```
 */
export class LoopLag {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  /** The newest samples, as a ring that is written at `#next`. */
  readonly #ring: Float64Array;
  #next = 0;
  #count = 0;
  /** Lateness of the last wake-ups, newest first. */
  #recent: number[] = [];
  #standingMs = 0;
  /** When the next wake-up is due. */
  #dueMs = 0;
  #wake: unknown = null;
  #isRunning = false;

  /**
   * Makes a sampler that does not run yet.
   *
   * @param clock what it goes by, such as `selector.clock`
   * @param options how often, and how much is kept
   * @throws RangeError for an option out of range
   */
  constructor(clock: Clock, options: LoopLagOptions = {}) {
    const { intervalMs = INTERVAL_MS, samplesMax = SAMPLES_MAX } = options;
    if (!(intervalMs >= 1 && intervalMs < Infinity)) {
      throw new RangeError(`Cannot sample every ${intervalMs} ms: the interval is a finite number from 1 on`);
    }
    if (!Number.isSafeInteger(samplesMax) || samplesMax < STANDING_WAKES) {
      throw new RangeError(
        `Cannot keep ${samplesMax} samples: a whole number from ${STANDING_WAKES} on is needed`,
      );
    }
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#ring = new Float64Array(samplesMax);
  }

  /** Begins to sample. The pending wake-up keeps the process alive until `stop()`. Idempotent. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#arm();
  }

  /** Stops; what was seen stays, except for `standingMs`, which is 0 again. Idempotent. */
  stop(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#clock.clearWake(this.#wake);
    this.#recent = [];
    this.#standingMs = 0;
  }

  /** Whether it samples. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** By how much all of the last three wake-ups were late, milliseconds; 0 while it does not run. Costs nothing to read. */
  get standingMs(): number {
    return this.#standingMs;
  }

  /** The samples kept, summed up. All zeros when there are none. */
  summary(): LoopLagSummary {
    const samples = Math.min(this.#count, this.#ring.length);
    if (samples === 0) return { samples, p50Ms: 0, p99Ms: 0, maxMs: 0 };
    const sorted = this.#ring.slice(0, samples).sort();
    const at = (quantile: number) => sorted[Math.ceil(quantile * samples) - 1]!;
    return { samples, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  #arm(): void {
    this.#dueMs = this.#clock.now() + this.#intervalMs;
    this.#wake = this.#clock.setWake(this.#intervalMs, () => this.#woke());
  }

  #woke(): void {
    const lateMs = Math.max(0, this.#clock.now() - this.#dueMs);
    // No more than the ring holds: of a machine that slept for a night, the samples say enough.
    const missed = Math.min(Math.floor(lateMs / this.#intervalMs), this.#ring.length - 1);
    for (let index = missed; index >= 0; index--) this.#record(lateMs - index * this.#intervalMs);
    this.#recent = [lateMs, ...this.#recent.slice(0, STANDING_WAKES - 1)];
    this.#standingMs = this.#recent.length < STANDING_WAKES ? 0 : Math.min(...this.#recent);
    this.#arm();
  }

  #record(lateMs: number): void {
    this.#ring[this.#next] = lateMs;
    this.#next = (this.#next + 1) % this.#ring.length;
    this.#count++;
  }
}
