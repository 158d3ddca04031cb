/**
 * Writes one response body to a `node:http` response: backpressure to the producer, and a body that cannot be completed
 * never looks complete.
 *
 * Invariants: `settled` of the owner is called exactly once, with `null` after `end`. The producer hears `onClosed` at
 * most once and never after its `end`. After either nothing is written. Bytes that wait are bounded: a producer that
 * does not pause is cut.
 *
 * @module
 */
import { ConnectionClosedError } from "../io/errors.ts";
import type { BodyProducer, BodyWriter, SharedBody } from "./body_writer.ts";
import { SERVE_LIMITS_DEFAULT } from "./limits.ts";
import type { ServerResponseLike } from "./node_http.ts";
import { BodyLengthError, BodyOverrunError } from "./response_errors.ts";

/** What a writer tells. */
export interface NodeWriterOwner {
  /** The body's last byte was written (`null`), or the body failed by the handler's fault. */
  settled(failure: Error | null): void;
  /** A producer failed where nobody waits for it. */
  report(error: unknown): void;
}

/** As `serve()` has it: sixteen times the mark where a producer is told to pause. */
const BUFFERED_BYTES_MAX = SERVE_LIMITS_DEFAULT.bufferedBytesMax ?? Infinity;

/** Breaks a response off so that the client sees it: a FIN would end a body without length as if it were whole. */
export function breakOff(response: ServerResponseLike, socket: { resetAndDestroy?(): unknown }): void {
  socket.resetAndDestroy?.();
  response.destroy();
}

/** The writer of one response body; see the module's text. */
export class NodeWriter implements BodyWriter {
  readonly #response: ServerResponseLike;
  readonly #producer: BodyProducer;
  readonly #owner: NodeWriterOwner;
  readonly #length: number | null;
  #writtenBytes = 0;
  #isPaused = false;
  #isClosed = false;
  #closeReason: Error | null = null;
  #drain: PromiseWithResolvers<void> | null = null;

  /**
   * @param response its head is set
   * @param producer who writes the body
   * @param length as promised to the client, or `null`
   * @param owner told how it ends
   */
  constructor(
    response: ServerResponseLike,
    producer: BodyProducer,
    length: number | null,
    owner: NodeWriterOwner,
  ) {
    this.#response = response;
    this.#producer = producer;
    this.#length = length;
    this.#owner = owner;
    response.on("drain", () => this.#drained());
  }

  /** Lets the producer write. A throw or a rejection fails the body. */
  start(): void {
    this.#guard(() => {
      const started = this.#producer.start(this);
      if (started instanceof Promise) started.catch((error) => this.#fail(error));
    });
  }

  get bufferedBytes(): number {
    return this.#isClosed ? 0 : this.#response.writableLength;
  }

  get isPaused(): boolean {
    return this.#isPaused && !this.#isClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Copies: Node keeps what it is given until the kernel has taken it. */
  write(bytes: Uint8Array): void {
    if (this.#accepts(bytes.length)) this.#put(bytes.slice());
  }

  writeText(text: string): void {
    if (this.#isClosed || text.length === 0) return;
    const bytes = new TextEncoder().encode(text);
    if (this.#accepts(bytes.length)) this.#put(bytes);
  }

  writeShared(body: SharedBody): void {
    const { plain } = body;
    if (!this.#accepts(plain.bytes.length)) return;
    plain.retain();
    this.#put(plain.bytes, () => plain.release());
  }

  drain(): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(this.#closeReason ?? new ConnectionClosedError("Cannot drain the response"));
    }
    if (!this.#isPaused) return Promise.resolve();
    this.#drain ??= Promise.withResolvers();
    return this.#drain.promise;
  }

  end(trailers?: Iterable<readonly [string, string]>): void {
    if (this.#isClosed) return;
    if (this.#length !== null && this.#writtenBytes !== this.#length) {
      return this.#fail(new BodyLengthError(this.#length, this.#writtenBytes));
    }
    try {
      if (trailers !== undefined && this.#length === null) {
        this.#response.addTrailers(Array.from(trailers, ([name, value]): [string, string] => [name, value]));
      }
    } catch (error) { // A trailer that cannot be sent.
      return this.#fail(error);
    }
    this.#close(null);
    this.#response.end();
    this.#owner.settled(null);
  }

  abort(reason: Error): void {
    this.#fail(reason);
  }

  /** The client left: the producer is told, the owner is not called. */
  cut(reason: Error): void {
    if (this.#isClosed) return;
    this.#close(reason);
    try {
      this.#producer.onClosed?.(reason);
    } catch (error) {
      this.#owner.report(error);
    }
  }

  /** Whether bytes may be written; fails the body when they are more than was promised. */
  #accepts(bytes: number): boolean {
    if (this.#isClosed || bytes === 0) return false;
    this.#writtenBytes += bytes;
    if (this.#length === null || this.#writtenBytes <= this.#length) return true;
    this.#fail(new BodyLengthError(this.#length, this.#writtenBytes));
    return false;
  }

  #put(bytes: Uint8Array, taken?: () => void): void {
    const response = this.#response;
    if (!response.write(bytes, taken)) this.#isPaused = true;
    // One piece may be larger by itself: what counts is that more is written while the writer is paused.
    const { writableLength } = response;
    if (writableLength > BUFFERED_BYTES_MAX + bytes.length) this.#fail(new BodyOverrunError(writableLength));
  }

  #drained(): void {
    if (this.#isClosed || !this.#isPaused) return;
    this.#isPaused = false;
    const drain = this.#drain;
    this.#drain = null;
    drain?.resolve();
    this.#guard(() => this.#producer.onDrain?.());
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    const reason = error instanceof Error
      ? error
      : new TypeError(`Cannot complete the response: ${String(error)}`);
    this.cut(reason);
    this.#owner.settled(reason);
  }

  #close(reason: Error | null): void {
    this.#isClosed = true;
    this.#closeReason = reason;
    const drain = this.#drain;
    this.#drain = null;
    if (reason === null) drain?.resolve();
    else drain?.reject(reason);
  }
}
