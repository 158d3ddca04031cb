/**
 * Where retained heads are copied to: slabs that many heads share.
 *
 * Strategy: a typed array of its own costs 200 ns and 200 bytes beside the head's; a part of a slab costs 25 ns and nothing.
 * A slab lives as long as any head in it, so one forgotten head holds at most `SLAB_BYTES`. Share one store among the
 * connections of a server; without one, each retained head gets its own array.
 *
 * @module
 */

/** Bytes of a slab: some 40 small heads, and what one long-lived request (an SSE stream's) can hold on to at most. */
const SLAB_BYTES = 4096;

/** A larger head gets an array of its own: it would waste too much of a slab, and costs more to copy than to allocate. */
const SHARED_BYTES_MAX = 1024;

/** Up to here a loop copies faster than `set`, which needs a view of its own on the source (measured on V8 15). */
const LOOP_BYTES_MAX = 96;

const NO_BYTES = new Uint8Array(0);

/**
 * Keeps copies of bytes.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HeadStore } from "./head_store.ts";
 * const store = new HeadStore();
 * const start = store.keep(new Uint8Array([1, 2, 3]), 1, 3);
 * assert(store.bytes[start] === 2);
 * ```
 */
export class HeadStore {
  /** Where the last copy is. */
  bytes: Uint8Array = NO_BYTES;
  #slab: Uint8Array = NO_BYTES;
  #used = 0;

  /**
   * Copies bytes into `this.bytes`.
   *
   * @param source where they are
   * @param start index of the first
   * @param end index after the last
   * @returns index of the first in `this.bytes`
   */
  keep(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length > SHARED_BYTES_MAX) {
      this.bytes = source.slice(start, end);
      return 0;
    }
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    const slab = this.#slab;
    if (length > LOOP_BYTES_MAX) slab.set(source.subarray(start, end), at);
    else for (let i = 0; i < length; i++) slab[at + i] = source[start + i]!;
    this.#used = at + length;
    this.bytes = slab;
    return at;
  }
}
