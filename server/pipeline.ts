/**
 * The requests of one connection: begun when they may be, given to the handler, their bodies directed to it.
 *
 * Strategy: pipelined requests with safe methods and no body may be with their handlers at the same time, up to a bound
 * (RFC 9112 §9.3.2); any other waits until all before it are answered. Whatever becomes possible (a response came,
 * the peer took bytes, a body ended) is done by one loop, `#goOn`, which is never entered twice, so that a long
 * pipeline does not recurse.
 *
 * Invariants:
 * - A response that says `Connection: close` is the last: the exchanges behind it are cut, nothing more is parsed.
 * - After the peer broke the grammar nothing is parsed; it gets one error response after those to earlier requests,
 *   then a lingering close.
 * - What a handler returns for an exchange that has ended is discarded, its stream cancelled.
 *
 * @module
 */
import { ConnectionClosedError } from "../io/errors.ts";
import type { Addr } from "../io/selector.ts";
import { isAftermath } from "./aftermath.ts";
import { CUT, Exchange, type ExchangeOwner, HIJACKED, READY, SENDING, SENT, WAITING } from "./exchange.ts";
import type { HijackedConnection } from "./handler.ts";
import { encodeInterimHead } from "./http1/encoder.ts";
import type { Http1Error } from "./http1/errors.ts";
import type { Fields, RequestHead } from "./http1/message.ts";
import { IncomingBody } from "./incoming_body.ts";
import { BODY_GATHERED_BYTES_MAX, createRequest } from "./request.ts";
import { hasBody, type IntakeOwner, mayBecomeTunnel, RequestIntake } from "./request_intake.ts";
import type { RequestUrls } from "./request_urls.ts";
import { type ConnectionLink, type QueueHost, ResponseQueue } from "./response_queue.ts";
import { encodeRefusal, sendError } from "./response_sender.ts";
import type { ResponseWriter } from "./response_writer.ts";
import { bodyLimitOf } from "./route_limits.ts";
import type { ServerContext } from "./server_context.ts";

/** The last answer on a connection whose peer, or handler, went wrong. */
export interface Refusal {
  /** Its status. */
  readonly status: number;
  /** Its text, for people. */
  readonly text: string;
}

/** Deno looks its web classes up at every mention of the global: half the cost of a small parse. */
const WebResponse = Response;

/** Sent when the handler reads the body first (RFC 9110 §10.1.1). */
const CONTINUE = encodeInterimHead(100);

/** The requests of one connection; see the module's text. */
export class Pipeline implements IntakeOwner, ExchangeOwner, QueueHost {
  /** The receiving half. */
  readonly intake: RequestIntake;
  readonly #server: ServerContext;
  readonly #link: ConnectionLink;
  readonly #responses: ResponseQueue;
  /** What to answer when all before is answered, because the peer or the handler failed; then the connection ends. */
  #refusal: Refusal | null = null;
  #requests = 0;
  /** `#requests` when the deadline of the present head, and that of the present rest, was set: each is set once. */
  #headOf = -1;
  #idleOf = 0;
  /** `#requests` when the next one last waited for one of them to be answered: each wait is counted once. */
  #fullAt = -1;
  /** The time of the present dispatch. */
  #now = 0;
  /** Whether a caller on the stack goes on with what becomes possible. */
  #isBusy = false;

  /** @param server what the server's connections share @param link the connection */
  constructor(server: ServerContext, link: ConnectionLink) {
    this.#server = server;
    this.#link = link;
    this.#responses = new ResponseQueue(server, link, this);
    this.intake = new RequestIntake(
      this,
      server.messageLimits,
      server.parsing,
      server.limits.unreadBodyBytesMax,
    );
  }

  // ---- the connection's side --------------------------------------------------------------------------------------

  /** Bytes came. */
  receive(bytes: Uint8Array): void {
    this.#now = this.#server.time.now();
    this.#isBusy = true;
    this.intake.feed(bytes);
    this.#isBusy = false;
    if (this.#refusal !== null) this.#goOn();
    else this.#settle();
  }

  /** The peer's FIN came. Returns whether anything is still to be answered. */
  finish(): boolean {
    this.#isBusy = true;
    this.intake.finish();
    this.#isBusy = false;
    if (this.#responses.length === 0 && this.#refusal === null && !this.intake.hasUnread) return false;
    if (!this.#server.allowHalfClose) this.#responses.clientLeft();
    this.#goOn();
    return true;
  }

  /** The peer takes bytes again. */
  resume(): void {
    this.#responses.resume();
    this.#goOn();
  }

  /** The connection is gone. `isOurs` when this side ended it. */
  close(reason: Error | null, isOurs: boolean): void {
    const incoming = this.intake.takeIncoming();
    this.intake.stop();
    this.#responses.close(reason, isOurs);
    incoming?.bodyFailed(reason ?? new ConnectionClosedError("Cannot read the request's body"));
  }

  /** Whether no request is in progress, nor has begun to come in. */
  get isIdle(): boolean {
    return this.#responses.length === 0 && this.#refusal === null && this.intake.isIdle;
  }

  /** What is written as a stream now; `null` when nothing is. */
  get writer(): ResponseWriter | null {
    return this.#responses.first?.writer ?? null;
  }

  /** Whether a stream that ended because the server stops waits to be taken. */
  get hasEndedStream(): boolean {
    return this.#responses.hasEndedStream;
  }

  /** When the oldest request came whose response is not taken to its end; `Infinity` when there is none. */
  get oldestStartedMs(): number {
    return this.#responses.oldestStartedMs;
  }

  /** The server begins to stop. */
  beginDraining(): void {
    this.#responses.beginDraining();
  }

  /** Answers with an error when all before is answered; nothing more is parsed. */
  refuse(refusal: Refusal): void {
    this.intake.stop();
    this.#refusal ??= refusal;
    this.#goOn();
  }

  /** The body that comes in will not be complete, by the peer's fault. */
  bodyTimedOut(error: Error): void {
    this.#peerFailed(error, 408, this.intake.takeIncoming());
  }

  /** The first exchange's handler took too long. */
  handlerTimedOut(error: Error): void {
    const { first } = this.#responses;
    // One that has answered, but stopped to read the body it asked for, gets no second answer.
    if (first === undefined || first.phase !== WAITING) return this.#link.abort(error);
    this.#responses.dropAll(error, true);
    this.intake.takeIncoming();
    this.refuse({ status: 503, text: "The service took too long to answer" });
  }

  // ---- IntakeOwner: what comes in ---------------------------------------------------------------------------------

  mayBegin(head: RequestHead): boolean {
    const { limits, stats } = this.#server;
    if (this.#link.isWritePaused || this.#requests >= limits.requestsPerConnectionMax) return false;
    const { length, first } = this.#responses;
    if (first === undefined) return true;
    if (first.phase === SENDING && !first.keepsAlive) return false; // RFC 9112 §9.6: its head said that it is the last.
    if (length < limits.pipelinedRequestsMax) {
      return this.#responses.last!.isConcurrent && isConcurrent(head);
    }
    if (this.#fullAt !== this.#requests) stats.limitsReached.pipelinedRequests++; // It is asked again and again.
    this.#fullAt = this.#requests;
    return false;
  }

  bodyBytesMaxOf(head: RequestHead): number {
    return bodyLimitOf(this.#server.handler, head) ?? this.#server.limits.bodyBytesMax;
  }

  begin(head: RequestHead): void {
    const { handler, stats } = this.#server;
    this.#requests++;
    stats.requestsTotal++;
    stats.requestsActive++;
    const exchange = new Exchange(this, head, this.#now, isConcurrent(head));
    if (hasBody(head)) this.#expectBody(exchange);
    else if (mayBecomeTunnel(head)) this.intake.openTunnel();
    let result: Response | Promise<Response>;
    try {
      result = handler(createRequest(exchange), exchange);
    } catch (error) {
      return this.fail(exchange, error);
    }
    if (result instanceof WebResponse) this.#responses.respond(exchange, result);
    else this.#await(exchange, result);
  }

  bodyCame(exchange: Exchange, bytes: Uint8Array): void {
    const { phases } = this.#link;
    if (exchange.awaitsContinue) { // It did not wait, so its body is due as any other.
      exchange.awaitsContinue = false;
      phases.body(this.#now);
    }
    phases.bodyCame(bytes.length, this.#now);
    if (exchange.phase === WAITING && this.#responses.length > 0) phases.handler(this.#now);
    exchange.body!.push(bytes);
  }

  bodyEnded(exchange: Exchange, trailers: Fields | null): void {
    this.#link.phases.none();
    exchange.bodyEnded(trailers);
  }

  peerFailed(error: Http1Error, exchange: Exchange | null): void {
    const { peerErrors } = this.#server.stats;
    peerErrors[error.code] = (peerErrors[error.code] ?? 0) + 1;
    this.#peerFailed(error, error.status, exchange);
  }

  unreadTooLong(): void {
    this.#server.stats.limitsReached.unreadBodyBytes++;
    this.intake.stop();
    this.#link.end();
  }

  // ---- ExchangeOwner: what handlers ask for -----------------------------------------------------------------------

  get remoteAddr(): Addr {
    return this.#link.remoteAddr;
  }

  get localAddr(): Addr {
    return this.#link.localAddr;
  }

  get urls(): RequestUrls {
    return this.#server.urls;
  }

  get isDraining(): boolean {
    return this.#server.draining !== null;
  }

  watch(exchange: Exchange): void {
    this.#responses.watch(exchange);
  }

  sendInterim(exchange: Exchange, text: string): void {
    this.#responses.sendInterim(exchange, text);
  }

  hijack(exchange: Exchange): HijackedConnection {
    const isAlone = this.#responses.isFirst(exchange) && this.#responses.length <= 1;
    if (exchange.phase !== WAITING || exchange.body !== null || !isAlone) {
      throw new TypeError(
        "Cannot hijack the connection: the request has a body, was answered, or others are in progress",
      );
    }
    exchange.phase = HIJACKED;
    this.#responses.remove(exchange);
    this.intake.stop();
    this.#server.stats.hijacked++;
    this.#server.stats.requestsActive--;
    const connection = this.#link.takeOver(exchange);
    if (!this.#isBusy) this.#link.passOn(); // Else the caller on the stack has not put aside yet what follows the head.
    return connection;
  }

  bodyWanted(exchange: Exchange): void {
    if (!exchange.awaitsContinue || this.intake.incoming !== exchange) return;
    // Behind the head of the response there is no room for it; the client may send the body then, or not (RFC 9110 §10.1.1).
    if (exchange.phase === WAITING || exchange.phase === READY) {
      exchange.awaitsContinue = false;
      this.sendInterim(exchange, CONTINUE);
    }
    this.#link.phases.body(this.#server.time.now());
  }

  bodyPaused(exchange: Exchange): void {
    if (this.intake.incoming !== exchange) return;
    this.intake.pauseBody();
    this.#link.phases.none();
    // A handler that has answered and stops reading would hold the connection for ever.
    if (exchange.phase === SENT) this.#link.phases.handler(this.#server.time.now());
  }

  bodyResumed(exchange: Exchange): void {
    if (this.intake.incoming !== exchange || !this.intake.isBodyPaused) return;
    this.intake.resumeBody();
    this.#link.phases.body(this.#server.time.now());
    if (exchange.phase === SENT) this.#link.phases.handlerDone();
  }

  bodyCancelled(exchange: Exchange): void {
    if (exchange.phase === SENT && this.intake.incoming === exchange) this.#dropBody(exchange);
    else this.bodyResumed(exchange); // What comes is dropped, so it may come.
  }

  // ---- QueueHost: what becomes of responses -----------------------------------------------------------------------

  mayGoOnAfter(): boolean {
    if (this.#link.hasPeerEnded && !this.intake.hasUnread) return false;
    if (this.#refusal !== null) return true; // One more answer follows.
    return !this.isDraining && this.#requests < this.#server.limits.requestsPerConnectionMax;
  }

  mayKeepBody(exchange: Exchange): boolean {
    if (this.intake.incoming !== exchange) return true;
    // RFC 9110 §10.1.1: without 100 the client may send the body or not; nobody could tell it from the next request.
    if (exchange.awaitsContinue) return false;
    const body = exchange.body!;
    if (body.isUsed && !exchange.isBodyUnwanted) return true;
    return body.length === null || body.length - body.receivedBytes <= this.#server.limits.unreadBodyBytesMax;
  }

  answered(exchange: Exchange): void {
    if (!exchange.keepsAlive) return this.#endAfter(exchange);
    if (this.intake.incoming !== exchange) this.intake.closeTunnel();
    else if (!exchange.body!.isUsed || exchange.isBodyUnwanted) this.#dropBody(exchange);
    this.#goOn();
  }

  fail(exchange: Exchange, error: unknown): void {
    if (exchange.phase === CUT || exchange.phase === HIJACKED) {
      return this.#reportAftermath(exchange, error);
    }
    this.#server.stats.handlerErrors++;
    if (exchange.hasFailed) { // What `onError` made cannot be sent either.
      this.#server.errors.report(error);
      return sendError(this.#responses, exchange, 500, "Internal Server Error");
    }
    exchange.hasFailed = true;
    const response = this.#server.errors.respond(error);
    if (response instanceof WebResponse) this.#responses.respond(exchange, response);
    else this.#await(exchange, response);
  }

  // ---- within -----------------------------------------------------------------------------------------------------

  #expectBody(exchange: Exchange): void {
    const { head } = exchange;
    const { framing } = head;
    const bodyBytesMax = this.bodyBytesMaxOf(head);
    exchange.gatheredBytesMax = bodyBytesMax === Infinity ? BODY_GATHERED_BYTES_MAX : bodyBytesMax;
    exchange.body = new IncomingBody(exchange, framing.kind === "length" ? framing.length : null);
    exchange.awaitsContinue = head.expectsContinue;
    this.intake.expectBody(exchange);
    if (head.expectsContinue) this.#link.phases.none(); // It is the handler who is waited for.
    else this.#link.phases.body(this.#now);
  }

  /** Waits for what a handler promised. */
  #await(exchange: Exchange, result: unknown): void {
    const promise = result as Promise<unknown>;
    if (typeof promise?.then !== "function") return this.#settleResult(exchange, result);
    if (exchange.phase !== HIJACKED) this.#responses.enqueue(exchange);
    promise.then(
      (value) => this.#settleResult(exchange, value),
      (error) => this.fail(exchange, error),
    );
  }

  #settleResult(exchange: Exchange, value: unknown): void {
    if (value instanceof WebResponse) return this.#responses.respond(exchange, value);
    if (exchange.phase === HIJACKED) return; // Any value will do there.
    this.fail(
      exchange,
      new TypeError("Cannot answer: the handler did not return a Response or a promise of one"),
    );
  }

  /** A handler failed whose exchange is over. What follows from that is no news; anything else is a mistake to be told. */
  #reportAftermath(exchange: Exchange, error: unknown): void {
    if (!isAftermath(error, exchange.cutReason)) this.#server.errors.report(error);
  }

  /** The peer broke the rules, perhaps in the middle of a body. */
  #peerFailed(error: Error, status: number, exchange: Exchange | null): void {
    if (exchange === null) return this.refuse({ status, text: error.message });
    exchange.bodyFailed(error);
    if (exchange.phase === WAITING || exchange.phase === READY) {
      this.#responses.drop(exchange, error, true); // It has not left: it is told what was wrong.
      return this.refuse({ status, text: error.message });
    }
    this.intake.stop();
    // The head may have said otherwise, but there is no telling where the next request would begin.
    exchange.keepsAlive = false;
    if (exchange.phase === SENT) this.#link.end();
  }

  /** Reads what is left of a body nobody reads, for a while. */
  #dropBody(exchange: Exchange): void {
    exchange.body!.discard(new ConnectionClosedError("Cannot read the body of a request that was answered"));
    this.intake.dropBody();
    this.#link.phases.linger(this.#server.time.now());
  }

  /** The last response was sent. */
  #endAfter(exchange: Exchange): void {
    const { limits, stats } = this.#server;
    if (exchange.head.keepAlive && this.#requests >= limits.requestsPerConnectionMax) {
      stats.limitsReached.requestsPerConnection++;
    }
    const reason = new ConnectionClosedError("Cannot answer after a response that ends the connection");
    this.#responses.dropAll(reason, true);
    this.intake.takeIncoming()?.bodyFailed(reason);
    this.intake.stop();
    this.#link.end();
  }

  /** Does what has become possible. */
  #goOn(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#now = this.#server.time.now();
    while (this.#link.isOpen && this.#step());
    this.#isBusy = false;
    this.#settle();
  }

  #step(): boolean {
    if (this.#link.isWritePaused) return false;
    if (this.#responses.sendKept()) return true;
    const refusal = this.#refusal;
    if (refusal === null) return this.intake.proceed();
    if (this.#responses.length > 0) return false;
    this.#responses.writeHead(encodeRefusal(this.#server, refusal.status, refusal.text));
    this.#link.end();
    return false;
  }

  /** Sets the deadline for what is awaited from the peer now. */
  #settle(): void {
    if (!this.#link.isOpen) return this.#link.passOn();
    if (this.intake.incoming !== null) return;
    const { phases } = this.#link;
    // A request that is held waits for the peer to take bytes, which the write deadline bounds.
    if (this.#responses.length > 0 || this.#refusal !== null || this.intake.hasUnread) return phases.none();
    if (this.isDraining && this.intake.isIdle) return this.#link.end();
    if (this.#link.hasPeerEnded) return this.#link.end();
    if (this.intake.isInHead) {
      if (this.#headOf !== this.#requests) phases.head(this.#now);
      this.#headOf = this.#requests;
    } else if (this.#idleOf !== this.#requests) {
      phases.keepAlive(this.#now);
      this.#idleOf = this.#requests;
    }
  }
}

/** Whether requests behind this one may be with their handlers at the same time (RFC 9112 §9.3.2: safe methods only). */
function isConcurrent(head: RequestHead): boolean {
  const { method } = head;
  const isSafe = method === "GET" || method === "HEAD" || method === "OPTIONS" || method === "TRACE";
  return isSafe && !hasBody(head) && !head.isUpgrade;
}
