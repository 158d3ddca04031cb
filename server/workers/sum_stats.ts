/**
 * Adds up what several servers counted, or report of their stop.
 *
 * @module
 */
import { createServerStats, type ServerStats } from "../server_stats.ts";
import type { ShutdownReport } from "../shutdown.ts";
import type { ServiceStats } from "./worker_module.ts";

type Counts = Record<string, unknown>;

/**
 * The sum of several servers' counters, each number with its like.
 *
 * @param all any number of them
 */
export function sumStats(all: readonly ServerStats[]): ServerStats {
  const sum = createServerStats();
  for (const stats of all) add(sum as unknown as Counts, stats as unknown as Counts);
  return sum;
}

/**
 * What is left of a server's counters when it is gone: what only rises stays, what is there no more is 0.
 *
 * @param stats its last counters
 */
export function retiredStats(stats: ServerStats): ServerStats {
  return { ...stats, connectionsOpen: 0, requestsActive: 0, streamsOpen: 0 };
}

/**
 * The sum of several servers' reports; the time is the longest.
 *
 * @param reports any number of them
 */
export function sumReports(reports: readonly ShutdownReport[]): ShutdownReport {
  const sum = { finished: 0, ended: 0, cut: 0, left: 0, idle: 0, elapsedMs: 0 };
  for (const report of reports) {
    const { elapsedMs } = sum;
    add(sum, report as unknown as Counts);
    sum.elapsedMs = Math.max(elapsedMs, report.elapsedMs);
  }
  return sum;
}

/** Services' counters before anything was counted. */
export const NOTHING_COUNTED: ServiceStats = Object.freeze({
  rising: Object.freeze({}),
  now: Object.freeze({}),
});

/**
 * The sum of several services' counters.
 *
 * @param all any number of them; `null` for a service that does not count
 */
export function sumServices(all: readonly (ServiceStats | null)[]): ServiceStats {
  const sum = { rising: {}, now: {} };
  for (const stats of all) {
    if (stats !== null) add(sum, stats as unknown as Counts);
  }
  return sum;
}

/** Adds numbers to numbers, and goes into what holds some; what is new in `more` is taken over. */
function add(sum: Counts, more: Counts): void {
  for (const [name, value] of Object.entries(more)) {
    const own = sum[name];
    if (typeof value === "number") sum[name] = (typeof own === "number" ? own : 0) + value;
    else if (typeof value === "object" && value !== null) {
      add((sum[name] ??= Array.isArray(value) ? [] : {}) as Counts, value as Counts);
    }
  }
}
