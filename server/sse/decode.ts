/**
 * The parser of a `text/event-stream`, by the letter of WHATWG HTML §9.2.5 and §9.2.6; no I/O: bytes in, events out.
 *
 * Strategy: lines are found in the bytes, not in text: CR and LF never occur inside a UTF-8 sequence, so a line is decoded
 * as a whole however the bytes were split, and a broken sequence cannot swallow a line end. A line that lies within one
 * `feed` is not copied; only what is left over at the end is kept.
 *
 * - CR, LF and CRLF end a line, in any mixture; a CRLF may be split between two feeds.
 * - One byte order mark at the very start is dropped; anywhere else it is text.
 * - What has no blank line after it when the stream ends is not an event (§9.2.6): there is no `finish` because there
 *   would be nothing for it to do.
 * - Bounded: the bytes of one event, comments and line ends included, may not exceed `eventBytesMax`; a stream that goes
 *   beyond is refused with `SseEventTooLargeError`, for good.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";

/** An event as `EventSource` would dispatch it. */
export interface SseMessage {
  /** Its name; `"message"` when the stream gives none. */
  readonly event: string;
  /** Its lines of data, joined by LF. */
  readonly data: string;
  /** The last id the stream has given, with this event or before it; empty when there was none. */
  readonly lastEventId: string;
}

/** Who hears what a stream says. Calls come from inside `feed` only. */
export interface SseSink {
  /** An event is complete. */
  event(message: SseMessage): void;
  /** The stream set the reconnection time, milliseconds. */
  retry?(retryMs: number): void;
  /** A comment: a line that starts with a colon, without the colon. Heartbeats are such. */
  comment?(text: string): void;
}

/** Options of an `SseDecoder`. */
export interface SseDecoderOptions {
  /** Bytes of one event. Default 1 MiB: far above any token or notice, and still small for one stream. */
  readonly eventBytesMax?: number;
  /** The last event id before the stream begins, as on a reconnection. Default empty. */
  readonly lastEventId?: string;
}

/** Default of `SseDecoderOptions.eventBytesMax`; the reason is there. */
const EVENT_BYTES_MAX = 1024 * 1024;
/** Room for a line's start that came without its end: most events are smaller, and it doubles from here. */
const PENDING_BYTES = 256;

const LF = 10; // the three bytes the parser looks for (§9.2.4)
const CR = 13;
const COLON = 58;

/** One event of a stream is larger than the decoder allows. */
export class SseEventTooLargeError extends SluiceError {
  /** The limit that was reached, bytes. */
  readonly eventBytesMax: number;
  /** Makes the error. @param eventBytesMax the limit that was reached, bytes */
  constructor(eventBytesMax: number) {
    super(
      "SLUICE_SSE_EVENT_TOO_LARGE",
      `Cannot decode the event stream: an event has more than ${eventBytesMax} bytes`,
    );
    this.eventBytesMax = eventBytesMax;
  }
}

/**
 * A streaming parser of `text/event-stream`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SseDecoder, type SseMessage } from "@sluice/kit/server";
 *
 * const messages: SseMessage[] = [];
 * const decoder = new SseDecoder({ event: (message) => messages.push(message) });
 * const bytes = new TextEncoder().encode("id: 7\ndata: grüß\ndata: dich\n\n");
 * decoder.feed(bytes.subarray(0, 15)); // in the middle of the ü
 * decoder.feed(bytes.subarray(15));
 * assertEquals(messages, [{ event: "message", data: "grüß\ndich", lastEventId: "7" }]);
 * ```
 */
export class SseDecoder {
  readonly #sink: SseSink;
  readonly #eventBytesMax: number;
  /** The BOM is handled by hand: a decoder of single lines would drop it at the start of every line. */
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The start of a line whose end has not come. */
  #pending = new Uint8Array(PENDING_BYTES);
  #pendingLength = 0;
  /** Bytes of the current event in lines that are complete. */
  #eventBytes = 0;
  #isFirstLine = true;
  #skipsLf = false;
  #error: SseEventTooLargeError | null = null;
  /** The parser's buffers, in the standard's words; `null` data: no `data` line yet. */
  #data: string | null = null;
  #eventType = "";
  #lastEventIdBuffer: string;
  #lastEventId: string;

  /**
   * Makes a decoder at the start of a stream.
   *
   * @param sink who hears the events
   * @param options the bound, and where a reconnection starts from
   * @throws RangeError for an `eventBytesMax` that is no whole number from 1 on
   */
  constructor(sink: SseSink, options: SseDecoderOptions = {}) {
    const eventBytesMax = options.eventBytesMax ?? EVENT_BYTES_MAX;
    if (!Number.isSafeInteger(eventBytesMax) || eventBytesMax < 1) {
      throw new RangeError(
        `Cannot make a decoder: eventBytesMax must be a whole number from 1 on, not ${eventBytesMax}`,
      );
    }
    this.#sink = sink;
    this.#eventBytesMax = eventBytesMax;
    this.#lastEventId = options.lastEventId ?? "";
    this.#lastEventIdBuffer = this.#lastEventId;
  }

  /** What to send as `Last-Event-ID` if the stream breaks here: the id as of the last complete block; may be empty. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /**
   * Takes the next bytes of the stream and reports what they complete.
   *
   * @param bytes any number of them, split anywhere; nothing of them is kept but a copy
   * @throws SseEventTooLargeError when an event exceeds the bound, and from then on always; what a sink throws comes
   *   out as it is and the rest of `bytes` is lost
   */
  feed(bytes: Uint8Array): void {
    if (this.#error !== null) throw this.#error;
    let start = 0;
    if (this.#skipsLf && bytes.length > 0) {
      this.#skipsLf = false;
      if (bytes[0] === LF) start = 1;
    }
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte !== LF && byte !== CR) continue;
      const from = start;
      const end = at;
      if (byte === CR) {
        if (at + 1 === bytes.length) this.#skipsLf = true;
        else if (bytes[at + 1] === LF) at++;
      }
      start = at + 1;
      this.#line(bytes.subarray(from, end));
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
  }

  /** Takes the end of a line, without its line end; the start is pending if it came before. */
  #line(end: Uint8Array): void {
    let line = end;
    if (this.#pendingLength > 0) {
      this.#keep(end);
      line = this.#pending.subarray(0, this.#pendingLength);
      this.#pendingLength = 0;
    }
    this.#eventBytes += line.length + 1;
    this.#checkSize(0);
    if (this.#isFirstLine) {
      this.#isFirstLine = false;
      if (line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3);
    }
    if (line.length === 0) this.#dispatch();
    else if (line[0] === COLON) this.#sink.comment?.(this.#utf8.decode(line.subarray(1)));
    else this.#field(line);
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#pendingLength + bytes.length;
    this.#checkSize(length);
    if (length > this.#pending.length) {
      const larger = new Uint8Array(Math.max(length, this.#pending.length * 2));
      larger.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = larger;
    }
    this.#pending.set(bytes, this.#pendingLength);
    this.#pendingLength = length;
  }

  #checkSize(pendingLength: number): void {
    if (this.#eventBytes + pendingLength <= this.#eventBytesMax) return;
    this.#error = new SseEventTooLargeError(this.#eventBytesMax);
    this.#data = null;
    this.#pending = new Uint8Array(0);
    throw this.#error;
  }

  /** "Process the field" (§9.2.6); names are compared literally, without case folding. */
  #field(line: Uint8Array): void {
    const text = this.#utf8.decode(line);
    const colon = text.indexOf(":");
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    } else if (name === "event") {
      this.#eventType = value;
    } else if (name === "id") {
      if (!value.includes("\0")) this.#lastEventIdBuffer = value;
    } else if (name === "retry" && /^[0-9]+$/.test(value)) {
      this.#sink.retry?.(Math.min(Number(value), Number.MAX_SAFE_INTEGER));
    }
  }

  /** "Dispatch the event" (§9.2.6). A block without data only sets the last event id. */
  #dispatch(): void {
    const data = this.#data;
    const event = this.#eventType === "" ? "message" : this.#eventType;
    this.#data = null;
    this.#eventType = "";
    this.#eventBytes = 0;
    this.#lastEventId = this.#lastEventIdBuffer;
    if (data !== null) this.#sink.event({ event, data, lastEventId: this.#lastEventId });
  }
}

/**
 * Reads the events of a response's body as they come.
 *
 * @param body a `text/event-stream`, such as `response.body`; it is cancelled when the loop is left early
 * @param options the bound on one event, and the last event id before the stream
 * @throws what reading `body` throws, and SseEventTooLargeError
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEvents } from "@sluice/kit/server";
 *
 * const response = new Response("data: one\n\ndata: two\n\n");
 * const seen: string[] = [];
 * for await (const { data } of decodeEvents(response.body!)) seen.push(data);
 * assertEquals(seen, ["one", "two"]);
 * ```
 */
export async function* decodeEvents(
  body: ReadableStream<Uint8Array>,
  options: SseDecoderOptions = {},
): AsyncGenerator<SseMessage, void, void> {
  const messages: SseMessage[] = []; // of one chunk of the body: bounded by the chunk's size
  const decoder = new SseDecoder({ event: (message) => void messages.push(message) }, options);
  for await (const bytes of body) {
    decoder.feed(bytes);
    yield* messages;
    messages.length = 0;
  }
}
