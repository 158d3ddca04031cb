/**
 * What a pool counts, and what it knows of its tasks from it.
 *
 * @module
 */
import { Histogram } from "./histogram.ts";
import type { PoolSnapshot, StopKind, TaskStats } from "./pool_contract.ts";

/** Weight of the latest run in the mean: the last ten or so decide. */
const MEAN_WEIGHT = 0.1;

/** Names that are told apart, at most: a module has fewer exports; what is called by names that do not exist must not fill the memory. */
const NAMES_MAX = 1_000;

/** Where names beyond that are counted. */
const OTHERS = "(others)";

/** Counts of one task of the module. */
export class TaskRecord {
  /** Calls that gave a result. */
  succeeded = 0;
  /** Calls that did not. */
  failed = 0;
  /** Mean time it runs, the latest runs above all, milliseconds; 0 while it has not run. */
  meanMs = 0;
  readonly #runMs = new Histogram();

  /** Notes a run. */
  ran(ms: number): void {
    this.#runMs.record(ms);
    this.meanMs = this.#runMs.count === 1
      ? Math.max(ms, Number.MIN_VALUE)
      : this.meanMs + (ms - this.meanMs) * MEAN_WEIGHT;
  }

  /** See `PoolSnapshot.byTask`. */
  stats(): TaskStats {
    return { succeeded: this.succeeded, failed: this.failed, runMs: this.#runMs.snapshot() };
  }
}

/** Counters that `PoolSnapshot` shows as they are; see there. */
export interface Counters {
  accepted: number;
  succeeded: number;
  failed: number;
  deadlinesPassed: number;
  started: number;
  crashed: number;
  stolen: number;
  messages: number;
  tasksSent: number;
  strayErrors: number;
}

/** The books of a pool. */
export class Ledger {
  /** Plain counters. */
  readonly counters: Counters = {
    accepted: 0,
    succeeded: 0,
    failed: 0,
    deadlinesPassed: 0,
    started: 0,
    crashed: 0,
    stolen: 0,
    messages: 0,
    tasksSent: 0,
    strayErrors: 0,
  };
  /** See `PoolSnapshot.refused`. */
  readonly refused: { -readonly [K in keyof PoolSnapshot["refused"]]: number } = {
    queueFull: 0,
    dropped: 0,
    hopeless: 0,
    tooLarge: 0,
    saturated: 0,
  };
  /** See `PoolSnapshot.stopped`. */
  readonly stopped: Record<StopKind, number> = {
    "before start": 0,
    obeyed: 0,
    interrupted: 0,
    terminated: 0,
    killed: 0,
    abandoned: 0,
  };
  /** Work of workers that have ended, milliseconds: with tasks, and in all. */
  busyMs = 0;
  /** See `busyMs`. */
  lifeMs = 0;
  readonly #waitMs = new Histogram();
  readonly #runMs = new Histogram();
  readonly #totalMs = new Histogram();
  readonly #records = new Map<string, TaskRecord>();

  /** The record of a task. @param label its name */
  record(label: string): TaskRecord {
    const found = this.#records.get(label);
    if (found !== undefined) return found;
    if (this.#records.size >= NAMES_MAX && label !== OTHERS) return this.record(OTHERS);
    const record = new TaskRecord();
    this.#records.set(label, record);
    return record;
  }

  /** Notes the times of a call that ran. @param record its task's @param totalMs from the call to the outcome @param runMs of that in the worker */
  ran(record: TaskRecord, totalMs: number, runMs: number): void {
    this.#totalMs.record(totalMs);
    this.#runMs.record(runMs);
    this.#waitMs.record(totalMs - runMs);
    record.ran(runMs);
  }

  /** Times, and counts by task. */
  snapshot(): Pick<PoolSnapshot, "waitMs" | "runMs" | "totalMs" | "byTask"> {
    return {
      waitMs: this.#waitMs.snapshot(),
      runMs: this.#runMs.snapshot(),
      totalMs: this.#totalMs.snapshot(),
      byTask: Object.fromEntries([...this.#records].map(([name, record]) => [name, record.stats()])),
    };
  }
}
