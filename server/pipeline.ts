/**
 * The exchanges of one connection: requests are begun, handlers called, responses written in order.
 *
 * Strategy: a response that is there at once, and nothing before it, is written at once: no queue, closure or promise is
 * made for it. Other exchanges stand in the queue in the order of their requests, and only the first one's response
 * is written. Whatever becomes possible (a response came, the peer took bytes, a body ended) is done by one
 * loop, `#goOn`, which is never entered twice, so that a long pipeline does not recurse.
 *
 * Invariants:
 * - Every exchange ends once: sent, cut or taken over; `requestsActive` is counted down when it does.
 * - A response that says `Connection: close` is the last: the exchanges behind it are cut.
 * - While the peer does not take what was written (`isWritePaused`) no request is begun and no response either.
 * - What a handler returns for an exchange that has ended is discarded, its stream cancelled.
 *
 * @module
 */
import { ConnectionClosedError } from "../io/errors.ts";
import type { Addr, Transport } from "../io/selector.ts";
import { DeliveryWatch } from "./delivery_watch.ts";
import { CUT, Exchange, type ExchangeOwner, HIJACKED, READY, SENDING, SENT, WAITING } from "./exchange.ts";
import type { HijackedConnection } from "./handler.ts";
import { encodeInterimHead } from "./http1/encoder.ts";
import type { Http1Error } from "./http1/errors.ts";
import type { Fields, RequestHead } from "./http1/message.ts";
import { IncomingBody } from "./incoming_body.ts";
import type { PhaseClock } from "./phase_clock.ts";
import { BODY_GATHERED_BYTES_MAX, createRequest } from "./request.ts";
import { hasBody, type IntakeOwner, mayBecomeTunnel, RequestIntake } from "./request_intake.ts";
import {
  discardResponse,
  encodeRefusal,
  type SenderOwner,
  sendError,
  sendResponse,
} from "./response_sender.ts";
import type { ResponseWriter } from "./response_writer.ts";
import type { ServerContext } from "./server_context.ts";

/** The connection, as its pipeline sees it. */
export interface PipelineOwner {
  /** The connection's bytes. */
  readonly transport: Transport;
  /** The client's address. */
  readonly remoteAddr: Addr;
  /** Own address. */
  readonly localAddr: Addr;
  /** What is awaited, and until when. */
  readonly phases: PhaseClock;
  /** Whether new requests may come. */
  readonly isOpen: boolean;
  /** Bytes written so far. */
  readonly writtenBytes: number;
  /** Bytes of them that the peer took. */
  readonly takenBytes: number;
  /** Whether the peer takes too little. */
  readonly isWritePaused: boolean;
  /** Whether the peer's FIN came. */
  readonly hasPeerEnded: boolean;
  /** Bytes were written for a head or a whole response. */
  wrote(bytes: number): void;
  /** Bytes were written by a producer, who may be writing too much. */
  wroteBody(bytes: number): void;
  /** Nothing more is to be written; `isOurs` when the peer does not expect it. */
  end(isOurs: boolean): void;
  /** Ends the connection at once. */
  abort(reason: Error): void;
  /** Hands the connection to the handler of `exchange`, bytes in `rest` first. */
  takeOver(exchange: Exchange, rest: Uint8Array): HijackedConnection;
}

/** An answer to what the peer, or nobody, did right. */
export interface Refusal {
  /** Its status. */
  readonly status: number;
  /** Its text, for people. */
  readonly text: string;
}

/** Sent when the handler reads the body first (RFC 9110 §10.1.1). */
const CONTINUE = encodeInterimHead(100);

/** The exchanges of one connection; see the module's text. */
export class Pipeline implements IntakeOwner, ExchangeOwner, SenderOwner {
  readonly server: ServerContext;
  /** The receiving half. */
  readonly intake: RequestIntake;
  readonly #owner: PipelineOwner;
  /** Exchanges whose response is not complete, in order; those answered at once never are here. */
  readonly #queue: Exchange[] = [];
  #deliveries: DeliveryWatch | null = null;
  /** What to answer when the queue is empty, because the peer or the handler failed; then the connection ends. */
  #refusal: Refusal | null = null;
  #requests = 0;
  /** `#requests` when the deadline of the present head, and that of the present rest, was set: each is set once. */
  #headOf = -1;
  #idleOf = 0;
  /** The time of the present dispatch. */
  #now = 0;
  /** Whether a caller on the stack goes on with what becomes possible. */
  #isBusy = false;

  /** @param server what the server's connections share @param owner the connection */
  constructor(server: ServerContext, owner: PipelineOwner) {
    this.server = server;
    this.#owner = owner;
    this.intake = new RequestIntake(
      this,
      server.messageLimits,
      server.heads,
      server.limits.unreadBodyBytesMax,
    );
  }

  // ---- the connection's side --------------------------------------------------------------------------------------

  /** Bytes came. */
  receive(bytes: Uint8Array): void {
    this.#now = this.server.clock.now();
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
    if (this.#queue.length === 0 && this.#refusal === null) return false;
    if (!this.server.allowHalfClose) this.#clientLeft();
    this.#goOn();
    return true;
  }

  /** The peer takes bytes again; `takenBytes` of all that was written were taken. */
  resume(takenBytes: number): void {
    this.#deliveries?.taken(takenBytes);
    this.#queue[0]?.writer?.drained();
    this.#goOn();
  }

  /** The connection is gone. `isOurs` when this side ended it. */
  close(reason: Error | null, isOurs: boolean): void {
    const why = reason ?? new ConnectionClosedError("Cannot complete the response");
    const { incoming } = this.intake;
    this.intake.stop();
    this.#dropAll(why, isOurs);
    incoming?.bodyFailed(why);
    this.#deliveries?.closed(reason);
  }

  /** Whether no request is in progress, nor has begun to come in. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#refusal === null && this.intake.isIdle;
  }

  /** What is written as a stream now; `null` when nothing is. */
  get writer(): ResponseWriter | null {
    return this.#queue[0]?.writer ?? null;
  }

  /** The server begins to stop. */
  beginDraining(): void {
    for (const exchange of [...this.#queue]) exchange.beginDraining();
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
    const exchange = this.#queue[0];
    if (exchange === undefined || exchange.phase !== WAITING) return this.#owner.abort(error); // It answered, but stopped reading.
    this.#dropAll(error, true);
    this.intake.takeIncoming();
    this.refuse({ status: 503, text: "The service took too long to answer" });
  }

  // ---- IntakeOwner: requests --------------------------------------------------------------------------------------

  mayBegin(head: RequestHead): boolean {
    const { limits, stats } = this.server;
    if (this.#owner.isWritePaused || this.#requests >= limits.requestsPerConnectionMax) return false;
    const { length } = this.#queue;
    if (length === 0) return true;
    if (length < limits.pipelinedRequestsMax) {
      return this.#queue[length - 1]!.isConcurrent && isConcurrent(head);
    }
    stats.limitsReached.pipelinedRequests++;
    return false;
  }

  bodyBytesMaxOf(head: RequestHead): number {
    return this.server.bodyBytesMaxOf(head);
  }

  begin(head: RequestHead): void {
    const { server } = this;
    const { handler } = server;
    this.#requests++;
    server.stats.requestsTotal++;
    server.stats.requestsActive++;
    const exchange = new Exchange(this, head, this.#now, isConcurrent(head));
    if (hasBody(head)) this.#expectBody(exchange);
    else if (mayBecomeTunnel(head)) this.intake.openTunnel();
    let result: Response | Promise<Response>;
    try {
      result = handler(createRequest(exchange), exchange);
    } catch (error) {
      return this.fail(exchange, error);
    }
    if (result instanceof Response) this.#respond(exchange, result);
    else this.#await(exchange, result);
  }

  bodyCame(exchange: Exchange, bytes: Uint8Array): void {
    exchange.awaitsContinue = false; // It did not wait.
    this.#owner.phases.bodyCame(bytes.length, this.#now);
    if (exchange.phase === WAITING && this.#queue.length > 0) this.#owner.phases.handler(this.#now);
    exchange.body!.push(bytes);
  }

  bodyEnded(exchange: Exchange, trailers: Fields | null): void {
    this.#owner.phases.none();
    exchange.bodyEnded(trailers);
  }

  peerFailed(error: Http1Error, exchange: Exchange | null): void {
    const { peerErrors } = this.server.stats;
    peerErrors[error.code] = (peerErrors[error.code] ?? 0) + 1;
    this.#peerFailed(error, error.status, exchange);
  }

  unreadTooLong(): void {
    this.server.stats.limitsReached.unreadBodyBytes++;
    this.intake.stop();
    this.#owner.end(true);
  }

  // ---- ExchangeOwner: what handlers ask for -----------------------------------------------------------------------

  get remoteAddr(): Addr {
    return this.#owner.remoteAddr;
  }

  get localAddr(): Addr {
    return this.#owner.localAddr;
  }

  get isDraining(): boolean {
    return this.server.draining !== null;
  }

  watch(exchange: Exchange): void {
    if (exchange.phase === SENT) this.#watchDelivery(exchange);
  }

  sendInterim(exchange: Exchange, text: string): void {
    if (this.#isFirst(exchange)) return this.#writeHead(text);
    if (exchange.interim.length + text.length > this.server.limits.headerBytesMax) {
      throw new RangeError(
        "Cannot send early hints: as much as a head may have waits for an earlier response",
      );
    }
    exchange.interim += text;
  }

  hijack(exchange: Exchange): HijackedConnection {
    const isAlone = this.#isFirst(exchange) && this.#queue.length <= 1;
    if (exchange.phase !== WAITING || exchange.body !== null || !isAlone) {
      throw new TypeError(
        "Cannot hijack the connection: the request has a body, was answered, or others are in progress",
      );
    }
    exchange.phase = HIJACKED;
    this.#queue.length = 0;
    this.intake.stop();
    this.server.stats.hijacked++;
    this.server.stats.requestsActive--;
    return this.#owner.takeOver(exchange, this.intake.takeRest());
  }

  bodyWanted(exchange: Exchange): void {
    if (!exchange.awaitsContinue || exchange.phase !== WAITING) return;
    exchange.awaitsContinue = false;
    this.sendInterim(exchange, CONTINUE);
    this.#owner.phases.body(this.server.clock.now());
  }

  bodyPaused(exchange: Exchange): void {
    if (this.intake.incoming !== exchange) return;
    this.intake.pauseBody();
    this.#owner.phases.none();
    // A handler that has answered and stops reading would hold the connection for ever.
    if (exchange.phase === SENT) this.#owner.phases.handler(this.server.clock.now());
  }

  bodyResumed(exchange: Exchange): void {
    if (this.intake.incoming !== exchange || !this.intake.isBodyPaused) return;
    this.intake.resumeBody();
    this.#owner.phases.body(this.server.clock.now());
    if (exchange.phase === SENT) this.#owner.phases.handlerDone();
  }

  // ---- SenderOwner: responses -------------------------------------------------------------------------------------

  get transport(): Transport {
    return this.#owner.transport;
  }

  get gatheredBytesMax(): number {
    const { bodyBytesMax } = this.server.limits;
    return bodyBytesMax === Infinity ? BODY_GATHERED_BYTES_MAX : bodyBytesMax;
  }

  get isWritePaused(): boolean {
    return this.#owner.isWritePaused;
  }

  get isClientThere(): boolean {
    return !this.#owner.hasPeerEnded || this.server.allowHalfClose;
  }

  keepsAlive(exchange: Exchange): boolean {
    if (!exchange.head.keepAlive || !this.#mayKeepBody(exchange)) return false;
    if (this.#queue.length > 1 || this.#refusal !== null) return true; // The last of the responses that follow ends it.
    const { limits, stats } = this.server;
    if (this.#requests >= limits.requestsPerConnectionMax) {
      stats.limitsReached.requestsPerConnection++;
      return false;
    }
    return !this.isDraining && !this.#owner.hasPeerEnded;
  }

  wrote(bytes: number): void {
    this.#owner.wroteBody(bytes);
  }

  wroteWhole(bytes: number): void {
    this.#owner.wrote(bytes);
  }

  enqueue(exchange: Exchange): void {
    if (this.#queue.includes(exchange)) return;
    this.#queue.push(exchange);
    if (this.#queue.length === 1) this.#becameFirst(exchange);
  }

  bodyBegun(exchange: Exchange, writer: ResponseWriter): void {
    exchange.phase = SENDING;
    exchange.writer = writer;
    this.enqueue(exchange);
    this.#owner.phases.handlerDone();
    this.server.stats.streamsOpen++;
    writer.start();
    if (this.isDraining) writer.draining();
  }

  bodyFinished(writer: ResponseWriter): void {
    this.server.stats.streamsOpen--;
    this.sent(this.#queue[0]!, writer.kind === "stream");
  }

  bodyFailed(_writer: ResponseWriter, error: unknown): void {
    this.server.stats.streamsOpen--;
    this.server.stats.responsesAborted++;
    this.report(error);
    const cause = error instanceof Error ? error : new Error(String(error));
    this.#queue[0]!.phase = SENDING;
    this.#owner.abort(cause);
  }

  report(error: unknown): void {
    this.server.report(error);
  }

  sent(exchange: Exchange, isStream: boolean): void {
    const { server } = this;
    exchange.phase = SENT;
    exchange.writer = null;
    exchange.endOffset = this.#owner.writtenBytes;
    server.stats.requestsActive--;
    if (server.draining !== null) server.draining[isStream ? "ended" : "finished"]++;
    if (this.#queue[0] === exchange) {
      this.#queue.shift();
      this.#owner.phases.handlerDone();
      this.#owner.phases.totalDone();
    }
    if (exchange.isWatched) this.#watchDelivery(exchange);
    if (!exchange.keepsAlive) return this.#endAfter(exchange);
    const isBodyLeft = this.intake.incoming === exchange;
    if (!isBodyLeft) this.intake.closeTunnel();
    else if (!exchange.body!.isUsed || exchange.isBodyUnwanted) this.#dropBody(exchange);
    if (this.#queue.length > 0) this.#becameFirst(this.#queue[0]!);
    this.#goOn();
  }

  fail(exchange: Exchange, error: unknown): void {
    if (exchange.phase === CUT || exchange.phase === HIJACKED) return this.#reportAftermath(exchange, error);
    this.server.stats.handlerErrors++;
    if (exchange.hasFailed) {
      // What `onError` made cannot be sent either.
      this.report(error);
      return sendError(this, exchange, 500, "Internal Server Error");
    }
    exchange.hasFailed = true;
    const response = this.server.onError(error);
    if (response instanceof Response) this.#respond(exchange, response);
    else this.#await(exchange, response);
  }

  // ---- within: requests -------------------------------------------------------------------------------------------

  #expectBody(exchange: Exchange): void {
    const { head } = exchange;
    const { framing } = head;
    const length = framing.kind === "length" ? framing.length : null;
    exchange.body = new IncomingBody(exchange, length);
    exchange.awaitsContinue = head.expectsContinue;
    this.intake.expectBody(exchange);
    if (!head.expectsContinue) this.#owner.phases.body(this.#now);
  }

  /** Waits for what a handler promised. */
  #await(exchange: Exchange, result: unknown): void {
    const promise = result as Promise<unknown>;
    if (typeof promise?.then !== "function") return this.#settleResult(exchange, result);
    this.enqueue(exchange);
    promise.then(
      (value) => this.#settleResult(exchange, value),
      (error) => this.fail(exchange, error),
    );
  }

  #settleResult(exchange: Exchange, value: unknown): void {
    if (value instanceof Response) return this.#respond(exchange, value);
    this.fail(
      exchange,
      new TypeError("Cannot answer: the handler did not return a Response or a promise of one"),
    );
  }

  /** Sends the response if it is its turn, else keeps it. */
  #respond(exchange: Exchange, response: Response): void {
    if (exchange.phase !== WAITING) return discardResponse(this, response);
    if (this.#isFirst(exchange) && !this.#owner.isWritePaused) return sendResponse(this, exchange, response);
    exchange.phase = READY;
    exchange.response = response;
    this.enqueue(exchange);
  }

  /** A handler failed whose exchange is over. What follows from that is no news; anything else is a mistake to be told. */
  #reportAftermath(exchange: Exchange, error: unknown): void {
    const reason = exchange.cutReason;
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause === reason || cause.name === "AbortError") return;
    }
    this.report(error);
  }

  /** The peer broke the rules, perhaps in the middle of a body. */
  #peerFailed(error: Error, status: number, exchange: Exchange | null): void {
    if (exchange === null) return this.refuse({ status, text: error.message });
    exchange.bodyFailed(error);
    if (exchange.phase === WAITING || exchange.phase === READY) {
      const index = this.#queue.indexOf(exchange);
      if (index >= 0) this.#queue.splice(index, 1);
      this.#drop(exchange, error, false);
      return this.refuse({ status, text: error.message });
    }
    this.intake.stop();
    exchange.keepsAlive = false; // The head may have said otherwise; there is no telling where the next request begins.
    if (exchange.phase === SENT) this.#owner.end(true);
  }

  #clientLeft(): void {
    const reason = new ConnectionClosedError("Cannot complete the response: the client left");
    for (const exchange of this.#queue) exchange.clientLeft(reason);
    const first = this.#queue[0];
    if (first === undefined || first.phase !== SENDING || first.isWhole) return;
    this.#owner.abort(reason);
  }

  // ---- within: responses ------------------------------------------------------------------------------------------

  #isFirst(exchange: Exchange): boolean {
    const first = this.#queue[0];
    return first === undefined || first === exchange;
  }

  #becameFirst(exchange: Exchange): void {
    const { phases } = this.#owner;
    if (exchange.phase === WAITING) phases.handler(this.server.clock.now());
    phases.total(exchange.startedMs);
    if (exchange.interim === "") return;
    this.#writeHead(exchange.interim);
    exchange.interim = "";
  }

  #writeHead(text: string): void {
    this.transport.writeLatin1(text);
    this.#owner.wrote(text.length);
  }

  /** Whether the connection can go on although the request's body has not been read to its end. */
  #mayKeepBody(exchange: Exchange): boolean {
    if (this.intake.incoming !== exchange) return true;
    // RFC 9110 §10.1.1: without 100 the client may send the body or not; nobody could tell it from the next request.
    if (exchange.awaitsContinue) return false;
    const body = exchange.body!;
    if (body.isUsed && !exchange.isBodyUnwanted) return true;
    return body.length === null || body.length - body.receivedBytes <= this.server.limits.unreadBodyBytesMax;
  }

  /** Reads what is left of a body nobody reads, for a while. */
  #dropBody(exchange: Exchange): void {
    exchange.body!.discard(new ConnectionClosedError("Cannot read the body: the request was answered"));
    this.intake.dropBody();
    this.#owner.phases.linger(this.server.clock.now());
  }

  #watchDelivery(exchange: Exchange): void {
    this.#deliveries ??= new DeliveryWatch(this.transport);
    this.#deliveries.watch(exchange, this.#owner.takenBytes);
  }

  /** The last response was sent. */
  #endAfter(exchange: Exchange): void {
    this.#dropAll(
      new ConnectionClosedError("Cannot answer: the connection ends with an earlier response"),
      true,
    );
    this.intake.stop();
    this.#owner.end(exchange.head.keepAlive || this.intake.hasUnread);
  }

  #dropAll(reason: Error, isOurs: boolean): void {
    for (const exchange of this.#queue.splice(0)) this.#drop(exchange, reason, isOurs);
  }

  /** Ends an exchange that gets no response, or not all of it. */
  #drop(exchange: Exchange, reason: Error, isOurs: boolean): void {
    const { stats, draining } = this.server;
    const { response } = exchange;
    if (exchange.phase === SENDING && exchange.writer?.isClosed === false) stats.streamsOpen--;
    stats.requestsActive--;
    if (!isOurs) stats.disconnects++;
    if (draining !== null) draining[isOurs ? "cut" : "left"]++;
    exchange.response = null;
    exchange.cut(reason);
    if (response !== null) discardResponse(this, response);
  }

  // ---- within: going on -------------------------------------------------------------------------------------------

  /** Does what has become possible. */
  #goOn(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#now = this.server.clock.now();
    while (this.#owner.isOpen && this.#step());
    this.#isBusy = false;
    this.#settle();
  }

  #step(): boolean {
    if (this.#owner.isWritePaused) return false;
    const first = this.#queue[0];
    if (first !== undefined && first.response !== null) {
      const { response } = first;
      first.response = null;
      first.phase = WAITING;
      sendResponse(this, first, response);
      return true;
    }
    if (first === undefined && this.#refusal !== null) {
      this.#writeRefusal(this.#refusal);
      return false;
    }
    return this.#refusal === null && this.intake.proceed();
  }

  #writeRefusal(refusal: Refusal): void {
    this.#writeHead(encodeRefusal(this.server, refusal.status, refusal.text));
    this.#owner.end(true);
  }

  /** Sets the deadline for what is awaited from the peer now. */
  #settle(): void {
    if (!this.#owner.isOpen || this.intake.incoming !== null) return;
    const { phases } = this.#owner;
    if (this.#queue.length > 0) return phases.none();
    if (this.isDraining && this.intake.isIdle) return this.#owner.end(true);
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
