/**
 * How a body that comes in (a request's under `serve()`, a response's in the gateway's client) reaches whoever reads
 * it, without a web stream on the way. Types only; `incoming_body.ts` is the implementation.
 *
 * @module
 */
import type { Fields } from "./http1/message.ts";

/** Who takes a body's bytes as they come. Exactly one of `end` and `failed` is the last call. */
export interface BodyConsumer {
  /** A chunk below so many bytes may be put together with what follows it in the same turn. Absent: each comes as it came. */
  readonly gathersBelowBytes?: number;
  /** Bytes came; on loan until the call returns, unless `isGiven`: then they are the consumer's, with the whole buffer. */
  chunk(bytes: Uint8Array, isGiven?: boolean): void;
  /** The body is complete. */
  end(trailers: Fields | null): void;
  /** The body will not be complete: the peer left, broke the grammar or a limit. */
  failed(reason: Error): void;
}

/** What a consumer can tell the source. */
export interface BodyFlow {
  /**
   * Send no more for now; at most what is in flight still comes. Pushes back to the peer's kernel, when enough waits here or, with
   * `isAtOnce`, now.
   */
  pause(isAtOnce?: boolean): void;
  /** Go on. */
  resume(): void;
  /** No more is wanted: nothing is called any more, the source drops or discards the rest. */
  cancel(reason?: Error): void;
}

/** A body that somebody may read, once. */
export interface BodySource {
  /** Bytes in all when declared, else `null`. */
  readonly length: number | null;
  /** Whether a consumer was attached or the body was cancelled. */
  readonly isUsed: boolean;
  /** Attaches the one consumer; `TypeError` when used. What has come already is delivered from within the call. */
  consume(consumer: BodyConsumer): BodyFlow;
  /** Gives up a body that nobody consumes, without asking the peer for it first. Absent: consume it and cancel that. */
  cancel?(reason?: Error): void;
}
