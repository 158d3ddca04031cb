/**
 * What the parsers of both roles share: bodies, pausing, limits, the end.
 *
 * Strategy: one loop over a state; each turn takes bytes to the next event. States change *before* the sink is called, so
 * that the sink may pause in any event and the reader goes on from there. Nothing is held but a head, a chunk line's
 * state or trailers that came in part. Parsing never throws: a broken rule is one `error` event, and the parser is dead.
 *
 * @module
 */
import { ChunkedDecoder } from "./chunked_decoder.ts";
import { Http1Error, LocalProtocolError, type MessageRole } from "./errors.ts";
import { assertLimits } from "./limits.ts";
import type { MessageHead, MessageLimits, MessageParser, MessageSink } from "./message.ts";
import type { RefusalId } from "./refusals.ts";
import { REFUSED } from "./section_scanner.ts";

// States of a message reader; those from AT_LIMIT to DONE need no bytes to go on.
/** Waits for a message's first byte. */
export const IDLE = 0;
/** A CR came where a message may begin. */
export const AT_EMPTY_LF = 1;
/** An empty line came; the next byte begins the message. */
export const AFTER_EMPTY = 2;
/** The first bytes of a head came. */
export const IN_HEAD = 3;
const IN_LENGTH = 4;
const IN_CHUNKED = 5;
const IN_CLOSE = 6;
/** The declared length is above the limit, `error` has to be told. */
const AT_LIMIT = 7;
/** All bytes of the message came, `end` has to be told. */
const AT_END = 8;
/** The last message the connection may carry has ended. */
const DONE = 9;
const DEAD = 10;

const NO_BYTES = new Uint8Array(0);

/** What both roles share: bodies, pausing, ending. A role adds how its heads are read. */
export abstract class MessageReader<Head extends MessageHead> implements MessageParser {
  /** Who hears the events. */
  protected readonly sink: MessageSink<Head>;
  /** Bounds of each message. */
  protected readonly limits: MessageLimits;
  /** Where in a message the reader is: one of the states above. */
  protected state: number = IDLE;
  readonly #role: MessageRole;
  /** Whether nothing is to be told for now. */
  #isPaused = false;
  /** Whether `feed` is on the stack. */
  #isFeeding = false;
  /** `finish` was called; takes effect once all bytes are read. */
  #isFinished = false;
  /** Whether the connection may carry no message after this one. */
  #isLast = false;
  /** Bytes of a body with a length that have not come; of one that ends with the connection, those that came. */
  #length = 0;
  #bodyBytesMax: number;
  /** Made for the first chunked body. */
  #chunks: ChunkedDecoder | null = null;

  /**
   * Checks the limits.
   *
   * @param sink who hears the events
   * @param limits bounds of each message
   * @param role what errors are told to be about
   * @throws {RangeError} a limit that cannot be kept
   */
  constructor(sink: MessageSink<Head>, limits: MessageLimits, role: MessageRole) {
    assertLimits(limits);
    this.sink = sink;
    this.limits = limits;
    this.#role = role;
    this.#bodyBytesMax = limits.bodyBytesMax;
  }

  get isIdle(): boolean {
    return this.state === IDLE || this.state === AFTER_EMPTY;
  }

  get isInHead(): boolean {
    return this.state === IN_HEAD || this.state === AT_EMPTY_LF;
  }

  get isDone(): boolean {
    return this.state === DONE;
  }

  get isDead(): boolean {
    return this.state === DEAD;
  }

  feed(bytes: Uint8Array): number {
    if (this.#isFeeding) {
      throw new LocalProtocolError("Cannot feed the parser: it is being fed (called by its sink)");
    }
    const end = bytes.length;
    let at = 0;
    this.#isFeeding = true;
    try {
      while (!this.#isPaused && this.state < DONE && (at < end || this.state >= AT_LIMIT)) {
        at = this.#step(bytes, at, end);
      }
      if (this.#isFinished && at === end && !this.#isPaused) this.#finishNow();
    } catch (error) {
      // Only the sink throws. Where it stands is unknown, so nothing more is told to it.
      this.state = DEAD;
      throw error;
    } finally {
      this.#isFeeding = false;
    }
    return at;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  finish(): void {
    this.#isFinished = true;
    if (!this.#isPaused && !this.#isFeeding) this.feed(NO_BYTES);
  }

  setBodyBytesMax(bytes: number): void {
    if (!(bytes === Infinity || (Number.isSafeInteger(bytes) && bytes >= 0))) {
      throw new RangeError(`Cannot limit the body: ${bytes} is not a whole number of at least 0`);
    }
    this.#bodyBytesMax = bytes;
    if (this.state === IN_LENGTH && this.#length > bytes) this.fail("body-too-large");
  }

  /**
   * Begins or goes on with a message's head.
   *
   * @returns the index after what was read
   */
  protected abstract readHead(bytes: Uint8Array, start: number, end: number): number;

  /** Tells the rule that was broken; nothing is told ever after. */
  protected fail(refusal: RefusalId): void {
    if (this.state === DEAD) return;
    this.state = DEAD;
    this.sink.error(new Http1Error(refusal, this.#role));
  }

  /** Sets out to read the body of `head` (already told to nobody), then tells the head. */
  protected beginBody(head: Head, isLast: boolean): void {
    this.#isLast = isLast;
    this.#bodyBytesMax = this.limits.bodyBytesMax;
    const { framing } = head;
    this.state = AT_END;
    this.#length = 0;
    if (framing.kind === "length" && framing.length > 0) {
      this.#length = framing.length;
      this.state = IN_LENGTH;
    } else if (framing.kind === "chunked") {
      this.#chunks ??= new ChunkedDecoder(this.limits);
      this.#chunks.reset();
      this.state = IN_CHUNKED;
    } else if (framing.kind === "close") this.state = IN_CLOSE;
    this.sink.head(head);
    if (this.state === IN_LENGTH && this.#length > this.#bodyBytesMax) this.state = AT_LIMIT;
  }

  /** Takes bytes to the next event, or all of them. */
  #step(bytes: Uint8Array, start: number, end: number): number {
    switch (this.state) {
      case IN_LENGTH: {
        const taken = Math.min(this.#length, end - start);
        this.#length -= taken;
        if (this.#length === 0) this.state = AT_END;
        return this.#tellBody(bytes, start, start + taken);
      }
      case IN_CHUNKED:
        return this.#readChunks(bytes, start, end);
      case IN_CLOSE: {
        const taken = Math.min(this.#bodyBytesMax - this.#length, end - start);
        if (taken > 0) {
          this.#length += taken;
          return this.#tellBody(bytes, start, start + taken);
        }
        this.fail("body-too-large");
        return start;
      }
      case AT_LIMIT:
        this.fail("body-too-large");
        return start;
      case AT_END:
        this.#tellEnd();
        return start;
      default:
        return this.readHead(bytes, start, end);
    }
  }

  #readChunks(bytes: Uint8Array, start: number, end: number): number {
    const chunks = this.#chunks!;
    if (chunks.data > 0) {
      const taken = Math.min(chunks.data, end - start);
      chunks.took(taken);
      return this.#tellBody(bytes, start, start + taken);
    }
    const after = chunks.read(bytes, start, end, this.#bodyBytesMax);
    if (after === REFUSED) {
      this.fail(chunks.refusal!);
      return start;
    }
    if (chunks.isComplete) this.#tellEnd();
    return after;
  }

  /** Hands on a part of the body, in place. */
  #tellBody(bytes: Uint8Array, start: number, end: number): number {
    this.sink.body(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    return end;
  }

  /** Tells the message's end and gets ready for the next. */
  #tellEnd(): void {
    const isChunked = this.state === IN_CHUNKED;
    this.state = this.#isLast ? DONE : IDLE;
    this.sink.end(isChunked ? this.#chunks!.trailers : null);
    if (isChunked) this.#chunks!.reset();
  }

  /** The peer's FIN, after all bytes. */
  #finishNow(): void {
    this.#isFinished = false;
    switch (this.state) {
      case AT_EMPTY_LF:
      case IN_HEAD:
        this.fail("incomplete-head");
        break;
      case IN_LENGTH:
      case IN_CHUNKED:
        this.fail("incomplete-body");
        break;
      case IN_CLOSE:
        this.#tellEnd();
        break;
    }
    if (this.state !== DEAD) this.state = DONE;
  }
}
