/**
 * Reads where a reader wants to go on: `Last-Event-ID` (WHATWG HTML §9.2.4), or `?lastEventId=` for those that cannot set
 * the header (a first `EventSource`, polyfills).
 *
 * @module
 */

/**
 * The last event id that a request brings.
 *
 * @param request the header counts before the query
 * @returns the id, or `null` when there is none; the text is the client's and may be anything
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lastEventIdOf } from "@sluice/kit/server";
 *
 * const headers = { "Last-Event-ID": "7" };
 * assertEquals(lastEventIdOf(new Request("http://localhost/?lastEventId=5", { headers })), "7");
 * assertEquals(lastEventIdOf(new Request("http://localhost/?lastEventId=5")), "5");
 * assertEquals(lastEventIdOf(new Request("http://localhost/")), null);
 * ```
 */
export function lastEventIdOf(request: Request): string | null {
  const header = request.headers.get("last-event-id");
  if (header !== null && header !== "") return fromUtf8(header);
  const { url } = request;
  const query = url.indexOf("?");
  if (query < 0) return null;
  return new URLSearchParams(url.slice(query)).get("lastEventId") || null;
}

/** Clients send the id as UTF-8, headers are read byte by byte: puts the two together where that gives a text. */
function fromUtf8(header: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[^\x00-\x7f]/.test(header) || /[^\x00-\xff]/.test(header)) return header;
  const bytes = Uint8Array.from(header, (character) => character.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return header; // not UTF-8: as it came
    throw error;
  }
}
