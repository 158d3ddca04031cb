/**
 * Refuses requests while the event loop is late, so that those that are accepted are answered in time.
 *
 * Strategy: the limit is held against `LoopLag.standingMs`, by which all of the last wake-ups were late: one long task sheds
 * nobody, more work than time does. What is refused costs next to nothing, so the loop catches up, the next wake-up is in
 * time, and requests are accepted again: what is served is about what can be served. Health and metrics are always
 * answered: who is measured while overloaded must not look dead.
 *
 * Cost per request while there is no overload: one comparison.
 *
 * @module
 */
import type { LoopLag } from "../io/loop_lag.ts";
import type { Handler, ServeInfo } from "./handler.ts";
import { problem } from "./problem.ts";
import { pathOf } from "./request.ts";
import { type LimitedHandler, ROUTE_LIMITS } from "./route_limits.ts";

/** Options of shedding load. */
export interface SheddingOptions {
  /** While the loop is late by more than this all the time, requests are answered 503; milliseconds above 0. */
  readonly lagMs: number;
  /** Paths that are always answered. Default `/healthz` and `/metrics`. */
  readonly exemptPaths?: readonly string[];
  /** What `Retry-After` says at least, seconds from 1 on; at most twice this, so that clients do not come back all at once. Default 2. */
  readonly retryAfterSeconds?: number;
  /** Who measures the lag; the caller starts and stops it. Default: one of the server's own. */
  readonly lag?: LoopLag;
}

/** Default of `SheddingOptions.exemptPaths`. */
const EXEMPT_PATHS: readonly string[] = ["/healthz", "/metrics"];
/** Default of `SheddingOptions.retryAfterSeconds`: a loop that is late by a second is rid of it within two. */
const RETRY_AFTER_SECONDS = 2;

/**
 * Wraps a handler so that it is not asked while the loop is late.
 *
 * @param handler the service; limits of its routes are carried on
 * @param lag a sampler that runs
 * @param options the limit
 * @param onShed hears of every request that is refused
 * @throws RangeError for a number out of range
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { LoopLag, openSelector } from "@sluice/kit/io";
 * import { serve } from "@sluice/kit/server";
 *
 * await using selector = openSelector();
 * await using server = serve({ port: 0, selector, shedding: { lagMs: 250 } }, () => new Response("in time"));
 * const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
 * assertEquals([response.status, await response.text()], [200, "in time"]);
 * ```
 */
export function shedLoad(
  handler: Handler,
  lag: LoopLag,
  options: SheddingOptions,
  onShed: () => void = () => {},
): Handler {
  const { lagMs, exemptPaths = EXEMPT_PATHS, retryAfterSeconds = RETRY_AFTER_SECONDS } = options;
  if (!(lagMs > 0)) throw new RangeError(`Cannot shed load above a lag of ${lagMs} ms: it must be above 0`);
  if (!Number.isSafeInteger(retryAfterSeconds) || retryAfterSeconds < 1) {
    throw new RangeError(
      `Cannot use ${retryAfterSeconds} as retryAfterSeconds: it must be a whole number from 1 on`,
    );
  }
  const exempt = new Set(exemptPaths);
  const shed = (request: Request, info: ServeInfo): Response | Promise<Response> => {
    if (lag.standingMs <= lagMs || exempt.has(pathOf(request))) return handler(request, info);
    onShed();
    const seconds = retryAfterSeconds + Math.floor(Math.random() * (retryAfterSeconds + 1));
    return problem(503, {
      code: "SLUICE_OVERLOADED",
      detail: `Cannot answer in time: the event loop is ${Math.round(lag.standingMs)} ms late`,
      headers: { "retry-after": String(seconds) },
    });
  };
  if (!(ROUTE_LIMITS in handler)) return shed;
  const limited = handler as LimitedHandler;
  return Object.assign(shed, { [ROUTE_LIMITS]: limited[ROUTE_LIMITS].bind(limited) });
}
