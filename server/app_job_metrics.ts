/**
 * Metrics of a jobs service: names and help for the numbers that it counts.
 *
 * @module
 */
import type { DurationHistogram } from "./duration_counts.ts";
import type { JobState } from "./jobs/job_store.ts";
import type { JobsStats } from "./jobs/jobs_stats.ts";
import type { Histogram } from "./metric.ts";
import type { Metrics } from "./metrics.ts";

/** Whose numbers are rendered. */
export interface JobMetricSources {
  /** The service's. */
  readonly stats: () => JobsStats;
  /** The store's. */
  readonly counts: () => Readonly<Record<JobState, number>>;
  /** Any histogram of the service, for its bounds. */
  readonly boundsMs: readonly number[];
}

/**
 * Registers the metrics of a jobs service.
 *
 * @param metrics where
 * @param sources whose numbers
 */
export function registerJobMetrics(metrics: Metrics, sources: JobMetricSources): void {
  const states = metrics.gauge("sluice_jobs", "Jobs that are kept, by state.", ["state"]);
  const running = metrics.gauge("sluice_jobs_running", "Attempts at work now.", ["runner"]);
  const slots = metrics.gauge("sluice_jobs_slots", "Attempts that may be at work at once.", ["runner"]);
  const abandoned = metrics.gauge(
    "sluice_jobs_abandoned",
    "Attempts at work whose job was settled without them, as they did not stop when told to.",
    ["runner"],
  );
  const enqueued = metrics.counter(
    "sluice_jobs_enqueued_total",
    "Requests to enqueue by what came of them.",
    [
      "result",
    ],
  );
  const refused = metrics.counter("sluice_jobs_refused_total", "Requests to enqueue that were refused.", [
    "code",
  ]);
  const attempts = metrics.counter("sluice_jobs_attempts_total", "Attempts by how they ended.", [
    "runner",
    "outcome",
  ]);
  const expired = metrics.counter("sluice_jobs_expired_total", "Jobs taken from workers that fell silent.");
  const failures = metrics.counter("sluice_jobs_failures_total", "Failures of the store and of the log.", [
    "of",
  ]);
  const bounds = sources.boundsMs.map((ms) => ms / 1_000);
  const wait = metrics.histogram(
    "sluice_jobs_wait_seconds",
    "From when a job was due to its start.",
    bounds,
    [
      "runner",
    ],
  );
  const run = metrics.histogram("sluice_jobs_run_seconds", "How long attempts took.", bounds, ["runner"]);
  metrics.collect(() => {
    const stats = sources.stats();
    for (const [state, count] of Object.entries(sources.counts())) states.labels(state).set(count);
    for (const [name, runner] of Object.entries(stats.runners)) {
      running.labels(name).set(runner.running);
      slots.labels(name).set(runner.concurrencyMax);
      abandoned.labels(name).set(runner.abandoned);
      for (const [outcome, count] of Object.entries(runner.outcomes)) {
        attempts.labels(name, outcome).setTotal(count);
      }
      copy(wait, name, runner.wait);
      copy(run, name, runner.run);
    }
    enqueued.labels("new").setTotal(stats.enqueued);
    enqueued.labels("repeated").setTotal(stats.repeated);
    for (const [code, count] of Object.entries(stats.refused)) refused.labels(code).setTotal(count);
    expired.setTotal(stats.expired);
    failures.labels("store").setTotal(stats.storeFailures);
    failures.labels("story").setTotal(stats.storyFailures);
  });
}

/** Takes over what was counted elsewhere. */
function copy(histogram: Histogram, label: string, { counts, count, sumMs }: DurationHistogram): void {
  const series = histogram.labels(label);
  series.counts.set(counts);
  series.count = count;
  series.sum = sumMs / 1_000;
}
