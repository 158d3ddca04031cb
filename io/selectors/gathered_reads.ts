/**
 * Keeps the small reads of a turn, to deliver them in a row when the turn ends.
 *
 * Why: the runtime reads from one socket after another and calls back between the system calls. On a machine where the kernel
 * clears the translation caches at each call, protocol code between two of them runs cold every time: of the 3 µs that a small
 * request costs above its system calls, a row of them saves one (Deno 2.9.6, 64 connections).
 *
 * Strategy: the first read of a turn goes straight through, so that a lone connection pays nothing. A further small one is copied
 * behind the buffer that all sockets read into, with no object made, and back to its front when its time has come. Order within
 * a connection is its reads': who delivers something by another way calls `deliver` first.
 *
 * A batch of `BATCH_READS` is delivered, and its answers sent, in the middle of the turn: what the kernel keeps of that many
 * sockets is still in the cache from having been read (256 connections: 4 % less in all).
 *
 * Bounds: a batch of small reads, 64 KiB; a larger read is preceded by the delivery of all that waits.
 *
 * @module
 */
import { FrontView } from "../front_view.ts";

/** 64 KiB per read: what one system call usually finds on a fast link; larger ones gained nothing measurable. */
const READ_BYTES_MAX = 64 * 1024;

/** 2 KiB: a request's head with what browsers put there. To copy more costs more than it saves. */
const SMALL_BYTES_MAX = 2 * 1024;

/** 32 reads: with 16 it is the same, with 64 less is gained. */
const BATCH_READS = 32;

/** A connection whose reads are kept. */
export interface GatheredReader {
  /** Gets what was kept, once a read; on loan. */
  deliverRead(bytes: Uint8Array): void;
}

/** The turns that reads come in. */
export interface Turns {
  /** How many have ended. */
  readonly endedTurns: number;
  /** Sends what was written so far. */
  flush(): void;
}

/** The buffer that all sockets of a selector read into, and what of it waits; see the module's text. */
export class GatheredReads {
  /** What sockets read into. */
  readonly buffer: Uint8Array;
  readonly #all: Uint8Array;
  readonly #front: FrontView;
  readonly #turns: Turns;
  readonly #afterTurn: (run: () => void) => void;
  readonly #onTurnEnd: () => void = () => {
    this.#deliver(true);
    this.#turns.flush();
  };
  readonly #readers: (GatheredReader | null)[] = [];
  readonly #lengths: number[] = [];
  #count = 0;
  #usedBytes = 0;
  #isDelivering = false;
  /** The turn that has had its first read. */
  #openTurn = -1;

  /** @param afterTurn runs a function once when the present turn ends @param turns the turns themselves */
  constructor(afterTurn: (run: () => void) => void, turns: Turns) {
    this.#all = new Uint8Array(READ_BYTES_MAX + BATCH_READS * SMALL_BYTES_MAX);
    this.buffer = this.#all.subarray(0, READ_BYTES_MAX);
    this.#front = new FrontView(this.#all);
    this.#turns = turns;
    this.#afterTurn = afterTurn;
  }

  /** The first `length` bytes of the buffer. */
  front(length: number): Uint8Array {
    return this.#front.front(length);
  }

  /** Keeps the buffer's first `length` bytes for `reader`; false if they are to be taken now, which nothing precedes then. */
  keep(reader: GatheredReader, length: number): boolean {
    if (this.#count === 0 && this.#turns.endedTurns !== this.#openTurn) {
      this.#openTurn = this.#turns.endedTurns;
      return false;
    }
    if (this.#isDelivering) return false; // A protocol that lets the runtime read within a call: later than what it is in.
    if (length > SMALL_BYTES_MAX) {
      this.#deliver(false);
      return false;
    }
    this.#all.copyWithin(READ_BYTES_MAX + this.#usedBytes, 0, length);
    this.#usedBytes += length;
    this.#readers[this.#count] = reader;
    this.#lengths[this.#count++] = length;
    if (this.#count === 1) this.#afterTurn(this.#onTurnEnd);
    if (this.#count === BATCH_READS) {
      this.#deliver(true);
      this.#turns.flush();
    }
    return true;
  }

  /** Delivers what waits. The buffer's front is overwritten: there must be nothing in it that is not taken yet. */
  deliver(): void {
    this.#deliver(true);
  }

  #deliver(isFrontFree: boolean): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    let at = READ_BYTES_MAX;
    for (let i = 0; i < this.#count; i++) {
      const reader = this.#readers[i]!;
      const length = this.#lengths[i]!;
      this.#readers[i] = null; // What is closed must not be kept by the list.
      if (isFrontFree) this.#all.copyWithin(0, at, at + length); // Cheaper than a view: those of the front are made once.
      reader.deliverRead(isFrontFree ? this.#front.front(length) : this.#all.subarray(at, at + length));
      at += length;
    }
    this.#count = this.#usedBytes = 0;
    this.#isDelivering = false;
  }
}
