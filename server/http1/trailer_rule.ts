/**
 * Which fields cannot be trailers (RFC 9110 §6.5.1), and what happens to those that come all the same.
 *
 * The rule: a trailer that frames or routes the message makes the message refused, since it can only be there to make two
 * parsers disagree; one that would change how the request is understood after it was handled (authentication, request
 * modifiers, content and response control) is dropped; any other is kept. We send neither of the first two.
 *
 * @module
 */

/** Framing and routing: refused. */
const REFUSED: ReadonlySet<string> = new Set(["content-length", "host", "transfer-encoding"]);

/** Dropped. */
const DROPPED: ReadonlySet<string> = new Set([
  // Connection management, which is between two neighbours and over by now (RFC 9110 §7.6.1).
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  // Authentication (RFC 9110 §11, RFC 6265).
  "authorization",
  "cookie",
  "proxy-authenticate",
  "proxy-authorization",
  "set-cookie",
  "www-authenticate",
  // Request modifiers (RFC 9110 §10.1, §13, §14).
  "cache-control",
  "expect",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "max-forwards",
  "pragma",
  "range",
  // Response control (RFC 9110 §10.2, RFC 9111 §5).
  "age",
  "date",
  "expires",
  "location",
  "retry-after",
  "vary",
  "warning",
  // How to process the content (RFC 9110 §8).
  "content-encoding",
  "content-range",
  "content-type",
  // Where the client is, as proxies say it (RFC 7239): routing to whoever trusts it.
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

/**
 * Whether a message with this trailer is refused.
 *
 * @param name field name in lower case
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isRefusedTrailer } from "./trailer_rule.ts";
 * assert(isRefusedTrailer("content-length") && !isRefusedTrailer("x-checksum"));
 * ```
 */
export function isRefusedTrailer(name: string): boolean {
  return REFUSED.has(name);
}

/**
 * Whether the field cannot be a trailer: we never send it, and drop it when it comes (unless it is refused).
 *
 * @param name field name in lower case
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isForbiddenTrailer } from "./trailer_rule.ts";
 * assert(isForbiddenTrailer("authorization") && !isForbiddenTrailer("x-checksum"));
 * ```
 */
export function isForbiddenTrailer(name: string): boolean {
  return REFUSED.has(name) || DROPPED.has(name);
}
