import { assertEquals } from "@std/assert";
import { createPool } from "../../pool/mod.ts";
import { type PoolCounts, registerPoolMetrics } from "../../server/app_pool_metrics.ts";
import { Metrics } from "../../server/metrics.ts";

function samplesOf(metrics: Metrics): Map<string, number> {
  const rows = metrics.render().split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(rows.map((row) => [row.slice(0, row.lastIndexOf(" ")), Number(row.split(" ").at(-1))]));
}

Deno.test("every number of a pool has a sample", () => {
  const metrics = new Metrics();
  const stats: PoolCounts = {
    tasks: { queued: 3, parked: 1, inFlight: 2, succeeded: 40, failed: 7 },
    refused: { queueFull: 5 },
    stopped: { killed: 4 },
    workers: { now: 6, busy: 2, abandoned: 1, started: 9, crashed: 8 },
    stolen: 11,
    strayErrors: 12,
    utilisation: 0.25,
    waitMs: { p50: 1, p99: 20, max: 30 },
    runMs: { p50: 2, p99: 40, max: 50 },
    totalMs: { p50: 3, p99: 60, max: 80 },
    byTask: { hash: { succeeded: 40, failed: 7 } },
  };
  registerPoolMetrics(metrics, () => stats);
  const samples = samplesOf(metrics);
  const expected: [string, number][] = [
    ['sluice_pool_tasks{state="queued"}', 3],
    ['sluice_pool_tasks{state="parked"}', 1],
    ['sluice_pool_tasks{state="inFlight"}', 2],
    ['sluice_pool_calls_total{task="hash",result="succeeded"}', 40],
    ['sluice_pool_calls_total{task="hash",result="failed"}', 7],
    ['sluice_pool_refused_total{bound="queueFull"}', 5],
    ['sluice_pool_stopped_total{how="killed"}', 4],
    ['sluice_pool_workers{state="idle"}', 4],
    ['sluice_pool_workers{state="busy"}', 2],
    ['sluice_pool_workers{state="abandoned"}', 1],
    ['sluice_pool_workers_total{event="started"}', 9],
    ['sluice_pool_workers_total{event="crashed"}', 8],
    ["sluice_pool_stolen_total", 11],
    ["sluice_pool_stray_errors_total", 12],
    ["sluice_pool_utilisation", 0.25],
    ['sluice_pool_wait_seconds{quantile="0.5"}', 0.001],
    ['sluice_pool_wait_seconds{quantile="1"}', 0.03],
    ['sluice_pool_run_seconds{quantile="0.99"}', 0.04],
    ['sluice_pool_total_seconds{quantile="1"}', 0.08],
  ];
  for (const [name, value] of expected) assertEquals(samples.get(name), value, name);
});

Deno.test("a pool's own stats are what is shown", async () => {
  await using pool = createPool<typeof import("../support/pool_tasks.ts")>(
    new URL("../support/pool_tasks.ts", import.meta.url),
    { workersMax: 1 },
  );
  const metrics = new Metrics();
  registerPoolMetrics(metrics, () => pool.stats);
  await pool.run("increment", 1);
  assertEquals(samplesOf(metrics).get('sluice_pool_calls_total{task="increment",result="succeeded"}'), 1);
});
