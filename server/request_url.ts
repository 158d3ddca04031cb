/**
 * The URL of a request: the target as it was sent, and who it was sent to, as one absolute URL in its normal form.
 *
 * Strategy: nearly every target and authority is in normal form already, which a regular expression tells; then the
 * URL is three strings put together. Everything else goes through the URL parser, so that two spellings of one
 * resource (`/a/../b`, `/%2e/b`, `HTTP://HOST:80/b`) look the same to whoever decides by the URL. A router and a
 * handler that disagree about the path are how access rules are walked around.
 *
 * @module
 */

/** What of a request makes its URL. */
export interface UrlSource {
  /** The request target as sent. */
  readonly target: string;
  /** Which of RFC 9112 §3.2's four forms it has. */
  readonly targetForm: "origin" | "absolute" | "authority" | "asterisk";
  /** Value of the first field line with a name (lower case), or `null`. */
  get(name: string): string | null;
}

/**
 * Targets the URL parser leaves as they are: pchar, "/" and "?" as it lets them be (URL standard, path and
 * special-query percent-encode sets; RFC 3986 §3.3), without `'`, which it encodes in queries only.
 */
const NORMAL_TARGET = /^\/[A-Za-z0-9\-._~!$&()*+,;=:@%/?[\]|]*$/;

/** A dot segment (RFC 3986 §5.2.4) starts like this, and so do a few names like `/.well-known`, which pay the parser. */
const DOT_SEGMENT = /\/(?:\.|%2e)/i;

/**
 * Authorities the URL parser leaves as they are: names whose last label starts with a letter (else they could be an
 * IPv4 address in one of its many spellings) and that are not IDNA's, with no port or one that is no scheme's default.
 */
const NORMAL_NAME =
  /^(?!xn--|.*\.xn--)(?:[a-z0-9_-]+\.)*[a-z][a-z0-9-]*(?::(?!80$|443$)(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?$/;

/** Dotted-decimal IPv4 in the one spelling that is normal, with a port as above. */
const NORMAL_IPV4 =
  /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?::(?!80$|443$)(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?$/;

/** What stands before a target while it is parsed. */
const PARSER_BASE = "http://host";

/**
 * The target URI (RFC 9112 §3.3), serialised as the URL standard does, without fragment and credentials.
 *
 * @param source the request's head
 * @param scheme of the connection
 * @param authority who the request is for when its Host is missing, empty or no host at all
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { requestUrl } from "./request_url.ts";
 *
 * const head = { target: "/a/../b?c", targetForm: "origin" as const, get: () => "Example.com:80" };
 * assert(requestUrl(head, "http", "localhost") === "http://example.com/b?c");
 * ```
 */
export function requestUrl(source: UrlSource, scheme: "http" | "https", authority: string): string {
  const { target, targetForm } = source;
  if (targetForm === "absolute") return parseAbsolute(target) ?? `${scheme}://${authority}/`;
  const host = targetForm === "authority" ? target : source.get("host");
  const origin = normalOrigin(scheme, host) ?? `${scheme}://${authority}`;
  // RFC 9112 §3.3: an asterisk stands for an empty path and query, which the URL standard writes as "/".
  if (targetForm !== "origin") return `${origin}/`;
  return origin + normalTarget(target);
}

/**
 * The path of a request as its URL has it, still percent-encoded, without making the URL where that can be avoided.
 *
 * @param source the request's head
 */
export function requestPath(source: UrlSource): string {
  if (source.targetForm === "origin") {
    const target = normalTarget(source.target);
    const query = target.indexOf("?");
    return query === -1 ? target : target.slice(0, query);
  }
  return urlPath(requestUrl(source, "http", "localhost"));
}

/**
 * The path of a serialised absolute URL with an authority.
 *
 * @param url as `request.url` has it
 */
export function urlPath(url: string): string {
  const authority = url.indexOf("://") + 3;
  const start = url.indexOf("/", authority);
  if (start === -1) return "/";
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

/**
 * An origin-form target in its normal form.
 *
 * @param target as sent
 */
export function normalTarget(target: string): string {
  if (NORMAL_TARGET.test(target) && !DOT_SEGMENT.test(target)) return target;
  // Put behind an authority it always parses: it begins with "/". No part is put together again, since `search` does not
  // tell an empty query from none.
  return new URL(PARSER_BASE + target).href.slice(PARSER_BASE.length);
}

/**
 * Scheme and authority in their normal form.
 *
 * @param scheme of the connection
 * @param host the authority as sent
 * @returns `null` when there is no host or it is none for a URL
 */
export function normalOrigin(scheme: string, host: string | null): string | null {
  if (host === null || host === "") return null;
  if (NORMAL_NAME.test(host) || NORMAL_IPV4.test(host)) return `${scheme}://${host}`;
  const url = URL.parse(`${scheme}://${host}/`);
  return url === null || url.host === "" ? null : url.origin;
}

/** An absolute-form target in its normal form; `null` when it is no URL with an authority. */
function parseAbsolute(target: string): string | null {
  const url = URL.parse(target);
  if (url === null || url.host === "") return null;
  url.hash = "";
  url.username = ""; // RFC 9110 §4.2.4: userinfo is deprecated and a means of deception.
  url.password = "";
  if (url.pathname === "") url.pathname = "/";
  return url.href;
}
