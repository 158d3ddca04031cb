/**
 * A job store in memory: fast, bounded, and gone with the process.
 *
 * Strategy: every job is in one heap at most: by due time while it must wait, by the order of claims once it is due
 * (one heap for each runner), by the end of its lease while it runs. Jobs that are over stand in the order in which they ended,
 * and go from its front. Time goes by the clock's monotonic time, so a wall clock that is set moves no job.
 *
 * What bounds it, and what happens then:
 * - `queuedMax` jobs that wait, `bytesMax` of all jobs: `JobQueueFullError`; for the latter, jobs that are over go first.
 * - `inputBytesMax`, `resultBytesMax`, `progressBytesMax`: `JobTooLargeError`.
 * - `finishedMax`, `finishedAgeMs`: jobs that are over go, the oldest first, and with them their keys.
 * - a failure's message: cut after `MESSAGE_LENGTH_MAX`.
 *
 * @module
 */
import type { Clock } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import {
  JobKeyReusedError,
  JobQueueFullError,
  JobStoreClosedError,
  JobTooLargeError,
  StaleClaimError,
} from "./errors.ts";
import { isClaimedBefore, isDueBefore, isExpiredBefore, JobEntry } from "./job_entry.ts";
import { JobHeap } from "./job_heap.ts";
import { JobListing } from "./job_listing.ts";
import type {
  JobClaim,
  JobFailure,
  JobPage,
  JobQuery,
  JobRecord,
  JobState,
  JobStore,
  NewJob,
} from "./job_store.ts";
import {
  checkDelay,
  checkLease,
  checkNewJob,
  hasMoreBytes,
  isSameJob,
  MESSAGE_LENGTH_MAX,
  newJobId,
} from "./new_job.ts";

/** Bounds of a `MemoryJobStore`. All are whole numbers from 1 on. */
export interface MemoryJobStoreOptions {
  /** Jobs that wait, for their time or for a worker. Default 16,384. */
  readonly queuedMax?: number;
  /** Bytes of all jobs together, `JOB_OVERHEAD_BYTES` a job included. Default 64 MiB. */
  readonly bytesMax?: number;
  /** Bytes of an input. Default 64 KiB: larger things are better named than carried. */
  readonly inputBytesMax?: number;
  /** Bytes of a result. Default 64 KiB. */
  readonly resultBytesMax?: number;
  /** Bytes of a progress report. Default 4 KiB. */
  readonly progressBytesMax?: number;
  /** Jobs kept that are over. Default 1,024. */
  readonly finishedMax?: number;
  /** How long they are kept, milliseconds; `null` for as long as there is room. Default 3,600,000. */
  readonly finishedAgeMs?: number | null;
  /** What time is read from. Default the machine's clock. */
  readonly clock?: Pick<Clock, "now" | "wallMs">;
}

/** Jobs that one call of `expire` moves at most, so that the loop goes on. */
const EXPIRE_MAX = 256;
/** The bounds of a job store. */
export type StoreSettings = { readonly [Name in Exclude<keyof MemoryJobStoreOptions, "clock">]-?: number };

/** Bounds with their defaults, `Infinity` for those switched off. @throws RangeError for one that is no whole number from 1 on */
export function storeSettings(options: MemoryJobStoreOptions): StoreSettings {
  const { finishedAgeMs = 3_600_000 } = options;
  return {
    queuedMax: bound("queuedMax", options.queuedMax ?? 16_384),
    bytesMax: bound("bytesMax", options.bytesMax ?? 64 * 1024 * 1024),
    inputBytesMax: bound("inputBytesMax", options.inputBytesMax ?? 64 * 1024),
    resultBytesMax: bound("resultBytesMax", options.resultBytesMax ?? 64 * 1024),
    progressBytesMax: bound("progressBytesMax", options.progressBytesMax ?? 4 * 1024),
    finishedMax: bound("finishedMax", options.finishedMax ?? 1_024),
    finishedAgeMs: finishedAgeMs === null ? Infinity : bound("finishedAgeMs", finishedAgeMs),
  };
}

/**
 * A `JobStore` in memory. Every method answers at once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryJobStore } from "@sluice/kit/server";
 *
 * const store = new MemoryJobStore();
 * const { job } = store.enqueue({ runner: "double", input: "21", key: "order-7" });
 * assertEquals(store.enqueue({ runner: "double", input: "21", key: "order-7" }).job.id, job.id);
 *
 * const claim = store.claim(["double"], 30_000)!;
 * const result = JSON.stringify(2 * JSON.parse(claim.job.input));
 * store.complete(claim.job.id, claim.token, result);
 * assertEquals(store.get(job.id)?.result, "42");
 * ```
 */
export class MemoryJobStore implements JobStore {
  readonly #settings: StoreSettings;
  readonly #clock: Pick<Clock, "now" | "wallMs">;
  readonly #jobs = new Map<string, JobEntry>();
  readonly #keys = new Map<string, JobEntry>();
  /** Jobs that are queued and not due. */
  readonly #delayed = new JobHeap<JobEntry>(isDueBefore);
  /** Jobs that are queued and due, by runner; only of runners that have some. */
  readonly #due = new Map<string, JobHeap<JobEntry>>();
  /** Jobs that run. */
  readonly #leases = new JobHeap<JobEntry>(isExpiredBefore);
  /** Jobs that are over, in the order in which they ended. */
  readonly #finished = new Set<JobEntry>();
  readonly #listing = new JobListing();
  readonly #listeners = new Set<() => void>();
  readonly #counts: Record<JobState, number> = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  #bytes = 0;
  #order = 0;
  #token = 0;
  #isClosed = false;

  /** Makes an empty store. @param options bounds @throws RangeError for a bound that is no whole number from 1 on */
  constructor(options: MemoryJobStoreOptions = {}) {
    this.#settings = storeSettings(options);
    this.#clock = options.clock ?? new SystemClock();
  }

  /** Bytes that its jobs count for. */
  get bytes(): number {
    return this.#bytes;
  }

  /** See `JobStore.enqueue`. */
  enqueue(job: NewJob): { readonly job: JobRecord; readonly isNew: boolean } {
    this.#open("Cannot enqueue");
    const spec = checkNewJob(job, this.#settings.inputBytesMax);
    this.#forgetOld();
    const existing = spec.key === null ? undefined : this.#keys.get(spec.key);
    if (existing !== undefined) {
      const record = existing.record();
      if (!isSameJob(spec, record)) throw new JobKeyReusedError(spec.key!);
      return { job: record, isNew: false };
    }
    const { queuedMax } = this.#settings;
    if (this.#counts.queued >= queuedMax) throw new JobQueueFullError("queuedMax", queuedMax);
    const entry = new JobEntry(newJobId(), this.#order + 1, spec, this.#clock.now(), this.#clock.wallMs());
    this.#makeRoom(entry.weight);
    this.#order++;
    this.#bytes += entry.weight;
    this.#jobs.set(entry.id, entry);
    if (spec.key !== null) this.#keys.set(spec.key, entry);
    this.#listing.add(entry);
    this.#counts.queued++;
    this.#queue(entry);
    return { job: entry.record(), isNew: true };
  }

  /** See `JobStore.claim`. */
  claim(runners: readonly string[], leaseMs: number): JobClaim | null {
    this.#open("Cannot claim");
    checkLease(leaseMs);
    this.#fallDue();
    let first: JobEntry | undefined;
    for (const runner of runners) {
      const entry = this.#due.get(runner)?.first;
      if (entry !== undefined && (first === undefined || isClaimedBefore(entry, first))) first = entry;
    }
    if (first === undefined) return null;
    this.#unqueue(first);
    this.#move(first, "running");
    first.attempt++;
    first.token = ++this.#token;
    first.startedWallMs = this.#clock.wallMs();
    first.leaseEndMs = this.#clock.now() + leaseMs;
    this.#leases.add(first);
    return { job: first.record(), token: first.token };
  }

  /** See `JobStore.renew`. */
  renew(id: string, token: number, leaseMs: number): JobRecord {
    const entry = this.#claimed(id, token, "Cannot renew");
    checkLease(leaseMs);
    this.#leases.remove(entry);
    entry.leaseEndMs = this.#clock.now() + leaseMs;
    this.#leases.add(entry);
    return entry.record();
  }

  /** See `JobStore.progress`. */
  progress(id: string, token: number, progress: string): JobRecord {
    const entry = this.#claimed(id, token, "Cannot note the progress of");
    this.#checkSize("progress", progress, this.#settings.progressBytesMax);
    this.#bytes += progress.length - (entry.progress?.length ?? 0);
    entry.progress = progress;
    return entry.record();
  }

  /** See `JobStore.complete`. */
  complete(id: string, token: number, result: string): JobRecord {
    const entry = this.#claimed(id, token, "Cannot complete");
    this.#checkSize("result", result, this.#settings.resultBytesMax);
    this.#unclaim(entry);
    if (!entry.isCancelRequested) {
      this.#bytes -= entry.weight;
      entry.result = result;
      entry.failure = null;
      this.#bytes += entry.weight;
    }
    return this.#finish(entry, entry.isCancelRequested ? "cancelled" : "done");
  }

  /** See `JobStore.fail`. */
  fail(id: string, token: number, failure: JobFailure, retryDelayMs: number | null): JobRecord {
    const entry = this.#claimed(id, token, "Cannot fail");
    if (retryDelayMs !== null) checkDelay(retryDelayMs);
    this.#unclaim(entry);
    return this.#failed(entry, failure, retryDelayMs);
  }

  /** See `JobStore.release`. */
  release(id: string, token: number): JobRecord {
    const entry = this.#claimed(id, token, "Cannot release");
    this.#unclaim(entry);
    if (entry.isCancelRequested) return this.#finish(entry, "cancelled");
    entry.attempt--;
    return this.#requeue(entry, 0);
  }

  /** See `JobStore.cancel`. */
  cancel(id: string): JobRecord | null {
    this.#open("Cannot cancel");
    const entry = this.#find(id);
    if (entry === undefined) return null;
    if (entry.state === "running") entry.isCancelRequested = true;
    if (entry.state !== "queued") return entry.record();
    this.#unqueue(entry);
    return this.#finish(entry, "cancelled");
  }

  /** See `JobStore.expire`. */
  expire(): readonly JobRecord[] {
    this.#open("Cannot expire");
    const nowMs = this.#clock.now();
    const moved: JobRecord[] = [];
    for (let entry = this.#leases.first; entry !== undefined; entry = this.#leases.first) {
      if (entry.leaseEndMs > nowMs || moved.length === EXPIRE_MAX) break;
      this.#unclaim(entry);
      const message = "Cannot go on with the job: its worker was silent for longer than its lease";
      moved.push(this.#failed(entry, { code: "SLUICE_JOB_LEASE_EXPIRED", message }, 0));
    }
    return moved;
  }

  /** See `JobStore.get`. */
  get(id: string): JobRecord | null {
    this.#open("Cannot get");
    return this.#find(id)?.record() ?? null;
  }

  /** See `JobStore.list`. */
  list(query: JobQuery): JobPage {
    this.#open("Cannot list");
    this.#forgetOld();
    return this.#listing.page(query);
  }

  /** See `JobStore.counts`. */
  counts(): Readonly<Record<JobState, number>> {
    this.#open("Cannot count");
    this.#forgetOld();
    return { ...this.#counts };
  }

  /** See `JobStore.nextDelayMs`. */
  nextDelayMs(runners: readonly string[]): number | null {
    this.#open("Cannot tell the next job");
    this.#fallDue();
    if (runners.some((runner) => this.#due.has(runner))) return 0;
    const nextMs = Math.min(
      this.#delayed.first?.dueMs ?? Infinity,
      this.#leases.first?.leaseEndMs ?? Infinity,
    );
    return nextMs === Infinity ? null : Math.max(0, nextMs - this.#clock.now());
  }

  /** See `JobStore.watch`. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Drops everything. Idempotent. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const map of [this.#jobs, this.#keys, this.#due, this.#finished, this.#listeners]) map.clear();
    this.#listing.clear();
    this.#bytes = 0;
    return Promise.resolve();
  }

  #open(doing: string): void {
    if (this.#isClosed) throw new JobStoreClosedError(doing);
  }

  /** A job that is kept still. */
  #find(id: string): JobEntry | undefined {
    this.#forgetOld();
    return this.#jobs.get(id);
  }

  /** The job, if the claim holds. */
  #claimed(id: string, token: number, doing: string): JobEntry {
    this.#open(doing);
    const entry = this.#jobs.get(id);
    if (entry === undefined || entry.state !== "running" || entry.token !== token) {
      throw new StaleClaimError(id, doing);
    }
    return entry;
  }

  #checkSize(part: "result" | "progress", text: string, bytesMax: number): void {
    if (hasMoreBytes(text, bytesMax)) throw new JobTooLargeError(part, bytesMax);
  }

  #move(entry: JobEntry, state: JobState): void {
    this.#counts[entry.state]--;
    this.#counts[state]++;
    entry.state = state;
  }

  #unclaim(entry: JobEntry): void {
    this.#leases.remove(entry);
    entry.token = 0;
  }

  /** What follows from a failure: another attempt, or none. */
  #failed(entry: JobEntry, { code, message }: JobFailure, retryDelayMs: number | null): JobRecord {
    this.#bytes -= entry.weight;
    entry.failure = { code, message: message.slice(0, MESSAGE_LENGTH_MAX) };
    this.#bytes += entry.weight;
    if (entry.isCancelRequested) return this.#finish(entry, "cancelled");
    if (retryDelayMs === null || entry.attempt >= entry.spec.attemptsMax) {
      return this.#finish(entry, "failed");
    }
    return this.#requeue(entry, retryDelayMs);
  }

  #requeue(entry: JobEntry, delayMs: number): JobRecord {
    entry.dueMs = this.#clock.now() + delayMs;
    entry.dueWallMs = this.#clock.wallMs() + delayMs;
    this.#move(entry, "queued");
    this.#queue(entry);
    return entry.record();
  }

  #queue(entry: JobEntry): void {
    if (entry.dueMs > this.#clock.now()) this.#delayed.add(entry);
    else this.#addDue(entry);
    for (const listener of this.#listeners) listener();
  }

  #addDue(entry: JobEntry): void {
    const { runner } = entry.spec;
    let heap = this.#due.get(runner);
    if (heap === undefined) this.#due.set(runner, heap = new JobHeap(isClaimedBefore));
    entry.isDue = true;
    heap.add(entry);
  }

  #unqueue(entry: JobEntry): void {
    const { runner } = entry.spec;
    const heap = this.#due.get(runner);
    if (entry.isDue) heap!.remove(entry);
    else this.#delayed.remove(entry);
    entry.isDue = false;
    if (heap?.size === 0) this.#due.delete(runner);
  }

  /** Moves jobs whose time has come to those that can be claimed. */
  #fallDue(): void {
    const nowMs = this.#clock.now();
    for (let entry = this.#delayed.first; entry !== undefined; entry = this.#delayed.first) {
      if (entry.dueMs > nowMs) return;
      this.#delayed.remove(entry);
      this.#addDue(entry);
    }
  }

  #finish(entry: JobEntry, state: "done" | "failed" | "cancelled"): JobRecord {
    this.#move(entry, state);
    entry.finishedMs = this.#clock.now();
    entry.finishedWallMs = this.#clock.wallMs();
    const record = entry.record();
    this.#finished.add(entry);
    const { finishedMax, bytesMax } = this.#settings;
    while (this.#finished.size > finishedMax || (this.#bytes > bytesMax && this.#finished.size > 1)) {
      this.#forgetOldest();
    }
    return record;
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.now() - this.#settings.finishedAgeMs;
    for (const { finishedMs } of this.#finished) {
      if (finishedMs >= oldestMs) return;
      this.#forgetOldest();
    }
  }

  /** Makes room for so many bytes, by jobs that are over; none of them goes if all together are not enough. */
  #makeRoom(bytes: number): void {
    const { bytesMax } = this.#settings;
    let surplus = this.#bytes + bytes - bytesMax;
    let count = 0;
    for (const { weight } of this.#finished) {
      if (surplus <= 0) break;
      surplus -= weight;
      count++;
    }
    if (surplus > 0) throw new JobQueueFullError("bytesMax", bytesMax);
    for (; count > 0; count--) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const entry of this.#finished) {
      this.#finished.delete(entry);
      this.#jobs.delete(entry.id);
      if (entry.spec.key !== null) this.#keys.delete(entry.spec.key);
      this.#listing.remove(entry);
      this.#counts[entry.state]--;
      this.#bytes -= entry.weight;
      return;
    }
  }
}

function bound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`Cannot use ${value} as ${name}: it must be a whole number from 1 on`);
}
