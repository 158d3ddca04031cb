/**
 * Fixed-size blocks that copied writes are collected in, lent to transports and taken back.
 *
 * Strategy: a block belongs to exactly one transport from `take` until `give`; nobody may touch its bytes afterwards.
 * Blocks that come back wait on a free list, so that a busy server allocates nothing per response. The list is
 * bounded: what comes back above the bound is left to the garbage collector. A block that is never given back (its
 * connection died while the runtime still held it) is simply collected too, so the pool cannot be exhausted.
 *
 * @module
 */

/** One block with the number of bytes written to it so far. */
export class Block {
  /** The memory. */
  readonly bytes: Uint8Array;
  /** Bytes written, from the start. */
  used = 0;
  /** Whether it goes back to the pool; a block made for one big write does not. */
  readonly isPooled: boolean;

  /** @param bytes the memory @param isPooled whether the pool wants it back */
  constructor(bytes: Uint8Array, isPooled: boolean) {
    this.bytes = bytes;
    this.isPooled = isPooled;
  }
}

/**
 * 16 KiB: holds a usual response with its head whole, so that a turn's writes are one send from one block; ten
 * thousand connections writing in one turn still need only 160 MiB for the length of that turn.
 */
export const BLOCK_BYTES = 16 * 1024;

/** 256 free blocks are 4 MiB kept: as many connections as one turn of a busy server answers. */
const FREE_BLOCKS_MAX = 256;

/** Lends blocks; see the module's text. */
export class BlockPool {
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #free: Block[] = [];

  /** @param allocate makes memory of the given length; its content may be anything */
  constructor(allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.#allocate = allocate;
  }

  /** Blocks waiting to be lent. */
  get freeCount(): number {
    return this.#free.length;
  }

  /** Lends an empty block of `BLOCK_BYTES`. */
  take(): Block {
    return this.#free.pop() ?? new Block(this.#allocate(BLOCK_BYTES), true);
  }

  /**
   * Lends a full block of its own for one big write.
   *
   * @param bytes what to copy into it
   */
  takeCopy(bytes: Uint8Array): Block {
    const block = new Block(this.#allocate(bytes.length), false);
    block.bytes.set(bytes);
    block.used = bytes.length;
    return block;
  }

  /** Takes a block back; the caller forgets it. */
  give(block: Block): void {
    block.used = 0;
    if (block.isPooled && this.#free.length < FREE_BLOCKS_MAX) this.#free.push(block);
  }
}
