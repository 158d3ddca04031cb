/**
 * One client's connection, from `opened` to `closed`: its bytes, its deadlines, its ends.
 *
 * Strategy: `Pipeline` has the requests and responses; this class has the transport. It counts what is written, answers
 * deadlines, and ends the connection in one of three ways: `close` when nothing can be lost by it, `linger` when the
 * peer may still be sending (a close with bytes unread would reset the connection and take the last response with
 * it, RFC 9112 §9.6), `abort` when something unfinished must not look finished.
 *
 * ```text
 * OPEN ──→ LINGERING ──→ CLOSING       LINGERING: our FIN is sent, what comes is dropped, for a bounded time
 *   ╰────→ TAKEN_OVER                  TAKEN_OVER: a handler has the connection
 * ```
 *
 * Invariants: whatever is awaited has a deadline, unless it was switched off. `closed` ends everything that is left.
 *
 * @module
 */
import { DeadlineExceededError, ResourceExhaustedError } from "../io/errors.ts";
import type { Addr, Protocol, Transport } from "../io/selector.ts";
import { BODY_RATE_WINDOW_MS } from "./deadlines.ts";
import type { Exchange } from "./exchange.ts";
import type { HijackedConnection } from "./handler.ts";
import { type Hijacked, hijackTransport } from "./hijack.ts";
import { PhaseClock, type PhaseOwner } from "./phase_clock.ts";
import { Pipeline } from "./pipeline.ts";
import { BodyOverrunError } from "./response_errors.ts";
import type { ConnectionLink } from "./response_queue.ts";
import type { ServerConnection, ServerContext } from "./server_context.ts";
import type { DeadlineCounters } from "./server_stats.ts";
import type { BudgetEntry, BudgetMember } from "./write_budget.ts";
import { WRITE_RATE_SPAN_MS } from "./write_rate.ts";

/** Requests come and are answered. */
const OPEN = 0;
/** Our FIN is sent; what comes is dropped until the peer's FIN. */
const LINGERING = 1;
/** `close` or `abort` was called. */
const CLOSING = 2;
/** A handler has the connection. */
const TAKEN_OVER = 3;

/** Lingering of a server that stops: a round trip to the far side of the world, so that stopping is not held up by it. */
const STOPPING_LINGER_MS = 300;

/** One client's connection; see the module's text. */
export class Connection implements Protocol, ServerConnection, ConnectionLink, PhaseOwner, BudgetMember {
  /** The connection's bytes; set, as are the addresses, when it is opened. */
  transport!: Transport;
  remoteAddr!: Addr;
  localAddr!: Addr;
  readonly phases: PhaseClock;
  isWritePaused = false;
  hasPeerEnded = false;
  stalledSinceMs = Infinity;
  /** Bytes written so far. */
  writtenBytes = 0;
  readonly #server: ServerContext;
  readonly #pipeline: Pipeline;
  readonly #budget: BudgetEntry;
  #state = OPEN;
  #isAdmitted = false;
  /** Bytes written when the last pause began. */
  #pausedAtBytes = 0;
  /** Bytes the peer had taken when the connection ended; `null` before. */
  #takenAtEnd: number | null = null;
  /** Bytes dropped while lingering. */
  #droppedBytes = 0;
  /** Whether this side ended the connection before its time. */
  #isAborted = false;
  #hijacked: Hijacked | null = null;
  #hijacker: Exchange | null = null;

  /** @param server what the server's connections share */
  constructor(server: ServerContext) {
    this.#server = server;
    this.phases = new PhaseClock(server.deadlines, server.timers, server.clock, this);
    this.#pipeline = new Pipeline(server, this);
    this.#budget = server.budget.join(this);
  }

  // ---- Protocol ---------------------------------------------------------------------------------------------------

  opened(transport: Transport): void {
    this.openedAs(transport, transport.remoteAddr, transport.localAddr);
  }

  /** Takes the connection up with the addresses that a PROXY header told. */
  openedAs(transport: Transport, remoteAddr: Addr, localAddr: Addr): void {
    const server = this.#server;
    this.transport = transport;
    this.remoteAddr = remoteAddr;
    this.localAddr = localAddr;
    this.#pipeline.intake.open(transport);
    server.connections.add(this);
    server.stats.connectionsOpen++;
    server.stats.connectionsTotal++;
    this.#isAdmitted = server.addresses.enter(remoteAddr);
    if (!this.#isAdmitted) {
      server.stats.connectionsRefusedByAddress++;
      return this.abort(
        new ResourceExhaustedError("Cannot accept the connection", "its address has too many"),
      );
    }
    if (server.draining !== null) return this.end();
    this.phases.firstByte(server.time.now());
  }

  received(bytes: Uint8Array): void {
    this.#server.stats.bytesReceived += bytes.length;
    if (this.#state !== OPEN) return this.#ignore(bytes.length);
    this.#pipeline.receive(bytes);
  }

  ended(): boolean {
    this.hasPeerEnded = true;
    if (this.#state === OPEN && this.#pipeline.finish()) return true;
    this.#close();
    return false;
  }

  pauseWriting(): void {
    this.isWritePaused = true;
    this.#pausedAtBytes = this.writtenBytes;
    this.stalledSinceMs = this.#server.time.now();
  }

  resumeWriting(): void {
    this.isWritePaused = false;
    this.phases.resumed(this.#server.time.now() - this.stalledSinceMs);
    this.stalledSinceMs = Infinity;
    this.#pipeline.resume();
  }

  closed(reason: Error | null): void {
    this.#fixTaken();
    this.#state = CLOSING;
    this.phases.clear();
    this.#pipeline.close(reason, this.#isAborted);
    this.#gone();
  }

  // ---- ServerConnection -------------------------------------------------------------------------------------------

  beginDraining(): void {
    if (this.#state === TAKEN_OVER) this.#hijacker!.beginDraining();
    if (this.#state === LINGERING) this.#awaitEnd();
    if (this.#state === OPEN) this.#pipeline.beginDraining();
  }

  endIdle(): void {
    if (this.#state !== OPEN || !this.#pipeline.isIdle) return;
    this.#server.draining!.idle++;
    this.end(); // Not `close`: the next request may be on its way.
  }

  cutStream(reason: Error): void {
    const isUnsent = this.#state !== TAKEN_OVER && this.#pipeline.hasEndedStream;
    if (isUnsent || this.#pipeline.writer?.kind === "stream") this.abort(reason);
  }

  cut(reason: Error): void {
    if (this.#state === TAKEN_OVER) this.#server.draining!.cut++;
    this.abort(reason);
  }

  // ---- ConnectionLink ---------------------------------------------------------------------------------------------

  get isOpen(): boolean {
    return this.#state === OPEN;
  }

  wrote(bytes: number): void {
    this.writtenBytes += bytes;
    this.#server.stats.bytesSent += bytes;
    this.phases.wrote(bytes);
    this.#budget.wrote(bytes);
  }

  wroteBody(bytes: number): void {
    // The write that passed the mark is what a mark is for; only those after it ignore the pause.
    const wasPaused = this.isWritePaused && this.writtenBytes > this.#pausedAtBytes;
    this.wrote(bytes);
    if (!wasPaused || this.transport.isClosing) return;
    const { limits, stats } = this.#server;
    const { bufferedBytes } = this.transport;
    if (bufferedBytes <= limits.bufferedBytesMax) return;
    stats.limitsReached.bufferedBytes++;
    this.abort(new BodyOverrunError(bufferedBytes));
  }

  end(): void {
    if (this.#state !== OPEN) return;
    if (this.hasPeerEnded) return this.#close();
    this.#state = LINGERING;
    this.phases.none();
    this.phases.handlerDone();
    this.#awaitEnd();
    this.transport.closeWrite();
    this.transport.resumeReading();
  }

  abort(reason: Error): void {
    this.#fixTaken();
    this.#isAborted = true;
    if (this.#state !== TAKEN_OVER) this.#state = CLOSING;
    this.transport.abort(reason);
  }

  takeOver(exchange: Exchange): HijackedConnection {
    this.#state = TAKEN_OVER;
    this.#fixTaken(); // What the handler writes is not counted.
    this.phases.clear();
    this.#hijacker = exchange;
    const hijacked = hijackTransport(this.transport, this.#server.timers, (reason) => {
      if (reason === null) exchange.delivered();
      else exchange.cut(reason);
      this.#pipeline.close(reason, this.#isAborted); // A response before it may wait to be taken.
      this.#gone();
    });
    this.#hijacked = hijacked;
    this.transport.resumeReading();
    return hijacked.connection;
  }

  passOn(): void {
    if (this.#hijacked === null) return;
    this.#hijacked.feed(this.#pipeline.intake.takeRest());
    if (this.hasPeerEnded) this.#hijacked.feedEnd();
  }

  // ---- PhaseOwner, BudgetMember -----------------------------------------------------------------------------------

  get bufferedBytes(): number {
    return this.transport.bufferedBytes;
  }

  get confirmedBytes(): number {
    return this.transport.confirmedBytes;
  }

  get takenBytes(): number {
    return this.#takenAtEnd ?? this.writtenBytes - this.transport.bufferedBytes;
  }

  get oldestStartedMs(): number {
    return this.#pipeline.oldestStartedMs;
  }

  deadlinePassed(name: keyof DeadlineCounters): void {
    // The peer cannot close for an end it has not got; `writeStall` and `writeRate` bound how long it takes to get it.
    const isEarly = name === "linger" && this.#state === LINGERING && this.transport.bufferedBytes > 0;
    if (isEarly) return this.#awaitEnd();
    this.#server.stats.deadlinesPassed[name]++;
    switch (name) {
      case "firstByte":
      case "keepAlive":
        return this.end(); // Not `close`: a request may be on its way.
      case "head":
        return this.#pipeline.refuse({ status: 408, text: "The request's head took too long to arrive" });
      case "bodyIdle":
        return this.#pipeline.bodyTimedOut(this.#late("Cannot read the request's body", "bodyIdleMs"));
      case "bodyRate":
        return this.#pipeline.bodyTimedOut(this.#tooSlow("Cannot read the request's body", "body"));
      case "handler":
        return this.#pipeline.handlerTimedOut(
          this.#late("Cannot wait for the handler's response", "handlerMs"),
        );
      case "writeStall":
        return this.abort(this.#late("Cannot send the response: the peer takes nothing", "writeStallMs"));
      case "writeRate":
        return this.abort(this.#tooSlow("Cannot send the response: the peer takes too little", "write"));
      case "total":
        return this.abort(this.#late("Cannot complete the request", "totalMs"));
      case "linger":
        if (this.#state === OPEN) return this.end(); // The rest of an unread body is too slow to wait for.
        return this.#close();
      case "prelude": // ProxyPrelude's, before there is a connection.
        return;
    }
  }

  shed(): void {
    this.#server.stats.limitsReached.bufferedBytesTotal++;
    this.abort(
      new ResourceExhaustedError("Cannot go on with the connection", "too many bytes wait to be sent in all"),
    );
  }

  // ---- within -----------------------------------------------------------------------------------------------------

  /** The connection ends, or is given away: what was not taken by now is not known to be. */
  #fixTaken(): void {
    this.#takenAtEnd ??= this.writtenBytes - this.transport.bufferedBytes;
  }

  #late(
    doing: string,
    deadline: "bodyIdleMs" | "handlerMs" | "writeStallMs" | "totalMs",
  ): Error {
    return new DeadlineExceededError(doing, this.#server.deadlines[deadline]);
  }

  #tooSlow(doing: string, what: "body" | "write"): Error {
    const rate = this.#server.deadlines[`${what}BytesPerSecondMin`];
    const span = what === "body" ? BODY_RATE_WINDOW_MS : WRITE_RATE_SPAN_MS;
    return new DeadlineExceededError(`${doing}, ${rate} bytes a second at least`, span);
  }

  /** Gives the peer its time to close. */
  #awaitEnd(): void {
    const isStopping = this.#server.draining !== null;
    this.phases.linger(this.#server.time.now(), isStopping ? STOPPING_LINGER_MS : Infinity);
  }

  /** Drops what comes while the connection ends. */
  #ignore(bytes: number): void {
    if (this.#state !== LINGERING) return;
    this.#droppedBytes += bytes;
    if (this.#droppedBytes <= this.#server.limits.lingerBytesMax) return;
    this.#server.stats.limitsReached.lingerBytes++;
    this.#close();
  }

  /** Closes once everything is sent, which the write deadlines bound. */
  #close(): void {
    if (this.#state !== TAKEN_OVER) this.#state = CLOSING;
    this.phases.none();
    this.phases.handlerDone();
    this.transport.close();
  }

  #gone(): void {
    const server = this.#server;
    this.#budget.leave();
    server.connections.delete(this);
    server.stats.connectionsOpen--;
    if (this.#isAdmitted) server.addresses.leave(this.remoteAddr);
    server.onConnectionGone?.();
  }
}
