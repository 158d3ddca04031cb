/**
 * What a jobs service counts.
 *
 * @module
 */
import { DurationCounts, type DurationHistogram } from "../duration_counts.ts";

/** How an attempt ended. */
export type AttemptOutcome =
  /** The job is done. */
  | "done"
  /** The job failed for good. */
  | "failed"
  /** The job was cancelled. */
  | "cancelled"
  /** It failed, and the job waits for the next one. */
  | "retried"
  /** The service stopped, and the job is back in the queue. */
  | "released"
  /** Its claim was lost, or the store failed: what becomes of the job is for others to say. */
  | "lost";

/** Counts of one runner. */
export interface RunnerStats {
  /** Attempts at work now, those abandoned included. */
  readonly running: number;
  /** Of them, those whose runner did not end when it was told to: their job is settled without them. */
  readonly abandoned: number;
  /** Attempts at work at once, at most. */
  readonly concurrencyMax: number;
  /** How attempts ended. */
  readonly outcomes: Readonly<Record<AttemptOutcome, number>>;
  /** From when a job was due to when it was started. */
  readonly wait: DurationHistogram;
  /** How long attempts took. */
  readonly run: DurationHistogram;
}

/** Counts of a jobs service. */
export interface JobsStats {
  /** Jobs enqueued here. */
  readonly enqueued: number;
  /** Requests to enqueue that named a job that was there, by its key. */
  readonly repeated: number;
  /** Requests to enqueue that were refused, by the error's code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Jobs that were cancelled before they ran. */
  readonly cancelledQueued: number;
  /** Jobs taken from workers that were silent for too long. */
  readonly expired: number;
  /** Calls of the store that failed, lost claims included. */
  readonly storeFailures: number;
  /** Events that could not be told. */
  readonly storyFailures: number;
  /** By runner. */
  readonly runners: Readonly<Record<string, RunnerStats>>;
}

/** The counts of one runner, for those who count. */
export class RunnerCounters implements RunnerStats {
  running = 0;
  abandoned = 0;
  readonly concurrencyMax: number;
  readonly outcomes: Record<AttemptOutcome, number> = {
    done: 0,
    failed: 0,
    cancelled: 0,
    retried: 0,
    released: 0,
    lost: 0,
  };
  readonly wait: DurationCounts = new DurationCounts();
  readonly run: DurationCounts = new DurationCounts();

  /** @param concurrencyMax attempts at work at once */
  constructor(concurrencyMax: number) {
    this.concurrencyMax = concurrencyMax;
  }

  /** Whether one more may begin. */
  get isFree(): boolean {
    return this.running < this.concurrencyMax;
  }
}
