/**
 * The reading half of a connection for code that awaits: asyncio's `StreamReader` in camelCase, with a signal and a
 * deadline on every wait.
 *
 * Strategy: at most one read waits. It is kept as an `#attempt` on the queue of bytes; whatever comes (bytes, the end, an
 * error) tries it again. So a read costs one promise, what is there already costs no wait, and a read that is given up
 * has taken nothing: the bytes stay for the next one.
 *
 * - Backpressure is asyncio's: with more than twice the limit unread the transport is paused, at the limit or below it is
 *   resumed, and a read that needs more than is there resumes it too.
 * - What came before a reset stays readable; the error comes after it. After the peer's end no error comes any more.
 * - The limit is asyncio's too: what precedes a separator may be as long as the limit, not longer. It also bounds the
 *   memory: 2 × limit and one delivery, or what the caller asked for (`readExactly(n)`, `read(-1, { maxBytes })`).
 *
 * Differences from asyncio, on purpose: a second read while one waits is refused even when it would not have to wait
 * (it would take the first one's bytes); buffered bytes are not thrown away by an error; `read()` to the end has a
 * bound.
 *
 * Source: https://docs.python.org/3/library/asyncio-stream.html#streamreader
 *
 * @module
 */
import { ByteQueue } from "./byte_queue.ts";
import { type DeadlineWatch, type WaitOptions, watchDeadline } from "./deadline.ts";
import { ConcurrentReadError, IncompleteReadError, LimitOverrunError } from "./errors.ts";
import type { Timers, Transport } from "./selector.ts";

/** Default of `StreamReaderOptions.limitBytes`: asyncio's, 64 KiB. */
const LIMIT_BYTES = 64 * 1024;
/** Default of `ReadOptions.maxBytes`: much for a message read whole, little for a machine. */
const READ_ALL_BYTES_MAX = 16 * 1024 * 1024;
/** What one pull of `readable` takes at most: a delivery of every selector fits, and it is a stream chunk's usual size. */
const PULL_BYTES_MAX = 64 * 1024;
/** The line feed that ends a line. */
const LINE_FEED = 0x0a;

/** Options of a `StreamReader`. */
export interface StreamReaderOptions {
  /** Longest line or record, and half of what is buffered before the peer is held back, bytes. Default 64 KiB. */
  readonly limitBytes?: number | undefined;
}

/** Options of `StreamReader.read`. */
export interface ReadOptions extends WaitOptions {
  /** When reading to the end: bytes at most. Default 16 MiB. */
  readonly maxBytes?: number | undefined;
}

/** A separator: bytes, or text that is encoded as UTF-8. At least one byte. */
export type Separator = Uint8Array | string;

/** Looks whether the present read can be done: its result, `null` when it needs more, or throws. */
type Attempt = (this: StreamReader) => Uint8Array<ArrayBuffer> | null;

type Resolve = (bytes: Uint8Array<ArrayBuffer>) => void;

type Reject = (error: unknown) => void;

/** For who waits without a signal and a deadline. */
const NO_OPTIONS: ReadOptions = {};

/**
 * Reads a stream of bytes: by size, by line, by separator, or to its end.
 *
 * @example
 * ```ts
 * import { StreamReader, SystemClock, TimerWheel } from "@sluice/kit/io";
 *
 * // On a connection `listen` and `connect` make it; by hand it reads whatever it is fed.
 * const reader = new StreamReader(new TimerWheel(new SystemClock()), null);
 * reader.feed(new TextEncoder().encode("GET /\r\nbody"));
 * reader.feedEnd();
 * console.log(await reader.readLine()); // "GET /\r\n"
 * console.log(await reader.readExactly(4)); // "body"
 * console.log(reader.atEof()); // true
 * ```
 */
export class StreamReader implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  /** Longest line or record, bytes. */
  readonly limitBytes: number;
  readonly #timers: Timers;
  readonly #transport: Pick<Transport, "pauseReading" | "resumeReading"> | null;
  readonly #queue = new ByteQueue();
  // The present read, in fields and not in closures of its own: a read that has to wait is what a connection does most,
  // and all that it makes is its promise.
  #attempt: Attempt = this.#takeSome;
  /** Bytes it asks for, or allows. */
  #count = 0;
  /** Bytes at the front that it has searched. */
  #searched = 0;
  #separators: readonly Uint8Array[] = [];
  /** Settle it; `null` while no read waits. */
  #resolve: Resolve | null = null;
  #reject: Reject | null = null;
  #watch: DeadlineWatch | null = null;
  readonly #wait = (resolve: Resolve, reject: Reject): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };
  #isPaused = false;
  #isEnded = false;
  #error: Error | null = null;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;

  /**
   * Makes a reader that has read nothing.
   *
   * @param timers what deadlines go by
   * @param transport whom to hold back when too much is unread; `null` for nobody
   * @param options the limit
   * @throws RangeError for a limit that is not a whole number above 0
   */
  constructor(
    timers: Timers,
    transport: Pick<Transport, "pauseReading" | "resumeReading"> | null,
    options: StreamReaderOptions = {},
  ) {
    this.limitBytes = readerLimit(options);
    this.#timers = timers;
    this.#transport = transport;
  }

  /**
   * Reads what is there, at most `n` bytes; waits only when there is nothing. Empty means the end of the stream.
   * Without `n`, or with a negative one, reads to the end of the stream.
   *
   * @param n bytes at most
   * @param options signal, deadline, and the bound when reading to the end
   * @returns the caller's own bytes
   * @throws LimitOverrunError when there are more than `maxBytes` before the end (they stay in the reader); the
   *   connection's error; what `WaitOptions` says; ConcurrentReadError; RangeError for an `n` that is not whole
   */
  read(n = -1, options: ReadOptions = NO_OPTIONS): Promise<Uint8Array<ArrayBuffer>> {
    if (n < 0) return this.#run("read", this.#takeAll, options.maxBytes ?? READ_ALL_BYTES_MAX, options);
    return this.#run("read", this.#takeSome, n, options);
  }

  /**
   * Reads `n` bytes, no fewer.
   *
   * @param n how many; they are all buffered, so it is also the bound of the memory
   * @param options signal and deadline
   * @returns the caller's own bytes
   * @throws IncompleteReadError with the `partial` bytes when the stream ends before; the connection's error (what came
   *   stays in the reader); what `WaitOptions` says; ConcurrentReadError; RangeError unless `n` is whole and from 0 on
   */
  readExactly(n: number, options: WaitOptions = NO_OPTIONS): Promise<Uint8Array<ArrayBuffer>> {
    return this.#run("read exactly", this.#takeExactly, n, options);
  }

  /**
   * Reads up to and with a separator. Of several, the one that is over first counts; of those that are over together,
   * the shortest.
   *
   * @param separators one separator or several
   * @param options signal and deadline
   * @returns the caller's own bytes, the separator at their end
   * @throws LimitOverrunError when more than the limit precedes the separator (the bytes stay in the reader);
   *   IncompleteReadError with the `partial` bytes when the stream ends before one; the connection's error (what came
   *   stays in the reader); what `WaitOptions` says; ConcurrentReadError; RangeError for no or an empty separator
   */
  readUntil(
    separators: Separator | readonly Separator[],
    options: WaitOptions = NO_OPTIONS,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#run("read until", this.#takeUntil, 0, options, separators);
  }

  /**
   * Reads one line, with its `\n`. At the end of the stream what is left without one; empty when nothing is left.
   *
   * @param options signal and deadline
   * @returns the caller's own bytes
   * @throws LimitOverrunError when the line without its `\n` is longer than the limit: as in asyncio the line is dropped,
   *   or what came of it when its end has not come; the connection's error (what came stays in the reader); what
   *   `WaitOptions` says; ConcurrentReadError
   */
  readLine(options: WaitOptions = NO_OPTIONS): Promise<Uint8Array<ArrayBuffer>> {
    return this.#run("read a line", this.#takeLine, 0, options);
  }

  /** Whether the stream ended and everything was read. */
  atEof(): boolean {
    return this.#isEnded && this.#queue.length === 0;
  }

  /** What ended the stream before its time, once it is known; reads throw it when they run out of bytes. */
  get error(): Error | null {
    return this.#error;
  }

  /** Bytes that came and were not read. */
  get bufferedBytes(): number {
    return this.#queue.length;
  }

  /** The lines, each with its `\n`, until the end of the stream. Leaving the loop leaves the rest in the reader. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array<ArrayBuffer>, undefined> {
    return {
      next: async () => {
        const value = await this.readLine();
        return value.length > 0 ? { value, done: false } : { value: undefined, done: true };
      },
    };
  }

  /**
   * The same bytes as a web stream (a byte stream: BYOB readers work). It takes from the connection only what is asked
   * of it, so it can be begun after other reads, and other reads go on after its lock is released. Cancelling it drops
   * what is unread and holds the peer back from then on; the connection stays open for writing.
   */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const request = controller.byobRequest;
        const view = request?.view as Uint8Array | null | undefined;
        const bytes = await this.read(Math.min(view?.byteLength ?? PULL_BYTES_MAX, PULL_BYTES_MAX));
        if (bytes.length === 0) controller.close();
        if (request === null || !view) {
          if (bytes.length > 0) controller.enqueue(bytes);
          return;
        }
        new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes);
        request.respond(bytes.length);
      },
      cancel: () => this.#discard(),
    }, { highWaterMark: 0 });
  }

  /**
   * Bytes came. For the protocol that owns the reader.
   *
   * @param bytes on loan until the call returns
   */
  feed(bytes: Uint8Array): void {
    if (this.#isEnded || bytes.length === 0) return;
    const queue = this.#queue;
    const unread = queue.length + bytes.length;
    if (this.#resolve !== null && unread === bytes.length) {
      queue.lend(bytes);
      this.#tryWaiting();
      queue.keep();
    } else {
      const isExact = this.#resolve !== null && this.#attempt === this.#takeExactly;
      queue.push(bytes, isExact ? this.#count : 0);
      this.#tryWaiting();
    }
    this.#holdBack(unread);
  }

  /** The stream ended. For the protocol that owns the reader. */
  feedEnd(): void {
    this.#isEnded = true;
    this.#tryWaiting();
  }

  /** The connection failed; means nothing after the end. For the protocol that owns the reader. */
  feedError(error: Error): void {
    if (this.#isEnded) return;
    this.#error = error;
    this.#tryWaiting();
  }

  // ---- attempts --------------------------------------------------------------------------------------------------

  #takeSome(): Uint8Array<ArrayBuffer> | null {
    checkCount(this.#count, "read");
    const { length } = this.#queue;
    if (length === 0 && this.#count > 0 && !this.#isEnded) return this.#needMore();
    return this.#queue.take(Math.min(this.#count, length));
  }

  #takeAll(): Uint8Array<ArrayBuffer> | null {
    checkCount(this.#count, "read at most");
    const { length } = this.#queue;
    if (length > this.#count) throw new LimitOverrunError(length, this.#count, "Cannot read to the end");
    return this.#isEnded ? this.#queue.take(length) : this.#needMore();
  }

  #takeExactly(): Uint8Array<ArrayBuffer> | null {
    checkCount(this.#count, "read exactly");
    const { length } = this.#queue;
    if (length >= this.#count) return this.#queue.take(this.#count);
    if (this.#isEnded) throw new IncompleteReadError(this.#queue.take(length), this.#count);
    return this.#needMore();
  }

  #takeUntil(): Uint8Array<ArrayBuffer> | null {
    const match = this.#queue.find(this.#separators, this.#searched);
    if (match !== null) {
      if (match.start > this.limitBytes) throw new LimitOverrunError(match.start, this.limitBytes);
      return this.#queue.take(match.end);
    }
    // All but what may be the beginning of a separator.
    this.#searched = Math.max(0, this.#queue.length + 1 - this.#separators.at(-1)!.length);
    if (this.#searched > this.limitBytes) throw new LimitOverrunError(this.#searched, this.limitBytes);
    if (this.#isEnded) throw new IncompleteReadError(this.#queue.take(this.#queue.length), null);
    return this.#needMore();
  }

  #takeLine(): Uint8Array<ArrayBuffer> | null {
    const queue = this.#queue;
    const index = queue.indexOf(LINE_FEED, this.#searched);
    const searched = index < 0 ? queue.length : index;
    this.#searched = searched;
    if (searched > this.limitBytes) {
      queue.skip(index < 0 ? searched : index + 1);
      throw new LimitOverrunError(searched, this.limitBytes);
    }
    if (index >= 0) return queue.take(index + 1);
    return this.#isEnded ? queue.take(queue.length) : this.#needMore();
  }

  /** What an attempt does when there is too little: throws what stopped the stream, or waits. */
  #needMore(): null {
    if (this.#error !== null) throw this.#error;
    return null;
  }

  // ---- the present read ------------------------------------------------------------------------------------------

  /** Does a read now if it can be done, otherwise keeps it until it can. */
  #run(
    doing: string,
    attempt: Attempt,
    count: number,
    options: WaitOptions,
    separators: Separator | readonly Separator[] | null = null,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#resolve !== null) return Promise.reject(new ConcurrentReadError(doing));
    this.#attempt = attempt;
    this.#count = count;
    this.#searched = 0;
    try {
      options.signal?.throwIfAborted();
      if (separators !== null) this.#separators = toSeparators(separators);
      const bytes = this.#attempt();
      if (bytes !== null) return Promise.resolve(bytes);
      if (options !== NO_OPTIONS) this.#watch = this.#watchFor(doing, options);
    } catch (error) {
      return Promise.reject(error);
    } finally {
      if (this.#isPaused && this.#queue.length <= this.limitBytes) this.#resume();
    }
    if (this.#isPaused) this.#resume();
    return new Promise(this.#wait);
  }

  /** Tries the read that waits once more, if one does. */
  #tryWaiting(): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    try {
      const bytes = this.#attempt();
      if (bytes === null) return;
      resolve(bytes);
    } catch (error) {
      this.#reject!(error);
    }
    this.#watch?.stop();
    this.#forget();
  }

  #watchFor(doing: string, options: WaitOptions): DeadlineWatch | null {
    return watchDeadline(this.#timers, options, `Cannot ${doing}`, (error) => this.#giveUp(error));
  }

  /** The signal or the deadline ended the wait. */
  #giveUp(error: unknown): void {
    const reject = this.#reject!;
    this.#forget();
    this.#holdBack(this.#queue.length);
    reject(error);
  }

  /** No read waits any more. */
  #forget(): void {
    this.#watch = null;
    this.#resolve = null;
    this.#reject = null;
  }

  /** Pauses the transport when more was unread than may be, no read waits for more, and it did not fall to the limit. */
  #holdBack(unread: number): void {
    if (unread <= 2 * this.limitBytes || this.#queue.length <= this.limitBytes) return;
    if (this.#resolve !== null || this.#isPaused) return;
    this.#isPaused = true;
    this.#transport?.pauseReading();
  }

  /** Drops what is unread, now and from now on, and holds the peer back. */
  #discard(): void {
    this.#queue.clear();
    this.feedEnd();
    this.#transport?.pauseReading();
  }

  #resume(): void {
    this.#isPaused = false;
    this.#transport?.resumeReading();
  }
}

/**
 * The limit that `options` ask for.
 *
 * @throws RangeError unless it is a whole number above 0
 */
export function readerLimit(options: StreamReaderOptions): number {
  const limitBytes = options.limitBytes ?? LIMIT_BYTES;
  if (Number.isSafeInteger(limitBytes) && limitBytes > 0) return limitBytes;
  throw new RangeError(`Cannot make a reader: limitBytes must be a whole number above 0, not ${limitBytes}`);
}

function checkCount(count: number, doing: string): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw new RangeError(`Cannot ${doing} ${count} bytes: it must be a whole number from 0 on`);
}

/** Separators as bytes, the shortest first. */
function toSeparators(separators: Separator | readonly Separator[]): Uint8Array[] {
  const all = typeof separators === "string" || separators instanceof Uint8Array ? [separators] : separators;
  const sorted = all.map((one) => typeof one === "string" ? new TextEncoder().encode(one) : one);
  sorted.sort((a, b) => a.length - b.length);
  if (sorted.length === 0) throw new RangeError("Cannot read until a separator: none was given");
  if (sorted[0]!.length === 0) throw new RangeError("Cannot read until a separator: an empty one was given");
  return sorted;
}
