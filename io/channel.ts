/**
 * A bounded queue between tasks: senders wait while it is full, receivers while it is empty.
 *
 * - Values are received in the order in which they were sent, senders and receivers served in the order in which they came.
 * - A send or receive that is given up (signal, deadline) has sent or taken nothing.
 * - After `close()` what is in the channel can still be received; then receivers are told, and iteration ends.
 *
 * @module
 */
import type { WaitOptions } from "./deadline.ts";
import { SluiceError } from "./errors.ts";
import type { Timers } from "./selector.ts";
import { WaitQueue } from "./wait_queue.ts";

/** The channel is closed: nothing can be sent, or nothing is left to receive. */
export class ChannelClosedError extends SluiceError {
  /** Makes the error. @param doing what was asked, as in "Cannot send" */
  constructor(doing: string, options?: ErrorOptions) {
    super("SLUICE_CHANNEL_CLOSED", `${doing}: the channel is closed`, options);
  }
}

/**
 * A bounded first-in, first-out queue with one end that sends and one that receives, each for any number of tasks.
 *
 * @example
 * ```ts
 * import { Channel, SystemClock, TaskGroup, TimerWheel } from "@sluice/kit/io";
 *
 * const channel = new Channel<number>(new TimerWheel(new SystemClock()), 2);
 * await using group = new TaskGroup();
 * group.spawn(async (signal) => {
 *   for (let value = 1; value <= 5; value++) await channel.send(value, { signal });
 *   channel.close();
 * });
 * for await (const value of channel) console.log(value); // 1 2 3 4 5
 * await group.join();
 * ```
 */
export class Channel<T> implements AsyncIterable<T> {
  /** Values it holds at most. */
  readonly capacity: number;
  /** The values, as a ring: `#size` of them from `#head` on. */
  readonly #ring: (T | undefined)[];
  #head = 0;
  #size = 0;
  #isClosed = false;
  #cause: unknown;
  /** Senders that wait, each with its value; only while the ring is full. */
  readonly #senders: WaitQueue<void, T>;
  /** Receivers that wait; only while the ring is empty. */
  readonly #receivers: WaitQueue<T>;

  /**
   * Makes an empty channel.
   *
   * @param timers what deadlines go by
   * @param capacity values it holds at most
   * @throws RangeError unless the capacity is a whole number above 0
   */
  constructor(timers: Timers, capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) {
      throw new RangeError(
        `Cannot make a channel: its capacity must be a whole number above 0, not ${capacity}`,
      );
    }
    this.capacity = capacity;
    this.#ring = [];
    this.#senders = new WaitQueue(timers);
    this.#receivers = new WaitQueue(timers);
  }

  /** Values in it now. */
  get size(): number {
    return this.#size;
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Sends if there is room.
   *
   * @returns whether there was
   * @throws ChannelClosedError
   */
  trySend(value: T): boolean {
    if (this.#isClosed) throw this.#closedError("Cannot send");
    if (this.#receivers.wakeOne(value)) return true;
    if (this.#size === this.capacity) return false;
    this.#push(value);
    return true;
  }

  /**
   * Sends, and waits for room while there is none.
   *
   * @param options signal and deadline
   * @throws ChannelClosedError, also when it is closed meanwhile; what `WaitOptions` says; TooManyWaitersError
   */
  async send(value: T, options: WaitOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (!this.trySend(value)) await this.#senders.wait(options, "Cannot send", value);
  }

  /**
   * Receives the oldest value, and waits for one while there is none.
   *
   * @param options signal and deadline
   * @throws ChannelClosedError when it is closed and empty, also when it is closed meanwhile; what `WaitOptions` says;
   *   TooManyWaitersError
   */
  async receive(options: WaitOptions = {}): Promise<T> {
    options.signal?.throwIfAborted();
    if (this.#size > 0) return this.#shift();
    if (this.#isClosed) throw this.#closedError("Cannot receive");
    return await this.#receivers.wait(options, "Cannot receive");
  }

  /**
   * Closes: senders fail, receivers get what is left and fail then. Idempotent.
   *
   * @param cause why, if it is a failure: receivers' errors carry it, and iteration throws instead of ending
   */
  close(cause?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cause = cause;
    this.#senders.failAll(this.#closedError("Cannot send"));
    this.#receivers.failAll(this.#closedError("Cannot receive"));
  }

  /** The values, until the channel is closed and empty. Any number of loops share them out. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      let value: T;
      try {
        value = await this.receive();
      } catch (error) {
        if (error instanceof ChannelClosedError && error.cause === undefined) return;
        throw error;
      }
      yield value;
    }
  }

  #push(value: T): void {
    this.#ring[(this.#head + this.#size) % this.capacity] = value;
    this.#size++;
  }

  #shift(): T {
    const value = this.#ring[this.#head] as T;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.capacity;
    this.#size--;
    if (this.#senders.size > 0) {
      this.#push(this.#senders.nextItem as T);
      this.#senders.wakeOne();
    }
    return value;
  }

  #closedError(doing: string): ChannelClosedError {
    return new ChannelClosedError(doing, this.#cause === undefined ? {} : { cause: this.#cause });
  }
}
