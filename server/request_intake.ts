/**
 * The receiving half of a connection: feeds the parser, holds back what may not be begun yet, and directs bodies.
 *
 * Strategy: a head that comes while it may not be given to the handler (an earlier request is in progress, the peer does
 * not take its responses) is held: the parser is paused until `proceed` finds that its time has come, and what comes
 * meanwhile is kept. Reading goes on for `READ_AHEAD_BYTES_MAX`, because only who reads hears that the peer has left; then
 * it stops, and the peer is pushed back by its own kernel. So at most one head, that much and one read's bytes are held
 * per connection. After a request that may become a tunnel (`Upgrade`, CONNECT) the
 * parser is paused, too: what follows is not HTTP if the handler takes the connection over.
 *
 * A body that nobody read is dropped after the response, up to a bound, so that the connection can go on.
 *
 * What comes behind the last request that will be answered is dropped, as much as may be read ahead; then reading stops until the
 * connection lingers.
 *
 * Known limit: a peer that sent more ahead, or whose body nobody reads, is not known to have left before something is
 * written to it, or a deadline passes.
 *
 * @module
 */
import type { Transport } from "../io/selector.ts";
import type { Exchange } from "./exchange.ts";
import type { Http1Error } from "./http1/errors.ts";
import type { Fields, MessageLimits, MessageSink, RequestHead } from "./http1/message.ts";
import { RequestParser, type RequestParserOptions } from "./http1/parser.ts";

/** The connection, as its intake sees it. */
export interface IntakeOwner {
  /** Whether a request may be begun now. */
  mayBegin(head: RequestHead): boolean;
  /** Bytes its body may have. */
  bodyBytesMaxOf(head: RequestHead): number;
  /** Begins it; the head is retained. Returns the exchange if its body is to be directed to it. */
  begin(head: RequestHead): void;
  /** A piece of the body came that `exchange` takes. */
  bodyCame(exchange: Exchange, bytes: Uint8Array): void;
  /** The body of `exchange` is complete. `trailers` are on loan. */
  bodyEnded(exchange: Exchange, trailers: Fields | null): void;
  /** The peer broke the grammar or a limit; nothing more is parsed. `exchange` is the one whose body was coming in. */
  peerFailed(error: Http1Error, exchange: Exchange | null): void;
  /** More of an unread body came than is worth reading. */
  unreadTooLong(): void;
}

const NO_BYTES = new Uint8Array(0);

/** Bytes read ahead of the request in progress. 16 KiB: some dozen heads, or what a client sends into a tunnel in a round trip. */
const READ_AHEAD_BYTES_MAX = 16 * 1024;

/** Whether what follows the head may be no HTTP. */
export function mayBecomeTunnel(head: RequestHead): boolean {
  return (head.isUpgrade && !hasBody(head)) || head.targetForm === "authority";
}

/** Whether a body follows the head. */
export function hasBody(head: RequestHead): boolean {
  const { framing } = head;
  return framing.kind === "chunked" || (framing.kind === "length" && framing.length > 0);
}

/** The receiving half of a connection; see the module's text. */
export class RequestIntake implements MessageSink<RequestHead> {
  readonly #owner: IntakeOwner;
  readonly #parser: RequestParser;
  readonly #unreadBytesMax: number;
  #transport: Transport | null = null;
  #held: RequestHead | null = null;
  /** What was read but not parsed. */
  #rest: Uint8Array | null = null;
  #isTunnelOpen = false;
  /** Whether who reads the body asked for a pause. */
  #isBodyPaused = false;
  #incoming: Exchange | null = null;
  /** Whether what comes of the body is dropped, and how much was. */
  #isDropping = false;
  #dropped = 0;
  #isStopped = false;
  /** Whether the peer's FIN came behind what is kept. */
  #hasEnded = false;
  /** Bytes that came behind the last request that is answered. */
  #surplusBytes = 0;

  /**
   * @param owner the connection
   * @param limits bounds of each request
   * @param shared what the server's parsers share
   * @param unreadBytesMax bytes of an unread body that are dropped before it is too much
   */
  constructor(
    owner: IntakeOwner,
    limits: MessageLimits,
    shared: RequestParserOptions,
    unreadBytesMax: number,
  ) {
    this.#owner = owner;
    this.#parser = new RequestParser(this, limits, shared);
    this.#unreadBytesMax = unreadBytesMax;
  }

  /** The exchange whose body is coming in; `null` when none is. */
  get incoming(): Exchange | null {
    return this.#incoming;
  }

  /** Whether the first bytes of a head have come, but not all. */
  get isInHead(): boolean {
    return this.#parser.isInHead;
  }

  /** Whether nothing of a request has come that was not begun. */
  get isIdle(): boolean {
    return this.#held === null && this.#rest === null && this.#incoming === null && this.#parser.isIdle;
  }

  /** Whether bytes were read that nobody will look at, or more of the last request is to come. */
  get hasUnread(): boolean {
    return this.#held !== null || this.#rest !== null || this.#incoming !== null || this.#hasEnded;
  }

  /** Says whose bytes these are. */
  open(transport: Transport): void {
    this.#transport = transport;
  }

  /** Parses what came. */
  feed(bytes: Uint8Array): void {
    const kept = this.#rest;
    if (kept !== null && kept.length > 0) return this.#keepMore(kept, bytes);
    const taken = this.#parser.feed(bytes);
    if (this.#rest === NO_BYTES) this.#rest = null; // A tunnel was closed from within: the parser has gone on already.
    if (taken < bytes.length) this.#keep(bytes, taken);
  }

  /** Begins the head that is held if its time has come, and parses on. Returns whether anything was done. */
  proceed(): boolean {
    const held = this.#held;
    if (held !== null) {
      if (!this.#owner.mayBegin(held)) return false;
      this.#held = null;
      this.#parser.resume();
      this.#owner.begin(held);
      if (this.#isStopped || this.#isTunnelOpen) return true;
    } else if (this.#rest === null || this.#isStopped || this.#isTunnelOpen) return false;
    const rest = this.#rest;
    this.#rest = null;
    this.#readOn(rest ?? NO_BYTES);
    return true;
  }

  /** The request that might have become a tunnel was answered: what follows is HTTP. */
  closeTunnel(): void {
    if (!this.#isTunnelOpen || this.#isStopped) return;
    this.#isTunnelOpen = false;
    this.#parser.resume();
    this.#rest ??= NO_BYTES; // So that `proceed` tells the parser to go on, even if nothing came since.
  }

  /** Stops for good: the connection ends with what is in progress, or is somebody else's. */
  stop(): void {
    this.#isStopped = true;
    this.#parser.pause();
  }

  /** Takes what was read but not parsed. */
  takeRest(): Uint8Array {
    const rest = this.#rest;
    this.#rest = null;
    return rest ?? NO_BYTES;
  }

  /** Takes no more of the body that comes in; returns whose it is. */
  takeIncoming(): Exchange | null {
    const incoming = this.#incoming;
    this.#incoming = null;
    return incoming;
  }

  /** The peer's FIN, which stands behind what is kept. */
  finish(): void {
    if (this.#isStopped) return;
    if (this.#rest !== null && this.#rest.length > 0) this.#hasEnded = true;
    else this.#parser.finish();
  }

  /** Directs the body that follows to `exchange`. */
  expectBody(exchange: Exchange): void {
    this.#incoming = exchange;
    this.#isDropping = false;
  }

  /** Keeps the parser from what follows the request that was begun. */
  openTunnel(): void {
    this.#isTunnelOpen = true;
    this.#parser.pause();
  }

  /** Drops what comes of the present body from now on. */
  dropBody(): void {
    this.#isDropping = true;
    this.#dropped = 0;
    this.#isBodyPaused = false;
    this.#steer();
  }

  /** Whether who reads the body asked for a pause. */
  get isBodyPaused(): boolean {
    return this.#isBodyPaused;
  }

  /** Stops reading while the body's reader has enough. */
  pauseBody(): void {
    this.#isBodyPaused = true;
    this.#steer();
  }

  /** Undoes `pauseBody`. */
  resumeBody(): void {
    this.#isBodyPaused = false;
    this.#steer();
  }

  // ---- MessageSink ------------------------------------------------------------------------------------------------

  head(head: RequestHead): void {
    if (hasBody(head)) {
      this.#parser.setBodyBytesMax(this.#owner.bodyBytesMaxOf(head));
      if (this.#parser.isDead) return;
    }
    if (this.#owner.mayBegin(head)) return this.#owner.begin(head.retain());
    this.#held = head.retain();
    this.#parser.pause();
  }

  body(bytes: Uint8Array): void {
    const incoming = this.#incoming;
    if (incoming === null) return;
    if (!this.#isDropping) return this.#owner.bodyCame(incoming, bytes);
    this.#dropped += bytes.length;
    if (this.#dropped > this.#unreadBytesMax) this.#owner.unreadTooLong();
  }

  end(trailers: Fields | null): void {
    const incoming = this.#incoming;
    if (incoming === null) return;
    this.#incoming = null;
    this.#isBodyPaused = false; // What waits for the body's reader is its own matter now, and bounded.
    this.#owner.bodyEnded(incoming, trailers);
    if (this.#rest === null) this.#steer();
  }

  error(error: Http1Error): void {
    const incoming = this.#incoming;
    this.#incoming = null;
    this.#held = null;
    this.#isStopped = true;
    this.#owner.peerFailed(error, incoming);
  }

  /** Parses what was kept, or lets the peer send again when there is none. */
  #readOn(rest: Uint8Array): void {
    const taken = this.#parser.feed(rest);
    if (taken < rest.length && !this.#isOver()) this.#rest = rest.subarray(taken);
    else if (this.#hasEnded) {
      this.#hasEnded = false;
      if (!this.#isStopped) this.#parser.finish();
    }
    this.#steer();
  }

  /** Keeps what came behind what is kept. */
  #keepMore(kept: Uint8Array, bytes: Uint8Array): void {
    if (this.#isStopped) return this.#drop(bytes.length);
    const both = new Uint8Array(kept.length + bytes.length);
    both.set(kept);
    both.set(bytes, kept.length);
    this.#rest = both;
    this.#steer();
  }

  /** Keeps what the parser did not take, unless nobody will ever look at it. */
  #keep(bytes: Uint8Array, taken: number): void {
    if (this.#isOver()) return this.#drop(bytes.length - taken);
    this.#rest = bytes.slice(taken);
    this.#steer();
  }

  /** Nobody will look at it. Who goes on sending such is pushed back until the connection ends, which may take a handler's time. */
  #drop(bytes: number): void {
    this.#surplusBytes += bytes;
    if (this.#surplusBytes >= READ_AHEAD_BYTES_MAX) this.#transport!.pauseReading();
  }

  /** Reads from the peer, or not, as what waits allows. */
  #steer(): void {
    if (this.#isStopped) return;
    const aheadBytes = this.#rest === null ? 0 : this.#rest.length;
    if (aheadBytes >= READ_AHEAD_BYTES_MAX || this.#isBodyPaused) this.#transport!.pauseReading();
    else this.#transport!.resumeReading();
  }

  #isOver(): boolean {
    return this.#parser.isDone || this.#parser.isDead;
  }
}
