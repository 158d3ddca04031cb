/**
 * One way to wait with a signal and a deadline; every wait of the io layer goes through it.
 *
 * - Whatever ends the wait first (the thing itself, the signal, the deadline), the other two are let go at once: the
 *   listener is removed and the timer cancelled, so that a long-lived signal does not collect listeners.
 * - A signal that is aborted already ends the wait before it begins; so a caller that was cancelled gets no more.
 * - Deadlines go by the `Timers` passed in, and so by the virtual clock in tests. `AbortSignal.timeout()` is not used:
 *   it goes by the machine's clock only and keeps one runtime timer each.
 *
 * @module
 */
import { DeadlineExceededError } from "./errors.ts";
import type { Timer, Timers } from "./selector.ts";

/** How long to wait for something; taken by everything in the io layer that waits. */
export interface WaitOptions {
  /** Gives up when aborted, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Gives up after this many milliseconds (from 0 on), with `DeadlineExceededError`. Default, and `null`: never. */
  readonly timeoutMs?: number | null | undefined;
}

/** What `watchDeadline` returns: somebody watches until `stop()`. */
export interface DeadlineWatch {
  /** Lets the signal and the timer go: `giveUp` will not be called. Idempotent. */
  stop(): void;
}

/**
 * Watches a signal and a deadline for somebody who waits, and calls `giveUp` once if one of them ends the wait.
 *
 * The building block below `withDeadline`, for those that keep their waiters themselves.
 *
 * @param timers what the deadline goes by
 * @param options the signal and the deadline, both optional
 * @param doing what is being waited for, as in "Cannot read"
 * @param giveUp gets the signal's reason or a `DeadlineExceededError`; never called from inside this call
 * @returns `null` when there is nothing to watch
 * @throws the signal's reason when it is aborted already; RangeError for a timeout that is not finite and from 0 on
 */
export function watchDeadline(
  timers: Timers,
  options: WaitOptions,
  doing: string,
  giveUp: (error: unknown) => void,
): DeadlineWatch | null {
  const { signal, timeoutMs } = options;
  signal?.throwIfAborted();
  if (signal === undefined && (timeoutMs === undefined || timeoutMs === null)) return null;
  return new Watch(timers, options, doing, giveUp);
}

class Watch implements DeadlineWatch {
  readonly #signal: AbortSignal | undefined;
  readonly #timer: Timer | null;
  readonly #onAbort: () => void;

  constructor(
    timers: Timers,
    { signal, timeoutMs }: WaitOptions,
    doing: string,
    giveUp: (error: unknown) => void,
  ) {
    const giveUpOnce = (error: unknown) => {
      this.stop();
      giveUp(error);
    };
    this.#timer = timeoutMs === undefined || timeoutMs === null
      ? null
      : timers.after(timeoutMs, () => giveUpOnce(new DeadlineExceededError(doing, timeoutMs)));
    this.#onAbort = () => giveUpOnce(signal!.reason);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/**
 * Waits for something, but no longer than a signal and a deadline allow.
 *
 * Given a function, it is called with a signal that aborts when the wait is given up, so that the work stops with it. Given
 * a promise, what is behind it goes on unseen; how it ends later is ignored.
 *
 * @param timers what the deadline goes by
 * @param work a promise, or what starts the work
 * @param options the signal and the deadline, and `doing`: what is being waited for, as in "Cannot ask the upstream"
 * @returns what the work gives
 * @throws what the work throws; the signal's reason; DeadlineExceededError; RangeError for a timeout that is not finite
 *   and from 0 on
 *
 * @example
 * ```ts
 * import { DeadlineExceededError, SystemClock, TimerWheel, withDeadline } from "@sluice/kit/io";
 *
 * const timers = new TimerWheel(new SystemClock());
 * const never = new Promise<never>(() => {});
 * try {
 *   await withDeadline(timers, never, { timeoutMs: 10, doing: "Cannot ask the oracle" });
 * } catch (error) {
 *   if (!(error instanceof DeadlineExceededError)) throw error;
 *   console.log(error.message); // Cannot ask the oracle: not done within 10 ms
 * }
 * ```
 */
export function withDeadline<T>(
  timers: Timers,
  work: PromiseLike<T> | ((signal: AbortSignal) => T | PromiseLike<T>),
  options: WaitOptions & { readonly doing: string },
): Promise<T> {
  if (typeof work === "function") {
    const controller = new AbortController();
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    return waitFor(timers, attempt(work, controller.signal), options, controller);
  }
  return waitFor(timers, work, options, null);
}

/** Waits for `work`; gives up by the options, and then aborts `controller`. */
function waitFor<T>(
  timers: Timers,
  work: PromiseLike<T>,
  options: WaitOptions & { readonly doing: string },
  controller: AbortController | null,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let watch: DeadlineWatch | null = null;
    // Before anything can throw, so that a late rejection of the work never counts as unhandled.
    work.then((value) => {
      watch?.stop();
      resolve(value);
    }, (error) => {
      watch?.stop();
      reject(error);
    });
    watch = watchDeadline(timers, options, options.doing, (error) => {
      reject(error);
      controller?.abort(error);
    });
  });
}

/** Calls `work`; what it throws at once becomes a rejection like what it throws later. */
async function attempt<T>(
  work: (signal: AbortSignal) => T | PromiseLike<T>,
  signal: AbortSignal,
): Promise<T> {
  return await work(signal);
}
