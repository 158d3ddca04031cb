/**
 * What runs jobs: a function for each kind of job, and how many of them may be at work at once. Types only, but for the
 * defaults.
 *
 * A job that waits (for a token, a row, another server) is an async function and costs a few kilobytes: ten thousand of them are
 * fine on one thread. A job that computes belongs on a pool, with as many slots as the pool has workers; see
 * `streamRunner`. They do not share slots, so neither starves the other.
 *
 * @module
 */
import type { JobRecord } from "./job_store.ts";
import { ATTEMPTS_MAX, isRunnerName } from "./new_job.ts";

/** What a runner is told about its job, and tells. */
export interface JobContext {
  /** The job's id. */
  readonly id: string;
  /** Which attempt this is, from 1 on. */
  readonly attempt: number;
  /**
   * Aborts when the runner is to stop: the job was cancelled, its time is over, its claim was lost, or the service stops. Its
   * reason says which.
   */
  readonly signal: AbortSignal;
  /**
   * Says how far the job is; the latest is kept with it. At most ten a second are told, the last one always.
   *
   * @param value anything that has a JSON
   * @returns when it is noted; need not be awaited
   * @throws (rejects with) JobTooLargeError, TypeError for a value without a JSON
   */
  progress(value: unknown): Promise<void>;
  /**
   * Adds to the job's output: an event of its stream.
   *
   * @param value a string goes as it is, anything else as its JSON
   * @returns when it is in the log: await it, so that a log that is slow slows the runner down
   * @throws (rejects with) HubLimitError for what is too large, TypeError for a value without a JSON
   */
  output(value: unknown): Promise<void>;
}

/** How one kind of job is run. */
export interface JobRunner {
  /**
   * Runs one attempt.
   *
   * @param input what was enqueued, from its JSON
   * @param context signal, progress, output
   * @returns the result: anything that has a JSON; `undefined` is taken for `null`
   * @throws what makes the attempt fail; it is repeated while attempts are left, but for a `JobRejectedError`
   */
  run(input: unknown, context: JobContext): Promise<unknown>;
  /**
   * Checks an input before it is enqueued.
   *
   * @throws TypeError or RangeError with what is wrong, for the client
   */
  check?(input: unknown): void;
  /** Jobs at work at once; the others wait in the store. Default 10,000, for jobs that wait. */
  readonly concurrencyMax?: number;
  /** Attempts of a job. Default 1: only who wrote the runner knows whether it may be repeated. */
  readonly attemptsMax?: number;
  /** How long one attempt may take, milliseconds; `null` for ever. Default 600,000. */
  readonly timeoutMs?: number | null;
  /** How long to wait after an attempt failed, milliseconds, given its number. Default a second, doubled each time up to a minute, less up to half of it by chance. */
  backoffMs?(attempt: number): number;
}

/** A runner with every value there. */
export interface ResolvedRunner {
  readonly name: string;
  readonly runner: JobRunner;
  readonly concurrencyMax: number;
  readonly attemptsMax: number;
  readonly timeoutMs: number | null;
}

/** Default of `JobRunner.concurrencyMax`: the number of token streams that one thread is meant to hold. */
const CONCURRENCY_MAX = 10_000;
/** Default of `JobRunner.timeoutMs`: ten minutes, longer than any answer of a model and than anybody watches. */
const TIMEOUT_MS = 600_000;
/** Wait after the first failed attempt: most causes that pass by themselves have passed. */
const BACKOFF_MS = 1_000;
/** The longest wait: who is down for longer is not helped by more. */
const BACKOFF_MAX_MS = 60_000;

/** The default of `JobRunner.backoffMs`. @param attempt from 1 on @param random 0 to 1 */
export function backoffMs(attempt: number, random: number): number {
  const fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** Math.min(attempt - 1, 16));
  return fullMs * (1 - random / 2);
}

/**
 * Checks runners and fills in the defaults.
 *
 * @param runners by name
 * @throws TypeError for a name no runner may have, or what is no runner; RangeError for a number out of range
 */
export function resolveRunners(runners: Readonly<Record<string, JobRunner>>): Map<string, ResolvedRunner> {
  return new Map(Object.entries(runners).map(([name, runner]) => [name, resolveRunner(name, runner)]));
}

function resolveRunner(name: string, runner: JobRunner): ResolvedRunner {
  if (!isRunnerName(name)) {
    throw new TypeError(
      `Cannot use ${JSON.stringify(name)} as a runner's name: 1 to 64 of A-Z a-z 0-9 . _ -`,
    );
  }
  if (typeof runner?.run !== "function") throw new TypeError(`Cannot run jobs by "${name}": it has no run()`);
  const { concurrencyMax = CONCURRENCY_MAX, attemptsMax = 1, timeoutMs = TIMEOUT_MS } = runner;
  const isWhole = (value: number, max: number) => Number.isSafeInteger(value) && value >= 1 && value <= max;
  if (!isWhole(concurrencyMax, Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`Cannot use ${concurrencyMax} as concurrencyMax of "${name}"`);
  }
  if (!isWhole(attemptsMax, ATTEMPTS_MAX)) {
    throw new RangeError(`Cannot use ${attemptsMax} as attemptsMax of "${name}": 1 to ${ATTEMPTS_MAX}`);
  }
  if (timeoutMs !== null && !(timeoutMs > 0 && timeoutMs < Infinity)) {
    throw new RangeError(`Cannot use ${timeoutMs} as timeoutMs of "${name}": a finite number above 0`);
  }
  return { name, runner, concurrencyMax, attemptsMax, timeoutMs };
}

/** The part of a job's record that its runner's input is made from. @param job as claimed */
export function inputOf(job: JobRecord): unknown {
  return JSON.parse(job.input);
}
