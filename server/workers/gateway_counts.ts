/**
 * A gateway's counters in the shape in which services' counters are added up, and back.
 *
 * @module
 */
import type { GatewayStats } from "../gateway/gateway_stats.ts";
import { sumServices } from "./sum_stats.ts";
import type { CountTree, ServiceStats } from "./worker_module.ts";

/**
 * What can be added up of a gateway's counters: all but the bounds of its buckets, which are every gateway's.
 *
 * @param stats the gateway's
 */
export function gatewayCounts(stats: GatewayStats): ServiceStats {
  const { requests, outcomes, upstreamCancels, upstreamErrors, retries, hintsDropped } = stats;
  const { requestBytes, responseBytes, active, firstByte, pool } = stats;
  const { counts, sumMs, count } = firstByte;
  return {
    rising: {
      requests,
      outcomes: { ...outcomes },
      upstreamCancels,
      upstreamErrors: { ...upstreamErrors },
      retries,
      hintsDropped,
      requestBytes,
      responseBytes,
      firstByte: { counts: [...counts], sumMs, count },
    },
    now: { active, pool: { ...pool } },
  };
}

/**
 * The counters of one gateway and those of others together.
 *
 * @param own one gateway's
 * @param others sums of what `gatewayCounts` told of others
 */
export function addGatewayCounts(own: GatewayStats, others: ServiceStats): GatewayStats {
  const { rising, now } = sumServices([gatewayCounts(own), others]);
  const firstByte = { ...rising["firstByte"] as CountTree, boundsMs: own.firstByte.boundsMs };
  return { ...rising, ...now, firstByte } as unknown as GatewayStats;
}
