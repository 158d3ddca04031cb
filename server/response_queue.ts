/**
 * The responses of one connection, written in the order of their requests.
 *
 * Strategy: a response that is there at once, with nothing before it, is written at once and never stands here. Other
 * exchanges stand in the queue from the moment their handler is waited for, and only the first one's response is
 * written; the others' are kept until they are first. What follows from a complete response is its host's to say.
 *
 * Invariants:
 * - Every exchange ends once: sent or dropped; `requestsActive` is counted down when it does.
 * - Sent is not taken: until the system has all of a response it may still be cut, and then is told and counted so.
 * - While the peer does not take what was written (`isWritePaused`) no response is begun.
 *
 * @module
 */
import { ConnectionClosedError } from "../io/errors.ts";
import type { Addr, Transport } from "../io/selector.ts";
import { slimArray } from "../io/slim_array.ts";
import { DeliveryWatch } from "./delivery_watch.ts";
import { type Exchange, READY, SENDING, SENT, WAITING } from "./exchange.ts";
import type { HijackedConnection } from "./handler.ts";
import type { PhaseClock } from "./phase_clock.ts";
import { EarlyHintsError } from "./response_errors.ts";
import { discardResponse, type SenderOwner, sendResponse } from "./response_sender.ts";
import type { ResponseWriter } from "./response_writer.ts";
import type { ServerContext } from "./server_context.ts";
import { type StopCount, UnsentResponses } from "./unsent_responses.ts";

/** The connection, as its requests and responses see it. */
export interface ConnectionLink {
  /** The connection's bytes. */
  readonly transport: Transport;
  /** The client's address. */
  readonly remoteAddr: Addr;
  /** Own address. */
  readonly localAddr: Addr;
  /** What is awaited, and until when. */
  readonly phases: PhaseClock;
  /** Whether requests and responses go on. */
  readonly isOpen: boolean;
  /** Whether the peer takes too little. */
  readonly isWritePaused: boolean;
  /** Whether the peer's FIN came. */
  readonly hasPeerEnded: boolean;
  /** Bytes written so far. */
  readonly writtenBytes: number;
  /** Bytes of them that the peer took. */
  readonly takenBytes: number;
  /** Bytes were written for a head or a whole response. */
  wrote(bytes: number): void;
  /** Bytes were written by a producer, who may be writing too much. */
  wroteBody(bytes: number): void;
  /** Nothing more is to be written. */
  end(): void;
  /** Ends the connection at once. */
  abort(reason: Error): void;
  /** Hands the connection to the handler of `exchange`. */
  takeOver(exchange: Exchange): HijackedConnection;
  /** Hands over what had come behind that request, and the peer's end, if a handler has the connection. */
  passOn(): void;
}

/** The requests of the connection, as the queue sees them. */
export interface QueueHost {
  /** Whether another request may be begun on the connection after `exchange`, which is the last so far. */
  mayGoOnAfter(exchange: Exchange): boolean;
  /** Whether the connection can go on although the body of `exchange` may not be read to its end. */
  mayKeepBody(exchange: Exchange): boolean;
  /** The request's body may be read from now on. */
  bodyWanted(exchange: Exchange): void;
  /** The response is complete. */
  answered(exchange: Exchange): void;
  /** The response cannot be sent; nothing of it was. */
  fail(exchange: Exchange, error: unknown): void;
}

/** What cannot be done, and for whom. */
const CLIENT_LEFT = "Cannot complete the response for a client that left";

/** See the module's text. */
export class ResponseQueue implements SenderOwner {
  readonly server: ServerContext;
  readonly #link: ConnectionLink;
  readonly #host: QueueHost;
  /** Exchanges whose response is not complete, in the order of their requests. */
  readonly #exchanges: Exchange[] = slimArray();
  #deliveries: DeliveryWatch | null = null;
  #unsent: UnsentResponses | null = null;
  /** Why the connection is gone, `null` after an orderly end; `undefined` while it is there. */
  #goneReason: Error | null | undefined = undefined;

  /** @param server what the server's connections share @param link the connection @param host the requests */
  constructor(server: ServerContext, link: ConnectionLink, host: QueueHost) {
    this.server = server;
    this.#link = link;
    this.#host = host;
  }

  // ---- the requests' side -----------------------------------------------------------------------------------------

  /** How many exchanges wait for their response to be complete. */
  get length(): number {
    return this.#exchanges.length;
  }

  /** The one whose response is written now. */
  get first(): Exchange | undefined {
    return this.#exchanges[0];
  }

  /** The one whose request came last. */
  get last(): Exchange | undefined {
    return this.#exchanges[this.#exchanges.length - 1];
  }

  /** Whether nothing is to be written before the response of `exchange`. */
  isFirst(exchange: Exchange): boolean {
    const first = this.#exchanges[0];
    return first === undefined || first === exchange;
  }

  /** Sends the response if it is its turn, else keeps it. */
  respond(exchange: Exchange, response: Response): void {
    if (exchange.phase !== WAITING) return discardResponse(this, response, exchange.cutReason);
    if (this.isFirst(exchange) && !this.#link.isWritePaused) return sendResponse(this, exchange, response);
    exchange.phase = READY;
    exchange.response = response;
    this.enqueue(exchange);
    if (this.isFirst(exchange)) this.#link.phases.handlerDone(); // Now it is the reader who is waited for.
  }

  /** Sends the first one's response if it was kept. Returns whether it was. */
  sendKept(): boolean {
    const first = this.#exchanges[0];
    if (first === undefined || first.response === null) return false;
    const { response } = first;
    first.response = null;
    first.phase = WAITING;
    sendResponse(this, first, response);
    return true;
  }

  /** Writes an interim head, or keeps it until the exchange's turn. */
  sendInterim(exchange: Exchange, text: string): void {
    if (this.isFirst(exchange)) return this.writeHead(text);
    if (exchange.interim.length + text.length > this.server.limits.headerBytesMax) {
      throw new EarlyHintsError("as much as a head may have waits for an earlier response");
    }
    exchange.interim += text;
  }

  /** Writes a head that is no exchange's, or an interim one. */
  writeHead(text: string): void {
    this.transport.writeLatin1(text);
    this.#link.wrote(text.length);
  }

  /** The peer takes bytes again. */
  resume(): void {
    this.#deliveries?.taken(this.#link.takenBytes);
    this.#exchanges[0]?.writer?.drained();
  }

  /** Waits until a response is with the kernel, if it is written already: else that is done when it is. */
  watch(exchange: Exchange): void {
    if (exchange.phase !== SENT) return;
    if (this.#goneReason !== undefined) return this.#watchLate(exchange, this.#goneReason);
    this.#deliveries ??= new DeliveryWatch(this.transport);
    this.#deliveries.watch(exchange, this.#link.takenBytes);
  }

  /** The server begins to stop. */
  beginDraining(): void {
    for (const exchange of [...this.#exchanges]) exchange.beginDraining();
  }

  /** The client's FIN came: nobody waits for a stream any more; what is all there is still sent. */
  clientLeft(): void {
    const reason = new ConnectionClosedError(CLIENT_LEFT);
    for (const exchange of [...this.#exchanges]) exchange.clientLeft(reason);
    const first = this.#exchanges[0];
    if (first !== undefined && first.phase === SENDING && !first.isWhole) this.#abandon(reason);
  }

  /** The connection is gone. `isOurs` when this side ended it. */
  close(reason: Error | null, isOurs: boolean): void {
    const { takenBytes } = this.#link;
    this.#goneReason = reason;
    this.dropAll(reason ?? new ConnectionClosedError("Cannot complete the response"), isOurs);
    this.#deliveries?.closed(reason, takenBytes);
    if (reason !== null) this.#recount(takenBytes, isOurs ? "cut" : "left");
  }

  /** Ends all exchanges; none gets its response, or all of it. */
  dropAll(reason: Error, isOurs: boolean): void {
    for (const exchange of this.#exchanges.splice(0)) this.#drop(exchange, reason, isOurs);
  }

  /** Ends one exchange. */
  drop(exchange: Exchange, reason: Error, isOurs: boolean): void {
    this.remove(exchange);
    this.#drop(exchange, reason, isOurs);
  }

  /** Takes an exchange out that is over by other means. */
  remove(exchange: Exchange): void {
    const index = this.#exchanges.indexOf(exchange);
    if (index >= 0) this.#exchanges.splice(index, 1);
  }

  // ---- SenderOwner: the responses' side ---------------------------------------------------------------------------

  get transport(): Transport {
    return this.#link.transport;
  }

  get isWritePaused(): boolean {
    return this.#link.isWritePaused;
  }

  get isClientThere(): boolean {
    return !this.#link.hasPeerEnded || this.server.allowHalfClose;
  }

  keepsAlive(exchange: Exchange): boolean {
    if (!exchange.head.keepAlive || !this.#host.mayKeepBody(exchange)) return false;
    if (this.#exchanges.length > 1) return true; // The last of those that follow ends the connection, if any does.
    return this.#host.mayGoOnAfter(exchange);
  }

  wrote(bytes: number): void {
    this.#link.wroteBody(bytes);
  }

  wroteWhole(bytes: number): void {
    this.#link.wrote(bytes);
  }

  wroteEnd(bytes: number): void {
    this.#link.wrote(bytes);
  }

  enqueue(exchange: Exchange): void {
    if (this.#exchanges.includes(exchange)) return;
    this.#exchanges.push(exchange);
    if (this.#exchanges.length === 1) this.#becameFirst(exchange);
  }

  bodyBegun(exchange: Exchange, writer: ResponseWriter): void {
    exchange.phase = SENDING;
    exchange.writer = writer;
    this.enqueue(exchange);
    this.#link.phases.handlerDone();
    this.server.stats.streamsOpen++;
    writer.start();
    if (this.server.draining !== null) writer.draining();
  }

  bodyFinished(writer: ResponseWriter): void {
    this.server.stats.streamsOpen--;
    this.sent(this.#exchanges[0]!, writer.kind === "stream");
  }

  bodyFailed(_writer: ResponseWriter, error: unknown): void {
    const left = this.#exchanges[0]?.leftReason ?? null;
    if (left !== null) return this.#abandon(left); // A body given up because its reader left has not failed.
    this.server.stats.responsesAborted++;
    this.report(error);
    this.#link.abort(
      error instanceof Error ? error : new TypeError(`Cannot complete the response: ${error}`),
    );
  }

  report(error: unknown): void {
    this.server.errors.report(error);
  }

  leave(exchange: Exchange): void {
    this.enqueue(exchange);
    this.dropAll(new ConnectionClosedError(CLIENT_LEFT), false);
    this.#link.end();
  }

  bodyWanted(exchange: Exchange): void {
    this.#host.bodyWanted(exchange);
  }

  fail(exchange: Exchange, error: unknown): void {
    this.#host.fail(exchange, error);
  }

  sent(exchange: Exchange, isStream: boolean): void {
    const { stats, draining } = this.server;
    exchange.phase = SENT;
    exchange.writer = null;
    exchange.endOffset = this.#link.writtenBytes;
    stats.requestsActive--;
    let count: StopCount = null;
    if (draining !== null) draining[count = isStream ? "ended" : "finished"]++;
    if (draining !== null || this.server.deadlines.totalMs !== Infinity) this.#keepUnsent(exchange, count);
    if (this.#exchanges[0] === exchange) {
      this.#exchanges.shift();
      this.#link.phases.handlerDone();
    }
    if (exchange.isWatched) this.watch(exchange);
    if (exchange.keepsAlive && this.#exchanges.length > 0) this.#becameFirst(this.#exchanges[0]!);
    this.#host.answered(exchange);
  }

  /** Whether a stream that ended because the server stops waits to be taken. */
  get hasEndedStream(): boolean {
    this.#unsent?.taken(this.#link.takenBytes);
    return this.#unsent?.hasEndedStream ?? false;
  }

  /** When the oldest request came whose response is not taken to its end; `Infinity` when there is none. */
  get oldestStartedMs(): number {
    this.#unsent?.taken(this.#link.takenBytes);
    const unsentMs = this.#unsent?.oldestStartedMs ?? Infinity;
    return Math.min(unsentMs, this.#exchanges[0]?.startedMs ?? Infinity);
  }

  // ---- within -----------------------------------------------------------------------------------------------------

  /** Gives up what is for a client that left; it counts as the client's doing, though the connection ends by ours. */
  #abandon(reason: Error): void {
    this.dropAll(reason, false);
    this.#link.abort(reason);
  }

  /** The response is written to its end, but not taken yet. */
  #keepUnsent(exchange: Exchange, count: StopCount): void {
    this.#unsent ??= new UnsentResponses();
    this.#unsent.taken(this.#link.takenBytes);
    this.#unsent.add(exchange.endOffset, exchange.startedMs, count);
    this.#link.phases.total(exchange.startedMs);
  }

  /** The connection is gone: what was not taken has not ended well. */
  #recount(takenBytes: number, as: "cut" | "left"): void {
    const { draining } = this.server;
    if (this.#unsent === null || draining === null) return;
    this.#unsent.taken(takenBytes);
    for (const count of this.#unsent.takeCounts()) {
      if (count === null) continue;
      draining[count]--;
      draining[as]++;
    }
  }

  /** Who asks what became of a response when its connection is gone. */
  #watchLate(exchange: Exchange, reason: Error | null): void {
    if (reason === null || exchange.endOffset <= this.#link.takenBytes) exchange.delivered();
    else exchange.cut(reason);
  }

  #becameFirst(exchange: Exchange): void {
    const { phases } = this.#link;
    if (exchange.phase === WAITING) phases.handler(this.server.time.now());
    phases.total(exchange.startedMs);
    if (exchange.interim === "") return;
    this.writeHead(exchange.interim);
    exchange.interim = "";
  }

  #drop(exchange: Exchange, reason: Error, isOurs: boolean): void {
    const { stats, draining } = this.server;
    const { response } = exchange;
    if (exchange.phase === SENDING) stats.streamsOpen--;
    stats.requestsActive--;
    if (!isOurs) stats.disconnects++;
    if (draining !== null) draining[isOurs ? "cut" : "left"]++;
    exchange.response = null;
    exchange.cut(reason);
    if (response !== null) discardResponse(this, response, reason);
  }
}
