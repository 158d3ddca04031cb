/**
 * A body on its way in: between the connection that receives it and whoever reads it, with a bound on what waits.
 *
 * Strategy: while a consumer takes bytes they pass through without a copy. While nobody does (nobody reads yet, the
 * consumer paused, or gathers what is small) they are copied; at the high mark the owner is told to stop receiving, at the low
 * mark to go on. What is small goes into one contiguous buffer, because a peer that sends single bytes must not cost more memory
 * than one that sends blocks; a block becomes a chunk of its own, which need not be cleared first, nor copied again to grow.
 *
 * Invariants: at most the high mark plus what one receive delivers is held. A body that failed never ends, and what
 * was held of it is dropped: nobody can take a part for the whole. The consumer hears exactly one of `end` and
 * `failed`, unless it cancelled. The owner's `bodyWanted` and `bodyCancelled` come at most once, its `bodyPaused` and
 * `bodyResumed` alternate.
 *
 * @module
 */
import type { BodyConsumer, BodyFlow, BodySource } from "./body_source.ts";
import type { Fields } from "./http1/message.ts";

/** The connection, as a body on its way in sees it. */
export interface IncomingBodyOwner {
  /** Somebody reads the body for the first time, and it is not complete: the moment for `100 Continue`. */
  bodyWanted(body: IncomingBody): void;
  /** Enough waits: receive no more until `bodyResumed`. What is in flight may still be pushed. */
  bodyPaused(body: IncomingBody): void;
  /** Receive again. Comes from inside a call of the reader's: push from a later turn only. */
  bodyResumed(body: IncomingBody): void;
  /** The reader wants no more. What is pushed from now on is dropped. */
  bodyCancelled(body: IncomingBody, reason: Error | null): void;
}

/** Bounds of an incoming body. */
export interface IncomingBodyOptions {
  /**
   * Bytes that may wait for the reader before receiving is paused; it goes on at a quarter of it. Default 64 KiB: what
   * one receive delivers, and the mark of the transport's other direction.
   */
  readonly highBytes?: number;
}

/** What one receive delivers at most; less would pause at every receive, more only holds memory. */
const HIGH_BYTES_DEFAULT = 64 * 1024;

/** A first buffer: a small form or JSON document fits, and an idle connection has none at all. */
const BUFFER_BYTES_MIN = 1024;

/** 16 KiB: a block. After so much, as much again is likely, so a buffer is made for all that it may hold. */
const LARGE_BYTES = 16 * 1024;

/** Settled: what follows it runs when the turn's calls are over. */
const TURN = Promise.resolve();

/** Shared by all bodies that hold nothing. */
const NOTHING = new Uint8Array(0);
/** Shared by all bodies that hold no chunk; nothing is ever in it. */
const NO_CHUNKS: Uint8Array[] = [];

/**
 * A request's body (or a response's, in a client) while it comes in.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { IncomingBody } from "./incoming_body.ts";
 *
 * const owner = { bodyWanted() {}, bodyPaused() {}, bodyResumed() {}, bodyCancelled() {} };
 * const body = new IncomingBody(owner, null);
 * body.push(new TextEncoder().encode("held until "));
 * let text = "";
 * body.consume({ chunk: (bytes) => text += new TextDecoder().decode(bytes), end() {}, failed() {} });
 * body.push(new TextEncoder().encode("somebody reads"));
 * body.end(null);
 * assert(text === "held until somebody reads");
 * ```
 */
export class IncomingBody implements BodySource, BodyFlow {
  /** Bytes in all when declared, else `null`. */
  readonly length: number | null;
  readonly #owner: IncomingBodyOwner;
  readonly #highBytes: number;
  #consumer: BodyConsumer | null = null;
  /** Chunks that wait, and before whatever `#buffer` has. */
  #chunks: Uint8Array[] = NO_CHUNKS;
  /** Bytes of them. */
  #chunkBytes = 0;
  /** Bytes that wait, up to `#end`. */
  #buffer: Uint8Array = NOTHING;
  #end = 0;
  #receivedBytes = 0;
  #isUsed = false;
  /** Whether the consumer asked for a pause. */
  #isPaused = false;
  /** Whether it asked for one that stops the owner, too. */
  #isStopped = false;
  /** Whether the owner was told to stop receiving. */
  #isOwnerPaused = false;
  /** Whether a call to the consumer is on the stack: what it causes is done when it returns. */
  #isDelivering = false;
  /** Whether what is kept will be delivered at the end of the turn. */
  #isGathering = false;
  /** Whether all bytes were pushed. */
  #isComplete = false;
  /** Whether the consumer heard the last call, or will hear none. */
  #isOver = false;
  #failure: Error | null = null;
  #trailers: Fields | null = null;

  /**
   * Makes a body of which nothing has come yet.
   *
   * @param owner the connection
   * @param length bytes in all when declared, else `null`
   * @param options the bounds
   */
  constructor(owner: IncomingBodyOwner, length: number | null, options: IncomingBodyOptions = {}) {
    this.#owner = owner;
    this.length = length;
    this.#highBytes = options.highBytes ?? HIGH_BYTES_DEFAULT;
  }

  /** Whether a consumer was attached, or the body was cancelled or discarded. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Whether all bytes were pushed; they may still wait for the reader. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether it failed. */
  get isFailed(): boolean {
    return this.#failure !== null;
  }

  /** Bytes pushed so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes that wait for the reader. */
  get bufferedBytes(): number {
    return this.#chunkBytes + this.#end;
  }

  // ---- the connection's side --------------------------------------------------------------------------------------

  /** Bytes came; on loan until the call returns. Ignored after `end`, `fail`, a cancel or `discard`. */
  push(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#isOver || this.#isComplete || this.#failure !== null) return;
    const consumer = this.#consumer;
    const isTaken = consumer !== null && !this.#isPaused && !this.#isDelivering;
    const gathersBelow = consumer?.gathersBelowBytes ?? 0;
    if (isTaken && this.bufferedBytes === 0 && bytes.length >= gathersBelow) {
      this.#deliver(bytes, false);
      return this.#resumeOwner(); // The consumer may have stopped it and gone on within the call.
    }
    this.#keep(bytes);
    if (isTaken && gathersBelow > 0) {
      if (this.bufferedBytes >= this.#highBytes) return this.#flush();
      if (!this.#isGathering) TURN.then(this.#onGathered);
      this.#isGathering = true;
      return;
    }
    if (this.bufferedBytes >= this.#highBytes) this.#pauseOwner();
  }

  /** All bytes were pushed. `trailers` are on loan. */
  end(trailers: Fields | null): void {
    if (this.#isComplete || this.#failure !== null) return;
    this.#isComplete = true;
    if (this.#consumer === null || this.#isDelivering || this.bufferedBytes > 0) {
      this.#trailers = trailers === null ? null : new KeptFields(trailers);
    } else this.#finish(trailers);
  }

  /** The body will not be complete. What waits is dropped. */
  fail(reason: Error): void {
    if (this.#isComplete || this.#failure !== null) return;
    this.#failure = reason;
    this.#drop();
    if (this.#consumer !== null && !this.#isDelivering) this.#settle();
  }

  /** Drops what waits and what comes; who reads from now on gets a `TypeError`, who reads already an error. */
  discard(reason: Error): void {
    if (this.#consumer !== null) {
      this.#isComplete = false; // What waits is dropped, so it was not read to its end.
      this.fail(reason);
    }
    this.#isUsed = true;
    this.#isOver = true;
    this.#drop();
  }

  // ---- the reader's side ------------------------------------------------------------------------------------------

  /**
   * Attaches the one consumer. What has come already is delivered from within the call.
   *
   * @param consumer who takes the bytes
   * @returns the body itself, as the consumer's brake
   * @throws {TypeError} the body was read before, cancelled or discarded
   */
  consume(consumer: BodyConsumer): BodyFlow {
    if (this.#isUsed) throw new TypeError("Cannot read the body: it was read, cancelled or discarded before");
    this.#isUsed = true;
    this.#consumer = consumer;
    if (!this.#isComplete && this.#failure === null) this.#owner.bodyWanted(this);
    this.#flush();
    return this;
  }

  /** Delivers no more for now; `isAtOnce` has the owner receive no more either. */
  pause(isAtOnce = false): void {
    this.#isPaused = true;
    if (!isAtOnce || this.#isComplete || this.#failure !== null || this.#isOver) return;
    this.#isStopped = true;
    this.#pauseOwner();
  }

  /** Goes on; what waits is delivered from within the call. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = this.#isStopped = false;
    this.#flush();
  }

  /** No more is wanted; the consumer hears nothing any more. */
  cancel(reason?: Error): void {
    if (this.#isOver) return;
    this.#isUsed = true;
    this.#isOver = true;
    this.#consumer = null;
    this.#drop();
    if (!this.#isComplete && this.#failure === null) this.#owner.bodyCancelled(this, reason ?? null);
  }

  readonly #onGathered = (): void => {
    this.#isGathering = false;
    this.#flush();
  };

  // ---- within -----------------------------------------------------------------------------------------------------

  #pauseOwner(): void {
    if (this.#isOwnerPaused) return;
    this.#isOwnerPaused = true;
    this.#owner.bodyPaused(this);
  }

  /** Delivers what waits, then the end or the failure, as far as the consumer lets it. */
  #flush(): void {
    if (this.#isDelivering || this.#consumer === null) return;
    while (this.bufferedBytes > 0 && !this.#isPaused && !this.#isOver && this.#failure === null) {
      if (this.#chunkBytes === 0) this.#closeBuffer();
      const chunk = this.#chunks.shift()!;
      this.#chunkBytes -= chunk.length;
      this.#deliver(chunk, true);
    }
    this.#resumeOwner();
    this.#settle();
  }

  #resumeOwner(): void {
    if (!this.#isOwnerPaused || this.#isStopped || this.bufferedBytes > this.#highBytes / 4) return;
    this.#isOwnerPaused = false;
    if (!this.#isComplete && this.#failure === null) this.#owner.bodyResumed(this);
  }

  /** One call of `chunk`, and afterwards what could not be done during it. */
  #deliver(bytes: Uint8Array, isGiven: boolean): void {
    this.#isDelivering = true;
    try {
      this.#consumer!.chunk(bytes, isGiven);
    } finally {
      this.#isDelivering = false;
    }
    this.#settle();
  }

  /** Tells the consumer the end or the failure, if that is what comes next. */
  #settle(): void {
    if (this.#isOver || this.#isDelivering || this.#consumer === null) return;
    if (this.#failure !== null) {
      const consumer = this.#consumer;
      this.#isOver = true;
      this.#consumer = null;
      consumer.failed(this.#failure);
    } else if (this.#isComplete && this.bufferedBytes === 0) this.#finish(this.#trailers);
  }

  #finish(trailers: Fields | null): void {
    const consumer = this.#consumer!;
    this.#isOver = true;
    this.#consumer = null;
    this.#trailers = null;
    consumer.end(trailers);
  }

  /** How much a buffer may come to hold that begins with the last `length` bytes pushed; 0 if that is anybody's guess. */
  #expectedBytes(length: number): number {
    if (this.#receivedBytes < LARGE_BYTES) return 0;
    const left = this.length === null
      ? Infinity
      : this.length - this.#receivedBytes + length + this.bufferedBytes;
    return Math.min(this.#highBytes, left);
  }

  /** Keeps a copy: a chunk if it is large, else at the buffer's end. */
  #keep(bytes: Uint8Array): void {
    if (bytes.length >= LARGE_BYTES) {
      this.#closeBuffer();
      this.#keepChunk(new Uint8Array(bytes)); // Not `slice`: V8 has it clear the memory before it copies.
      return;
    }
    this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The buffer grows by doubling; for a body that is large it is made as large as it may be. */
  #makeRoom(length: number): void {
    const end = this.#end;
    if (end + length <= this.#buffer.length) return;
    // Above the mark too: a read in many tiny chunks would be copied as a whole for every byte.
    const size = Math.max(BUFFER_BYTES_MIN, end + length, 2 * end, this.#expectedBytes(length));
    const buffer = new Uint8Array(size);
    buffer.set(this.#buffer.subarray(0, end));
    this.#buffer = buffer;
  }

  #keepChunk(chunk: Uint8Array): void {
    if (this.#chunks === NO_CHUNKS) this.#chunks = [];
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
  }

  /** Makes a chunk of what the buffer has: what comes goes to a new one. */
  #closeBuffer(): void {
    if (this.#end === 0) return;
    this.#keepChunk(this.#buffer.subarray(0, this.#end));
    this.#buffer = NOTHING;
    this.#end = 0;
  }

  #drop(): void {
    this.#chunks = NO_CHUNKS;
    this.#chunkBytes = 0;
    this.#buffer = NOTHING;
    this.#end = 0;
  }
}

/** Trailers that were on loan, kept until the reader gets to them. */
class KeptFields implements Fields {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  constructor(fields: Fields) {
    for (let i = 0; i < fields.count; i++) {
      this.#names.push(fields.nameAt(i));
      this.#values.push(fields.valueAt(i));
    }
  }

  get count(): number {
    return this.#names.length;
  }

  nameAt(index: number): string {
    return this.#at(this.#names, index);
  }

  valueAt(index: number): string {
    return this.#at(this.#values, index);
  }

  get(name: string): string | null {
    return this.#values[this.#names.indexOf(name)] ?? null;
  }

  getAll(name: string): string[] {
    return this.#values.filter((_, index) => this.#names[index] === name);
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  #at(list: string[], index: number): string {
    const text = list[index];
    if (text === undefined) throw new RangeError(`Cannot read field line ${index}: there are ${this.count}`);
    return text;
  }
}
