/**
 * The value of the `Date` field (RFC 9110 §6.6.1), made once a second.
 *
 * @module
 */
import type { Clock } from "../io/selector.ts";

/** The field's resolution: one second (RFC 9110 §5.6.7). */
const SECOND_MS = 1000;

/** Gives the date as HTTP writes it, by a selector's clock. */
export class DateCache {
  readonly #clock: Clock;
  #fromMs = 0;
  #untilMs = 0;
  #text = "";

  /** @param clock tells the wall time */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The present second as an IMF-fixdate (RFC 9110 §5.6.7), as in `Sun, 06 Nov 1994 08:49:37 GMT`. */
  value(): string {
    const now = this.#clock.wallMs();
    if (now >= this.#untilMs || now < this.#fromMs) { // The second half: the wall clock was set back.
      this.#fromMs = Math.floor(now / SECOND_MS) * SECOND_MS;
      this.#untilMs = this.#fromMs + SECOND_MS;
      this.#text = new Date(this.#fromMs).toUTCString();
    }
    return this.#text;
  }
}
