/**
 * What is sent under torture: frames of a length, a seed, and bytes that follow from the seed. So every byte that arrives can be
 * checked, wherever a connection breaks off.
 *
 * @module
 */

/** Length and seed. */
const HEAD_BYTES = 8;

/** More than any frame has. */
const FRAME_BYTES_MAX = 1 << 24;

/** The byte at `index` of the frame with `seed`. */
function byteOf(seed: number, index: number): number {
  return (Math.imul(seed + index, 0x9e3779b1) >>> 24) & 0xff;
}

/** Makes a frame. */
export function makeFrame(seed: number, length: number): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, length, true);
  view.setUint32(4, seed, true);
  for (let index = 0; index < length; index++) frame[HEAD_BYTES + index] = byteOf(seed, index);
  return frame;
}

/** Checks frames as they come. */
export class Unframer {
  /** Bytes so far. */
  length = 0;
  readonly #onHead: (seed: number, length: number) => void;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headUsed = 0;
  #seed = 0;
  #index = 0;
  #left = 0;

  /** @param onHead hears of each frame that begins */
  constructor(onHead: (seed: number, length: number) => void) {
    this.#onHead = onHead;
  }

  /** Bytes of the present frame that are still to come; at least one in the middle of its head. */
  get left(): number {
    return this.#left > 0 || this.#headUsed === 0 ? this.#left : HEAD_BYTES - this.#headUsed;
  }

  /** Takes bytes; returns what is wrong with them, or `null`. */
  feed(bytes: Uint8Array): string | null {
    this.length += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        this.#head[this.#headUsed++] = bytes[at++]!;
        if (this.#headUsed === HEAD_BYTES && !this.#begin()) return `a frame of ${this.#left} bytes came`;
        continue;
      }
      const end = Math.min(bytes.length, at + this.#left);
      this.#left -= end - at;
      for (; at < end; at++, this.#index++) {
        if (bytes[at] !== byteOf(this.#seed, this.#index)) {
          return `byte ${this.#index} of the frame with seed ${this.#seed} is ${bytes[at]}`;
        }
      }
    }
    return null;
  }

  #begin(): boolean {
    const view = new DataView(this.#head.buffer);
    this.#headUsed = 0;
    this.#left = view.getUint32(0, true);
    this.#seed = view.getUint32(4, true);
    this.#index = 0;
    this.#onHead(this.#seed, this.#left);
    return this.#left <= FRAME_BYTES_MAX;
  }
}
