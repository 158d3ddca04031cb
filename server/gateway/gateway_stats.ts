/**
 * What a gateway counts.
 *
 * @module
 */
import { DurationCounts, type DurationHistogram } from "../duration_counts.ts";
import type { UpstreamErrorKind } from "./errors.ts";
import type { PoolStats } from "./upstream_pool.ts";

/** How a forwarded request ended. */
export type GatewayOutcome =
  /** The upstream's whole response was passed on. */
  | "completed"
  /** The upstream failed before its head came: the client got a 502, 503 or 504 from the gateway; or the server it runs under did. */
  | "failed"
  /** The upstream failed in the middle of its response: the client's connection was aborted. */
  | "cut"
  /** The client left first. */
  | "cancelled"
  /** The gateway answered by itself: a request that is not forwarded, or a gateway that is closed. */
  | "refused";

/** A gateway's counters, rising, and gauges, as they are now. */
export interface GatewayStats {
  /** Requests that came. */
  readonly requests: number;
  /** Of them, those whose response is not complete yet. */
  readonly active: number;
  /** How the others ended. */
  readonly outcomes: Readonly<Record<GatewayOutcome, number>>;
  /** Exchanges given up because the client left: each closed an upstream connection or an attempt to get one. */
  readonly upstreamCancels: number;
  /** Failures of the upstream, by kind. */
  readonly upstreamErrors: Readonly<Record<UpstreamErrorKind, number>>;
  /** Requests sent a second time because the kept connection had died while idle. */
  readonly retries: number;
  /** Interim heads with early hints that could not be sent on (`EarlyHintsError`): too many waited, or the handler had answered otherwise. */
  readonly hintsDropped: number;
  /** Bytes of request bodies sent to the upstream, framing excluded. */
  readonly requestBytes: number;
  /** Bytes of response bodies taken from the upstream, framing excluded. */
  readonly responseBytes: number;
  /** From the request's arrival to the first byte of the response's body (to its end, if it has none). */
  readonly firstByte: DurationHistogram;
  /** The connections to the upstream. */
  readonly pool: PoolStats;
}

/** A pool before its first connection. */
const POOL_UNUSED: PoolStats = { open: 0, idle: 0, connecting: 0, queued: 0, opened: 0, reused: 0 };

/** The counters, for those who count. */
export class GatewayCounters implements GatewayStats {
  requests = 0;
  active = 0;
  readonly outcomes: Record<GatewayOutcome, number> = {
    completed: 0,
    failed: 0,
    cut: 0,
    cancelled: 0,
    refused: 0,
  };
  upstreamCancels = 0;
  readonly upstreamErrors: Record<UpstreamErrorKind, number> = {
    refused: 0,
    unreachable: 0,
    timeout_connect: 0,
    timeout_head: 0,
    timeout_body: 0,
    closed: 0,
    protocol: 0,
    head_too_large: 0,
    busy: 0,
  };
  retries = 0;
  hintsDropped = 0;
  requestBytes = 0;
  responseBytes = 0;
  readonly firstByte: DurationCounts = new DurationCounts();
  readonly #pool: () => PoolStats | null;

  /** @param pool asks the pool, if there is one yet */
  constructor(pool: () => PoolStats | null) {
    this.#pool = pool;
  }

  /** The connections to the upstream. */
  get pool(): PoolStats {
    return this.#pool() ?? POOL_UNUSED;
  }
}
