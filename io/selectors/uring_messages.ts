/**
 * Where what an entry points to lies until it is submitted: message headers with their vectors, and socket addresses.
 *
 * The kernel copies both when it takes the entry (`IORING_FEAT_SUBMIT_STABLE`, required). So one piece of pinned memory is
 * dealt out from its start until the next submit, and then from its start again.
 *
 * @module
 */
import { MESSAGE, VECTOR_BYTES } from "../ffi/uring_layout.ts";
import type { PinnedArena } from "./uring_arena.ts";
import type { Ring } from "./uring_ring.ts";

/** 256 KiB: 3,000 messages of two parts in one submit; when it is used up, a submit comes earlier. */
export const MESSAGES_BYTES = 256 * 1024;

/** See the module's text. */
export class UringMessages {
  readonly #arena: PinnedArena;
  readonly #ring: Ring;
  readonly #memory: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array;
  readonly #address: number;
  #used = 0;
  #submits = -1;

  /** @param memory pinned memory of `MESSAGES_BYTES` */
  constructor(arena: PinnedArena, ring: Ring, memory: Uint8Array<ArrayBuffer>) {
    this.#arena = arena;
    this.#ring = ring;
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length >> 2);
    this.#address = arena.addressOf(memory);
  }

  /** Lays down a message of `parts` from number `start` to before `end`, all of pinned memory; returns its address. */
  message(parts: readonly Uint8Array[], start: number, end: number): number {
    const at = this.#reserve(MESSAGE.bytes + (end - start) * VECTOR_BYTES);
    const words = this.#words;
    const head = at >> 2;
    words.fill(0, head, head + (MESSAGE.bytes >> 2));
    const vectors = at + MESSAGE.bytes;
    put(words, (at + MESSAGE.vectors) >> 2, this.#address + vectors);
    words[(at + MESSAGE.vectorCount) >> 2] = end - start;
    for (let index = start, word = vectors >> 2; index < end; index++, word += VECTOR_BYTES >> 2) {
      const part = parts[index]!;
      put(words, word, this.#arena.addressOf(part));
      words[word + 2] = part.length;
      words[word + 3] = 0;
    }
    return this.#address + at;
  }

  /** Lays down bytes, such as a socket address; returns where they are. */
  bytes(bytes: Uint8Array): number {
    const at = this.#reserve(bytes.length);
    this.#memory.set(bytes, at);
    return this.#address + at;
  }

  /** Room for so many bytes, aligned to 8, and for the entry that is to be prepared next: that one must not submit first. */
  #reserve(bytes: number): number {
    this.#ring.makeRoom();
    if (this.#used + bytes > this.#memory.length) this.#ring.submit();
    if (this.#submits !== this.#ring.submits) {
      this.#submits = this.#ring.submits;
      this.#used = 0;
    }
    const at = this.#used;
    this.#used = (at + bytes + 7) & ~7;
    return at;
  }
}

function put(words: Uint32Array, at: number, address: number): void {
  words[at] = address;
  words[at + 1] = address / 2 ** 32;
}
