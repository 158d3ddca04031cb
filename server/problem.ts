/**
 * Errors as JSON problem documents (RFC 9457).
 *
 * @module
 */
import { PHRASES } from "./http1/reasons.ts";
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
  const { headers, title = PHRASES[status], ...members } = details;
  const fields = new Headers(headers);
  fields.set("content-type", "application/problem+json");
  return Reply.json({ ...(title !== undefined && { title }), ...members, status }, {
    status,
    headers: fields,
  });
}
