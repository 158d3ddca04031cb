/**
 * The engine's reading half: bytes in, events out (see `message.ts` for their grammar).
 *
 * Strategy: one loop over a state; each turn takes bytes to the next event. States change *before* the sink is called, so
 * that the sink may pause in any event and the parser goes on from there. Nothing is held but a head, a chunk line's
 * state or trailers that came in part. Parsing never throws: a broken rule is one `error` event, and the parser is dead.
 *
 * A server's sink should call `setBodyBytesMax` in its `head` before it acts on the head: a declared length above the limit
 * is then an error before anything was begun. Whoever does not call it hears of it right after `head` returned.
 *
 * @module
 */
import { ChunkedDecoder } from "./chunked_decoder.ts";
import { Http1Error, LocalProtocolError, type MessageRole } from "./errors.ts";
import { CR, LF } from "./grammar.ts";
import { RequestHeadView, ResponseHeadView } from "./head.ts";
import type { HeadStore } from "./head_store.ts";
import {
  assertLimits,
  EXPECTED_RESPONSES_MAX,
  INTERIM_HEADS_MAX,
  MESSAGE_LIMITS_DEFAULT,
  RESPONSE_LIMITS_DEFAULT,
} from "./limits.ts";
import { Meaning } from "./meaning.ts";
import type {
  MessageHead,
  MessageLimits,
  MessageParser,
  MessageSink,
  RequestHead,
  ResponseHead,
} from "./message.ts";
import type { RefusalId } from "./refusals.ts";
import { MORE, REFUSED } from "./section_scanner.ts";
import { RequestScanner, ResponseScanner } from "./start_line.ts";

/** Waits for a message's first byte. */
const IDLE = 0;
/** A CR came where a message may begin. */
const AT_EMPTY_LF = 1;
/** An empty line came; the next byte begins the message. */
const AFTER_EMPTY = 2;
const IN_HEAD = 3;
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

/** What the two roles need besides the bytes. */
export interface ParserOptions {
  /** Where retained heads are copied to; without one, each gets an array of its own. */
  readonly store?: HeadStore;
}

/** What both roles share: bodies, pausing, ending. */
abstract class Parser<Head extends MessageHead> implements MessageParser {
  protected readonly sink: MessageSink<Head>;
  protected readonly limits: MessageLimits;
  protected readonly meaning = new Meaning();
  protected state = IDLE;
  readonly #role: MessageRole;
  #isPaused = false;
  #isFeeding = false;
  /** `finish` was called; takes effect once all bytes are read. */
  #isFinished = false;
  #isLast = false;
  /** Bytes of a body with a length that have not come. */
  #length = 0;
  #bodyBytesMax: number;
  /** Made for the first chunked body. */
  #chunks: ChunkedDecoder | null = null;

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

const NO_BYTES = new Uint8Array(0);

/**
 * Parses the requests of one connection.
 *
 * @example
 * ```ts
 * import { RequestParser } from "./parser.ts";
 * const seen: string[] = [];
 * const parser = new RequestParser({
 *   head: (head) => seen.push(`${head.method} ${head.target}`),
 *   body: (bytes) => seen.push(`${bytes.length} bytes`),
 *   end: () => seen.push("end"),
 *   error: (error) => seen.push(error.code),
 * });
 * parser.feed(new TextEncoder().encode("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
 * console.assert(seen.join() === "POST /x,2 bytes,end");
 * ```
 */
export class RequestParser extends Parser<RequestHead> {
  readonly #scanner: RequestScanner;
  readonly #store: HeadStore | null;
  #head: RequestHeadView;

  /**
   * @param sink who hears the events
   * @param limits bounds of each message
   * @param options where retained heads go
   * @throws {RangeError} a limit that cannot be kept
   */
  constructor(
    sink: MessageSink<RequestHead>,
    limits: MessageLimits = MESSAGE_LIMITS_DEFAULT,
    options: ParserOptions = {},
  ) {
    super(sink, limits, "request");
    this.#scanner = new RequestScanner(limits);
    this.#store = options.store ?? null;
    this.#head = new RequestHeadView(this.#store);
  }

  protected override readHead(bytes: Uint8Array, start: number, end: number): number {
    // RFC 9112 §2.2: one empty line before a request line is ignored, for clients that send one after a body.
    if (this.state === IDLE && bytes[start] === CR) {
      this.state = AT_EMPTY_LF;
      return start + 1;
    }
    if (this.state === AT_EMPTY_LF) {
      if (bytes[start] === LF) this.state = AFTER_EMPTY;
      else this.fail("bare-cr");
      return start + 1;
    }
    if (this.state === AFTER_EMPTY && bytes[start] === CR) {
      this.fail("empty-lines");
      return start;
    }
    this.state = IN_HEAD;
    const scanner = this.#scanner;
    const after = scanner.read(bytes, start, end);
    if (after === MORE) return end;
    let head = this.#head;
    if (head.isRetained) this.#head = head = new RequestHeadView(this.#store);
    const refusal = after === REFUSED ? scanner.refusal : head.load(scanner, this.meaning);
    if (refusal !== null) this.fail(refusal);
    else this.beginBody(head, !head.keepAlive);
    if (!head.isRetained) head.release();
    scanner.reset();
    return after === REFUSED ? start : after;
  }
}

/** What a response is to: decides how it is framed (RFC 9112 §6.3). */
interface Expected {
  readonly method: string;
  readonly offersUpgrade: boolean;
}

/**
 * Parses the responses of one connection. Each has to be announced by `expectResponseTo`: how a response is framed
 * depends on the request.
 *
 * @example
 * ```ts
 * import { ResponseParser } from "./parser.ts";
 * const seen: string[] = [];
 * const parser = new ResponseParser({
 *   head: (head) => seen.push(`${head.status} ${head.reason}`),
 *   body: (bytes) => seen.push(`${bytes.length} bytes`),
 *   end: () => seen.push("end"),
 *   error: (error) => seen.push(error.code),
 * });
 * parser.expectResponseTo("GET");
 * parser.feed(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
 * console.assert(seen.join() === "200 OK,2 bytes,end");
 * ```
 */
export class ResponseParser extends Parser<ResponseHead> {
  readonly #scanner: ResponseScanner;
  readonly #store: HeadStore | null;
  #head: ResponseHeadView;
  /** Requests without a final response, oldest first. */
  readonly #expected: Expected[] = [];
  #interimHeads = 0;

  /**
   * @param sink who hears the events
   * @param limits bounds of each message
   * @param options where retained heads go
   * @throws {RangeError} a limit that cannot be kept
   */
  constructor(
    sink: MessageSink<ResponseHead>,
    limits: MessageLimits = RESPONSE_LIMITS_DEFAULT,
    options: ParserOptions = {},
  ) {
    super(sink, limits, "response");
    this.#scanner = new ResponseScanner(limits);
    this.#store = options.store ?? null;
    this.#head = new ResponseHeadView(this.#store);
  }

  /**
   * Says that a request was sent, whose response will come after those of the requests before.
   *
   * @param method the request's method
   * @param offersUpgrade whether it offered an upgrade, so that 101 may answer it
   * @throws {LocalProtocolError} too many requests are unanswered
   */
  expectResponseTo(method: string, offersUpgrade = false): void {
    if (this.#expected.length === EXPECTED_RESPONSES_MAX) {
      throw new LocalProtocolError(`Cannot expect another response: ${EXPECTED_RESPONSES_MAX} are to come`);
    }
    this.#expected.push({ method, offersUpgrade });
  }

  protected override readHead(bytes: Uint8Array, start: number, end: number): number {
    const expected = this.#expected[0];
    if (expected === undefined) {
      this.fail("unasked-response");
      return start;
    }
    this.state = IN_HEAD;
    const scanner = this.#scanner;
    const after = scanner.read(bytes, start, end);
    if (after === MORE) return end;
    let head = this.#head;
    if (head.isRetained) this.#head = head = new ResponseHeadView(this.#store);
    const refusal = after === REFUSED
      ? scanner.refusal
      : head.load(scanner, this.meaning, expected.method, expected.offersUpgrade);
    if (refusal !== null) this.fail(refusal);
    else if (head.isInterim) this.#tellInterim(head);
    else {
      this.#expected.shift();
      this.#interimHeads = 0;
      this.beginBody(head, !head.keepAlive);
    }
    if (!head.isRetained) head.release();
    scanner.reset();
    return after === REFUSED ? start : after;
  }

  /** An interim head (RFC 9110 §15.2): complete by itself, the response is still to come. */
  #tellInterim(head: ResponseHeadView): void {
    if (++this.#interimHeads > INTERIM_HEADS_MAX) {
      this.fail("too-many-interim");
      return;
    }
    this.state = IDLE;
    this.sink.head(head);
  }
}
