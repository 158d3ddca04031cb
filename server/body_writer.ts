/**
 * How a response body reaches the connection without a web stream: a producer is given a writer. Types only.
 *
 * SSE streams, the event hub and the gateway produce bodies this way; a `Reply` carries the producer. Under a
 * foreign server the same `Reply` offers a `ReadableStream` made from the producer on first use of `.body`.
 *
 * @module
 */
import type { SharedChunk } from "../io/shared_chunk.ts";

/** An event's bytes in the two framings HTTP/1.1 knows, made once and sent to any number of readers. */
export interface SharedBody {
  /** The bytes themselves. */
  readonly plain: SharedChunk;
  /** The same as one chunk of the chunked coding: size line, bytes, CRLF. */
  readonly chunked: SharedChunk;
}

/** Where a response body goes; applies the framing. Nothing here throws for what the client did. */
export interface BodyWriter {
  /** Copies bytes into the connection's write buffer. Dropped when the client is gone (`onClosed` told). */
  write(bytes: Uint8Array): void;
  /** Writes text as UTF-8. */
  writeText(text: string): void;
  /** Writes shared bytes without a copy. */
  writeShared(body: SharedBody): void;
  /** Bytes the kernel has not taken yet. */
  readonly bufferedBytes: number;
  /** Whether the buffer is above its high-water mark: write no more until `drain` resolves or `onDrain` is called. */
  readonly isPaused: boolean;
  /** Resolves when the buffer is at or below the low-water mark; rejects when the client is gone. */
  drain(): Promise<void>;
  /** Completes the body; later writes are dropped. Trailers are sent if the framing can. */
  end(trailers?: Iterable<readonly [string, string]>): void;
  /** The body cannot be completed: the connection is aborted so that the client cannot take it for complete. */
  abort(reason: Error): void;
  /** Whether `end` or `abort` was called or the client is gone. */
  readonly isClosed: boolean;
}

/** Something that writes a response body. */
export interface BodyProducer {
  /**
   * Called once when the head is written (never for HEAD, 204, 304). May write at once and later. A throw aborts the
   * connection, as does a rejection of the returned promise.
   */
  start(writer: BodyWriter): void | Promise<void>;
  /** The buffer fell to its low-water mark after `isPaused`. */
  onDrain?(): void;
  /**
   * The server begins to stop: end the stream soon (an SSE stream sends `retry:` and ends). What does not end by the
   * grace period is cut.
   */
  onDraining?(): void;
  /** The body will not be (further) wanted: the client left, the server cut it, or it was never started. At most once, never after `end`. */
  onClosed?(reason: Error | null): void;
  /** Bytes in all, when known: becomes Content-Length; otherwise the body is chunked. */
  readonly length?: number;
  /** What kind of stream it is for the shutdown's report: an event stream is ended early, anything else is awaited. */
  readonly kind?: "stream" | "body";
}
