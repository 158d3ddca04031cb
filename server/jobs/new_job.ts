/**
 * Checks a job that is to be enqueued, for every store alike, and fills in the defaults.
 *
 * @module
 */
import { JobTooLargeError } from "./errors.ts";
import type { JobRecord, NewJob } from "./job_store.ts";

/** A `NewJob` with every value there. */
export type CheckedJob = Required<NewJob>;

/** Names of runners: safe in a URL, a label and a subject of other brokers; 64 characters as of a function's name. */
const RUNNER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Keys: what a header carries unchanged, long enough for any scheme of ids. */
const KEY = /^[\x21-\x7e]{1,255}$/;
/** The highest priority: one digit; more levels than anybody keeps apart. */
export const PRIORITY_MAX = 9;
/** Attempts: with a backoff of a minute, two hours. */
export const ATTEMPTS_MAX = 100;
/** The longest delay, milliseconds: a year, within what dates and timers of every store can tell. */
export const DELAY_MAX_MS: number = 366 * 24 * 3_600_000;

/** Characters of a failure's message that are kept: a stack's worth. */
export const MESSAGE_LENGTH_MAX = 4_096;
/** Characters of ids: 32, so that five random bits make one without a bias; none that people mix up. */
const ID_CHARACTERS = "0123456789abcdefghjkmnpqrstvwxyz";
/** Characters of an id: 80 random bits, which nobody guesses. */
const ID_LENGTH = 16;

const encoder = new TextEncoder();

/** Makes an id for a new job. */
export function newJobId(): string {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(ID_LENGTH))) id += ID_CHARACTERS[byte % 32];
  return id;
}

/** Whether a text has more than so many bytes in UTF-8. */
export function hasMoreBytes(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax) return true;
  return text.length * 3 > bytesMax && encoder.encode(text).length > bytesMax;
}

/** Whether a name may be a runner's. */
export function isRunnerName(name: string): boolean {
  return RUNNER_NAME.test(name);
}

/**
 * Checks a job.
 *
 * @param job as the caller gave it
 * @param inputBytesMax bytes of its input
 * @throws TypeError for a bad runner or key, or an input that is no text; RangeError for a bad number; JobTooLargeError
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkNewJob } from "./new_job.ts";
 *
 * const job = checkNewJob({ runner: "primes", input: "{}" }, 1_000);
 * assertEquals(job, { runner: "primes", input: "{}", key: null, priority: 0, delayMs: 0, attemptsMax: 1 });
 * ```
 */
export function checkNewJob(job: NewJob, inputBytesMax: number): CheckedJob {
  const { runner, input, key = null, priority = 0, delayMs = 0, attemptsMax = 1 } = job;
  if (typeof runner !== "string" || !RUNNER_NAME.test(runner)) {
    throw new TypeError(
      `Cannot enqueue: a runner's name is 1 to 64 of A-Z a-z 0-9 . _ -, not ${
        JSON.stringify(runner)?.slice(0, 100)
      }`,
    );
  }
  if (typeof input !== "string") throw new TypeError("Cannot enqueue: the input must be JSON text");
  if (key !== null && (typeof key !== "string" || !KEY.test(key))) {
    throw new TypeError("Cannot enqueue: an idempotency key is 1 to 255 printable ASCII characters");
  }
  checkWhole("priority", priority, 0, PRIORITY_MAX);
  checkWhole("attemptsMax", attemptsMax, 1, ATTEMPTS_MAX);
  checkDelay(delayMs);
  if (hasMoreBytes(input, inputBytesMax)) throw new JobTooLargeError("input", inputBytesMax);
  return { runner, input, key, priority, delayMs, attemptsMax };
}

/** Checks a delay, milliseconds. @throws RangeError unless it is from 0 to `DELAY_MAX_MS` */
export function checkDelay(delayMs: number): void {
  if (typeof delayMs === "number" && delayMs >= 0 && delayMs <= DELAY_MAX_MS) return;
  throw new RangeError(`Cannot delay a job by ${delayMs} ms: a number from 0 to ${DELAY_MAX_MS} is needed`);
}

/** Checks a lease, milliseconds. @throws RangeError unless it is finite and above 0 */
export function checkLease(leaseMs: number): void {
  if (typeof leaseMs === "number" && leaseMs > 0 && leaseMs < Infinity) return;
  throw new RangeError(`Cannot lease a job for ${leaseMs} ms: a finite number above 0 is needed`);
}

/** Whether enqueuing a job under a key that an existing one has means the same job. */
export function isSameJob(job: CheckedJob, existing: JobRecord): boolean {
  return job.runner === existing.runner && job.input === existing.input &&
    job.priority === existing.priority && job.attemptsMax === existing.attemptsMax;
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`Cannot enqueue: ${name} must be a whole number from ${min} to ${max}, not ${value}`);
}
