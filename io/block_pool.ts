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
import { FrontView } from "./front_view.ts";
import type { SharedChunk } from "./shared_chunk.ts";

/** One block with the number of bytes written to it so far. */
export class Block extends FrontView {
  /** Bytes written, from the start. */
  used = 0;
}

/**
 * 16 KiB: holds a usual response with its head whole, so that a turn's writes are one send from one block; ten
 * thousand connections writing in one turn still need only 160 MiB for the length of that turn.
 */
export const BLOCK_BYTES = 16 * 1024;

/** 256 free blocks are 4 MiB kept: as many connections as one turn of a busy server answers. */
const FREE_BLOCKS_MAX = 256;

/** 64 KiB: what a big write is cut into, and the mark where writers are told to pause. */
export const BIG_BLOCK_BYTES = 64 * 1024;

/** 64 free big blocks are 4 MiB kept: without them every large body would be garbage, at its own length. */
const FREE_BIG_BLOCKS_MAX = 64;

/** Lends blocks; see the module's text. */
export class BlockPool {
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #free: Block[] = [];
  readonly #freeBig: Block[] = [];

  /** @param allocate makes memory of the given length; its content may be anything */
  constructor(allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.#allocate = allocate;
  }

  /** Blocks waiting to be lent, of both sizes. */
  get freeCount(): number {
    return this.#free.length + this.#freeBig.length;
  }

  /** Lends an empty block of `BLOCK_BYTES`. */
  take(): Block {
    return this.#free.pop() ?? new Block(this.#allocate(BLOCK_BYTES));
  }

  /**
   * Lends a block of its own for a big write, or a part of one.
   *
   * @param bytes what to copy into it, at most `BIG_BLOCK_BYTES`
   */
  takeCopy(bytes: Uint8Array): Block {
    const block = this.#freeBig.pop() ?? new Block(this.#allocate(BIG_BLOCK_BYTES));
    block.bytes.set(bytes);
    block.used = bytes.length;
    return block;
  }

  /** The bytes to send for a chunk: its own, or the same in memory that the kernel may read later. */
  bytesOf(chunk: SharedChunk): Uint8Array {
    return chunk.bytes;
  }

  /** Takes a block back; the caller forgets it. */
  give(block: Block): void {
    block.used = 0;
    if (block.bytes.length === BIG_BLOCK_BYTES) {
      if (this.#freeBig.length < FREE_BIG_BLOCKS_MAX) this.#freeBig.push(block);
    } else if (this.#free.length < FREE_BLOCKS_MAX) this.#free.push(block);
  }
}
