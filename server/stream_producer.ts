/**
 * Web streams, async iterables and blobs as response bodies: read only as fast as the client takes them.
 *
 * Strategy: `StreamProducer` reads a chunk, writes it, and waits while the writer is paused. Because a plain
 * `new Response("text")` shows its body as a stream only, `peek` looks whether the stream has all of its bytes at
 * hand: a source that has them delivers a chunk and its end within a few microtasks. Then the body can be sent with
 * its length, in one piece, as if it had not been a stream. Nothing is held back for that longer than those
 * microtasks: a stream that has to wait for its first chunk has its head sent at once.
 *
 * The end of a stream whose last chunk filled the buffer is written with that chunk: only a stream with more to come waits for
 * the buffer to drain. A stream tells that it has closed without being asked for more.
 *
 * @module
 */
import { isAftermath } from "./aftermath.ts";
import type { BodyProducer, BodyWriter } from "./body_writer.ts";

/** How many microtasks a chunk and the end of the stream may take: 2 for a static body, 4 when it passed a transform. */
const PEEK_MICROTASKS = 6;

/** Reads a web stream into a response. */
export class StreamProducer implements BodyProducer {
  readonly kind: "stream" | "body";
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #report: (error: unknown) => void;
  /** What `peek` has read already, and what it is reading. */
  #first: ReadableStreamReadResult<Uint8Array> | null = null;
  #pending: Promise<ReadableStreamReadResult<Uint8Array>> | null = null;
  /** Whether the stream ended, failed or was cancelled, so that there is nothing to cancel. */
  #isOver = false;
  /** Whether nothing more will come, though the end may not be read yet. */
  #isClosed = false;

  /**
   * @param stream is locked and read to its end, or cancelled
   * @param kind what the shutdown's report calls it
   * @param report told when cancelling fails, for then nobody else would hear of it
   * @throws TypeError when the stream is locked, which means that the body was used before
   */
  constructor(stream: ReadableStream<Uint8Array>, kind: "stream" | "body", report: (error: unknown) => void) {
    this.#reader = stream.getReader();
    this.kind = kind;
    this.#report = report;
  }

  /**
   * Looks whether all bytes are at hand; returns them if so, else `null`, and then `start` goes on where it stopped.
   * Rejects when the stream fails meanwhile.
   */
  async peek(): Promise<Uint8Array | null> {
    const first = await this.#soon();
    if (first === null) return null;
    if (first.done) return new Uint8Array(0);
    this.#first = first;
    const second = await this.#soon();
    if (second === null) return null;
    if (second.done) return checkBytes(first.value);
    this.#pending = Promise.resolve(second);
    return null;
  }

  async start(writer: BodyWriter): Promise<void> {
    let result = this.#first;
    this.#first = null;
    this.#reader.closed.then(() => this.#isClosed = true, () => {}); // Who reads hears of a failure.
    for (;;) {
      try {
        result ??= await this.#next(); // The one promise a chunk costs.
      } catch (error) {
        this.#isOver = true;
        throw error;
      }
      if (result.done) this.#isOver = true;
      if (writer.isClosed) return;
      if (result.done) return writer.end();
      writer.write(checkBytes(result.value));
      result = null;
      if (!writer.isPaused) continue;
      await null; // A source that closes the stream right after a chunk that was waited for is heard a microtask later.
      if (!this.#isClosed && !writer.isClosed) await writer.drain();
    }
  }

  onClosed(reason: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pending?.catch(() => {}); // Whoever cancels does not care how a read that is still waiting ends.
    this.#reader.cancel(reason ?? undefined).catch((error) => {
      if (!isAftermath(error, reason)) this.#report(error);
    });
  }

  /** The next result if it comes within a few microtasks; else it stays pending. */
  async #soon(): Promise<ReadableStreamReadResult<Uint8Array> | null> {
    let result: ReadableStreamReadResult<Uint8Array> | null = null;
    let failure: { readonly error: unknown } | null = null;
    const pending = this.#reader.read();
    pending.then((value) => result = value, (error) => failure = { error });
    for (let i = 0; i < PEEK_MICROTASKS && result === null && failure === null; i++) await null;
    if (failure !== null) {
      this.#isOver = true;
      throw (failure as { readonly error: unknown }).error;
    }
    if (result === null) this.#pending = pending;
    else if ((result as ReadableStreamReadResult<Uint8Array>).done) this.#isOver = true;
    return result;
  }

  /** The next result: what `peek` was reading when it stopped, or what is read now. */
  #next(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const pending = this.#pending;
    if (pending === null) return this.#reader.read();
    this.#pending = null;
    return pending;
  }
}

/** Reads an async iterable into a response; strings are sent as UTF-8. */
export class IterableProducer implements BodyProducer {
  readonly kind: "stream" | "body";
  readonly #iterable: AsyncIterable<Uint8Array | string>;
  readonly #report: (error: unknown) => void;
  #iterator: AsyncIterator<Uint8Array | string> | null = null;

  /**
   * @param iterable is iterated to its end, or its `return()` is called
   * @param kind what the shutdown's report calls it
   * @param report told when `return()` fails
   */
  constructor(
    iterable: AsyncIterable<Uint8Array | string>,
    kind: "stream" | "body",
    report: (error: unknown) => void,
  ) {
    this.#iterable = iterable;
    this.kind = kind;
    this.#report = report;
  }

  async start(writer: BodyWriter): Promise<void> {
    const iterator = this.#iterator = this.#iterable[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await iterator.next();
      if (writer.isClosed) return;
      if (done) return writer.end();
      if (typeof value === "string") writer.writeText(value);
      else writer.write(checkBytes(value));
      if (writer.isPaused) await writer.drain();
    }
  }

  onClosed(reason: Error | null = null): void {
    // A generator that waits in `next()` runs its `return()` when that settles; it is not awaited here.
    const returned = this.#iterator?.return?.();
    if (returned !== undefined) {
      Promise.resolve(returned).catch((error) => {
        if (!isAftermath(error, reason)) this.#report(error);
      });
    }
  }
}

function checkBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Cannot send a piece of a response body: a Uint8Array is needed, not ${typeof value}`);
}
