/**
 * Carries a response's body from the upstream to the client, with backpressure and without holding back.
 *
 * Strategy: a `BodyProducer`. Once started, bytes on loan go straight into the client's cork in the turn in which they
 * were read. Above the writer's high-water mark the upstream connection stops reading, and with it the upstream.
 *
 * Invariants:
 * - Nothing is written to a writer that is paused: what the same read still brings is copied and held until it is drained.
 * - Bytes that come before the start are copied and held, too; above `HELD_BYTES_MAX` the upstream is paused until then.
 * - A body that failed is never ended: the writer is aborted, at the start if it comes to light before.
 * - `onClientGone` is called at most once, and only while the upstream has more to say.
 *
 * @module
 */
import type { BodyProducer, BodyWriter } from "../body_writer.ts";
import type { FieldLine } from "./hop_fields.ts";

/** What a download needs of the connection it comes from. */
export interface DownloadSource {
  /** Takes no more from the upstream for now. */
  pause(): void;
  /** Undoes `pause`. */
  resume(): void;
}

/** 64 KiB: the writer's own high-water mark, so that what is held before the start does not exceed what may be after. */
const HELD_BYTES_MAX = 64 * 1024;

/** A response's body on its way. */
export class Download implements BodyProducer {
  /** Bytes in all, when the upstream declared them. */
  readonly length?: number;
  /**
   * Only the upstream can end its event streams properly, so a server that stops waits for them as for other bodies; unless
   * the upstream stops with it.
   */
  readonly kind: "body" | "stream";
  readonly #onClientGone: (reason: Error | null) => void;
  #source: DownloadSource | null;
  #writer: BodyWriter | null = null;
  #held: Uint8Array<ArrayBuffer>[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #isEnded = false;
  #trailers: FieldLine[] = [];
  #failure: Error | null = null;

  /**
   * @param source what is paused when the client does not keep up
   * @param length bytes in all, `null` when not declared
   * @param onClientGone hears when nobody wants the rest
   * @param kind how a server that stops treats and reports it
   */
  constructor(
    source: DownloadSource,
    length: number | null,
    onClientGone: (reason: Error | null) => void,
    kind: "body" | "stream" = "body",
  ) {
    this.kind = kind;
    this.#source = source;
    if (length !== null) this.length = length;
    this.#onClientGone = onClientGone;
  }

  /** Whether the whole body is here, and no trailers: then it can be sent as it is. */
  get isWhole(): boolean {
    return this.#isEnded && this.#trailers.length === 0 && this.#failure === null;
  }

  /** Takes what is held: for a body that is whole before anybody asked. */
  takeHeld(): Uint8Array<ArrayBuffer> {
    const held = this.#held;
    this.#held = [];
    if (held.length === 1) return held[0]!;
    const all = new Uint8Array(this.#heldBytes);
    let offset = 0;
    for (const bytes of held) {
      all.set(bytes, offset);
      offset += bytes.length;
    }
    return all;
  }

  // Called by the exchange.

  /** Bytes came from the upstream; on loan. */
  push(bytes: Uint8Array): void {
    const writer = this.#writer;
    if (writer === null || this.#held.length > 0 || writer.isPaused) {
      this.#held.push(bytes.slice());
      this.#heldBytes += bytes.length;
      if (writer !== null || this.#heldBytes > HELD_BYTES_MAX) this.#pause();
      return;
    }
    writer.write(bytes);
    if (writer.isPaused) this.#pause();
  }

  /** The upstream's body is complete. */
  finish(trailers: FieldLine[]): void {
    this.#source = null;
    this.#isEnded = true;
    this.#trailers = trailers;
    if (this.#held.length === 0) this.#writer?.end(trailers);
  }

  /** The upstream's body will never be complete. */
  fail(reason: Error): void {
    if (this.#isEnded) return;
    this.#source = null;
    this.#failure = reason;
    this.#held = [];
    this.#writer?.abort(reason);
  }

  // BodyProducer: called by whoever sends the response.

  /** The head is written: what is held follows, then everything as it comes. */
  start(writer: BodyWriter): void {
    if (this.#failure !== null) {
      writer.abort(this.#failure);
      return;
    }
    this.#writer = writer;
    this.#goOn(writer);
  }

  /** The client has taken what was buffered. */
  onDrain(): void {
    if (this.#writer !== null) this.#goOn(this.#writer);
  }

  /** The client left, or was cut. */
  onClosed(reason: Error | null): void {
    const isWanted = this.#source !== null;
    this.#source = null;
    this.#writer = null;
    this.#held = [];
    if (isWanted) this.#onClientGone(reason);
  }

  /** Writes what is held as far as the client takes it; then the end, or on with the upstream. */
  #goOn(writer: BodyWriter): void {
    const held = this.#held;
    let written = 0;
    while (written < held.length && !writer.isPaused && !writer.isClosed) {
      const bytes = held[written++]!;
      this.#heldBytes -= bytes.length;
      writer.write(bytes);
    }
    if (this.#held !== held) return; // The write was too much, and ended everything.
    held.splice(0, written);
    if (held.length > 0) this.#pause();
    else if (this.#isEnded) writer.end(this.#trailers);
    else if (writer.isPaused) this.#pause();
    else this.#resume();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#source?.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#source?.resume();
  }
}
