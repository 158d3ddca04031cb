/**
 * The heads that most responses have: 200 with a length, and no fields but the content type of text, or none at all.
 *
 * Strategy: such heads differ in their length and in the date, which changes once a second. What is before the length is
 * encoded once a second, by the encoder that encodes all heads.
 *
 * @module
 */
import { encodeResponseHead, type FieldLines } from "./http1/encoder.ts";
import type { ServerClock } from "./server_clock.ts";

/** What the encoder writes last: the length goes in between. */
const LENGTH = "content-length: ";
const END = "\r\n\r\n";

/** 200 heads with certain fields, on a connection of HTTP/1.1 that goes on. */
export class PlainHeads {
  /** The fields. */
  readonly fields: FieldLines;
  readonly #time: ServerClock;
  #date = "";
  #start = "";

  /** @param fields the fields @param time for the date */
  constructor(fields: FieldLines, time: ServerClock) {
    this.fields = fields;
    this.#time = time;
  }

  /** The head for a body of `length` bytes. */
  head(length: number): string {
    const date = this.#time.date();
    if (date !== this.#date) this.#encode(date);
    return this.#start + length + END;
  }

  #encode(date: string): void {
    const head = encodeResponseHead({
      status: 200,
      fields: this.fields,
      framing: { kind: "length", length: 0 },
      method: "GET",
      minorVersion: 1,
      keepAlive: true,
      date,
    });
    const end = LENGTH + "0" + END;
    if (!head.endsWith(end)) throw new Error(`Cannot reuse the head: it does not end with the length: ${head}`);
    this.#start = head.slice(0, -("0" + END).length);
    this.#date = date;
  }
}
