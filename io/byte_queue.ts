/**
 * Bytes that came and were not read yet: one block that grows, read from the front.
 *
 * - Every byte is copied once on its way in (it is on loan there) and, unless a read takes the whole block, once on its
 *   way out: what a read returns belongs to the caller alone, who may change or transfer it.
 * - The block grows by doubling, and what is left is moved to the front only when at least half of the block is free,
 *   so appending costs a constant per byte whatever the sizes of the pieces. Pieces of one byte cost one byte.
 * - Empty means no block: an idle connection owns no buffer.
 * - `lend` shows bytes on loan to readers without copying them in; `keep` copies what they left.
 *
 * Not bounded by itself: the reader on top pauses the transport by its limit.
 *
 * @module
 */

/** Smallest block that is made to append to: below it one copy more is cheaper than one allocation more. */
const BLOCK_BYTES_MIN = 512;

/** What an empty queue reads from. */
const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** A copy of its own: not `slice()`, which on a Node `Buffer` is a view. */
function copy(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const copied = new Uint8Array(end - start);
  copied.set(copied.length === bytes.length ? bytes : bytes.subarray(start, end));
  return copied;
}

/** Where a separator was found: offsets from the front of the queue. */
export interface Match {
  /** Where it begins. */
  readonly start: number;
  /** Where it is over. */
  readonly end: number;
}

/** A first-in, first-out queue of bytes. */
export class ByteQueue {
  #block: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  /** Whether the block is somebody else's, until `keep`. */
  #isLent = false;

  /** Bytes in the queue. */
  get length(): number {
    return this.#end - this.#start;
  }

  /**
   * Copies `bytes` in.
   *
   * @param wanted bytes that are known to be asked for: the block does not grow beyond them without need
   */
  push(bytes: Uint8Array, wanted = 0): void {
    const length = this.length;
    if (length === 0 && bytes.length >= wanted) {
      this.#adopt(copy(bytes, 0, bytes.length));
      return;
    }
    const needed = length + bytes.length;
    if (this.#end + bytes.length > this.#block.length) {
      if (needed * 2 <= this.#block.length) {
        this.#block.copyWithin(0, this.#start, this.#end);
      } else {
        const doubled = Math.max(needed * 2, BLOCK_BYTES_MIN);
        const block = new Uint8Array(wanted >= needed && wanted < doubled ? wanted : doubled);
        block.set(this.#block.subarray(this.#start, this.#end));
        this.#block = block;
      }
      this.#start = 0;
      this.#end = length;
    }
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Puts bytes on loan into the empty queue. Before the loan is over, `keep` must be called. */
  lend(bytes: Uint8Array): void {
    this.#adopt(bytes);
    this.#isLent = true;
  }

  /** Ends the loan: copies what nobody has taken. */
  keep(): void {
    if (!this.#isLent) return;
    this.#isLent = false;
    if (this.length > 0) this.#adopt(copy(this.#block, this.#start, this.#end));
    else this.clear();
  }

  /** Takes the first `count` bytes out, as the caller's own. There must be as many. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const start = this.#start;
    const end = start + count;
    const isWhole = count > 0 && count === this.#block.length && !this.#isLent;
    const taken = isWhole ? this.#block as Uint8Array<ArrayBuffer> : copy(this.#block, start, end);
    this.skip(count);
    return taken;
  }

  /** Drops the first `count` bytes. There must be as many. */
  skip(count: number): void {
    if (count === this.length && !this.#isLent) this.clear();
    else this.#start += count;
  }

  /** Drops everything and the block with it. */
  clear(): void {
    this.#adopt(NOTHING);
  }

  /** Offset of the first `byte` at or after the offset `from`; -1 when there is none. */
  indexOf(byte: number, from: number): number {
    const end = this.#end;
    const block = this.#block.length === end ? this.#block : this.#block.subarray(0, end);
    const index = block.indexOf(byte, this.#start + from);
    return index < 0 ? -1 : index - this.#start;
  }

  /**
   * The separator that ends first, at or after the offset `from`; of those that end together the shortest.
   *
   * @param separators sorted by length, each of at least one byte
   */
  find(separators: readonly Uint8Array[], from: number): Match | null {
    let found: Match | null = null;
    for (const separator of separators) {
      const start = this.#indexOfAll(separator, from);
      if (start < 0) continue;
      const end = start + separator.length;
      if (found === null || end < found.end) found = { start, end };
    }
    return found;
  }

  /** Offset of the first place at or after `from` that holds all of `bytes`; -1 when there is none. */
  #indexOfAll(bytes: Uint8Array, from: number): number {
    for (let start = this.indexOf(bytes[0]!, from); start >= 0; start = this.indexOf(bytes[0]!, start + 1)) {
      if (start + bytes.length > this.length) return -1;
      let matched = 1;
      while (matched < bytes.length && this.#block[this.#start + start + matched] === bytes[matched]) {
        matched++;
      }
      if (matched === bytes.length) return start;
    }
    return -1;
  }

  #adopt(block: Uint8Array): void {
    this.#block = block;
    this.#start = 0;
    this.#end = block.length;
    this.#isLent = false;
  }
}
