/**
 * A job as the memory store keeps it, and the orders in which it is looked for.
 *
 * @module
 */
import type { HeapItem } from "./job_heap.ts";
import type { JobFailure, JobRecord, JobState } from "./job_store.ts";
import type { CheckedJob } from "./new_job.ts";

/** What a job counts for beside its texts, bytes: about what one costs on V8, its places in maps and heaps included. */
export const JOB_OVERHEAD_BYTES = 640;

/** A job. Times that end in `WallMs` are for people; those by which things happen go by a clock that never jumps. */
export class JobEntry implements HeapItem {
  readonly id: string;
  /** Its number; rises from job to job. */
  readonly order: number;
  readonly spec: CheckedJob;
  readonly createdWallMs: number;
  state: JobState = "queued";
  heapIndex = -1;
  attempt = 0;
  /** Of the present claim; 0 when there is none. */
  token = 0;
  /** Whether it is among the jobs that can be claimed. */
  isDue = false;
  /** When it may be claimed. */
  dueMs: number;
  dueWallMs: number;
  /** When the lease is over. */
  leaseEndMs = 0;
  startedWallMs: number | null = null;
  finishedMs = 0;
  finishedWallMs: number | null = null;
  progress: string | null = null;
  result: string | null = null;
  failure: JobFailure | null = null;
  isCancelRequested = false;
  /** Whether it is no longer kept. */
  isGone = false;

  /** @param id its name @param order its number @param spec what was enqueued @param nowMs by the clock @param wallMs wall time */
  constructor(id: string, order: number, spec: CheckedJob, nowMs: number, wallMs: number) {
    this.id = id;
    this.order = order;
    this.spec = spec;
    this.createdWallMs = wallMs;
    this.dueMs = nowMs + spec.delayMs;
    this.dueWallMs = wallMs + spec.delayMs;
  }

  /** What it counts for. Texts count by code unit: two bytes at most on V8, one as a rule. */
  get weight(): number {
    return JOB_OVERHEAD_BYTES + this.spec.input.length + (this.spec.key?.length ?? 0) +
      (this.progress?.length ?? 0) + (this.result?.length ?? 0) + (this.failure?.message.length ?? 0);
  }

  /** Whether it is over. */
  get isOver(): boolean {
    return this.state !== "queued" && this.state !== "running";
  }

  /** As it is now. */
  record(): JobRecord {
    const { runner, input, key, priority, attemptsMax } = this.spec;
    return {
      id: this.id,
      runner,
      state: this.state,
      input,
      key,
      priority,
      attempt: this.attempt,
      attemptsMax,
      createdAtMs: this.createdWallMs,
      dueAtMs: this.dueWallMs,
      startedAtMs: this.startedWallMs,
      finishedAtMs: this.finishedWallMs,
      progress: this.progress,
      result: this.result,
      failure: this.failure,
      isCancelRequested: this.isCancelRequested,
    };
  }
}

/** The order of claims: priority, then when it was due, then when it was enqueued. */
export function isClaimedBefore(one: JobEntry, other: JobEntry): boolean {
  if (one.spec.priority !== other.spec.priority) return one.spec.priority > other.spec.priority;
  return isDueBefore(one, other);
}

/** The order in which jobs fall due. */
export function isDueBefore(one: JobEntry, other: JobEntry): boolean {
  return one.dueMs === other.dueMs ? one.order < other.order : one.dueMs < other.dueMs;
}

/** The order in which leases end. */
export function isExpiredBefore(one: JobEntry, other: JobEntry): boolean {
  return one.leaseEndMs === other.leaseEndMs ? one.order < other.order : one.leaseEndMs < other.leaseEndMs;
}
