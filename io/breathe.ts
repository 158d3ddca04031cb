/**
 * Lets a long loop on the main thread breathe: it gives the event loop a turn, but only when it has used up its time.
 *
 * A turn is given by `setTimeout(0)`, although `setImmediate` is faster: on Deno about sixty immediates pass before the
 * runtime looks at its sockets once. Measured there, a loop that gave way every 5 ms: an echo on another connection took
 * 3 ms in the middle by `setTimeout`, 340 ms by `setImmediate`, and by a `MessageChannel` it was not answered at all.
 *
 * @module
 */
import type { Clock } from "./selector.ts";
import { SystemClock } from "./system_clock.ts";

/** Options of `breather`. */
export interface BreatherOptions {
  /** How long the loop may run between two turns, milliseconds above 0. Default 8, so that nobody waits for 10. */
  readonly budgetMs?: number;
  /** What the time is read from. Default the machine's clock. */
  readonly clock?: Pick<Clock, "now">;
}

/** Default of `BreatherOptions.budgetMs`; the reason is there. */
const BUDGET_MS = 8;

/** Gives the event loop a turn if the time is used up; `undefined` at once if not, which `await` takes as well. */
export type Breathe = () => Promise<void> | undefined;

/**
 * Makes a `breathe()` for one long loop. Its time begins here, and anew after each turn it gave.
 *
 * A turn costs the loop 1 to 4 ms; asking whether it is time costs a tenth of a microsecond, `await` included about two.
 *
 * @param options the budget
 * @returns to be called, and awaited, once in every round of the loop
 * @throws RangeError for a budget that is not above 0
 *
 * @example
 * ```ts
 * import { breather } from "@sluice/kit/io";
 *
 * const breathe = breather({ budgetMs: 5 });
 * let sum = 0;
 * for (let n = 0; n < 100_000; n++) {
 *   sum += Math.sqrt(n);
 *   await breathe(); // requests are answered meanwhile
 * }
 * ```
 */
export function breather(options: BreatherOptions = {}): Breathe {
  const { budgetMs = BUDGET_MS, clock = new SystemClock() } = options;
  if (!(budgetMs > 0)) {
    throw new RangeError(`Cannot breathe every ${budgetMs} ms: a number above 0 is needed`);
  }
  let startedMs = clock.now();
  return () => {
    if (clock.now() - startedMs < budgetMs) return undefined;
    return new Promise((resolve) => {
      setTimeout(() => {
        startedMs = clock.now();
        resolve();
      }, 0);
    });
  };
}
