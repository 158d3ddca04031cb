/**
 * The engine's parsers: a server's of requests, and a client's of responses.
 *
 * A server's sink should call `setBodyBytesMax` in its `head` before it acts on the head: a declared length above the limit
 * is then an error before anything was begun. Whoever does not call it hears of it after `head` returned.
 *
 * @module
 */
import { LocalProtocolError } from "./errors.ts";
import { CR, LF } from "./grammar.ts";
import { RequestHeadView, ResponseHeadView } from "./head.ts";
import type { HeadStore } from "./head_store.ts";
import type { KnownHead } from "./known_head.ts";
import {
  EXPECTED_RESPONSES_MAX,
  INTERIM_HEADS_MAX,
  MESSAGE_LIMITS_DEFAULT,
  RESPONSE_LIMITS_DEFAULT,
} from "./limits.ts";
import type { MessageLimits, MessageSink, RequestHead, ResponseHead } from "./message.ts";
import { AFTER_EMPTY, AT_EMPTY_LF, IDLE, IN_HEAD, MessageReader } from "./message_reader.ts";
import { MORE, REFUSED } from "./section_scanner.ts";
import { ScannerPool } from "./scanner_pool.ts";
import { type RequestScanner, ResponseScanner } from "./start_line.ts";

/** What the two roles need besides the bytes. */
export interface ParserOptions {
  /** Where retained heads are copied to; without one, each gets an array of its own. */
  readonly store?: HeadStore;
}

/** What a parser of requests may share with others. */
export interface RequestParserOptions extends ParserOptions {
  /** Where scanners are borrowed, with the same limits as the parser's; without one, the parser has its own. */
  readonly scanners?: ScannerPool;
  /** Where the last head is kept to be found again; without one, each is read. */
  readonly known?: KnownHead;
}

/**
 * Parses the requests of one connection.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { RequestParser } from "./parser.ts";
 * const seen: string[] = [];
 * const parser = new RequestParser({
 *   head: (head) => seen.push(`${head.method} ${head.target}`),
 *   body: (bytes) => seen.push(`${bytes.length} bytes`),
 *   end: () => seen.push("end"),
 *   error: (error) => seen.push(error.code),
 * });
 * parser.feed(new TextEncoder().encode("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
 * assert(seen.join() === "POST /x,2 bytes,end");
 * ```
 */
export class RequestParser extends MessageReader<RequestHead> {
  readonly #scanners: ScannerPool;
  /** Borrowed while a head is coming in. */
  #scanner: RequestScanner | null = null;
  readonly #store: HeadStore | null;
  readonly #known: KnownHead | null;
  /** The view that is lent to the sink, to be used again; `null` if the last one was retained. */
  #head: RequestHeadView | null = null;

  /**
   * Waits for bytes.
   *
   * @param sink who hears the events
   * @param limits bounds of each message
   * @param options what it shares with others
   * @throws {RangeError} a limit that cannot be kept
   */
  constructor(
    sink: MessageSink<RequestHead>,
    limits: MessageLimits = MESSAGE_LIMITS_DEFAULT,
    options: RequestParserOptions = {},
  ) {
    super(sink, limits, "request");
    this.#scanners = options.scanners ?? new ScannerPool(limits);
    this.#store = options.store ?? null;
    this.#known = options.known ?? null;
  }

  /** See `MessageReader.readHead`. */
  protected override readHead(bytes: Uint8Array, start: number, end: number): number {
    if (this.#known !== null && this.state === IDLE) {
      const known = this.#known.find(bytes, start, end, this.limits);
      if (known !== null) {
        this.beginBody(known, !known.keepAlive);
        return start + known.wireBytes;
      }
    }
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
    const scanner = this.#scanner ??= this.#scanners.take();
    const after = scanner.read(bytes, start, end);
    if (after === MORE) return end;
    const head = this.#head ?? new RequestHeadView(this.#store);
    const refusal = after === REFUSED ? scanner.refusal : head.load(scanner, scanner.meaning);
    if (refusal !== null) this.fail(refusal);
    else this.beginBody(head, !head.keepAlive);
    // Not to hold on to a retained head, and with it to its slab, while the connection is idle.
    if (head.isRetained) {
      this.#head = null;
      this.#known?.keep(head, this.limits);
    } else {
      this.#head = head;
      head.release();
    }
    this.#scanner = null;
    this.#scanners.give(scanner);
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
 * import { assert } from "@std/assert";
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
 * assert(seen.join() === "200 OK,2 bytes,end");
 * ```
 */
export class ResponseParser extends MessageReader<ResponseHead> {
  readonly #scanner: ResponseScanner;
  readonly #store: HeadStore | null;
  /** The view that is lent to the sink, to be used again; `null` if the last one was retained. */
  #head: ResponseHeadView | null = null;
  /** Requests without a final response, oldest first. */
  readonly #expected: Expected[] = [];
  #interimHeads = 0;

  /**
   * Waits for bytes.
   *
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

  /** See `MessageReader.readHead`. */
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
    const head = this.#head ?? new ResponseHeadView(this.#store);
    const refusal = after === REFUSED
      ? scanner.refusal
      : head.load(scanner, scanner.meaning, expected.method, expected.offersUpgrade);
    if (refusal !== null) this.fail(refusal);
    else if (head.isInterim) this.#tellInterim(head);
    else {
      this.#expected.shift();
      this.#interimHeads = 0;
      this.beginBody(head, !head.keepAlive);
    }
    // Not to hold on to a retained head, and with it to its slab, while the connection is idle.
    this.#head = head.isRetained ? null : head;
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
