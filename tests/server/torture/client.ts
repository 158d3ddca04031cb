/**
 * A client of the HTTP torture: sends its requests in pieces, pipelined, reads or does not, and leaves in one way or the other;
 * then says whether what came back is what must come back.
 *
 * @module
 */
import type { Prng } from "../../../io/testing/prng.ts";
import type { Protocol, Transport } from "../../../io/selector.ts";
import type { Ledger } from "./ledger.ts";
import type { Plan } from "./plan.ts";
import { ResponseReader } from "./response_reader.ts";

/** How a client ends: when it has all, with its last byte, or before its time. */
export type Fate = "whole" | "half" | "cut" | "close" | "abort";

/** What must be known of a seed's servers to judge. */
export interface Circumstances {
  /** Whether a FIN behind the requests leaves the responses alone. */
  readonly allowHalfClose: boolean;
  /** Whether connections may be refused on arrival. */
  readonly refuses: boolean;
  /** Whether any connection may be cut for its bytes. */
  readonly sheds: boolean;
  /** Bytes that a connection which ends may still be sent. */
  readonly lingerBytesMax: number;
  /** Whether the server's stop cuts what is not done. */
  readonly cuts: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** See the module's text. */
export class Client implements Protocol {
  readonly fate: Fate;
  readonly plans: readonly Plan[];
  readonly reader: ResponseReader;
  readonly #ledger: Ledger;
  readonly #circumstances: Circumstances;
  readonly #pipelines: boolean;
  readonly #sink: Set<Client>;
  #transport: Transport | null = null;
  #isPaused = false;
  /** The piece that is being sent: of which request, which one, and from where on. */
  #plan = 0;
  #piece = 0;
  #offset = 0;
  #sentBytes = 0;
  #isFinSent = false;
  #hasEnded = false;
  #hasReceived = false;
  /** Whether it left before its time. */
  #isBroken = false;
  #isLeaving = false;

  constructor(
    plans: readonly Plan[],
    fate: Fate,
    pipelines: boolean,
    ledger: Ledger,
    circumstances: Circumstances,
    sink: Set<Client>,
  ) {
    this.plans = plans;
    this.fate = fate;
    this.#pipelines = pipelines;
    this.#ledger = ledger;
    this.#circumstances = circumstances;
    this.#sink = sink;
    this.reader = new ResponseReader(plans, () => this.#isBroken, (text) => ledger.fault(text));
  }

  opened(transport: Transport): void {
    this.#transport = transport;
    this.#sink.add(this);
  }

  received(bytes: Uint8Array): void {
    this.#hasReceived = true;
    this.#ledger.bytes += bytes.length;
    this.reader.feed(decoder.decode(bytes));
  }

  ended(): boolean {
    this.#hasEnded = true;
    this.reader.end();
    return true;
  }

  pauseWriting(): void {
    this.#isPaused = true;
  }

  resumeWriting(): void {
    this.#isPaused = false;
  }

  closed(reason: Error | null): void {
    if (!this.#sink.delete(this)) this.#ledger.fault("closed came for what was not open");
    if (!this.#ledger.isOver) this.#judge(reason);
  }

  /** Where it is, for a message. */
  get place(): string {
    const { complete, saidLast } = this.reader;
    return `[${
      this.plans.map(({ kind, method, isVia, isOld, isLast, pieces, uploadBytes }) =>
        `${method}${isVia ? " via" : ""}${isOld ? " 1.0" : ""}${
          isLast ? " last" : ""
        } ${kind} ${uploadBytes}${/Expect/.test(pieces[0]!.text) ? "E" : ""}${pieces[1]?.waits ? "W" : ""}`
      )
    }] ${JSON.stringify(this.#circumstances)}${this.#ledger.isStopping ? " stopping" : ""} ${
      this.plans.filter(({ id }) => this.#ledger.calls.has(id)).length
    } handled; a client to be ${this.fate}, ${complete} of ${this.plans.length} answered, at request ${this.#plan} piece ${this.#piece}.${this.#offset}, ` +
      `${this.#isPaused ? "paused, " : ""}${saidLast ? "told it is the last, " : ""}${
        this.#hasEnded ? "ended, " : ""
      }${this.reader.place}`;
  }

  /** Does something. */
  act(prng: Prng): void {
    const transport = this.#transport!;
    if (transport.isClosing) return;
    if (this.#isOver()) return this.#leave(prng);
    if (prng.chance(0.1)) transport.pauseReading();
    else if (prng.chance(0.4)) transport.resumeReading();
    if (this.fate === "abort" || this.fate === "close") {
      if (prng.chance(0.04)) return this.breakOff(this.fate);
    }
    if (!this.#isFinSent) this.#send(prng);
  }

  /** Leaves before its time. */
  breakOff(how: "abort" | "close"): void {
    this.#isBroken = true;
    if (how === "abort") this.#transport!.abort();
    else this.#transport!.close();
  }

  /** Whether there is nothing to wait for. */
  #isOver(): boolean {
    if (this.#hasEnded) return true;
    if (this.reader.complete < this.plans.length) return false;
    return !this.reader.saidLast && !this.plans.at(-1)!.isLast;
  }

  /** Leaves when it has all, or nothing more comes. */
  #leave(prng: Prng): void {
    const transport = this.#transport!;
    if (this.#isLeaving && prng.chance(0.9)) return;
    transport.resumeReading();
    const how = prng.integer(0, 2);
    this.#isLeaving = true;
    if (how === 0 && !this.#hasEnded && !this.#isFinSent) {
      this.#isFinSent = true;
      transport.closeWrite();
    } else if (how === 1) transport.abort();
    else transport.close();
  }

  #send(prng: Prng): void {
    for (let times = prng.integer(0, 3); times > 0 && !this.#isPaused; times--) {
      const plan = this.plans[this.#plan];
      if (plan === undefined) return this.#sentAll();
      const { complete, isContinued, isInBody, saidLast } = this.reader;
      if (saidLast && (complete > this.#plan || (this.#piece === 0 && this.#offset === 0))) return;
      if (!this.#pipelines && this.#piece === 0 && complete < this.#plan) return;
      const piece = plan.pieces[this.#piece]!;
      const isPresent = complete === this.#plan;
      if (
        piece.waits && this.#offset === 0 &&
        !(complete > this.#plan || (isPresent && (isContinued || isInBody)))
      ) return;
      const text = piece.text.slice(
        this.#offset,
        this.#offset + (prng.chance(0.3) ? Infinity : prng.skewed(20_000)),
      );
      this.#transport!.write(encoder.encode(text));
      this.#sentBytes += text.length;
      this.#offset += text.length;
      if (this.fate === "cut" && prng.chance(0.1)) return this.#fin(true);
      if (this.#offset < piece.text.length) continue;
      this.#offset = 0;
      if (++this.#piece < plan.pieces.length) continue;
      this.#piece = 0;
      this.#plan++;
    }
  }

  #sentAll(): void {
    if (this.fate === "half") this.#fin(!this.#circumstances.allowHalfClose);
  }

  #fin(isBreak: boolean): void {
    this.#isFinSent = true;
    if (isBreak) this.#isBroken = true;
    this.#transport!.closeWrite();
  }

  // ---- what must have come back -------------------------------------------------------------------------------------

  #judge(reason: Error | null): void {
    const { complete } = this.reader;
    const { calls } = this.#ledger;
    this.#ledger.complete += complete;
    this.#ledger.incomplete += this.plans.length - complete;
    const received = this.plans.slice(0, complete);
    for (const { kind, id, mayFail } of received) {
      if (!calls.has(id) && !mayFail && !this.#isBroken) {
        this.#fault(`answered without a handler: ${kind} ${id}`);
      }
    }
    if (this.#isQuiet(reason)) this.#ledger.delivered.push(...received.map(({ id }) => id));
    if (complete === this.plans.length || this.#isBroken) return;
    const excuse = this.#excuse(this.#isLeaving ? null : reason);
    if (excuse === null) {
      this.#fault(`ended unanswered${reason === null ? "" : ` (${reason.message})`}: ${this.place}`);
    }
  }

  /** Whether nothing happened to the connection but its requests, responses and an end when all was there. */
  #isQuiet(reason: Error | null): boolean {
    const { sheds, cuts } = this.#circumstances;
    if (sheds || cuts || this.#isBroken || this.fate === "half") return false;
    return (reason === null || this.#isLeaving) && !this.plans.some(({ mayFail }) => mayFail);
  }

  #fault(text: string): void {
    this.#ledger.fault(text);
  }

  /** Why not everything was answered; `null` if there is no reason. */
  #excuse(reason: Error | null): string | null {
    const { complete, saidLast } = this.reader;
    const { refuses, sheds, cuts, lingerBytesMax } = this.#circumstances;
    const { calls, isStopping } = this.#ledger;
    const next = this.plans[complete]!;
    if (sheds) return "it may have been shed";
    if (isStopping && cuts) return "the server was stopped";
    if (refuses && !this.#hasReceived && this.plans.every(({ id }) => !calls.has(id))) {
      return "it was refused";
    }
    // A client that sends on may be reset before it has read the response, but not within what the server waits for.
    const answered = this.plans.slice(0, lingerBytesMax < this.#sentBytes ? complete + 1 : complete);
    if (answered.some(({ mayEnd }) => mayEnd)) return "a body was not read";
    // The reset behind a body that fails takes with it what the client has not read of the responses before.
    if (this.plans.some(({ id, mayFail }) => mayFail && calls.has(id))) return "a body failed";
    if (saidLast && reason === null) {
      const last = this.plans[complete - 1];
      if (last === undefined || last.isLast || last.isOld || !calls.has(next.id)) return "it was told";
      return null;
    }
    const isReset = reason !== null;
    if (isReset && lingerBytesMax < this.#sentBytes) return "it sent more than the server waits for";
    if (isStopping && isReset && this.#hasSentMore()) {
      return "it sent what a server that stops does not wait for";
    }
    if (isStopping && !calls.has(next.id)) return "the server stops";
    return null;
  }

  /** Whether it sent anything behind the last request that the server began. */
  #hasSentMore(): boolean {
    const { calls } = this.#ledger;
    let bytes = 0;
    for (const { id, wireBytes } of this.plans) if (calls.has(id)) bytes += wireBytes;
    return this.#sentBytes > bytes;
  }
}
