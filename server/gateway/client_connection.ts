/**
 * One connection to an upstream: the client's half of HTTP/1.1, one exchange at a time.
 *
 * Strategy: a `Protocol` that feeds the engine's `ResponseParser` and passes its events to the listener of the present
 * exchange, on loan, without a copy or a promise. Bytes to send go straight to the transport's cork. The connection
 * knows when it may carry another exchange; who uses it next is its owner's business.
 *
 * Invariants:
 * - Every exchange ends in exactly one of `onEnd` and `onFailed`, or in the listener's own `abort()`, after which it
 *   hears nothing more.
 * - The connection is given back (`onIdle`) only after a whole exchange: the response ended by its framing, the request
 *   was sent to its end, the peer keeps the connection, and not one byte came in excess. Anything else closes it.
 * - One timer is armed for whatever is awaited from the peer, and none while it is us or the client who is awaited.
 *
 * Known limit: no pipelining; a second request waits for a connection of its own.
 *
 * @module
 */
import type { SluiceError } from "../../io/errors.ts";
import type { Protocol, Timer, Timers, Transport } from "../../io/selector.ts";
import { CHUNK_END, encodeChunkHeader, encodeLastChunk } from "../http1/encoder.ts";
import type { Http1Error } from "../http1/errors.ts";
import type { Fields, MessageLimits, MessageSink, ResponseHead } from "../http1/message.ts";
import { ResponseParser } from "../http1/parser.ts";
import {
  UpstreamClosedError,
  UpstreamHeadTooLargeError,
  UpstreamProtocolError,
  UpstreamTimeoutError,
} from "./errors.ts";
import type { FieldLine } from "./hop_fields.ts";

/** Who hears of one exchange. Bytes and heads are on loan until the call returns. */
export interface ExchangeListener {
  /** An interim response other than 100 came (102, 103). */
  onInterim(head: ResponseHead): void;
  /** The upstream asks for the body (100), or has let the time pass in which it could have. At most once. */
  onContinue(): void;
  /** The response's head. */
  onHead(head: ResponseHead): void;
  /** Bytes of its body. */
  onBody(bytes: Uint8Array): void;
  /** The response is complete. The connection belongs to nobody now. */
  onEnd(trailers: Fields | null): void;
  /** Everything of one read was passed on: what waited for more may go out. */
  onRead(): void;
  /** The response will not be complete; the connection is gone. Most often an `UpstreamError`. */
  onFailed(error: SluiceError): void;
  /** The peer takes bytes of the request again (see `isSendPaused`). */
  onSendResumed(): void;
}

/** Who owns connections. */
export interface ConnectionOwner {
  /** It is connected and has nothing to do. */
  onOpen(connection: ClientConnection): void;
  /** Its exchange is over and it can carry another one. */
  onIdle(connection: ClientConnection): void;
  /** It is gone. Once, and only after `onOpen`. */
  onClosed(connection: ClientConnection): void;
}

/** How long a connection waits for what. `null` disables a deadline. */
export interface ConnectionDeadlines {
  /** Between two exchanges, milliseconds. */
  readonly idleTimeoutMs: number;
  /** For the response's head, from the moment on when the upstream has nothing to wait for, milliseconds. */
  readonly headTimeoutMs: number | null;
  /** Between two reads of the response's body, milliseconds. */
  readonly bodyIdleTimeoutMs: number | null;
  /** For `100 Continue`, before the body is sent without it, milliseconds. */
  readonly continueTimeoutMs: number;
}

/** What makes a connection. */
export interface ConnectionSetup extends ConnectionDeadlines {
  /** The upstream's name for errors. */
  readonly name: string;
  /** Bounds of response messages. */
  readonly limits: MessageLimits;
}

/** How the request's body is sent. */
export type SendFraming = "none" | "length" | "chunked";

/**
 * How much sooner than the peer announces (`Keep-Alive: timeout=n`) the connection is given up, milliseconds: its FIN and
 * our next request would cross on the way otherwise.
 */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/** What `Keep-Alive` says about the time (RFC 9112 §C.2.2 leaves it to RFC 2068 §19.7.1.1); nine digits are 31 years. */
const KEEP_ALIVE_TIMEOUT = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})/i;

/** The engine's refusals that mean a head above the limits. */
const HEAD_TOO_LARGE: ReadonlySet<string> = new Set([
  "start-line-too-long",
  "headers-too-large",
  "too-many-headers",
]);

/** What the connection is doing. */
type State = "connecting" | "idle" | "busy" | "closed";

/** One connection to an upstream; see the module's text. */
export class ClientConnection implements Protocol, MessageSink<ResponseHead> {
  readonly #owner: ConnectionOwner;
  readonly #setup: ConnectionSetup;
  readonly #parser: ResponseParser;
  readonly #timer: Timer;
  #transport: Transport | null = null;
  #state: State = "connecting";
  #listener: ExchangeListener | null = null;
  #exchanges = 0;
  #idleTimeoutMs: number;
  /** Of the present exchange: */
  #framing: SendFraming = "none";
  #isSent = false;
  #isSendPaused = false;
  #isContinueAwaited = false;
  /** Whether the upstream has answered before the body was sent, and goes on to read it. */
  #isBodyDue = false;
  #isAnswered = false;
  #isHeadSeen = false;
  #isResponseEnded = false;
  #isPeerEnded = false;
  #keepsAlive = false;

  /**
   * @param owner hears when it can be used and when it is gone
   * @param setup names, limits and deadlines
   * @param timers where its one timer comes from
   */
  constructor(owner: ConnectionOwner, setup: ConnectionSetup, timers: Timers) {
    this.#owner = owner;
    this.#setup = setup;
    this.#parser = new ResponseParser(this, setup.limits);
    this.#timer = timers.idle(() => this.#onDeadline());
    this.#idleTimeoutMs = setup.idleTimeoutMs;
  }

  /** Whether a request may be sent on it now. */
  get isIdle(): boolean {
    return this.#state === "idle" && !this.#transport!.isClosing;
  }

  /** Whether it has carried an exchange before the present one: only then can the peer have closed it meanwhile. */
  get isReused(): boolean {
    return this.#exchanges > 1;
  }

  /** Whether more of the request's body would only pile up here: wait for `onSendResumed`. */
  get isSendPaused(): boolean {
    return this.#isSendPaused;
  }

  /**
   * Begins an exchange by sending a request's head.
   *
   * @param listener hears of the response
   * @param method the request's method, which decides about the response's framing
   * @param head the encoded head, one code unit per byte
   * @param framing how the body that follows is sent
   * @param expectsContinue whether the head asks for `100 Continue`
   */
  begin(
    listener: ExchangeListener,
    method: string,
    head: string,
    framing: SendFraming,
    expectsContinue: boolean,
  ): void {
    if (!this.isIdle) throw new TypeError("Cannot begin an exchange: the connection is not idle");
    this.#state = "busy";
    this.#listener = listener;
    this.#exchanges++;
    this.#framing = framing;
    this.#isSent = framing === "none";
    this.#isContinueAwaited = expectsContinue;
    this.#isAnswered =
      this.#isBodyDue =
      this.#isHeadSeen =
      this.#isResponseEnded =
      this.#keepsAlive =
        false;
    this.#parser.expectResponseTo(method);
    this.#transport!.writeLatin1(head);
    this.#arm();
  }

  /** Sends bytes of the request's body, at least one. Dropped once the exchange is over. */
  send(bytes: Uint8Array): void {
    if (this.#state !== "busy" || this.#isSent) return;
    const transport = this.#transport!;
    if (this.#framing === "chunked") {
      transport.writeLatin1(encodeChunkHeader(bytes.length));
      transport.write(bytes);
      transport.writeLatin1(CHUNK_END);
    } else {
      transport.write(bytes);
    }
    this.#arm();
  }

  /** Ends the request's body. */
  endSend(trailers: readonly FieldLine[]): void {
    if (this.#state !== "busy" || this.#isSent) return;
    this.#isSent = true;
    if (this.#framing === "chunked") this.#transport!.writeLatin1(encodeLastChunk(trailers));
    this.#arm();
  }

  /** Takes no more of the response for now: pushes back to the upstream's kernel. What was read already still comes. */
  pause(): void {
    this.#transport?.pauseReading();
    this.#arm();
  }

  /** Undoes `pause`. */
  resume(): void {
    this.#transport?.resumeReading();
    this.#arm();
  }

  /** Gives up the exchange, or the idle connection, and resets it. The listener hears nothing more. */
  abort(reason: Error): void {
    this.#listener = null;
    this.#leave();
    this.#transport?.abort(reason);
  }

  /** Closes an idle connection in order; fails the exchange of one in use. */
  close(reason: SluiceError): void {
    if (this.#state === "busy") {
      this.#fail(reason);
    } else {
      this.#leave();
      this.#transport?.close();
    }
  }

  // Protocol: called by the selector.

  /** The connection is made. */
  opened(transport: Transport): void {
    this.#transport = transport;
    this.#state = "idle";
    this.#arm();
    this.#owner.onOpen(this);
  }

  /** Bytes of a response, or of something nobody asked for. */
  received(bytes: Uint8Array): void {
    if (this.#state !== "busy") {
      // Bytes on an idle connection answer nothing (a late 408, usually); who took them for the next answer would mix up
      // two clients' responses.
      this.abort(new UpstreamProtocolError(this.#setup.name, "it sent bytes that nobody asked for"));
      return;
    }
    this.#isAnswered = true;
    const consumed = this.#parser.feed(bytes);
    const listener = this.#listener;
    if (listener === null) return;
    listener.onRead();
    if (this.#listener === null) return;
    if (this.#isResponseEnded) return this.#complete(consumed === bytes.length);
    this.#arm();
    if (!this.#isBodyDue) return;
    this.#isBodyDue = false;
    listener.onContinue();
  }

  /** The peer's FIN: the end of a body without a length, or of our hopes. */
  ended(): void {
    this.#isPeerEnded = true;
    if (this.#state !== "busy") {
      this.#leave();
      return;
    }
    this.#parser.finish();
    const listener = this.#listener;
    if (listener === null) return;
    if (!this.#isResponseEnded) {
      this.#fail(new UpstreamClosedError(this.#setup.name, this.#isAnswered));
      return;
    }
    listener.onRead();
    if (this.#listener !== null) this.#complete(false);
  }

  /** The peer does not take the request as fast as it comes. */
  pauseWriting(): void {
    this.#isSendPaused = true;
    this.#arm();
  }

  /** It does again. */
  resumeWriting(): void {
    this.#isSendPaused = false;
    this.#arm();
    this.#listener?.onSendResumed();
  }

  /** The connection is gone. */
  closed(reason: Error | null): void {
    const listener = this.#isResponseEnded ? null : this.#listener;
    this.#listener = null;
    this.#leave();
    this.#owner.onClosed(this);
    listener?.onFailed(
      new UpstreamClosedError(this.#setup.name, this.#isAnswered, reason === null ? {} : { cause: reason }),
    );
  }

  // MessageSink: called by the parser from inside `feed` and `finish`.

  /** A head, interim or final. */
  head(head: ResponseHead): void {
    const listener = this.#listener;
    if (listener === null) return;
    if (head.isInterim) {
      this.#interim(listener, head);
    } else {
      this.#isHeadSeen = true;
      this.#keepsAlive = head.keepAlive && head.framing.kind !== "close";
      // Who keeps the connection reads the body (RFC 9110 §10.1.1); its answer may be made of it.
      this.#isBodyDue = this.#isContinueAwaited && this.#keepsAlive && head.status < 300;
      this.#isContinueAwaited = false;
      this.#noteKeepAlive(head);
      listener.onHead(head);
    }
  }

  /** Body bytes. */
  body(bytes: Uint8Array): void {
    this.#listener?.onBody(bytes);
  }

  /** The response is complete; what follows in the same read is in excess. */
  end(trailers: Fields | null): void {
    this.#isResponseEnded = true;
    this.#listener?.onEnd(trailers);
  }

  /** The peer broke the grammar, or a limit, or off. */
  error(error: Http1Error): void {
    const name = this.#setup.name;
    if (this.#isResponseEnded) {
      this.#keepsAlive = false; // bytes in excess: the response is whole, but nothing after it can be trusted
    } else if (this.#isPeerEnded) {
      this.#fail(new UpstreamClosedError(name, this.#isAnswered, { cause: error }));
    } else if (HEAD_TOO_LARGE.has(error.refusal)) {
      this.#fail(new UpstreamHeadTooLargeError(name, error.message, { cause: error }));
    } else {
      this.#fail(new UpstreamProtocolError(name, error.message, { cause: error }));
    }
  }

  #interim(listener: ExchangeListener, head: ResponseHead): void {
    if (head.status !== 100) {
      listener.onInterim(head);
    } else if (this.#isContinueAwaited) {
      this.#isContinueAwaited = false;
      listener.onContinue();
    }
  }

  /** Lets the peer's own word about its patience shorten ours. */
  #noteKeepAlive(head: ResponseHead): void {
    if (!this.#keepsAlive || !head.has("keep-alive")) return;
    const seconds = KEEP_ALIVE_TIMEOUT.exec(head.get("keep-alive")!)?.[1];
    if (seconds === undefined) return;
    const theirs = Number(seconds) * 1_000 - KEEP_ALIVE_MARGIN_MS;
    if (theirs <= 0) this.#keepsAlive = false;
    else this.#idleTimeoutMs = Math.min(this.#setup.idleTimeoutMs, theirs);
  }

  /** After a whole response: back to the owner, or away. */
  #complete(isExact: boolean): void {
    this.#listener = null;
    const transport = this.#transport!;
    const isClean = isExact && this.#parser.isIdle && !this.#isPeerEnded && !transport.isClosing;
    if (isClean && this.#keepsAlive && this.#isSent) {
      this.#state = "idle";
      if (!transport.isReading) transport.resumeReading();
      this.#arm();
      this.#owner.onIdle(this);
      return;
    }
    this.#leave();
    // What is still to be sent answers nothing any more; `close()` would wait for the peer to read it.
    if (transport.bufferedBytes > 0) transport.abort();
    else transport.close();
  }

  #fail(error: SluiceError): void {
    const listener = this.#listener;
    this.#listener = null;
    this.#leave();
    this.#transport!.abort(error);
    listener?.onFailed(error);
  }

  #leave(): void {
    this.#state = "closed";
    this.#timer.cancel();
  }

  /** Arms the timer for what is awaited from the peer now, anew. */
  #arm(): void {
    const ms = this.#awaitedMs();
    if (ms === null) this.#timer.cancel();
    else this.#timer.reset(ms);
  }

  #awaitedMs(): number | null {
    if (this.#state === "idle") return this.#idleTimeoutMs;
    if (this.#state !== "busy") return null;
    if (this.#isContinueAwaited) return this.#setup.continueTimeoutMs;
    const isReading = this.#transport!.isReading;
    if (this.#isHeadSeen) return isReading ? this.#setup.bodyIdleTimeoutMs : null;
    return this.#isSent || this.#isSendPaused ? this.#setup.headTimeoutMs : null;
  }

  #onDeadline(): void {
    if (this.#state === "idle") {
      this.#leave();
      this.#transport!.close();
    } else if (this.#isContinueAwaited) {
      this.#isContinueAwaited = false;
      this.#arm();
      this.#listener?.onContinue();
    } else {
      const phase = this.#isHeadSeen ? "body" : "head";
      this.#fail(new UpstreamTimeoutError(this.#setup.name, phase, this.#awaitedMs() ?? 0));
    }
  }
}
