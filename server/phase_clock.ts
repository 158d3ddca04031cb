/**
 * Which phase a connection is in, by when it must be over, and which deadline it was that passed.
 *
 * Strategy: what the connection waits for from its peer is one phase at a time (`read` slot of the deadlines); the
 * handler's response, the peer's taking of bytes and the whole request are watched beside it. The connection tells
 * when a phase begins; only the deadline's name comes back, the answer is the connection's.
 *
 * How the peer takes bytes is told by looking every `WRITE_LOOK_MS` while some wait: a stall from whether anything was taken since
 * the last look that found so, the rate by `write_rate.ts`. So writes need not touch the timer, and a connection that is written to
 * costs one wake-up in that time at most.
 *
 * @module
 */
import type { Clock, Timers } from "../io/selector.ts";
import {
  BODY_RATE_WINDOW_MS,
  type DeadlineOwner,
  DeadlineSet,
  type DeadlineSlot,
  type ResolvedDeadlines,
} from "./deadlines.ts";
import type { DeadlineCounters } from "./server_stats.ts";
import { WRITE_LOOK_MS, WriteRate } from "./write_rate.ts";

/** The connection, as the clock sees it. */
export interface PhaseOwner {
  /** Bytes the peer has not taken yet. */
  readonly bufferedBytes: number;
  /** Bytes the peer has taken so far. */
  readonly takenBytes: number;
  /** Bytes the peer's system has confirmed so far, where that is told, else 0. */
  readonly confirmedBytes: number;
  /** When the oldest request began that is not over; `Infinity` when there is none. */
  readonly oldestStartedMs: number;
  /** The deadline `name` passed. */
  deadlinePassed(name: keyof DeadlineCounters): void;
}

/** What is awaited from the peer. */
type Phase = "none" | "prelude" | "firstByte" | "head" | "body" | "keepAlive" | "linger";

/** The deadlines of one connection; see the module's text. */
export class PhaseClock implements DeadlineOwner {
  #phase: Phase = "none";
  readonly #times: ResolvedDeadlines;
  readonly #owner: PhaseOwner;
  readonly #deadlines: DeadlineSet;
  readonly #clock: Clock;
  /** When the last piece of the body came, and what came in the present window of the minimum rate. */
  #bodyAt = 0;
  #windowEndsAt = 0;
  #windowBytes = 0;
  /** What the peer had taken, or confirmed, when either was last found to be more, and when it has stalled if that is still all. */
  #takenBytes = 0;
  #confirmedBytes = 0;
  #stalledAt = Infinity;
  /** Made when a look finds bytes waiting, if there is a minimum rate; let go when one finds none. */
  #writeRate: WriteRate | null = null;

  /** @param times how long each phase may take @param owner the connection */
  constructor(times: ResolvedDeadlines, timers: Timers, clock: Clock, owner: PhaseOwner) {
    this.#times = times;
    this.#owner = owner;
    this.#clock = clock;
    this.#deadlines = new DeadlineSet(timers, clock, this);
  }

  /** Nothing is awaited from the peer. */
  none(): void {
    this.#phase = "none";
    this.#deadlines.read = Infinity;
  }

  /** The PROXY header. */
  prelude(now: number): void {
    this.#begin("prelude", now + this.#times.preludeMs);
  }

  /** The first request's first byte. */
  firstByte(now: number): void {
    this.#begin("firstByte", now + this.#times.firstByteMs);
  }

  /** The rest of a head; more bytes do not extend it. */
  head(now: number): void {
    this.#begin("head", now + this.#times.headMs);
  }

  /** The next request's first byte. */
  keepAlive(now: number): void {
    this.#begin("keepAlive", now + this.#times.keepAliveMs);
  }

  /** The peer's FIN, or the rest of a body nobody reads. */
  linger(now: number, atMostMs = Infinity): void {
    this.#begin("linger", now + Math.min(this.#times.lingerMs, atMostMs));
  }

  /** A request's body, from now on: also after a pause that was ours. */
  body(now: number): void {
    this.#bodyAt = now;
    this.#windowBytes = 0;
    this.#windowEndsAt = this.#times.bodyBytesPerSecondMin > 0 ? now + BODY_RATE_WINDOW_MS : Infinity;
    this.#begin("body", this.#bodyDeadline());
  }

  /** A piece of the body came. */
  bodyCame(bytes: number, now: number): void {
    this.#bodyAt = now;
    this.#windowBytes += bytes;
    if (this.#phase === "body") this.#deadlines.read = this.#bodyDeadline();
  }

  /** The handler's response. */
  handler(now: number): void {
    this.#deadlines.handler = now + this.#times.handlerMs;
  }

  /** The handler's response is there, or nobody waits for it. */
  handlerDone(): void {
    this.#deadlines.handler = Infinity;
  }

  /** The end of a request that began at `startedMs`. When it is over need not be told: that is looked at when the time is. */
  total(startedMs: number): void {
    const at = startedMs + this.#times.totalMs;
    if (at < this.#deadlines.total) this.#deadlines.total = at;
  }

  /** Bytes were written. */
  wrote(bytes: number): void {
    if (this.#writeRate !== null && this.#keepsUp(this.#writeRate, bytes)) this.#writeRate = null;
    if (this.#deadlines.write === Infinity && this.#looksAtWrites) {
      const now = this.#clock.now();
      this.#tookBytes(now, this.#owner.takenBytes, this.#confirmedBytes);
      this.#lookLater(now);
    }
  }

  /** The peer has taken so much that writing goes on, after a pause of `pausedMs`. */
  resumed(pausedMs: number): void {
    this.#writeRate?.resumed(this.#clock.now(), pausedMs);
  }

  /** The connection is gone. */
  clear(): void {
    this.#phase = "none";
    this.#deadlines.clear();
  }

  #begin(phase: Phase, at: number): void {
    this.#phase = phase;
    this.#deadlines.read = at;
  }

  #bodyDeadline(): number {
    return Math.min(this.#bodyAt + this.#times.bodyIdleMs, this.#windowEndsAt);
  }

  get #looksAtWrites(): boolean {
    return this.#times.writeStallMs !== Infinity || this.#times.writeBytesPerSecondMin > 0;
  }

  /** The peer has taken something. */
  #tookBytes(now: number, takenBytes: number, confirmedBytes: number): void {
    this.#takenBytes = takenBytes;
    this.#confirmedBytes = confirmedBytes;
    this.#stalledAt = now + this.#times.writeStallMs;
  }

  #lookLater(now: number): void {
    this.#deadlines.write = Math.min(this.#stalledAt, now + WRITE_LOOK_MS);
  }

  /** Looks how the peer takes what waits for it. */
  #look(now: number): void {
    const { bufferedBytes, takenBytes } = this.#owner;
    if (bufferedBytes === 0) {
      this.#writeRate = null;
      return; // The next write sets the deadline again.
    }
    const { confirmedBytes } = this.#owner;
    const hasMoved = takenBytes > this.#takenBytes || confirmedBytes > this.#confirmedBytes;
    if (hasMoved) this.#tookBytes(now, takenBytes, confirmedBytes);
    else if (now >= this.#stalledAt) return this.#owner.deadlinePassed("writeStall");
    if (this.#isTooSlow(now, takenBytes, bufferedBytes, confirmedBytes)) {
      return this.#owner.deadlinePassed("writeRate");
    }
    this.#lookLater(now);
  }

  #keepsUp(rate: WriteRate, bytes: number): boolean {
    const { bufferedBytes, takenBytes } = this.#owner;
    const unsentBytes = Math.max(0, bufferedBytes - bytes);
    return rate.keepsUp(this.#clock.now(), takenBytes, bufferedBytes, unsentBytes);
  }

  #isTooSlow(now: number, takenBytes: number, bufferedBytes: number, confirmedBytes: number): boolean {
    const { writeBytesPerSecondMin } = this.#times;
    if (writeBytesPerSecondMin === 0) return false;
    const readBytes = confirmedBytes > 0 ? confirmedBytes : takenBytes;
    if (this.#writeRate !== null) {
      return this.#writeRate.isTooSlow(now, takenBytes, bufferedBytes, readBytes);
    }
    this.#writeRate = new WriteRate(writeBytesPerSecondMin, now, takenBytes, bufferedBytes, readBytes);
    return false;
  }

  slotPassed(slot: DeadlineSlot, now: number): void {
    switch (slot) {
      case "read":
        return this.#readPassed(now);
      case "handler":
        return this.#owner.deadlinePassed("handler");
      case "total":
        return this.#totalPassed(now);
      case "write":
        return this.#look(now);
    }
  }

  /** The time of some request is over, which may be over itself. */
  #totalPassed(now: number): void {
    const at = this.#owner.oldestStartedMs + this.#times.totalMs;
    if (at > now) this.#deadlines.total = at;
    else this.#owner.deadlinePassed("total");
  }

  #readPassed(now: number): void {
    const phase = this.#phase;
    if (phase === "none") return;
    if (phase !== "body") {
      this.#phase = "none";
      return this.#owner.deadlinePassed(phase);
    }
    if (now >= this.#bodyAt + this.#times.bodyIdleMs) return this.#bodyPassed("bodyIdle");
    const bytesMin = this.#times.bodyBytesPerSecondMin * BODY_RATE_WINDOW_MS / 1000;
    if (this.#windowBytes < bytesMin) return this.#bodyPassed("bodyRate");
    this.#windowBytes = 0;
    this.#windowEndsAt = now + BODY_RATE_WINDOW_MS;
    this.#deadlines.read = this.#bodyDeadline();
  }

  #bodyPassed(name: "bodyIdle" | "bodyRate"): void {
    this.#phase = "none";
    this.#owner.deadlinePassed(name);
  }
}
