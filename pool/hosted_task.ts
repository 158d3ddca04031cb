/**
 * A task in its worker: what it hears of being cancelled, and what the host keeps of it.
 *
 * The signal is made when somebody asks for it: most tasks never do, and an `AbortController` costs more than a small task.
 *
 * @module
 */
import type { TaskContext } from "./pool_contract.ts";
import { STOPPING } from "./protocol.ts";

/** One running task; handed to it as its context. */
export class HostedTask implements TaskContext {
  /** Its slot. */
  readonly slot: number;
  /** When it began, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** Whether its outcome has been told; nothing it does counts any more. */
  isOver = false;
  /** Items it may yet send; streams only. */
  credits: number;
  /** Wakes a stream that waits for credits. */
  wake: (() => void) | null = null;
  readonly #control: Int32Array;
  /** When its deadline passes, on the same clock; `Infinity` for none. */
  readonly #endsAt: number;
  #controller: AbortController | null = null;
  #wasCancelled = false;

  /**
   * Makes one.
   *
   * @param slot its slot
   * @param control the control block
   * @param credits items it may send at first; 0 for no stream
   * @param deadlineMs milliseconds left to it; 0 for no deadline
   * @param now the time
   */
  constructor(slot: number, control: Int32Array, credits: number, deadlineMs: number, now: number) {
    this.slot = slot;
    this.startedAt = now;
    this.credits = credits;
    this.#control = control;
    this.#endsAt = deadlineMs === 0 ? Infinity : now + deadlineMs;
  }

  /** See `TaskContext`. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
    }
    if (this.isCancelled) this.#controller.abort(); // also what shared memory says before the message is here
    return this.#controller.signal;
  }

  /** See `TaskContext`. The slot is another task's once this one is over. */
  get isCancelled(): boolean {
    if (this.#wasCancelled || this.isOver) return this.#wasCancelled;
    this.#wasCancelled = Atomics.load(this.#control, this.slot) === STOPPING ||
      (this.#endsAt !== Infinity && performance.now() >= this.#endsAt);
    return this.#wasCancelled;
  }

  /** See `TaskContext`. */
  get remainingMs(): number {
    return this.#endsAt === Infinity ? Infinity : Math.max(0, this.#endsAt - performance.now());
  }

  /** See `TaskContext`. */
  throwIfCancelled(): void {
    if (this.isCancelled) this.signal.throwIfAborted();
  }

  /** Tells the task that it is cancelled. */
  cancel(): void {
    this.#wasCancelled = true;
    this.#controller?.abort();
    this.wake?.();
  }
}
