/**
 * The engine's errors: the peer's fault (`Http1Error`, made from a row of the refusal table) and our own
 * (`LocalProtocolError`).
 *
 * @module
 */
import { REFUSAL_BY_ID, type RefusalId } from "./refusals.ts";

/** What was being parsed when an error arose. */
export type MessageRole = "request" | "response";

/**
 * The peer broke the grammar or a limit.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { Http1Error } from "./errors.ts";
 * const error = new Http1Error("host-missing", "request");
 * assert(error.code === "SLUICE_HTTP_HOST_MISSING" && error.status === 400);
 * ```
 */
export class Http1Error extends Error {
  /** Stable identifier, `SLUICE_HTTP_…`: the refusal's id in capitals. */
  readonly code: string;
  /** Status to answer with: the rule's for a request, 502 for an upstream's response. */
  readonly status: number;
  /** Whether the peer is to blame (always, but for `LocalProtocolError`). */
  readonly isPeerFault: boolean = true;
  /** Which rule of the refusal table. */
  readonly refusal: string;

  /**
   * Takes message, section and status from the table.
   *
   * @param refusal which rule was broken
   * @param role whether a request or a response broke it
   */
  constructor(refusal: string, role: MessageRole) {
    const row = REFUSAL_BY_ID.get(refusal as RefusalId);
    if (row === undefined) throw new TypeError(`Cannot make the error: there is no rule "${refusal}"`);
    super(`Cannot accept the ${role}: ${row.rule} (${row.section})`);
    this.name = "Http1Error";
    this.code = "SLUICE_HTTP_" + refusal.toUpperCase().replaceAll("-", "_");
    this.status = role === "response" ? 502 : row.status;
    this.refusal = refusal;
  }
}

/**
 * Our own side broke the engine's rules: a field with CR in it, a body on a 204, a view used after its loan.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { LocalProtocolError } from "./errors.ts";
 * assert(new LocalProtocolError("Cannot encode: …").status === 500);
 * ```
 */
export class LocalProtocolError extends Error {
  /** Always `SLUICE_HTTP_LOCAL`. */
  readonly code = "SLUICE_HTTP_LOCAL";
  /** A server answers 500, if it still can. */
  readonly status = 500;
  /** Never. */
  readonly isPeerFault = false;

  /**
   * Says what is wrong.
   *
   * @param message "Cannot …: why"
   * @param options its `cause`
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LocalProtocolError";
  }
}
