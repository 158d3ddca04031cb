/**
 * What the tests of the job store's contract share: a store under test, and short ways to enqueue and claim.
 */
import { assert } from "@std/assert";
import type { JobClaim, JobRecord, JobState, JobStore, NewJob } from "../../../server/jobs/job_store.ts";

/** How a store under test must be bounded. */
export const SMALL = {
  queuedMax: 20,
  bytesMax: 100_000,
  inputBytesMax: 8_000,
  resultBytesMax: 8_000,
  progressBytesMax: 1_000,
  finishedMax: 10,
  finishedAgeMs: 60_000,
} as const;

/** A store under test and what can be done to it from outside. */
export interface JobStoreUnderTest {
  /** The store, bounded as `SMALL`. */
  readonly store: JobStore;
  /** Lets that much time pass for the store. */
  advance(ms: number): Promise<void>;
  /** The time it goes by, milliseconds. */
  nowMs(): number;
  /** Sets the clock; only for a store that goes by wall time. */
  setWall?(wallMs: number): void;
  /** What it says that its jobs count for, if it says so. */
  bytes?(): number;
}

/** One kind of store. */
export interface JobStoreKind {
  /** Name of the kind, to begin the tests' names. */
  readonly name: string;
  /** Opens an empty store. */
  open(): Promise<JobStoreUnderTest>;
}

/** How tests are registered. */
export type Register = (name: string, run: (under: JobStoreUnderTest) => Promise<void>) => void;

/** Of every claim. */
export const LEASE_MS = 10_000;
/** Of every attempt that fails. */
export const FAILURE = { code: "TEST", message: "it did not work" };
/** What a job is when it is over. */
export const OVER: readonly JobState[] = ["done", "failed", "cancelled"];

/** Enqueues a job. */
export async function add(store: JobStore, job: Partial<NewJob> = {}): Promise<JobRecord> {
  return (await store.enqueue({ runner: "r", input: "{}", ...job })).job;
}

/** Claims a job that must be there. */
export async function take(store: JobStore, runners: readonly string[] = ["r"]): Promise<JobClaim> {
  const claim = await store.claim(runners, LEASE_MS);
  assert(claim !== null, "no job is due");
  return claim;
}

/** A call that rejects where a store throws. */
export const call = async <T>(ask: () => T | Promise<T>): Promise<T> => await ask();

/** Where a job is. */
export async function stateOf(store: JobStore, id: string): Promise<JobState | null> {
  return (await store.get(id))?.state ?? null;
}

/** Ids of all jobs, as pages give them. */
export async function listed(store: JobStore, query: { state?: JobState; runner?: string } = {}, limit = 3) {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.list({ ...query, limit, ...(cursor !== null && { cursor }) });
    assert(page.jobs.length <= limit);
    ids.push(...page.jobs.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== null);
  return ids;
}
