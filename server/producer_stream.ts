/**
 * A `BodyProducer` as a web stream, for servers and tools that know nothing else.
 *
 * Strategy: the producer starts at the first read. It writes into the stream's queue; above 64 KiB it counts as paused,
 * and goes on when the reader has emptied the queue. A stream's queue has no limit of its own: as under `serve()` it is
 * the producer's duty to heed `isPaused`.
 *
 * @module
 */
import { ConnectionClosedError } from "../io/errors.ts";
import type { BodyProducer, BodyWriter, SharedBody } from "./body_writer.ts";

/** The transport's high-water mark, so that a producer meets the same one everywhere. */
const HIGH_BYTES = 64 * 1024;

/** Text of writers is UTF-8. */
const UTF8 = new TextEncoder();

/**
 * Makes the stream.
 *
 * @param producer started at the first read; cancelling the stream is told to its `onClosed`
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { producerStream } from "./producer_stream.ts";
 *
 * const stream = producerStream({
 *   start(writer) {
 *     writer.writeText("hello");
 *     writer.end();
 *   },
 * });
 * assert(await new Response(stream).text() === "hello");
 * ```
 */
export function producerStream(producer: BodyProducer): ReadableStream<Uint8Array<ArrayBuffer>> {
  const source = new ProducerSource(producer);
  return new ReadableStream(source, { highWaterMark: 0, size: (chunk) => chunk.byteLength });
}

/** The stream's underlying source and the producer's writer in one. */
class ProducerSource implements UnderlyingDefaultSource<Uint8Array<ArrayBuffer>>, BodyWriter {
  readonly #producer: BodyProducer;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | null = null;
  #isClosed = false;
  #closeReason: Error | null = null;
  #wasPaused = false;
  #drain: PromiseWithResolvers<void> | null = null;

  constructor(producer: BodyProducer) {
    this.#producer = producer;
  }

  // ---- the stream's side ------------------------------------------------------------------------------------------

  /** A read waits, so the queue is empty. */
  pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    if (this.#controller === null) {
      this.#controller = controller;
      return this.#start();
    }
    if (!this.#wasPaused) return;
    this.#wasPaused = false;
    this.#drain?.resolve();
    this.#drain = null;
    this.#guard(() => this.#producer.onDrain?.());
  }

  cancel(reason: unknown): void {
    this.#close(reason instanceof Error ? reason : new ConnectionClosedError("Cannot write the body"));
  }

  #start(): void {
    this.#guard(() => {
      const started = this.#producer.start(this);
      if (started instanceof Promise) started.catch((error) => this.#fail(error));
    });
  }

  // ---- the producer's side ----------------------------------------------------------------------------------------

  write(bytes: Uint8Array): void {
    if (!this.#isClosed && bytes.length > 0) this.#controller!.enqueue(bytes.slice());
  }

  writeText(text: string): void {
    if (!this.#isClosed && text.length > 0) this.#controller!.enqueue(UTF8.encode(text));
  }

  /** Copies: whoever reads a stream may do with its chunks as he likes. */
  writeShared(body: SharedBody): void {
    this.write(body.plain.bytes);
  }

  get bufferedBytes(): number {
    return this.#isClosed ? 0 : -(this.#controller!.desiredSize ?? 0);
  }

  get isPaused(): boolean {
    if (!this.#isClosed && this.bufferedBytes > HIGH_BYTES) this.#wasPaused = true;
    return this.#wasPaused && !this.#isClosed;
  }

  drain(): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(this.#closeReason ?? new ConnectionClosedError("Cannot drain the body"));
    }
    if (!this.isPaused) return Promise.resolve();
    this.#drain ??= Promise.withResolvers();
    return this.#drain.promise;
  }

  end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#settleDrain();
    this.#controller!.close();
  }

  abort(reason: Error): void {
    this.#fail(reason);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  // ---- within -----------------------------------------------------------------------------------------------------

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#controller!.error(error);
    this.#close(error instanceof Error ? error : new TypeError(`Cannot complete the body: ${String(error)}`));
  }

  #close(reason: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closeReason = reason;
    this.#settleDrain();
    this.#producer.onClosed?.(reason);
  }

  #settleDrain(): void {
    const drain = this.#drain;
    this.#drain = null;
    if (this.#closeReason === null) drain?.resolve();
    else drain?.reject(this.#closeReason);
  }
}
