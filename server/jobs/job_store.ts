/**
 * The contract of a job store: where jobs wait, who has which, and what became of them. Types only.
 *
 * ```text
 * enqueue → QUEUED ⇄ RUNNING → DONE | FAILED | CANCELLED
 *              ╰────────────────────────→ CANCELLED
 * ```
 *
 * ## What every store keeps to
 *
 * - **A claim** gives a job to one worker, with a **fencing token**: a number that rises with every claim of the store and is
 *   never used twice. Whatever a worker says about the job (`renew`, `progress`, `complete`, `fail`, `release`) carries it,
 *   and is refused with `StaleClaimError` unless it is the token of the job's present claim. So a worker that
 *   was thought dead, and is not, changes nothing.
 * - **A lease** bounds how long a silent worker keeps a job: once it is over, `expire` takes the job away. Until somebody
 *   has called it, the claim holds, so that a worker that was late alone in its process loses nothing.
 * - **At least once.** A job whose worker dies runs again. An attempt is counted when it is claimed, and given back by
 *   `release` only. One whose attempts are used up is `failed`, and kept like the others that are over: the dead letters.
 * - **Order.** Of the jobs that are due, those of higher priority are claimed first, then those due first, then those
 *   enqueued first. A higher priority can starve a lower one: that is what it is for.
 * - **Cancelling** a queued job ends it at once. A running one is marked; its worker learns it from the next answer to
 *   `renew` or `progress`. From the mark on the job can only become `cancelled`, whatever its worker says.
 * - **An idempotency key** names a job: enqueuing the same again gives the job that is there, whatever its state; something
 *   else under the same key is refused. A key is kept as long as its job.
 * - **Bounds**: jobs queued, bytes of an input, result or progress, bytes in all, and how many jobs that are over are kept,
 *   and how long. Each has a stated answer.
 * - Every call is atomic. It may answer at once or by a promise; what was answered is kept as well as the store keeps
 *   anything, what was refused has changed nothing.
 *
 * `tests/contracts/job_store_contract.ts` holds all of it against every store.
 *
 * @module
 */
import type { MaybePromise } from "../log/event_log.ts";

/** Where a job is in its life. `failed` means for good. */
export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

/** A job to be enqueued. */
export interface NewJob {
  /** Who is to run it: 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  readonly runner: string;
  /** What it works on, as JSON text. */
  readonly input: string;
  /** Idempotency key, 1 to 255 printable ASCII characters; `null` for none. Default `null`. */
  readonly key?: string | null;
  /** 0 to 9, the highest first. Default 0. */
  readonly priority?: number;
  /** How long it is not to run yet, milliseconds, finite, from 0 on. Default 0. */
  readonly delayMs?: number;
  /** How often it may be claimed, a whole number from 1 to 100. Default 1. */
  readonly attemptsMax?: number;
}

/** Why an attempt failed. */
export interface JobFailure {
  /** Stable identifier, such as an error's `code`. */
  readonly code: string;
  /** For people. */
  readonly message: string;
}

/** A job, as it was when it was asked for. Times are wall time, milliseconds since the Unix epoch. */
export interface JobRecord {
  /** Its name, made by the store: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  /** See `NewJob`. */
  readonly runner: string;
  /** Where it is. */
  readonly state: JobState;
  /** See `NewJob`. */
  readonly input: string;
  /** See `NewJob`. */
  readonly key: string | null;
  /** See `NewJob`. */
  readonly priority: number;
  /** How often it was claimed. */
  readonly attempt: number;
  /** See `NewJob`. */
  readonly attemptsMax: number;
  /** When it was enqueued. */
  readonly createdAtMs: number;
  /** When it is, or was, due. */
  readonly dueAtMs: number;
  /** When it was claimed last; `null` before that. */
  readonly startedAtMs: number | null;
  /** When it was over; `null` before that. */
  readonly finishedAtMs: number | null;
  /** What its worker said last about its progress, as JSON text. */
  readonly progress: string | null;
  /** What it gave, as JSON text; only when it is done. */
  readonly result: string | null;
  /** Why the last attempt failed. */
  readonly failure: JobFailure | null;
  /** Whether it was cancelled while it was running. */
  readonly isCancelRequested: boolean;
}

/** A job that was given to a worker. */
export interface JobClaim {
  /** The job, running now. */
  readonly job: JobRecord;
  /** What the worker proves by that the job is its own. */
  readonly token: number;
}

/** Which jobs to list. */
export interface JobQuery {
  /** Only those in this state. */
  readonly state?: JobState;
  /** Only those of this runner. */
  readonly runner?: string;
  /** Where to go on: `JobPage.next` of the page before. Default from the newest on. */
  readonly cursor?: string;
  /** How many at most, a whole number from 1 on. */
  readonly limit: number;
}

/** Some jobs, the one enqueued last first. */
export interface JobPage {
  /** The jobs; may be fewer than the limit, and none, although more follow. */
  readonly jobs: readonly JobRecord[];
  /** Where the next page begins; `null` when there is none. */
  readonly next: string | null;
}

/** Where jobs are. See the module's text for the rules. */
export interface JobStore {
  /**
   * Adds a job, unless there is one of its key.
   *
   * @returns the job, and whether it is new
   * @throws TypeError or RangeError for what no job can be; JobTooLargeError; JobQueueFullError; JobKeyReusedError;
   *   JobStoreClosedError
   */
  enqueue(job: NewJob): MaybePromise<{ readonly job: JobRecord; readonly isNew: boolean }>;
  /**
   * Gives a due job to a worker.
   *
   * @param runners of which runners
   * @param leaseMs how long the worker may be silent, milliseconds above 0
   * @returns the first in order; `null` when none is due
   * @throws RangeError for a lease that is not finite and above 0; JobStoreClosedError
   */
  claim(runners: readonly string[], leaseMs: number): MaybePromise<JobClaim | null>;
  /**
   * Extends a lease, to `leaseMs` from now.
   *
   * @throws StaleClaimError; RangeError for a lease that is not finite and above 0; JobStoreClosedError
   */
  renew(id: string, token: number, leaseMs: number): MaybePromise<JobRecord>;
  /**
   * Notes how far a job is.
   *
   * @param progress JSON text
   * @throws StaleClaimError; JobTooLargeError; JobStoreClosedError
   */
  progress(id: string, token: number, progress: string): MaybePromise<JobRecord>;
  /**
   * Says that a job is done.
   *
   * @param result JSON text
   * @returns the job: `done`, or `cancelled` if it was marked
   * @throws StaleClaimError; JobTooLargeError, and the job goes on running; JobStoreClosedError
   */
  complete(id: string, token: number, result: string): MaybePromise<JobRecord>;
  /**
   * Says that an attempt failed.
   *
   * @param retryDelayMs when to try again, milliseconds from 0 on; `null` for never
   * @returns the job: `queued`, or `failed` if its attempts are used up or it is not to be tried again, or `cancelled` if
   *   it was marked
   * @throws StaleClaimError; RangeError for a bad delay; JobStoreClosedError
   */
  fail(
    id: string,
    token: number,
    failure: JobFailure,
    retryDelayMs: number | null,
  ): MaybePromise<JobRecord>;
  /**
   * Gives a job back, as if it had not been claimed.
   *
   * @returns the job: `queued`, due at once, or `cancelled` if it was marked
   * @throws StaleClaimError; JobStoreClosedError
   */
  release(id: string, token: number): MaybePromise<JobRecord>;
  /**
   * Cancels a job.
   *
   * @returns the job: `cancelled` if it was queued, `running` and marked if it was running, else as it was; `null` when there is none
   * @throws JobStoreClosedError
   */
  cancel(id: string): MaybePromise<JobRecord | null>;
  /**
   * Takes jobs away from workers whose lease is over: each becomes `queued`, due at once; or `failed` if its attempts are
   * used up; or `cancelled` if it was marked.
   *
   * @returns the jobs it moved, each to one caller only, who is to tell about it; there may be more
   * @throws JobStoreClosedError
   */
  expire(): MaybePromise<readonly JobRecord[]>;
  /** The job; `null` when there is none (any more). @throws JobStoreClosedError */
  get(id: string): MaybePromise<JobRecord | null>;
  /**
   * Lists jobs.
   *
   * @throws RangeError for a bad limit; TypeError for a cursor that no page gave; JobStoreClosedError
   */
  list(query: JobQuery): MaybePromise<JobPage>;
  /** How many jobs are in each state. @throws JobStoreClosedError */
  counts(): MaybePromise<Readonly<Record<JobState, number>>>;
  /**
   * How long nothing can happen by itself: until a job of these runners is due, or a lease is over.
   *
   * @returns milliseconds; 0 when it is so already; `null` when there is nothing to wait for
   * @throws JobStoreClosedError
   */
  nextDelayMs(runners: readonly string[]): MaybePromise<number | null>;
  /**
   * Tells when a job may have become due in another way than by time: it was enqueued, released or failed. May tell more
   * often than need be; a store that several processes share may tell only of its own.
   *
   * @param listener must not throw
   * @returns stops telling
   */
  watch(listener: () => void): () => void;
  /** Gives back what it holds; later calls throw or reject with JobStoreClosedError. Idempotent. */
  close(): Promise<void>;
}
