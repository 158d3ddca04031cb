import { assertEquals } from "@std/assert";
import { registerJobMetrics } from "../../server/app_job_metrics.ts";
import { RunnerCounters } from "../../server/jobs/jobs_stats.ts";
import { Metrics } from "../../server/metrics.ts";

Deno.test("every number of a jobs service has a sample", () => {
  const metrics = new Metrics();
  const runner = new RunnerCounters(4);
  runner.running = 2;
  runner.abandoned = 1;
  runner.outcomes.done = 7;
  runner.wait.add(30);
  runner.run.add(2_000);
  registerJobMetrics(metrics, {
    stats: () => ({
      enqueued: 9,
      repeated: 3,
      refused: { SLUICE_JOB_QUEUE_FULL: 5 },
      cancelledQueued: 0,
      expired: 6,
      storeFailures: 8,
      storyFailures: 1,
      runners: { primes: runner },
    }),
    counts: () => ({ queued: 11, running: 2, done: 7, failed: 0, cancelled: 0 }),
    boundsMs: runner.wait.boundsMs,
  });
  const rows = metrics.render().split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const samples = new Map(
    rows.map((row) => [row.slice(0, row.lastIndexOf(" ")), Number(row.split(" ").at(-1))]),
  );
  const expected: [string, number][] = [
    ['sluice_jobs{state="queued"}', 11],
    ['sluice_jobs_running{runner="primes"}', 2],
    ['sluice_jobs_slots{runner="primes"}', 4],
    ['sluice_jobs_abandoned{runner="primes"}', 1],
    ['sluice_jobs_enqueued_total{result="new"}', 9],
    ['sluice_jobs_enqueued_total{result="repeated"}', 3],
    ['sluice_jobs_refused_total{code="SLUICE_JOB_QUEUE_FULL"}', 5],
    ['sluice_jobs_attempts_total{runner="primes",outcome="done"}', 7],
    ['sluice_jobs_attempts_total{runner="primes",outcome="lost"}', 0],
    ["sluice_jobs_expired_total", 6],
    ['sluice_jobs_failures_total{of="store"}', 8],
    ['sluice_jobs_failures_total{of="story"}', 1],
    ['sluice_jobs_wait_seconds_bucket{runner="primes",le="0.025"}', 0],
    ['sluice_jobs_wait_seconds_bucket{runner="primes",le="0.05"}', 1],
    ['sluice_jobs_run_seconds_sum{runner="primes"}', 2],
  ];
  for (const [name, value] of expected) assertEquals(samples.get(name), value, name);
});
