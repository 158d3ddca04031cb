/**
 * What a gateway counts.
 *
 * Times to the first byte go into fixed buckets, so that a scrape costs nothing to prepare and many gateways' counts can
 * be added up.
 *
 * @module
 */
import type { UpstreamErrorKind } from "./errors.ts";
import type { PoolStats } from "./upstream_pool.ts";

/** How a forwarded request ended. */
export type GatewayOutcome =
  /** The upstream's whole response was passed on. */
  | "completed"
  /** The upstream failed before its head came: the client got a 502, 503 or 504 from the gateway. */
  | "failed"
  /** The upstream failed in the middle of its response: the client's connection was aborted. */
  | "cut"
  /** The client left first. */
  | "cancelled"
  /** The gateway answered by itself: a request that is not forwarded, or a gateway that is closed. */
  | "refused";

/** Counts of durations in fixed buckets. */
export interface DurationHistogram {
  /** Upper bounds of the buckets, milliseconds, rising; the last bucket, above all of them, has none. */
  readonly boundsMs: readonly number[];
  /** How many durations fell into each bucket; one more than there are bounds. Not cumulative. */
  readonly counts: readonly number[];
  /** Sum of all durations, milliseconds. */
  readonly sumMs: number;
  /** How many durations there were. */
  readonly count: number;
}

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
  /** Bytes of request bodies sent to the upstream, framing excluded. */
  readonly requestBytes: number;
  /** Bytes of response bodies taken from the upstream, framing excluded. */
  readonly responseBytes: number;
  /** From the request's arrival to the first byte of the response's body (to its end, if it has none). */
  readonly firstByte: DurationHistogram;
  /** The connections to the upstream. */
  readonly pool: PoolStats;
}

/**
 * Bounds of the buckets, milliseconds: from a cached answer on the same machine to a model that thinks for a minute, in
 * steps of 2 to 2.5, as Prometheus's client libraries have them.
 */
const BOUNDS_MS: readonly number[] = [
  1,
  2.5,
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1_000,
  2_500,
  5_000,
  10_000,
  30_000,
  60_000,
];

/** A pool before its first connection. */
const POOL_UNUSED: PoolStats = { open: 0, idle: 0, connecting: 0, queued: 0, opened: 0, reused: 0 };

/** Counts durations. */
export class DurationCounts implements DurationHistogram {
  readonly boundsMs: readonly number[] = BOUNDS_MS;
  readonly counts: number[] = new Array(BOUNDS_MS.length + 1).fill(0);
  sumMs = 0;
  count = 0;

  /** Counts one duration, milliseconds. */
  add(ms: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > BOUNDS_MS[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sumMs += ms;
    this.count++;
  }
}

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
