/**
 * A `BodySource` as a web stream of bytes, read only as fast as it is read from.
 *
 * Strategy: nothing is asked for before the first read (the stream's high-water mark is 0). From then on what comes is
 * queued in the stream, whose chunks are copies of their own, until a small one comes or it holds two receives' worth;
 * then the source is stopped until the stream is empty and read again. What waits beyond that waits in the source, where it is bounded and
 * pushes back to the peer. Stopping at every chunk instead cost a second copy of nearly all bytes. A read with its own
 * buffer (BYOB) is filled in place, and the peer stopped until the next.
 *
 * @module
 */
import type { BodyConsumer, BodyFlow, BodySource } from "./body_source.ts";

/** 128 KiB: two receives, so that one is read while the next comes. */
const QUEUED_BYTES_MAX = 128 * 1024;

/**
 * 16 KiB: a smaller chunk stops the source, which gathers what follows, so that single bytes make no long queue. Before
 * that it has gathered what came in the same turn: a selector that receives into small buffers delivers several.
 */
const QUEUED_CHUNK_BYTES_MIN = 16 * 1024;

/**
 * Makes the stream. The source is taken at the first read, not before.
 *
 * @param source who else consumes it makes the first read fail with a `TypeError`
 * @returns a byte stream; cancelling it cancels the source
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { bodyStream } from "./body_stream.ts";
 * import { IncomingBody } from "./incoming_body.ts";
 *
 * const owner = { bodyWanted() {}, bodyPaused() {}, bodyResumed() {}, bodyCancelled() {} };
 * const body = new IncomingBody(owner, null);
 * body.push(new TextEncoder().encode("hello"));
 * body.end(null);
 * assert(await new Response(bodyStream(body)).text() === "hello");
 * ```
 */
export function bodyStream(source: BodySource): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(new SourceAdapter(source), { highWaterMark: 0 });
}

/** The stream's underlying source and the body's consumer in one. */
class SourceAdapter implements UnderlyingByteSource, BodyConsumer {
  readonly type = "bytes";
  readonly gathersBelowBytes = QUEUED_CHUNK_BYTES_MIN;
  readonly #source: BodySource;
  #controller: ReadableByteStreamController | null = null;
  #flow: BodyFlow | null = null;
  /** Whether enough was queued for now. */
  #isFull = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  // ---- the stream's side ------------------------------------------------------------------------------------------

  pull(controller: ReadableByteStreamController): void {
    if (this.#flow !== null) return this.#flow.resume();
    this.#controller = controller;
    this.#flow = this.#source.consume(this);
    if (this.#isFull) this.#flow.pause(); // There was none yet to pause when that came.
  }

  cancel(reason: unknown): void {
    const error = reason instanceof Error ? reason : undefined;
    this.#controller = null; // What is still delivered goes nowhere.
    if (this.#flow !== null) this.#flow.cancel(error);
    else if (this.#source.cancel !== undefined) this.#source.cancel(error);
    else this.#source.consume(this).cancel(error);
  }

  // ---- the body's side --------------------------------------------------------------------------------------------

  chunk(bytes: Uint8Array, isGiven = false): void {
    const controller = this.#controller;
    if (controller === null) return;
    const taken = this.#fill(controller.byobRequest, bytes);
    if (taken === bytes.length) return;
    const queued = bytes.length - controller.desiredSize!; // The mark being 0, what is queued is missing there.
    this.#isFull = bytes.length < QUEUED_CHUNK_BYTES_MIN || queued >= QUEUED_BYTES_MAX;
    if (this.#isFull) this.#flow?.pause(); // Before the chunk is queued, which pulls again if another read waits.
    const rest = bytes.subarray(taken) as Uint8Array<ArrayBuffer>;
    controller.enqueue(isGiven ? rest : new Uint8Array(rest)); // Not `slice`: V8 has it clear the memory before it copies.
  }

  end(): void {
    const controller = this.#controller;
    if (controller === null) return;
    controller.close();
    controller.byobRequest?.respond(0); // The standard wants a waiting buffer to be given back.
  }

  failed(reason: Error): void {
    this.#controller?.error(reason);
  }

  /** Fills the reader's own buffer, if it waits with one; returns how many bytes went there. */
  #fill(request: ReadableStreamBYOBRequest | null, bytes: Uint8Array): number {
    const view = request?.view ?? null;
    if (request === null || view === null) return 0;
    const count = Math.min(view.byteLength, bytes.length);
    // What came before the next buffer does would be copied to wait, and again into that. Before `respond`, which pulls again if
    // another read waits.
    this.#flow?.pause(true);
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes.subarray(0, count));
    request.respond(count);
    return count;
  }
}
