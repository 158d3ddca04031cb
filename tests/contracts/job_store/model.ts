/**
 * A job store as simple as can be: one list, searched from end to end. What it answers is what the contract says, so every
 * store is held against it, answer by answer.
 */
import {
  JobKeyReusedError,
  JobQueueFullError,
  JobTooLargeError,
  StaleClaimError,
} from "../../../server/jobs/errors.ts";
import { JOB_OVERHEAD_BYTES } from "../../../server/jobs/job_entry.ts";
import type { JobFailure, JobRecord, JobState, NewJob } from "../../../server/jobs/job_store.ts";
import { OVER, SMALL } from "./harness.ts";

/** What a store says of a worker that was silent for too long; its length counts. */
const SILENT = "Cannot go on with the job: its worker was silent for longer than its lease";

/** A job of the model. */
export interface ModelJob {
  /** As the store named it; empty until it has answered. */
  id: string;
  readonly spec: Required<NewJob>;
  state: JobState;
  attempt: number;
  /** Of the present claim: 0 without one, NaN until the store has said it. */
  token: number;
  /** Tokens of claims that do not hold any more. */
  readonly stale: number[];
  dueMs: number;
  leaseEndMs: number;
  finishedMs: number;
  progress: string | null;
  result: string | null;
  failure: JobFailure | null;
  isCancelRequested: boolean;
}

/** What a model answers: a value, or the class of what it throws. */
export type Refusal = new (...args: never[]) => Error;

/** The model. Its time is moved by whoever plays. */
export class ModelStore {
  nowMs: number;
  /** All that are kept, in the order of enqueuing. */
  jobs: ModelJob[] = [];
  /** Jobs that are over, in the order in which they ended; the first goes first. */
  over: ModelJob[] = [];
  /** How often somebody who watches must have been told. */
  told = 0;

  readonly #tiesByEnqueuing: boolean;

  /** @param nowMs the time @param tiesByEnqueuing whether jobs that ended in one millisecond go in the order of enqueuing */
  constructor(nowMs: number, tiesByEnqueuing: boolean) {
    this.nowMs = nowMs;
    this.#tiesByEnqueuing = tiesByEnqueuing;
  }

  get bytes(): number {
    return this.jobs.reduce((sum, job) => sum + weightOf(job), 0);
  }

  count(state: JobState): number {
    return this.jobs.filter((job) => job.state === state).length;
  }

  enqueue(spec: Required<NewJob>): { job: ModelJob; isNew: boolean } | Refusal {
    if (spec.input.length > SMALL.inputBytesMax) return JobTooLargeError;
    const { jobs, over } = this;
    const answer = this.#enqueue(spec);
    if (typeof answer === "function") Object.assign(this, { jobs, over }); // what was refused has changed nothing
    return answer;
  }

  #enqueue(spec: Required<NewJob>): { job: ModelJob; isNew: boolean } | Refusal {
    this.forgetOld();
    const existing = spec.key === null ? undefined : this.jobs.find((job) => job.spec.key === spec.key);
    if (existing !== undefined) {
      const { runner, input, priority, attemptsMax } = existing.spec;
      const isSame = runner === spec.runner && input === spec.input && priority === spec.priority &&
        attemptsMax === spec.attemptsMax;
      return isSame ? { job: existing, isNew: false } : JobKeyReusedError;
    }
    if (this.count("queued") >= SMALL.queuedMax) return JobQueueFullError;
    const job: ModelJob = {
      id: "",
      spec,
      state: "queued",
      attempt: 0,
      token: 0,
      stale: [],
      dueMs: this.nowMs + spec.delayMs,
      leaseEndMs: 0,
      finishedMs: 0,
      progress: null,
      result: null,
      failure: null,
      isCancelRequested: false,
    };
    while (this.bytes + weightOf(job) > SMALL.bytesMax) {
      if (this.over.length === 0) return JobQueueFullError;
      this.#forgetOldest();
    }
    this.jobs = [...this.jobs, job];
    this.told++;
    return { job, isNew: true };
  }

  /** The job to be claimed next. */
  next(runners: readonly string[]): ModelJob | null {
    const due = this.jobs.filter(({ state, dueMs, spec }) =>
      state === "queued" && dueMs <= this.nowMs && runners.includes(spec.runner)
    );
    due.sort((a, b) => b.spec.priority - a.spec.priority || a.dueMs - b.dueMs); // stable: then those enqueued first
    return due[0] ?? null;
  }

  claim(runners: readonly string[], leaseMs: number): ModelJob | null {
    const job = this.next(runners);
    if (job === null) return null;
    job.state = "running";
    job.attempt++;
    job.token = NaN;
    job.leaseEndMs = this.nowMs + leaseMs;
    return job;
  }

  renew(job: ModelJob, token: number, leaseMs: number): ModelJob | Refusal {
    if (!this.#holds(job, token)) return StaleClaimError;
    job.leaseEndMs = this.nowMs + leaseMs;
    return job;
  }

  progress(job: ModelJob, token: number, progress: string): ModelJob | Refusal {
    if (!this.#holds(job, token)) return StaleClaimError;
    if (progress.length > SMALL.progressBytesMax) return JobTooLargeError;
    job.progress = progress;
    return job;
  }

  complete(job: ModelJob, token: number, result: string): ModelJob | Refusal {
    if (!this.#holds(job, token)) return StaleClaimError;
    if (result.length > SMALL.resultBytesMax) return JobTooLargeError;
    if (job.isCancelRequested) return this.#end(job, "cancelled");
    job.result = result;
    job.failure = null;
    return this.#end(job, "done");
  }

  fail(job: ModelJob, token: number, failure: JobFailure, delayMs: number | null): ModelJob | Refusal {
    return this.#holds(job, token) ? this.#failed(job, failure, delayMs) : StaleClaimError;
  }

  release(job: ModelJob, token: number): ModelJob | Refusal {
    if (!this.#holds(job, token)) return StaleClaimError;
    if (job.isCancelRequested) return this.#end(job, "cancelled");
    job.attempt--;
    return this.#requeue(job, 0);
  }

  cancel(job: ModelJob | null): ModelJob | null {
    this.forgetOld();
    if (job === null || !this.jobs.includes(job)) return null;
    if (job.state === "queued") return this.#end(job, "cancelled");
    if (job.state === "running") job.isCancelRequested = true;
    return job;
  }

  /** Jobs whose lease is over, moved. */
  expire(): ModelJob[] {
    const late = this.jobs.filter(({ state, leaseEndMs }) => state === "running" && leaseEndMs <= this.nowMs);
    late.sort((a, b) => a.leaseEndMs - b.leaseEndMs);
    for (const job of late) this.#failed(job, { code: "SLUICE_JOB_LEASE_EXPIRED", message: SILENT }, 0);
    return late;
  }

  /** How long nothing happens by itself to jobs of these runners, or to a lease; `null` for ever. */
  nextDelayMs(runners: readonly string[]): number | null {
    let nextMs = Infinity;
    for (const { state, dueMs, leaseEndMs, spec } of this.jobs) {
      if (state === "queued" && runners.includes(spec.runner)) nextMs = Math.min(nextMs, dueMs);
      if (state === "running") nextMs = Math.min(nextMs, leaseEndMs);
    }
    return nextMs === Infinity ? null : Math.max(0, nextMs - this.nowMs);
  }

  forgetOld(): void {
    this.over = this.over.filter((job) => {
      if (job.finishedMs >= this.nowMs - SMALL.finishedAgeMs) return true;
      this.jobs = this.jobs.filter((other) => other !== job);
      return false;
    });
  }

  #holds(job: ModelJob, token: number): boolean {
    return this.jobs.includes(job) && job.state === "running" && job.token === token;
  }

  #failed(job: ModelJob, failure: JobFailure, delayMs: number | null): ModelJob {
    job.failure = failure;
    if (job.isCancelRequested) return this.#end(job, "cancelled");
    if (delayMs === null || job.attempt >= job.spec.attemptsMax) return this.#end(job, "failed");
    return this.#requeue(job, delayMs);
  }

  #requeue(job: ModelJob, delayMs: number): ModelJob {
    this.#unclaim(job);
    job.state = "queued";
    job.dueMs = this.nowMs + delayMs;
    this.told++;
    return job;
  }

  #end(job: ModelJob, state: JobState): ModelJob {
    this.#unclaim(job);
    job.state = state;
    job.finishedMs = this.nowMs;
    this.over = [...this.over, job];
    while (this.over.length > SMALL.finishedMax || (this.bytes > SMALL.bytesMax && this.over.length > 1)) {
      this.#forgetOldest(job);
    }
    return job;
  }

  #unclaim(job: ModelJob): void {
    if (job.token > 0) job.stale.push(job.token);
    job.token = 0;
  }

  /** What has just ended is not forgotten for it, even where the clock was set back. */
  #forgetOldest(justEnded?: ModelJob): void {
    const order = this.#tiesByEnqueuing ? this.jobs : this.over;
    const sorted = this.over.toSorted((a, b) =>
      a.finishedMs - b.finishedMs || order.indexOf(a) - order.indexOf(b)
    );
    const oldest = sorted.find((job) => job !== justEnded);
    this.over = this.over.filter((job) => job !== oldest);
    this.jobs = this.jobs.filter((job) => job !== oldest);
  }
}

function weightOf({ spec, progress, result, failure }: ModelJob): number {
  const texts = [spec.input, spec.key, progress, result, failure?.message];
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), JOB_OVERHEAD_BYTES);
}

/** A job as a store must show it, without what it names itself by and without the wall's times. */
export function shownBy(job: ModelJob): Record<string, unknown> {
  const { spec, state, attempt, progress, result, failure, isCancelRequested } = job;
  const { runner, input, key, priority, attemptsMax } = spec;
  return {
    ...{ runner, input, key, priority, attemptsMax, state, attempt, progress, result },
    ...{ failure: failure?.code ?? null, isCancelRequested, isOver: OVER.includes(state) },
  };
}

/** The same of a record. */
export function shownOf(record: JobRecord): Record<string, unknown> {
  const { runner, input, key, priority, attemptsMax, state, attempt, progress, result } = record;
  return {
    ...{ runner, input, key, priority, attemptsMax, state, attempt, progress, result },
    failure: record.failure?.code ?? null,
    isCancelRequested: record.isCancelRequested,
    isOver: record.finishedAtMs !== null,
  };
}
