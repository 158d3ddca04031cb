/**
 * One attempt of one job: calls the runner, keeps the lease, passes on what the runner says, and tells the store how it ended.
 *
 * ```text
 * WORKING ──→ (aborted: cancelled, timed out, claim lost, service stops) ──→ SETTLED ──→ FREED
 *    ╰────────────────────────────────────────────────────────────────────────╯
 * ```
 *
 * Two ends are kept apart: the job's (`settled`: the store knows what became of it) and the runner's (`freed`: its promise
 * settled, so its slot is free). They differ for a runner that does not stop when it is told to: after the grace period its job is settled
 * without it, and its slot stays taken until it really ends, so that such runners are bounded, too.
 *
 * Invariants: after the end nothing is told any more; a lost claim changes neither the store nor the story.
 *
 * @module
 */
import type { Clock, Timer, Timers } from "../../io/selector.ts";
import {
  JobCancelledError,
  JobRejectedError,
  JobsStoppingError,
  JobTimeoutError,
  JobTooLargeError,
  StaleClaimError,
} from "./errors.ts";
import { backoffMs, inputOf, type JobContext, type ResolvedRunner } from "./job_runner.ts";
import type { JobClaim, JobRecord, JobStore } from "./job_store.ts";
import type { JobStories } from "./job_stories.ts";
import { DELAY_MAX_MS } from "./new_job.ts";

/** How a runner ended. */
type Outcome =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown }
  | { readonly kind: "abandoned"; readonly error: unknown };

/** What an attempt needs of its service. */
export interface RunHost {
  /** Where the job is. */
  readonly store: JobStore;
  /** Where its story is told. */
  readonly stories: JobStories;
  /** The time. */
  readonly clock: Clock;
  /** Its deadlines. */
  readonly timers: Timers;
  /** How long a claim holds without a renewal, milliseconds. */
  readonly leaseMs: number;
  /** How long an aborted runner may take to end, milliseconds. */
  readonly abortGraceMs: number;
  /** The attempt has ended for the store; `null` when the claim was lost or the store failed. */
  settled(run: JobRun, job: JobRecord | null): void;
  /** The runner has ended. */
  freed(run: JobRun): void;
  /** The store failed, or lost the claim. */
  storeFailed(error: unknown): void;
}

/** Least time between two progress reports that are told, milliseconds: faster than people see. */
const PROGRESS_INTERVAL_MS = 100;
/** Renewals within one lease: two may fail, or be late, before it is over. */
const RENEWALS_PER_LEASE = 3;

/** One attempt. */
export class JobRun implements JobContext {
  readonly id: string;
  readonly attempt: number;
  readonly runner: ResolvedRunner;
  /** When it began, by the clock. */
  readonly startedMs: number;
  /** How long the job waited since it was due, milliseconds of wall time. */
  readonly waitedMs: number;
  /** Whether the job was settled without its runner, which is still at work. */
  isAbandoned = false;
  readonly #host: RunHost;
  readonly #job: JobRecord;
  readonly #token: number;
  readonly #controller = new AbortController();
  readonly #renewal: Timer;
  readonly #timeout: Timer | null;
  #grace: Timer | null = null;
  #isLost = false;
  #isSettled = false;
  /** The latest progress that was not told yet. */
  #progress: string | null = null;
  #progressToldMs = -Infinity;

  /** @param host its service @param claim the job and its token @param runner whom to call */
  constructor(host: RunHost, claim: JobClaim, runner: ResolvedRunner) {
    const { job, token } = claim;
    this.#host = host;
    this.#job = job;
    this.#token = token;
    this.runner = runner;
    this.id = job.id;
    this.attempt = job.attempt;
    this.startedMs = host.clock.now();
    this.waitedMs = Math.max(0, (job.startedAtMs ?? 0) - job.dueAtMs);
    const renewMs = host.leaseMs / RENEWALS_PER_LEASE;
    this.#renewal = host.timers.after(renewMs, () => void this.#renew(renewMs));
    const { timeoutMs } = runner;
    this.#timeout = timeoutMs === null
      ? null
      : host.timers.after(timeoutMs, () => this.#abort(new JobTimeoutError(timeoutMs)));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls the runner. Never rejects. */
  async start(): Promise<void> {
    const { stories } = this.#host;
    stories.begin(this.#job);
    stories.note(this.id, "started", { attempt: this.attempt, waitedMs: Math.round(this.waitedMs) });
    let outcome: Outcome;
    try {
      outcome = { kind: "value", value: await this.runner.runner.run(inputOf(this.#job), this) };
    } catch (error) {
      outcome = { kind: "error", error };
    }
    await this.#settle(outcome);
    this.#host.freed(this);
  }

  /** The job was cancelled. */
  cancel(): void {
    this.#abort(new JobCancelledError());
  }

  /** The lease is over, and the job was taken away. */
  expire(): void {
    this.#lose(new StaleClaimError(this.id, "Cannot go on with"));
  }

  /** The service stops: the runner has the grace period to end, then the job goes back to the queue. */
  stop(): void {
    this.#abort(new JobsStoppingError());
  }

  /** See `JobContext`; may be taken apart from the context. */
  readonly progress = (value: unknown): Promise<void> => heard(this.#noteProgress(value));

  /** See `JobContext`; may be taken apart from the context. */
  readonly output = (value: unknown): Promise<void> => heard(this.#tell(value));

  async #tell(value: unknown): Promise<void> {
    this.#assertOpen();
    await this.#host.stories.tell(this.id, "output", value);
  }

  async #noteProgress(value: unknown): Promise<void> {
    this.#assertOpen();
    this.#progress = jsonOf(value);
    if (this.#host.clock.now() - this.#progressToldMs >= PROGRESS_INTERVAL_MS) await this.#tellProgress();
  }

  async #tellProgress(): Promise<void> {
    const text = this.#progress;
    if (text === null) return;
    this.#progress = null;
    this.#progressToldMs = this.#host.clock.now();
    try {
      const job = await this.#host.store.progress(this.id, this.#token, text);
      if (job.isCancelRequested) this.cancel();
    } catch (error) {
      if (error instanceof StaleClaimError) this.#lose(error);
      throw error;
    }
    // A store may answer this after what was asked later: the story may be over, or somebody else's.
    if (!this.#isSettled && !this.#isLost) this.#host.stories.note(this.id, "progress", text);
  }

  /** What a runner says after its job's end is not told. */
  #assertOpen(): void {
    if (this.#isSettled || this.#isLost) {
      throw this.signal.aborted ? this.signal.reason : new StaleClaimError(this.id, "Cannot tell of");
    }
  }

  async #renew(renewMs: number): Promise<void> {
    try {
      const job = await this.#host.store.renew(this.id, this.#token, this.#host.leaseMs);
      if (job.isCancelRequested) this.cancel();
    } catch (error) {
      if (this.#isSettled) return;
      if (error instanceof StaleClaimError) return this.#lose(error);
      this.#host.storeFailed(error);
    }
    if (!this.#isSettled) this.#renewal.reset(renewMs);
  }

  /** Somebody else has the job, or it is over. */
  #lose(error: StaleClaimError): void {
    if (this.#isLost || this.#isSettled) return;
    this.#isLost = true;
    this.#host.storeFailed(error);
    this.#abort(error);
  }

  #abort(reason: Error): void {
    if (this.#isSettled || this.signal.aborted) return;
    this.#grace = this.#host.timers.after(this.#host.abortGraceMs, () => {
      if (this.#isSettled) return;
      this.isAbandoned = true;
      void this.#settle({ kind: "abandoned", error: reason });
    });
    this.#controller.abort(reason);
  }

  async #settle(outcome: Outcome): Promise<void> {
    if (this.#isSettled) return;
    if (!this.#isLost) await this.#tellProgress().catch((error) => this.#host.storeFailed(error));
    if (this.#isSettled) return; // The grace period was over meanwhile.
    this.#isSettled = true;
    let job: JobRecord | null = null;
    try {
      if (!this.#isLost) job = await this.#report(outcome);
      if (job !== null) this.#tellEnd(job, outcome);
    } catch (error) {
      this.#host.storeFailed(error);
    }
    this.#renewal.cancel();
    this.#timeout?.cancel();
    this.#grace?.cancel();
    this.#host.settled(this, job);
  }

  /** Tells the store how it ended. */
  async #report(outcome: Outcome): Promise<JobRecord> {
    const { store } = this.#host;
    if (outcome.kind === "value") {
      try {
        return await store.complete(this.id, this.#token, jsonOf(outcome.value ?? null));
      } catch (error) {
        if (!(error instanceof JobTooLargeError || error instanceof TypeError)) throw error;
        return await store.fail(this.id, this.#token, failureOf(error), null);
      }
    }
    const { reason } = this.signal;
    if (reason instanceof JobsStoppingError) return await store.release(this.id, this.#token);
    const error = reason instanceof JobTimeoutError ? reason : outcome.error;
    const isFinal = error instanceof JobRejectedError;
    return await store.fail(this.id, this.#token, failureOf(error), isFinal ? null : this.#backoffMs());
  }

  #backoffMs(): number {
    const { runner } = this.runner;
    const ms = runner.backoffMs?.(this.attempt) ?? backoffMs(this.attempt, Math.random());
    return ms >= 0 && ms <= DELAY_MAX_MS ? ms : 0;
  }

  /** Tells the story's end, or that it goes on. */
  #tellEnd(job: JobRecord, outcome: Outcome): void {
    const { stories, clock } = this.#host;
    const { attempt, failure, result, state } = job;
    const ranMs = Math.round(clock.now() - this.startedMs);
    if (state === "done") stories.end(this.id, "done", `{"result":${result},"ranMs":${ranMs}}`);
    if (state === "failed") stories.end(this.id, "failed", { ...failure, attempt, ranMs });
    if (state === "cancelled") stories.end(this.id, "cancelled", { how: howOf(outcome), ranMs });
    if (state === "queued") {
      const dueAt = new Date(job.dueAtMs).toISOString();
      stories.note(this.id, "queued", { id: this.id, runner: job.runner, attempt, dueAt, failure });
    }
  }
}

/** How a cancelled job was stopped: what its pool says, or what was seen of its runner. */
function howOf(outcome: Outcome): string {
  if (outcome.kind === "value") return "finished";
  if (outcome.kind === "abandoned") return "abandoned";
  const { error } = outcome;
  return error instanceof Error && "how" in error && typeof error.how === "string" ? error.how : "stopped";
}

/** What is kept of what was thrown. */
function failureOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "SLUICE_JOB_FAILED", message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : "SLUICE_JOB_FAILED";
  return { code, message: error.message };
}

/** The JSON of a value. @throws TypeError where there is none */
function jsonOf(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError("Cannot keep the value: it has no JSON");
  return text;
}

/** A promise whose rejection counts as heard, whether its caller waits for it or not. */
function heard(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}
