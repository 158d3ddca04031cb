/**
 * The time as a server needs it at every request: roughly, and almost for nothing.
 *
 * Strategy: asking the system for the time costs as much as parsing a short request. Deadlines of seconds do not need it
 * exactly, nor does `Date` with its whole seconds (RFC 9110 §6.6.1). So both are asked for once per tick of 20 ms, and only
 * while somebody wants to know: an idle server has no timer here.
 *
 * Invariants: `now()` is never behind the true time while the event loop runs freely, and ahead of it by a tick at most; so a
 * deadline counted from it is never early. (While a handler blocks the loop, it stands still like everything else.)
 *
 * @module
 */
import type { Clock, Timer, Timers } from "../io/selector.ts";

/** A hundredth of the shortest default deadline; at full load fifty wake-ups a second are lost in the noise. */
const TICK_MS = 20;

/** The resolution of `Date` (RFC 9110 §5.6.7). */
const SECOND_MS = 1000;

/** A selector's clock, read once a tick. */
export class ServerClock {
  readonly #clock: Clock;
  readonly #timer: Timer;
  #isFresh = false;
  #now = 0;
  #fromMs = 0;
  #untilMs = 0;
  #date = "";

  /** @param clock tells the time @param timers for the ticks */
  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timer = timers.idle(() => this.#isFresh = false);
  }

  /** The end of the present tick, by the selector's clock. */
  now(): number {
    if (!this.#isFresh) this.#read();
    return this.#now;
  }

  /**
   * The present second as an IMF-fixdate (RFC 9110 §5.6.7), as in `Sun, 06 Nov 1994 08:49:37 GMT`. The same string
   * object as long as it is the same second.
   */
  date(): string {
    if (!this.#isFresh) this.#read();
    return this.#date;
  }

  /** Disarms the timer; to be used no more. */
  close(): void {
    this.#timer.cancel();
  }

  #read(): void {
    this.#isFresh = true;
    this.#now = this.#clock.now() + TICK_MS;
    this.#timer.reset(TICK_MS);
    const wallMs = this.#clock.wallMs();
    if (wallMs < this.#untilMs && wallMs >= this.#fromMs) return; // The second half: the wall clock may be set back.
    this.#fromMs = Math.floor(wallMs / SECOND_MS) * SECOND_MS;
    this.#untilMs = this.#fromMs + SECOND_MS;
    this.#date = new Date(this.#fromMs).toUTCString();
  }
}
