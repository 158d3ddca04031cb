/**
 * Callers that wait for one event, in the order in which they came, each with its own signal and deadline.
 *
 * - One promise per waiter and no shared one: a caller that gives up leaves nothing behind, where a reaction on a
 *   shared promise would stay until the event.
 * - A waiter that gave up is taken out at once, wherever it stands.
 * - Bounded: one waiter more than `waitersMax` is refused with `TooManyWaitersError`.
 *
 * @module
 */
import { type DeadlineWatch, type WaitOptions, watchDeadline } from "./deadline.ts";
import { SluiceError } from "./errors.ts";
import type { Timers } from "./selector.ts";

/** Default bound: far above what any program means to have waiting for one thing, and a few megabytes. */
const WAITERS_MAX = 16_384;

/** Too many callers wait for the same thing. */
export class TooManyWaitersError extends SluiceError {
  /** The bound that was reached. */
  readonly waitersMax: number;
  /** Makes the error. @param doing what was asked, as in "Cannot drain" @param waitersMax the bound that was reached */
  constructor(doing: string, waitersMax: number) {
    super("SLUICE_TOO_MANY_WAITERS", `${doing}: ${waitersMax} callers are waiting for it already`);
    this.waitersMax = waitersMax;
  }
}

interface Waiter<T, I> {
  readonly item: I | undefined;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  watch: DeadlineWatch | null;
}

/** Callers waiting for one event with a `T`, first come first served; each may leave an `I` with it. */
export class WaitQueue<T, I = never> {
  readonly #timers: Timers;
  readonly #waitersMax: number;
  /** A set keeps the order of adding and takes out from anywhere at once. */
  readonly #waiters = new Set<Waiter<T, I>>();

  /** Makes an empty queue. @param timers what the waiters' deadlines go by @param waitersMax bound on waiters. Default 16,384 */
  constructor(timers: Timers, waitersMax: number = WAITERS_MAX) {
    this.#timers = timers;
    this.#waitersMax = waitersMax;
  }

  /** Callers that wait now. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for `wakeOne` or `wakeAll`.
   *
   * @param options the caller's signal and deadline
   * @param doing what is being waited for, as in "Cannot drain"
   * @param item what the caller leaves for whoever wakes it
   * @throws what `failAll` says, the signal's reason, DeadlineExceededError, TooManyWaitersError
   */
  wait(options: WaitOptions, doing: string, item?: I): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#waiters.size >= this.#waitersMax) throw new TooManyWaitersError(doing, this.#waitersMax);
      const waiter: Waiter<T, I> = { item, resolve, reject, watch: null };
      waiter.watch = watchDeadline(this.#timers, options, doing, (error) => {
        this.#waiters.delete(waiter);
        reject(error);
      });
      this.#waiters.add(waiter);
    });
  }

  /** What the one that has waited longest left; `undefined` when nobody waits. */
  get nextItem(): I | undefined {
    for (const waiter of this.#waiters) return waiter.item;
    return undefined;
  }

  /** Wakes the one that has waited longest; returns whether there was one. */
  wakeOne(value: T): boolean {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.watch?.stop();
      waiter.resolve(value);
      return true;
    }
    return false;
  }

  /** Wakes all. */
  wakeAll(value: T): void {
    while (this.wakeOne(value));
  }

  /** Rejects all with `error`. */
  failAll(error: unknown): void {
    for (const waiter of this.#waiters) {
      waiter.watch?.stop();
      waiter.reject(error);
    }
    this.#waiters.clear();
  }
}
