/**
 * The blocks of an io_uring's transports: in pinned memory, so that what a turn writes is sent from where it was written.
 *
 * It is the usual pool with other memory below. When the arena has no room, blocks are ordinary memory: their bytes are
 * sent by system calls of their own (see uring_transport.ts), which loses the batch and nothing else. Large chunks are sent so
 * at any time: copying them costs more.
 *
 * @module
 */
import { BIG_BLOCK_BYTES, Block, BLOCK_BYTES, BlockPool } from "../block_pool.ts";
import type { SharedChunk } from "../shared_chunk.ts";
import type { PinnedArena } from "./uring_arena.ts";

/** 256 free blocks are 4 MiB kept: as many connections as one turn of a busy server answers. */
const FREE_BLOCKS_MAX = 256;

/**
 * Blocks that lie beyond the first 4 MiB of the arena are not kept: what thousands of connections needed once would otherwise
 * be seen, a block here and there, for good (see uring_arena.ts).
 */
const KEPT_BELOW_BYTES = 4 * 1024 * 1024;

/** 32 free big blocks are 2 MiB kept; more are dealt out by the arena as fast, but for one view each. */
const FREE_BIG_BLOCKS_MAX = 32;

/**
 * 16 KiB: a chunk up to here is cheaper copied once for all its readers and sent in a batch than by a system call for each;
 * from about here on a single reader's is not, and for many the calls no longer matter beside the bytes.
 */
const PINNED_BYTES_MAX = 16 * 1024;

/** See the module's text. */
export class PinnedPool extends BlockPool {
  readonly #arena: PinnedArena;
  readonly #keepsFree: boolean;
  readonly #freeBlocks: Block[] = [];
  readonly #freeBigBlocks: Block[] = [];
  /** Chunks that are pinned now. */
  readonly #chunks = new Set<SharedChunk>();

  /** @param arena the memory @param keepsFree whether blocks that come back are kept here; in guard mode they are not */
  constructor(arena: PinnedArena, keepsFree = true) {
    super();
    this.#arena = arena;
    this.#keepsFree = keepsFree;
  }

  override get freeCount(): number {
    return this.#freeBlocks.length + this.#freeBigBlocks.length;
  }

  override take(): Block {
    return this.#freeBlocks.pop() ?? this.#make(BLOCK_BYTES);
  }

  override takeCopy(bytes: Uint8Array): Block {
    const block = this.#freeBigBlocks.pop() ?? this.#make(BIG_BLOCK_BYTES);
    block.bytes.set(bytes);
    block.used = bytes.length;
    return block;
  }

  override give(block: Block): void {
    block.used = 0;
    const offset = this.#arena.addressOf(block.bytes) - this.#arena.address;
    if (offset < 0) return;
    const isBig = block.bytes.length === BIG_BLOCK_BYTES;
    const free = isBig ? this.#freeBigBlocks : this.#freeBlocks;
    const isRoom = free.length < (isBig ? FREE_BIG_BLOCKS_MAX : FREE_BLOCKS_MAX);
    if (this.#keepsFree && isRoom && offset < KEPT_BELOW_BYTES) free.push(block);
    else this.#arena.free(block.bytes);
  }

  /** The chunk in pinned memory: copied there once for all who send it, until its last reference goes; its own if it is large. */
  override bytesOf(chunk: SharedChunk): Uint8Array {
    if (chunk.bytes.length > PINNED_BYTES_MAX) return chunk.bytes;
    return chunk.pinned !== null && this.#arena.owns(chunk.pinned) ? chunk.pinned : this.#pin(chunk);
  }

  /** Chunks that are pinned now. */
  get pinnedCount(): number {
    return this.#chunks.size;
  }

  /** Gives back what is kept, and unpins what others still hold. */
  clear(): void {
    for (const block of this.#freeBlocks) this.#arena.free(block.bytes);
    for (const block of this.#freeBigBlocks) this.#arena.free(block.bytes);
    this.#freeBlocks.length = this.#freeBigBlocks.length = 0;
    for (const chunk of this.#chunks) chunk.pinned = null;
  }

  #pin(chunk: SharedChunk): Uint8Array {
    const pinned = chunk.pinned === null ? this.#arena.allocate(chunk.bytes.length) : null;
    if (pinned === null) return chunk.bytes; // No room, or another selector's: it is sent from there.
    pinned.set(chunk.bytes);
    chunk.pinned = pinned;
    this.#chunks.add(chunk);
    const { onFree } = chunk;
    chunk.onFree = () => {
      this.#chunks.delete(chunk);
      this.#arena.free(pinned);
      onFree?.();
    };
    return pinned;
  }

  #make(bytes: number): Block {
    return new Block(this.#arena.allocate(bytes) ?? new Uint8Array(bytes));
  }
}
