/**
 * Bytes that many transports send without a copy each: immutable and reference-counted.
 *
 * Strategy: the creator holds one reference; every `writeShared` retains one until the bytes are with the kernel.
 * A selector that sends from memory of its own (io_uring's pinned arena) copies a small chunk there once, on first use,
 * and hangs its way to give that memory back on `onFree`. When the last reference goes, that runs. Runtimes' own
 * sockets send straight from `bytes`, which the garbage collector keeps, so for them the count only catches mistakes.
 *
 * Invariants: `bytes` is never written after construction; `refs` never rises from zero.
 *
 * @module
 */

/**
 * An immutable, reference-counted run of bytes for `Transport.writeShared`.
 *
 * @example
 * ```ts
 * import { SharedChunk } from "@sluice/kit/io";
 *
 * const chunk = new SharedChunk(new TextEncoder().encode("data: hi\n\n"));
 * // for (const transport of readers) transport.writeShared(chunk);
 * chunk.release(); // the creator's own reference
 * ```
 */
export class SharedChunk {
  /** The bytes; never write to them. */
  readonly bytes: Uint8Array;
  /** Called once when the last reference goes; a selector's way to free memory it pinned for the chunk. */
  onFree: (() => void) | null = null;
  /** The same bytes in memory a selector has pinned for as long as the chunk has references; never write to them. */
  pinned: Uint8Array | null = null;
  #refs = 1;

  /** Takes ownership of `bytes`: the caller must not write to them any more. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** References held now. */
  get refs(): number {
    return this.#refs;
  }

  /** Takes one more reference; throws `TypeError` when the chunk is already freed. */
  retain(): void {
    if (this.#refs === 0) throw new TypeError("Cannot retain a SharedChunk: its last reference was released");
    this.#refs++;
  }

  /** Gives one reference back; throws `TypeError` when there is none left. */
  release(): void {
    if (this.#refs === 0) {
      throw new TypeError("Cannot release a SharedChunk: its last reference was released");
    }
    this.#refs--;
    if (this.#refs > 0) return;
    const free = this.onFree;
    this.onFree = null;
    this.pinned = null;
    free?.();
  }
}
