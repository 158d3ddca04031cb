/**
 * Bytes that are all there, sent piece by piece, so that a slow reader holds no copy of them in the write buffer.
 *
 * @module
 */
import { SharedChunk } from "../io/shared_chunk.ts";
import type { BodyProducer, BodyWriter } from "./body_writer.ts";

/** 256 KiB a piece: what one send takes at most. Above the mark at which the writer pauses, so there is one at a time. */
const PIECE_BYTES = 256 * 1024;

/** Writes bytes it was given, without copying them: they must not change until they are sent. Needs framing by length. */
export class StaticProducer implements BodyProducer {
  readonly kind = "body";
  readonly length: number;
  readonly #bytes: Uint8Array;
  #at = 0;
  #writer: BodyWriter | null = null;

  /** @param bytes the whole body */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  start(writer: BodyWriter): void {
    this.#writer = writer;
    this.onDrain();
  }

  onDrain(): void {
    const writer = this.#writer!;
    while (this.#at < this.length) {
      if (writer.isPaused || writer.isClosed) return;
      const piece = new SharedChunk(this.#bytes.subarray(this.#at, this.#at + PIECE_BYTES));
      this.#at += piece.bytes.length;
      writer.writeShared({ plain: piece, chunked: piece });
      piece.release();
    }
    writer.end();
  }
}
