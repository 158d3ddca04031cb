/**
 * How a handler tells the server its limits for one request, before the body comes: a route that takes uploads may take
 * more than the rest.
 *
 * Strategy: a handler is a function; one that knows limits carries a method under a symbol. The connection asks it when
 * the head is complete. A function wrapped around such a handler has to carry the method on, or the server's own limits
 * apply, which are the tighter ones.
 *
 * @module
 */
import type { Handler } from "./handler.ts";
import type { RequestHead } from "./http1/message.ts";

/** Limits of one request. */
export interface RouteLimits {
  /** Bytes of body, instead of the server's `limits.bodyBytesMax`; `Infinity` for no limit. */
  readonly bodyBytesMax?: number;
}

/** Where a handler carries its limits; registered, so that two copies of this module agree. */
export const ROUTE_LIMITS: unique symbol = Symbol.for("sluice.routeLimits");

/** A handler that knows limits. */
export interface LimitedHandler extends Handler {
  /** The limits for the request with this head; `null` for the server's own. Must not throw. */
  [ROUTE_LIMITS](head: RequestHead): RouteLimits | null;
}

/**
 * The limit a handler sets for the body of a request.
 *
 * @param handler any handler
 * @param head of the request; it may be on loan
 * @returns bytes; `undefined` when the handler says nothing
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { bodyLimitOf } from "./route_limits.ts";
 * import { Router } from "./router.ts";
 *
 * const router = new Router().post("/upload", { bodyBytesMax: 1e9 }, () => new Response("thanks"));
 * const head = { method: "POST", target: "/upload", targetForm: "origin" } as Parameters<typeof bodyLimitOf>[1];
 * assert(bodyLimitOf(router.handler, head) === 1e9);
 * ```
 */
export function bodyLimitOf(handler: Handler, head: RequestHead): number | undefined {
  if (!(ROUTE_LIMITS in handler)) return undefined;
  return (handler as LimitedHandler)[ROUTE_LIMITS](head)?.bodyBytesMax;
}
