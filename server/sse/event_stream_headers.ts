/**
 * The header fields of an event stream's response.
 *
 * @module
 */

/** The usual fields: what it is, and that nobody on the way may keep, change or hold it back. */
const FIELDS: readonly (readonly [string, string])[] = [
  ["content-type", "text/event-stream"], // WHATWG HTML §9.2.3; always UTF-8, so no charset
  ["cache-control", "no-cache, no-transform"], // RFC 9111 §5.2.2.4, §5.2.2.6: compressing proxies would buffer
  ["x-accel-buffering", "no"], // nginx and others: pass on every event at once
];

/**
 * Makes the fields of an event stream.
 *
 * @param more added, or put in the place of a usual one
 * @returns pairs, as a response's `headers` takes them
 * @throws TypeError for names or values that are none
 */
export function eventStreamHeaders(more?: HeadersInit): [string, string][] {
  const headers = new Headers(more);
  for (const [name, value] of FIELDS) if (!headers.has(name)) headers.set(name, value);
  return [...headers];
}
