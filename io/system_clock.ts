/**
 * The machine's time as a `Clock`: `performance.now()`, `Date.now()` and `setTimeout`.
 *
 * `setTimeout` cuts fractions off and, above 2^31 - 1 ms, fires at once on every runtime. So fractions are rounded up
 * here, and longer delays refused: whoever needs them wakes in between, as the timer wheel does.
 *
 * @module
 */
import type { Clock } from "./selector.ts";

/** Longest delay of `setTimeout`, milliseconds (24.8 days): it keeps delays in a signed 32-bit integer. */
const WAKE_DELAY_MAX_MS = 2 ** 31 - 1;

/**
 * The machine's time. Has no state, so any number of them are the same clock.
 *
 * @example
 * ```ts
 * import { SystemClock } from "@sluice/kit/io";
 *
 * const clock = new SystemClock();
 * const startedMs = clock.now();
 * console.log(`${new Date(clock.wallMs()).toISOString()}, ${clock.now() - startedMs} ms later`);
 * ```
 */
export class SystemClock implements Clock {
  /** Monotonic milliseconds since the process (or worker) started, with a fraction. */
  now(): number {
    return performance.now();
  }

  /** Wall time, milliseconds since the Unix epoch; jumps when the machine's clock is set. */
  wallMs(): number {
    return Date.now();
  }

  /**
   * Wakes up once; a pending wake-up keeps the process alive.
   *
   * @param delayMs milliseconds, from 0 to 2^31 - 1
   * @param callback runs from a macrotask of its own
   * @returns what `clearWake` takes
   * @throws RangeError for any other delay
   */
  setWake(delayMs: number, callback: () => void): unknown {
    if (!(delayMs >= 0 && delayMs <= WAKE_DELAY_MAX_MS)) {
      throw new RangeError(
        `Cannot set a wake-up: its delay must be from 0 to ${WAKE_DELAY_MAX_MS} ms, not ${delayMs}`,
      );
    }
    return setTimeout(callback, Math.ceil(delayMs));
  }

  /** Cancels a wake-up. @param wake what `setWake` returned; one that came already is ignored */
  clearWake(wake: unknown): void {
    clearTimeout(wake as ReturnType<typeof setTimeout>);
  }
}
