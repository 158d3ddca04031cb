/**
 * Carries a request's body from the client to the upstream, with backpressure.
 *
 * Strategy: bytes on loan go straight into the connection's cork. When the upstream takes no more, the source is paused,
 * and with it the client's kernel; `resume` follows when the buffer has drained.
 *
 * @module
 */
import type { BodyConsumer, BodyFlow, BodySource } from "../body_source.ts";
import type { Fields } from "../http1/message.ts";
import type { ClientConnection } from "./client_connection.ts";
import { forwardedTrailers } from "./hop_fields.ts";

/** A request's body on its way. */
export class Upload implements BodyConsumer {
  readonly #connection: ClientConnection;
  readonly #counters: { requestBytes: number };
  readonly #onFailed: (reason: Error) => void;
  #flow: BodyFlow | null = null;
  #isOver = false;

  /**
   * @param connection where the bytes go
   * @param counters where they are counted
   * @param onFailed hears when the body will not be complete
   */
  constructor(
    connection: ClientConnection,
    counters: { requestBytes: number },
    onFailed: (reason: Error) => void,
  ) {
    this.#connection = connection;
    this.#counters = counters;
    this.#onFailed = onFailed;
  }

  /** Begins. What has come already is sent from within the call. */
  start(source: BodySource): void {
    const flow = source.consume(this);
    if (this.#isOver) return;
    this.#flow = flow;
    if (this.#connection.isSendPaused) flow.pause();
  }

  /** The upstream takes bytes again. */
  resume(): void {
    if (!this.#isOver) this.#flow?.resume();
  }

  /** Wants no more of the body. */
  cancel(reason?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#flow?.cancel(reason);
  }

  // BodyConsumer: called by the source.

  /** Bytes came. */
  chunk(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#counters.requestBytes += bytes.length;
    this.#connection.send(bytes);
    if (this.#connection.isSendPaused) this.#flow?.pause();
  }

  /** The body is complete. */
  end(trailers: Fields | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.endSend(trailers === null ? [] : forwardedTrailers(trailers));
  }

  /** It will not be. */
  failed(reason: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onFailed(reason);
  }
}
