/**
 * Comment lines that keep quiet event streams alive: one timer for any number of streams.
 *
 * Proxies and browsers drop a connection on which nothing comes for long, and a server notices a client that vanished
 * only by writing to it. A comment is the event stream's way to say nothing (WHATWG HTML §9.2.7 asks for one every 15
 * seconds or so); it touches no deadline that counts what the application sends.
 *
 * Strategy: streams are dealt out to groups, and each tick of the timer serves one group, so that ten thousand streams do
 * not hold the loop at once. The timer runs while there is a stream.
 *
 * @module
 */
import type { Timer, Timers } from "../../io/selector.ts";
import type { SharedBody } from "../body_writer.ts";
import { createSharedBody, releaseSharedBody } from "./shared_body.ts";

/** A stream that wants heartbeats. The two numbers belong to `Heartbeat`. */
export interface Beating {
  /** Which group it is in; -1 for none. */
  heartbeatGroup: number;
  /** Where in the group. */
  heartbeatIndex: number;
  /** Send this now, unless the client is slow to take what was sent before. */
  beat(body: SharedBody): void;
}

/** Default interval, milliseconds: the standard's own advice, and half of the shortest idle time-out proxies commonly have (30 s). */
export const HEARTBEAT_MS = 15_000;
/** Groups that streams are dealt out to: at 10,000 streams some 600 writes a tick, a few milliseconds. */
const GROUPS = 16;

/** The heartbeats of many streams. */
export class Heartbeat {
  readonly #timer: Timer;
  readonly #tickMs: number;
  readonly #groups: Beating[][] = Array.from({ length: GROUPS }, () => []);
  /** The comment; made with the first stream. */
  #body: SharedBody | null = null;
  #size = 0;
  /** Which group the next stream goes to. */
  #joining = 0;
  /** Which group the next tick serves. */
  #beating = 0;

  /**
   * @param timers where the one timer is from
   * @param intervalMs how often each stream gets a comment, milliseconds above 0; its first one comes within that
   * @throws RangeError for any other interval
   */
  constructor(timers: Timers, intervalMs: number) {
    if (!(intervalMs > 0 && intervalMs < Infinity)) {
      throw new RangeError(
        `Cannot send heartbeats every ${intervalMs} ms: it must be a finite number above 0`,
      );
    }
    this.#tickMs = intervalMs / GROUPS;
    this.#timer = timers.idle(() => this.#tick());
  }

  /** How many streams there are. */
  get size(): number {
    return this.#size;
  }

  /** Begins to serve a stream. */
  add(member: Beating): void {
    const group = this.#groups[this.#joining]!;
    member.heartbeatGroup = this.#joining;
    member.heartbeatIndex = group.push(member) - 1;
    this.#joining = (this.#joining + 1) % GROUPS;
    this.#size++;
    if (this.#size > 1) return;
    this.#body ??= createSharedBody(":\n\n", new Uint8Array(0), "");
    this.#timer.reset(this.#tickMs);
  }

  /** Stops serving a stream; one that is not served is ignored. */
  remove(member: Beating): void {
    if (member.heartbeatGroup < 0) return;
    const group = this.#groups[member.heartbeatGroup]!;
    const last = group.pop()!;
    if (last !== member) {
      group[member.heartbeatIndex] = last;
      last.heartbeatIndex = member.heartbeatIndex;
    }
    member.heartbeatGroup = -1;
    this.#size--;
    if (this.#size > 0) return;
    this.#timer.cancel();
    if (this.#body !== null) releaseSharedBody(this.#body);
    this.#body = null;
  }

  #tick(): void {
    const group = this.#groups[this.#beating]!;
    this.#beating = (this.#beating + 1) % GROUPS;
    this.#timer.reset(this.#tickMs);
    const body = this.#body!;
    // Downwards, because a stream that is removed meanwhile is replaced by the last one, which was served already.
    for (let index = group.length - 1; index >= 0; index--) {
      group[index]?.beat(body);
      if (this.#size === 0) return;
    }
  }
}
