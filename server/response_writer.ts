/**
 * Writes one response body: applies the framing, tells the producer about backpressure, sees that an unfinished body
 * never looks finished.
 *
 * Strategy: a writer stands between a producer and the connection for one response. Framing is chosen before (RFC
 * 9112 §6): by length, where bytes are counted and too many or too few abort the connection; chunked; or up to the
 * connection's end for HTTP/1.0, where an abort's reset is all that tells a cut body from a whole one.
 *
 * Invariants: `finished` or `failed` of the owner is called exactly once, unless the owner itself calls `cut`. The
 * producer hears `onClosed` at most once and never after its `end`. After either nothing is written.
 *
 * @module
 */
import type { Transport } from "../io/selector.ts";
import type { BodyProducer, BodyWriter, SharedBody } from "./body_writer.ts";
import { ConnectionClosedError } from "../io/errors.ts";
import { BodyLengthError } from "./response_errors.ts";
import { CHUNK_END, encodeChunkHeader, encodeLastChunk } from "./http1/encoder.ts";
import type { Framing } from "./http1/message.ts";

/** The connection, as a writer sees it. */
export interface WriterOwner {
  /** Whether the transport's buffer is above its high-water mark. */
  readonly isWritePaused: boolean;
  /** `bytes` were written to the transport: they are counted, and may be too many (then `cut` comes). */
  wrote(bytes: number): void;
  /** `bytes` were written that end the body: they are counted, but what waits is not judged by them. */
  wroteEnd(bytes: number): void;
  /** The body is complete. */
  bodyFinished(writer: ResponseWriter): void;
  /** The body cannot be completed. The owner aborts the connection. */
  bodyFailed(writer: ResponseWriter, reason: unknown): void;
  /** A producer failed where nobody waits for it. */
  report(error: unknown): void;
}

/** Texts up to this length are looked through for non-ASCII, to write size line and text in one go; a longer one is encoded first. */
const SHORT_TEXT_LENGTH = 1024;

/** Whether a text is ASCII, so that its length in UTF-8 is its own. */
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

const encoder = new TextEncoder();

/** One waiting `drain()`. */
interface Drain {
  resolve(): void;
  reject(reason: Error): void;
}

/** The writer of one response body; see the module's text. */
export class ResponseWriter implements BodyWriter {
  readonly #transport: Transport;
  readonly #owner: WriterOwner;
  readonly #producer: BodyProducer;
  readonly #isChunked: boolean;
  /** Bytes still to come when framed by length, else `Infinity`. */
  #remaining: number;
  readonly #length: number;
  /** The size line of the last chunk; most chunks of a body are of one size. */
  #chunkHead = "";
  #chunkLength = 0;
  #isClosed = false;
  #closeReason: Error | null = null;
  #drains: Drain[] | null = null;

  /**
   * @param transport where the head was written
   * @param owner the connection
   * @param producer who writes the body
   * @param framing as the head says
   */
  constructor(transport: Transport, owner: WriterOwner, producer: BodyProducer, framing: Framing) {
    this.#transport = transport;
    this.#owner = owner;
    this.#producer = producer;
    this.#isChunked = framing.kind === "chunked";
    this.#length = framing.kind === "length" ? framing.length : Infinity;
    this.#remaining = this.#length;
  }

  /** Lets the producer write. A throw or a rejection fails the body. */
  start(): void {
    try {
      const started = this.#producer.start(this);
      if (started instanceof Promise) started.catch((error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What the shutdown's report calls the body. */
  get kind(): "stream" | "body" {
    return this.#producer.kind ?? "body";
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  get isPaused(): boolean {
    return this.#owner.isWritePaused && !this.#isClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  write(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.#isClosed || length === 0 || !this.#count(length)) return;
    if (!this.#isChunked) {
      this.#transport.write(bytes);
      return this.#owner.wrote(length);
    }
    if (length !== this.#chunkLength) {
      this.#chunkLength = length;
      this.#chunkHead = encodeChunkHeader(length);
    }
    const head = this.#chunkHead;
    this.#transport.writeLatin1(head);
    this.#transport.write(bytes);
    this.#transport.writeLatin1(CHUNK_END);
    this.#owner.wrote(head.length + length + CHUNK_END.length);
  }

  writeText(text: string): void {
    const { length } = text;
    if (length > SHORT_TEXT_LENGTH || !ASCII.test(text)) return this.write(encoder.encode(text));
    if (this.#isClosed || length === 0 || !this.#count(length)) return;
    const framed = this.#isChunked ? encodeChunkHeader(length) + text + CHUNK_END : text;
    this.#transport.writeLatin1(framed);
    this.#owner.wrote(framed.length);
  }

  writeShared(body: SharedBody): void {
    const { length } = body.plain.bytes;
    if (this.#isClosed || length === 0 || !this.#count(length)) return;
    const chunk = this.#isChunked ? body.chunked : body.plain;
    this.#transport.writeShared(chunk);
    this.#owner.wrote(chunk.bytes.length);
  }

  drain(): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(this.#closeReason ?? new ConnectionClosedError("Cannot drain the response"));
    }
    if (!this.#owner.isWritePaused) return Promise.resolve();
    return new Promise((resolve, reject) => {
      (this.#drains ??= []).push({ resolve, reject });
    });
  }

  end(trailers?: Iterable<readonly [string, string]>): void {
    if (this.#isClosed) return;
    if (this.#remaining > 0 && this.#remaining !== Infinity) {
      return this.#fail(new BodyLengthError(this.#length, this.#length - this.#remaining));
    }
    if (this.#isChunked) {
      let text: string;
      try {
        text = encodeLastChunk(trailers);
      } catch (error) { // A trailer that cannot be sent.
        return this.#fail(error);
      }
      this.#transport.writeLatin1(text);
      this.#owner.wroteEnd(text.length);
      if (this.#isClosed) return; // Cut from within, for what waits.
    }
    this.#close(null);
    this.#owner.bodyFinished(this);
  }

  abort(reason: Error): void {
    this.#fail(reason);
  }

  /** The buffer fell to its low-water mark: tells whoever waits. */
  drained(): void {
    if (this.#isClosed) return;
    const drains = this.#drains;
    this.#drains = null;
    if (drains !== null) { for (const drain of drains) drain.resolve(); }
    try {
      this.#producer.onDrain?.();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The server begins to stop. */
  draining(): void {
    if (this.#isClosed) return;
    try {
      this.#producer.onDraining?.();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the writer from the connection's side: the client left, or is cut. The owner is not called. */
  cut(reason: Error): void {
    if (this.#isClosed) return;
    this.#close(reason);
    try {
      this.#producer.onClosed?.(reason);
    } catch (error) {
      this.#owner.report(error);
    }
  }

  /** Counts the bytes of a write against the length; `false` when they are too many. */
  #count(bytes: number): boolean {
    if (bytes <= this.#remaining) {
      this.#remaining -= bytes;
      return true;
    }
    this.#fail(new BodyLengthError(this.#length, this.#length - this.#remaining + bytes));
    return false;
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.cut(
      error instanceof Error ? error : new TypeError(`Cannot complete the response: ${String(error)}`),
    );
    this.#owner.bodyFailed(this, error);
  }

  #close(reason: Error | null): void {
    this.#isClosed = true;
    this.#closeReason = reason;
    const drains = this.#drains;
    this.#drains = null;
    if (drains === null) return;
    for (const drain of drains) {
      if (reason === null) drain.resolve();
      else drain.reject(reason);
    }
  }
}
