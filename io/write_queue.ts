/**
 * The bytes one transport has accepted and not yet handed over, in order: copied ones in blocks, shared ones by
 * reference.
 *
 * Strategy: small writes are copied into the block at the end of the queue, so that what a turn writes is usually one
 * view of one block. A write as big as a block gets memory of its own. A shared chunk is a part of its own, and closes
 * the block before it, for order.
 *
 * Handing over: `view` or `gather` show the front of the queue; `take` removes what was taken. What a driver keeps for
 * later (`hold`) leaves the queue too, but is given back (blocks to the pool, chunks released) only by `releaseHeld`.
 * Once its first bytes are held, a block takes no more: the driver's memory is not written to.
 *
 * @module
 */
import { BIG_BLOCK_BYTES, Block, BLOCK_BYTES, type BlockPool } from "./block_pool.ts";
import { SharedChunk } from "./shared_chunk.ts";
import { slimArray } from "./slim_array.ts";

/** UTF-8 needs at most three bytes for a UTF-16 code unit (RFC 3629 §3: four only for a pair of units). */
const UTF8_BYTES_PER_UNIT_MAX = 3;

/** ISO 8859-1 is the first 256 code points of Unicode. All bits of it are set, so units can be checked by an OR. */
const LATIN1_UNIT_MAX = 0xff;

/** From about 64 units on the runtime's encoder, with the cost of its call, is faster than a loop. */
const ENCODE_UNITS_MIN = 64;

const encoder = new TextEncoder();

type Part = Block | SharedChunk;

/** See the module's text. */
export class WriteQueue {
  readonly #pool: BlockPool;
  #parts: Part[] = slimArray();
  /** Bytes of the first part that are gone. */
  #offset = 0;
  /** The last part, when it is a block with room left. */
  #tail: Block | null = null;
  /** What a driver holds: mostly one part, which is no reason for a list. */
  #heldPart: Part | null = null;
  #held: Part[] | null = null;
  /** Whether the driver holds bytes of the part that is now first. */
  #isFirstHeld = false;

  /** @param pool where blocks come from */
  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  /** Whether nothing waits to be handed over. */
  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Parts waiting to be handed over. */
  get partCount(): number {
    return this.#parts.length;
  }

  /** Appends a copy of `bytes`, at least one. */
  append(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length >= BLOCK_BYTES) {
      for (let start = 0; start < length; start += BIG_BLOCK_BYTES) {
        const isWhole = length <= BIG_BLOCK_BYTES;
        this.#parts.push(
          this.#pool.takeCopy(isWhole ? bytes : bytes.subarray(start, start + BIG_BLOCK_BYTES)),
        );
      }
      this.#tail = null;
      return;
    }
    const tail = this.#tail;
    const room = tail === null ? 0 : BLOCK_BYTES - tail.used;
    if (tail !== null && length <= room) {
      tail.bytes.set(bytes, tail.used);
      tail.used += length;
      return;
    }
    if (tail !== null) {
      tail.bytes.set(bytes.subarray(0, room), tail.used);
      tail.used += room;
    }
    const block = this.#openBlock();
    block.bytes.set(room === 0 ? bytes : bytes.subarray(room));
    block.used = length - room;
  }

  /** Appends `text`, at least one unit, as UTF-8; returns how many bytes that were. */
  appendText(text: string): number {
    const bytesMax = text.length * UTF8_BYTES_PER_UNIT_MAX;
    if (bytesMax > BLOCK_BYTES) {
      const bytes = encoder.encode(text);
      this.append(bytes);
      return bytes.length;
    }
    const block = this.#blockFor(bytesMax);
    const { written } = encoder.encodeInto(
      text,
      block.used === 0 ? block.bytes : block.bytes.subarray(block.used),
    );
    block.used += written;
    return written;
  }

  /**
   * Appends `text`, at least one unit, one byte a unit.
   *
   * @throws RangeError when a unit is above 255; then nothing was appended
   */
  appendLatin1(text: string): void {
    const { length } = text;
    if (length > BLOCK_BYTES) {
      const bytes = new Uint8Array(length);
      copyLatin1(text, bytes, 0);
      return this.append(bytes);
    }
    const tail = this.#tail;
    if (tail !== null && BLOCK_BYTES - tail.used >= length) {
      copyLatin1(text, tail.bytes, tail.used);
      tail.used += length;
      return;
    }
    const block = this.#pool.take();
    try {
      copyLatin1(text, block.bytes, 0);
    } catch (error) {
      this.#pool.give(block);
      throw error;
    }
    block.used = length;
    this.#parts.push(block);
    this.#tail = block;
  }

  /** Appends a chunk with at least one byte, without copying it; retains it. */
  appendShared(chunk: SharedChunk): void {
    chunk.retain();
    this.#parts.push(chunk);
    this.#tail = null;
  }

  /** Shows the front of the first part: at most `bytesMax` bytes. The queue must not be empty. */
  view(bytesMax: number): Uint8Array {
    const first = this.#parts[0]!;
    const end = Math.min(endOf(first), this.#offset + bytesMax);
    return this.#viewOf(first, this.#offset, end);
  }

  /** Shows the front of the queue as views from `views[0]` on, at most `partsMax` and `bytesMax` bytes of it; returns their bytes. */
  gather(views: Uint8Array[], partsMax: number, bytesMax: number): number {
    let bytes = 0;
    let offset = this.#offset;
    let count = 0;
    for (const part of this.#parts) {
      const length = Math.min(endOf(part) - offset, bytesMax - bytes);
      if (length === 0 || count === partsMax) break;
      views[count++] = this.#viewOf(part, offset, offset + length);
      bytes += length;
      offset = 0;
    }
    if (views.length > count) views.length = count;
    return bytes;
  }

  /** Removes `bytes` from the front: they are with the kernel. */
  take(bytes: number): void {
    this.#remove(bytes, null);
  }

  /** Removes `bytes` from the front: a driver holds them until `releaseHeld`. */
  hold(bytes: number): void {
    const parts = this.#parts;
    if (parts.length === 1 && this.#offset + bytes === endOf(parts[0]!)) {
      this.#heldPart = parts.pop()!;
      this.#offset = 0;
      this.#tail = null;
      this.#isFirstHeld = false;
      return;
    }
    if (bytes === this.#bytes()) { // All of it: as it is, for the thousands of queues of a fan-out that is behind.
      this.#held = parts;
      this.#parts = slimArray();
      this.#offset = 0;
      this.#tail = null;
      this.#isFirstHeld = false;
      return;
    }
    this.#held = [];
    this.#remove(bytes, this.#held);
    this.#isFirstHeld = this.#offset > 0;
    this.#tail = null;
  }

  /** Gives back what was held. */
  releaseHeld(): void {
    this.#isFirstHeld = false;
    const part = this.#heldPart;
    const held = this.#held;
    this.#heldPart = this.#held = null;
    if (part !== null) this.#giveBack(part);
    if (held !== null) { for (const part of held) this.#giveBack(part); }
  }

  /** Forgets what was held: chunks are released, blocks left to the garbage collector, since it may still be read. */
  forgetHeld(): void {
    const part = this.#heldPart;
    const held = this.#held;
    this.#heldPart = this.#held = null;
    if (part instanceof SharedChunk) part.release();
    if (held !== null) { for (const part of held) if (part instanceof SharedChunk) part.release(); }
  }

  /** Drops what waits to be handed over. What a driver holds stays held. */
  drop(): void {
    for (const [index, part] of this.#parts.entries()) {
      if (index > 0 || !this.#isFirstHeld) this.#giveBack(part);
      else (this.#held ??= []).push(part);
    }
    this.#parts = slimArray();
    this.#tail = null;
    this.#offset = 0;
    this.#isFirstHeld = false;
  }

  #remove(bytes: number, held: Part[] | null): void {
    const parts = this.#parts;
    let offset = this.#offset + bytes;
    let count = 0;
    while (count < parts.length) {
      const part = parts[count]!;
      const end = endOf(part);
      if (offset < end) break;
      offset -= end;
      count++;
      if (part === this.#tail) this.#tail = null;
      if (held !== null) held.push(part);
      else this.#giveBack(part);
    }
    this.#offset = offset;
    if (count === 1 && parts.length === 1) parts.pop(); // The usual case; keeps the array's memory for the next turn.
    else if (count > 0 && count === parts.length) this.#parts = slimArray(); // And here not to keep what a burst took.
    else if (count > 0) parts.splice(0, count);
  }

  /** Bytes that wait. */
  #bytes(): number {
    let bytes = -this.#offset;
    for (const part of this.#parts) bytes += endOf(part);
    return bytes;
  }

  #blockFor(bytes: number): Block {
    const tail = this.#tail;
    return tail !== null && BLOCK_BYTES - tail.used >= bytes ? tail : this.#openBlock();
  }

  #openBlock(): Block {
    const block = this.#pool.take();
    this.#parts.push(block);
    this.#tail = block;
    return block;
  }

  #viewOf(part: Part, start: number, end: number): Uint8Array {
    if (start === 0 && part instanceof Block) return part.front(end);
    const bytes = part instanceof Block ? part.bytes : this.#pool.bytesOf(part);
    return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
  }

  #giveBack(part: Part): void {
    if (part instanceof Block) this.#pool.give(part);
    else part.release();
  }
}

function endOf(part: Part): number {
  return part instanceof Block ? part.used : part.bytes.length;
}

/** Copies first and looks afterwards, in one pass: what was copied in vain is not part of the queue yet. */
function copyLatin1(text: string, target: Uint8Array, start: number): void {
  if (text.length >= ENCODE_UNITS_MIN) {
    const { read, written } = encoder.encodeInto(text, start === 0 ? target : target.subarray(start));
    if (read === text.length && written === text.length) return; // All ASCII, which is the same in both encodings.
  }
  let units = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    units |= unit;
    target[start + i] = unit;
  }
  if (units > LATIN1_UNIT_MAX) {
    throw new RangeError("Cannot write as Latin-1: the text has a code unit above 255");
  }
}
