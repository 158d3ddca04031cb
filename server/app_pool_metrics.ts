/**
 * Metrics of a compute pool: names and help for the numbers that it counts.
 *
 * The server knows no pool: this is the part of a snapshot that it shows, which the pool's `stats` has by shape.
 *
 * @module
 */
import type { Gauge } from "./metric.ts";
import type { Metrics } from "./metrics.ts";

/** Quantiles of durations, milliseconds. */
export interface PoolDurations {
  /** Median. */
  readonly p50: number;
  /** 99th percentile. */
  readonly p99: number;
  /** Largest. */
  readonly max: number;
}

/** What a pool has done and does. */
export interface PoolCounts {
  /** Tasks that wait and are at work, and how those that were accepted ended. */
  readonly tasks: {
    readonly queued: number;
    readonly parked: number;
    readonly inFlight: number;
    readonly succeeded: number;
    readonly failed: number;
  };
  /** Tasks that a bound refused, by the bound. */
  readonly refused: Readonly<Record<string, number>>;
  /** Tasks that were cancelled, by how they were stopped. */
  readonly stopped: Readonly<Record<string, number>>;
  /** Workers now, and in all. */
  readonly workers: {
    readonly now: number;
    readonly busy: number;
    readonly abandoned: number;
    readonly started: number;
    readonly crashed: number;
  };
  /** Tasks taken from a busy worker's inbox for an idle one. */
  readonly stolen: number;
  /** Errors in workers that belonged to no running task. */
  readonly strayErrors: number;
  /** Share of the workers' life in which they had tasks, 0 to 1. */
  readonly utilisation: number;
  /** From the call to the start. */
  readonly waitMs: PoolDurations;
  /** Time in the worker. */
  readonly runMs: PoolDurations;
  /** From the call to the result. */
  readonly totalMs: PoolDurations;
  /** Calls by the task's name. */
  readonly byTask: Readonly<Record<string, { readonly succeeded: number; readonly failed: number }>>;
}

/**
 * Registers the metrics of a compute pool.
 *
 * @param metrics where
 * @param read the pool's numbers, asked for when somebody asks for the metrics
 */
export function registerPoolMetrics(metrics: Metrics, read: () => PoolCounts): void {
  const tasks = metrics.gauge("sluice_pool_tasks", "Tasks that are not over, by where they are.", ["state"]);
  const calls = metrics.counter("sluice_pool_calls_total", "Calls that were accepted, by how they ended.", [
    "task",
    "result",
  ]);
  const refused = metrics.counter("sluice_pool_refused_total", "Calls that a bound refused.", ["bound"]);
  const stopped = metrics.counter("sluice_pool_stopped_total", "Calls that were cancelled, by how.", ["how"]);
  const workers = metrics.gauge("sluice_pool_workers", "Workers now.", ["state"]);
  const starts = metrics.counter("sluice_pool_workers_total", "Workers by what became of them.", ["event"]);
  const stolen = metrics.counter(
    "sluice_pool_stolen_total",
    "Tasks that an idle worker took from a busy one.",
  );
  const stray = metrics.counter("sluice_pool_stray_errors_total", "Errors in workers that were no task's.");
  const utilisation = metrics.gauge("sluice_pool_utilisation", "Share of the workers' life with tasks.");
  const quantile = (name: string, help: string) => metrics.gauge(name, help, ["quantile"]);
  const wait = quantile("sluice_pool_wait_seconds", "From a call to its start; the quantile 1 is the worst.");
  const run = quantile("sluice_pool_run_seconds", "Time of calls in their worker.");
  const total = quantile("sluice_pool_total_seconds", "From a call to its result.");
  metrics.collect(() => {
    const stats = read();
    for (const state of ["queued", "parked", "inFlight"] as const) {
      tasks.labels(state).set(stats.tasks[state]);
    }
    for (const [name, { succeeded, failed }] of Object.entries(stats.byTask)) {
      calls.labels(name, "succeeded").setTotal(succeeded);
      calls.labels(name, "failed").setTotal(failed);
    }
    for (const [bound, count] of Object.entries(stats.refused)) refused.labels(bound).setTotal(count);
    for (const [how, count] of Object.entries(stats.stopped)) stopped.labels(how).setTotal(count);
    workers.labels("idle").set(stats.workers.now - stats.workers.busy);
    workers.labels("busy").set(stats.workers.busy);
    workers.labels("abandoned").set(stats.workers.abandoned);
    starts.labels("started").setTotal(stats.workers.started);
    starts.labels("crashed").setTotal(stats.workers.crashed);
    stolen.setTotal(stats.stolen);
    stray.setTotal(stats.strayErrors);
    utilisation.set(stats.utilisation);
    show(wait, stats.waitMs);
    show(run, stats.runMs);
    show(total, stats.totalMs);
  });
}

function show(gauge: Gauge, { p50, p99, max }: PoolDurations): void {
  gauge.labels("0.5").set(p50 / 1_000);
  gauge.labels("0.99").set(p99 / 1_000);
  gauge.labels("1").set(max / 1_000);
}
