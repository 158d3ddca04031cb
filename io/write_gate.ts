/**
 * Whether a connection may be written to now: what `drain()` and `waitClosed()` wait for.
 *
 * The protocol tells it of `pauseWriting`, `resumeWriting` and `closed`; any number of callers wait on it. In asyncio this
 * is `FlowControlMixin`; there, drains that wait when the connection is closed in order are woken as if all were well.
 * Here they fail: who drains means to write more, and cannot.
 *
 * @module
 */
import type { WaitOptions } from "./deadline.ts";
import { ConnectionClosedError } from "./errors.ts";
import type { Timers } from "./selector.ts";
import { WaitQueue } from "./wait_queue.ts";

/** What a drain is that need not wait: one for all, since nothing can be told from it. */
const DRAINED: Promise<void> = Promise.resolve();

/** Holds writers back while a connection's buffer is full, and lets them know when it is gone. */
export class WriteGate {
  readonly #drains: WaitQueue<void>;
  readonly #closes: WaitQueue<void>;
  #isPaused = false;
  #isClosed = false;
  #reason: Error | null = null;

  /** Makes an open gate. @param timers what deadlines go by */
  constructor(timers: Timers) {
    this.#drains = new WaitQueue(timers);
    this.#closes = new WaitQueue(timers);
  }

  /** Whether the buffer is over its high-water mark. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether the connection is gone. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Holds back who drains from now on. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Lets everybody go on who drains. */
  resume(): void {
    this.#isPaused = false;
    this.#drains.wakeAll();
  }

  /**
   * The connection is gone: drains fail, and who waits for the close is woken.
   *
   * @param reason why, `null` after an orderly close
   */
  close(reason: Error | null): void {
    this.#isClosed = true;
    this.#reason = reason;
    this.#drains.failAll(this.#closedError());
    if (reason === null) this.#closes.wakeAll();
    else this.#closes.failAll(reason);
  }

  /**
   * Waits until writing may go on: not at all, when it may.
   *
   * @param isClosing whether the connection is on its way out: then the close is waited for, and it fails
   * @param options signal and deadline
   * @throws the reason of the close, or ConnectionClosedError after an orderly one; what `WaitOptions` says
   */
  drain(isClosing: boolean, options: WaitOptions): Promise<void> {
    if (this.#isClosed) return Promise.reject(this.#closedError());
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (!this.#isPaused && !isClosing) return DRAINED;
    return this.#drains.wait(options, "Cannot drain");
  }

  /**
   * Waits until the connection is gone.
   *
   * @param options signal and deadline
   * @throws the reason of the close unless it was orderly; what `WaitOptions` says
   */
  waitClosed(options: WaitOptions): Promise<void> {
    if (!this.#isClosed) return this.#closes.wait(options, "Cannot wait for the close");
    return this.#reason === null ? Promise.resolve() : Promise.reject(this.#reason);
  }

  #closedError(): Error {
    return this.#reason ?? new ConnectionClosedError("Cannot drain");
  }
}
