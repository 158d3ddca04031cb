/**
 * One request and its response, and what the handler is told about them: the `ServeInfo` it gets.
 *
 * Strategy: an exchange is made for every request, so it is little more than its fields; signals, promises and the
 * error for a cut are made when somebody asks, and then show what has happened before, too. The connection moves it
 * through its phases; handlers only see the `ServeInfo` side.
 *
 * ```text
 * WAITING → READY → SENDING → SENT      (a response that is complete at once goes from WAITING to SENT)
 *    ╰────────┴────────┴→ CUT            the client left, a deadline passed, the server stopped
 *    ╰→ HIJACKED
 * ```
 *
 * Invariants: `disconnected` aborts when the exchange is cut, or when the client's FIN came before the response. `completed` resolves after SENT, when the
 * transport has nothing of the response left, and rejects when it is cut; it never rejects unhandled.
 *
 * @module
 */
import type { Addr } from "../io/selector.ts";
import type { HijackedConnection, ServeInfo } from "./handler.ts";
import { encodeInterimHead } from "./http1/encoder.ts";
import { LocalProtocolError } from "./http1/errors.ts";
import type { Fields, RequestHead } from "./http1/message.ts";
import type { IncomingBody, IncomingBodyOwner } from "./incoming_body.ts";
import type { RequestSource } from "./request.ts";
import type { RequestUrls } from "./request_urls.ts";
import { EarlyHintsError } from "./response_errors.ts";
import type { ResponseWriter } from "./response_writer.ts";

/** The handler is at work. */
export const WAITING = 0;
/** The handler's response is there, but an earlier request's is still being sent. */
export const READY = 1;
/** The head is written, the body is being written. */
export const SENDING = 2;
/** The response is written to its end. */
export const SENT = 3;
/** There is nobody to answer any more. */
export const CUT = 4;
/** The handler took the connection over. */
export const HIJACKED = 5;

/** How far an exchange is. */
export type ExchangePhase = 0 | 1 | 2 | 3 | 4 | 5;

/** The connection, as an exchange sees it. */
export interface ExchangeOwner {
  /** The client's address. */
  readonly remoteAddr: Addr;
  /** Own address. */
  readonly localAddr: Addr;
  /** Whether the server begins to stop. */
  readonly isDraining: boolean;
  /** Makes the requests' URLs. */
  readonly urls: RequestUrls;
  /** `info.completed` was asked for. */
  watch(exchange: Exchange): void;
  /** Writes an interim head, or keeps it until the exchange's turn comes. */
  sendInterim(exchange: Exchange, text: string): void;
  /** Hands the connection over. */
  hijack(exchange: Exchange): HijackedConnection;
  /** The handler reads the body for the first time. */
  bodyWanted(exchange: Exchange): void;
  /** The body's reader has enough for now. */
  bodyPaused(exchange: Exchange): void;
  /** The body's reader wants more. */
  bodyResumed(exchange: Exchange): void;
  /** The body's reader wants no more of it. */
  bodyCancelled(exchange: Exchange): void;
}

/** The reason of `info.draining`'s abort. */
function drainingReason(): DOMException {
  return new DOMException("The server begins to stop", "AbortError");
}

/** The parameters of a request that went through no router. */
const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/** The scheme's default port, which URLs leave out (RFC 9110 §4.2.1). */
const HTTP_PORT = 80;

/** One request and its response; see the module's text. */
export class Exchange implements ServeInfo, RequestSource, IncomingBodyOwner {
  /** The request's head, retained. */
  readonly head: RequestHead;
  /** The request's body; `null` when it has none. */
  body: IncomingBody | null = null;
  /** Bytes of the body that may be gathered in memory. */
  gatheredBytesMax = 0;
  /** How far it is. */
  phase: ExchangePhase = WAITING;
  /** Whether later requests may be with their handlers at the same time (RFC 9112 §9.3.2). */
  readonly isConcurrent: boolean;
  /** When its head was complete, by the clock. */
  readonly startedMs: number;
  /** The handler's response while it waits for its turn. */
  response: Response | null = null;
  /** The writer of a body that is being written. */
  writer: ResponseWriter | null = null;
  /** Whether the connection goes on after the response; settled when its head is written. */
  keepsAlive = false;
  /** Whether the client waits for 100 (Continue) before it sends its body. */
  awaitsContinue = false;
  /** Whether who read the body wants no more of it. */
  isBodyUnwanted = false;
  /** Whether its handler has failed, so that what is to be sent is what `onError` made. */
  hasFailed = false;
  /** Whether the body being written is all there: it is finished even for a client that sent its FIN. */
  isWhole = false;
  /** Interim heads that wait for the exchange's turn. */
  interim = "";
  /** Bytes written on the connection up to the response's end, once it is SENT. */
  endOffset = 0;
  /** Whether somebody asked for `completed`. */
  isWatched = false;
  readonly #owner: ExchangeOwner;
  /** Why it was cut. */
  #cutReason: Error | null = null;
  /** Why nobody may be waiting for it, although it is not cut. */
  #leftReason: Error | null = null;
  #disconnected: AbortController | null = null;
  #draining: AbortController | null = null;
  #completed: PromiseWithResolvers<void> | null = null;
  #isDelivered = false;
  #trailers: PromiseWithResolvers<Headers> | null = null;
  /** The trailers, or why there will be none, when they came before somebody asked. */
  #trailerPairs: [string, string][] | null = null;
  #isBodyEnded: boolean;
  #bodyFailure: Error | null = null;

  /** @param owner the connection @param head retained @param startedMs when the head was complete */
  constructor(owner: ExchangeOwner, head: RequestHead, startedMs: number, isConcurrent: boolean) {
    this.#owner = owner;
    this.head = head;
    this.startedMs = startedMs;
    this.isConcurrent = isConcurrent;
    const { framing } = head;
    this.#isBodyEnded = framing.kind === "none" || (framing.kind === "length" && framing.length === 0);
  }

  // ---- ServeInfo: what the handler sees ---------------------------------------------------------------------------

  get remoteAddr(): Addr {
    return this.#owner.remoteAddr;
  }

  get localAddr(): Addr {
    return this.#owner.localAddr;
  }

  get params(): Readonly<Record<string, string>> {
    return NO_PARAMS;
  }

  get disconnected(): AbortSignal {
    if (this.#disconnected === null) {
      this.#disconnected = new AbortController();
      const reason = this.#cutReason ?? this.#leftReason;
      if (reason !== null) this.#disconnected.abort(reason);
    }
    return this.#disconnected.signal;
  }

  get draining(): AbortSignal {
    if (this.#draining === null) {
      this.#draining = new AbortController();
      if (this.#owner.isDraining) this.#draining.abort(drainingReason());
    }
    return this.#draining.signal;
  }

  get completed(): Promise<void> {
    if (this.#completed === null) {
      this.#completed = Promise.withResolvers();
      this.#completed.promise.catch(() => {}); // Who only asks, and does not wait, must not be ended by it.
      if (this.#cutReason !== null) this.#completed.reject(this.#cutReason);
      else if (this.#isDelivered) this.#completed.resolve();
      else {
        this.isWatched = true;
        this.#owner.watch(this);
      }
    }
    return this.#completed.promise;
  }

  get trailers(): Promise<Headers> {
    if (this.#trailers === null) {
      this.#trailers = Promise.withResolvers();
      this.#trailers.promise.catch(() => {}); // As with `completed`.
      if (this.#bodyFailure !== null) this.#trailers.reject(this.#bodyFailure);
      else if (this.#isBodyEnded) this.#trailers.resolve(new Headers(this.#trailerPairs ?? []));
    }
    return this.#trailers.promise;
  }

  earlyHints(headers: HeadersInit): void {
    if (this.phase !== WAITING) {
      throw new EarlyHintsError("the response was returned before, or nobody waits for it");
    }
    const text = hintsHead(new Headers(headers));
    if (this.head.minorVersion === 1) this.#owner.sendInterim(this, text); // RFC 9110 §15.2: not for a 1.0 client.
  }

  hijack(): HijackedConnection {
    return this.#owner.hijack(this);
  }

  // ---- RequestSource: what the request is made of -----------------------------------------------------------------

  get urls(): RequestUrls {
    return this.#owner.urls;
  }

  get scheme(): "http" {
    return "http";
  }

  get authority(): string {
    const { localAddr } = this;
    if (localAddr.transport === "unix") return "localhost";
    const host = localAddr.hostname.includes(":") ? `[${localAddr.hostname}]` : localAddr.hostname;
    return localAddr.port === HTTP_PORT ? host : `${host}:${localAddr.port}`;
  }

  // ---- IncomingBodyOwner: what the body's reader asks for ---------------------------------------------------------

  bodyWanted(): void {
    this.#owner.bodyWanted(this);
  }

  bodyPaused(): void {
    this.#owner.bodyPaused(this);
  }

  bodyResumed(): void {
    this.#owner.bodyResumed(this);
  }

  bodyCancelled(): void {
    this.isBodyUnwanted = true;
    this.#owner.bodyCancelled(this);
  }

  // ---- the connection's side --------------------------------------------------------------------------------------

  /** Why it was cut; `null` when it was not. */
  get cutReason(): Error | null {
    return this.#cutReason;
  }

  /** Why nobody is thought to wait for the response any more; `null` while the client is there. */
  get leftReason(): Error | null {
    return this.#leftReason;
  }

  /** The request's body is complete. `trailers` are on loan. */
  bodyEnded(trailers: Fields | null): void {
    this.#isBodyEnded = true;
    if (trailers !== null) {
      const pairs: [string, string][] = [];
      for (let i = 0; i < trailers.count; i++) pairs.push([trailers.nameAt(i), trailers.valueAt(i)]);
      this.#trailerPairs = pairs;
    }
    this.#trailers?.resolve(new Headers(this.#trailerPairs ?? []));
    this.body?.end(trailers);
  }

  /** The request's body will not be complete. */
  bodyFailed(reason: Error): void {
    if (this.#isBodyEnded || this.#bodyFailure !== null) return;
    this.#bodyFailure = reason;
    this.#trailers?.reject(reason);
    this.body?.fail(reason);
  }

  /** The client sent its FIN, which usually means that it left; a response may still be sent if one comes. */
  clientLeft(reason: Error): void {
    this.#leftReason ??= reason;
    this.#disconnected?.abort(reason);
  }

  /** The server begins to stop. */
  beginDraining(): void {
    this.#draining?.abort(drainingReason());
    this.writer?.draining();
  }

  /** Nothing of the response is left with the transport. */
  delivered(): void {
    this.#isDelivered = true;
    this.#completed?.resolve();
  }

  /** There is nobody to answer any more. Everything that hangs on the exchange ends with `reason`. */
  cut(reason: Error): void {
    if (this.phase === CUT || this.#isDelivered) return;
    const { writer } = this;
    this.phase = CUT;
    this.#cutReason = reason;
    this.writer = null;
    writer?.cut(reason); // First: it would take the upload's failure for one of its own.
    this.bodyFailed(reason);
    this.#completed?.reject(reason);
    this.#disconnected?.abort(reason);
  }
}

/** The head of an interim response with early hints, if a head may carry them. */
function hintsHead(headers: Headers): string {
  try {
    return encodeInterimHead(103, headers);
  } catch (cause) {
    if (!(cause instanceof LocalProtocolError)) throw cause;
    throw new EarlyHintsError("no head may carry such a field", { cause });
  }
}
