/**
 * The heads that most responses have: 200 with a length, and no fields but the content type of text or JSON, or none at all.
 *
 * Strategy: such heads differ in their length and in the date, which changes once a second. What is before the length is
 * encoded once a second, by the encoder that encodes all heads, and kept as bytes: copying them is cheaper than
 * encoding even that much text. So is copying a whole response: one with the same text as the one before (a health check,
 * a constant) is kept, too, from its second time on.
 *
 * @module
 */
import { LocalProtocolError } from "./http1/errors.ts";
import { encodeResponseHead, type FieldLines } from "./http1/encoder.ts";
import type { ServerClock } from "./server_clock.ts";

/** Ends the head, and before it the length. */
export const HEAD_END = "\r\n\r\n";

/** How the encoder ends a head for an empty body; all but the zero and what follows is kept. */
const EMPTY_END = "content-length: 0\r\n\r\n";

const encoder = new TextEncoder();
const UTF8 = new TextDecoder();

/** 200 heads with certain fields, on a connection of HTTP/1.1 that goes on. */
export class PlainHeads {
  /** The fields. */
  readonly fields: FieldLines;
  readonly #time: ServerClock;
  #date = "";
  #start = new Uint8Array(0);
  /** The text that was sent last, and its whole response if it was sent twice. */
  #text = "";
  #whole: Uint8Array | null = null;

  /** @param fields the fields @param time for the date */
  constructor(fields: FieldLines, time: ServerClock) {
    this.fields = fields;
    this.#time = time;
  }

  /** The head up to its length; that and `HEAD_END` complete it. */
  start(): Uint8Array {
    const date = this.#time.date();
    if (date !== this.#date) this.#encode(date);
    return this.#start;
  }

  /** The whole response for the text that was remembered last; `null` for any other. */
  again(text: string): Uint8Array | null {
    if (text !== this.#text) return null;
    const start = this.start();
    return this.#whole ??= encoder.encode(UTF8.decode(start) + text.length + HEAD_END + text);
  }

  /** A text was sent, of ASCII only: it may be sent again. */
  remember(text: string): void {
    this.#text = text;
    this.#whole = null;
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
    if (!head.endsWith(EMPTY_END)) {
      throw new LocalProtocolError(`Cannot reuse a head that does not end with its length: ${head}`);
    }
    this.#start = encoder.encode(head.slice(0, -("0" + HEAD_END).length));
    this.#date = date;
    this.#whole = null;
  }
}
