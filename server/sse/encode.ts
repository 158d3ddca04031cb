/**
 * An event as the text of a `text/event-stream` (WHATWG HTML §9.2.5, "Parsing an event stream").
 *
 * A line of data ends at LF, CR or CRLF, whichever the parser meets, so data is cut at all three and sent as one
 * `data:` line per line; the receiver joins them with LF. What the format cannot carry is refused, never bent: a line
 * break in an event's name or id would become a field of its own (an injection), and a NUL makes a parser ignore
 * the id.
 *
 * Known limit: line breaks in data arrive as LF, whatever they were.
 *
 * @module
 */

/** One event of a `text/event-stream`. Every part is optional; what is absent is not sent. */
export interface SseEvent {
  /**
   * What happened. A string goes as it is, everything else as its JSON. Without it the parser takes note of the other
   * fields and dispatches nothing.
   */
  readonly data?: unknown;
  /** The event's name, without line breaks. Absent or empty, clients see `message`. */
  readonly event?: string;
  /** What the client sends back as `Last-Event-ID` when it reconnects; no line break and no NUL. Empty clears it. */
  readonly id?: string;
  /** How long the client waits before it reconnects, whole milliseconds from 0 on. */
  readonly retry?: number;
  /** Text for people who read the stream; clients ignore it. */
  readonly comment?: string;
}

/** What ends a line (§9.2.4, `end-of-line`). */
const LINE_END = /\r\n|\r|\n/;
/** What would end a field early. */
const LINE_BREAK = /[\r\n]/;
/** What an id must not have: line breaks end the field, and with a NUL the parser ignores it (§9.2.5). */
const ID_FORBIDDEN = /[\r\n\0]/;

/**
 * Encodes an event as one block, blank line included.
 *
 * @param event what to send; `{}` gives an empty text, as there is nothing to say
 * @returns text to be sent as UTF-8 (a lone surrogate becomes U+FFFD there)
 * @throws TypeError for a name or id that the format cannot carry, a `retry` that is no whole number from 0 on, data
 *   that has no JSON (a function, a cycle, a bigint)
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeEvent } from "@sluice/kit/server";
 *
 * assertEquals(encodeEvent({ event: "note", data: { n: 1 }, id: "7" }), 'event: note\nid: 7\ndata: {"n":1}\n\n');
 * ```
 */
export function encodeEvent(event: SseEvent): string {
  const fields = encodeFields(event);
  return fields === "" ? "" : fields + "\n";
}

/**
 * Encodes an event's lines without the blank line that dispatches it, so that an id can be put before them later.
 *
 * @param event what to send
 * @returns whole lines, each with its line end; throws as `encodeEvent` does
 */
export function encodeFields(event: SseEvent): string {
  const { comment, event: name, id, retry, data } = event;
  let text = "";
  if (comment !== undefined) text += lines(": ", comment);
  if (retry !== undefined) text += encodeRetry(retry);
  if (name !== undefined && name !== "") {
    if (LINE_BREAK.test(name)) {
      throw new TypeError(`Cannot encode an event: its name has a line break: ${JSON.stringify(name)}`);
    }
    text += `event: ${name}\n`;
  }
  if (id !== undefined) text += encodeId(id);
  if (data !== undefined) text += lines("data: ", typeof data === "string" ? data : toJson(data));
  return text;
}

/**
 * Encodes the line that sets the client's last event id.
 *
 * @param id without line breaks and NUL
 * @returns the line with its line end
 * @throws TypeError for an id that the format cannot carry
 */
export function encodeId(id: string): string {
  if (ID_FORBIDDEN.test(id)) {
    throw new TypeError(`Cannot encode an event: its id has a line break or a NUL: ${JSON.stringify(id)}`);
  }
  return id === "" ? "id\n" : `id: ${id}\n`;
}

/**
 * Encodes the line that sets the client's reconnection time.
 *
 * @param retryMs whole milliseconds from 0 on
 * @returns the line with its line end
 * @throws TypeError for any other number: parsers take ASCII digits only and ignore everything else
 */
export function encodeRetry(retryMs: number): string {
  if (!Number.isSafeInteger(retryMs) || retryMs < 0) {
    throw new TypeError(`Cannot encode an event: retry must be whole milliseconds from 0 on, not ${retryMs}`);
  }
  return `retry: ${retryMs}\n`;
}

/** One field per line of `text`. */
function lines(field: string, text: string): string {
  if (!LINE_BREAK.test(text)) return `${field}${text}\n`;
  let all = "";
  for (const line of text.split(LINE_END)) all += `${field}${line}\n`;
  return all;
}

function toJson(data: unknown): string {
  const json = JSON.stringify(data) as string | undefined;
  if (json === undefined) {
    throw new TypeError(`Cannot encode an event: its data, a ${typeof data}, has no JSON`);
  }
  return json;
}
