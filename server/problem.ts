/**
 * Errors as JSON problem documents (RFC 9457).
 *
 * @module
 */
import { Reply } from "./reply.ts";

/** Members of a problem document (RFC 9457 §3.1), and any further ones (§3.2). */
export interface ProblemDetails {
  /** URI reference of the kind of problem. Default: absent, which means `"about:blank"`: nothing beyond the status. */
  readonly type?: string;
  /** Short summary of the kind. Default: the status's registered reason. */
  readonly title?: string;
  /** What happened this time, for people. */
  readonly detail?: string;
  /** URI reference of this occurrence. */
  readonly instance?: string;
  /** Stable identifier for programs, `SLUICE_…` for this kit's own errors. */
  readonly code?: string;
  /** Further header fields of the response; no member of the document. */
  readonly headers?: HeadersInit;
  /** Extension members (RFC 9457 §3.2). */
  readonly [member: string]: unknown;
}

/** Titles by status: the registered reasons (RFC 9110 §15, RFC 6585) of the errors servers and gateways answer with. */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/**
 * Makes an `application/problem+json` response.
 *
 * @param status 400 to 599
 * @param details what to say; `status` in the document is always the response's
 * @throws {RangeError} the status is no error
 * @throws {TypeError} a header no message may carry
 * @see RFC 9457
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { problem } from "./problem.ts";
 *
 * const response = problem(502, { code: "SLUICE_UPSTREAM_REFUSED", detail: "nobody listens at 127.0.0.1:9" });
 * assert(response.headers.get("content-type") === "application/problem+json");
 * const { title, status } = await response.json();
 * assert(title === "Bad Gateway" && status === 502);
 * ```
 */
export function problem(status: number, details: ProblemDetails = {}): Reply {
  if (!Number.isInteger(status) || status < 400 || status > 599) {
    throw new RangeError(`Cannot make a problem of the status ${status}: it is not from 400 to 599`);
  }
  const { headers, title = TITLES[status], ...members } = details;
  const fields = new Headers(headers);
  fields.set("content-type", "application/problem+json");
  return Reply.json({ ...(title !== undefined && { title }), ...members, status }, {
    status,
    headers: fields,
  });
}
