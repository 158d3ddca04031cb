/**
 * What job stores and the jobs service refuse, one class per reason.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";

/** Base of what can go wrong with jobs. */
export class JobError extends SluiceError {
  /** Status a server answers with. */
  readonly status: number;
  /** Makes the error. @param code `SLUICE_JOB_…` @param message for people @param status of an HTTP response */
  constructor(code: string, message: string, status: number, options?: ErrorOptions) {
    super(code, message, options);
    this.status = status;
  }
}

/** As many jobs wait as may, or all jobs together have as many bytes as may be kept. */
export class JobQueueFullError extends JobError {
  /** Which bound was reached. */
  readonly limit: "queuedMax" | "bytesMax";
  /** The bound. */
  readonly max: number;
  /** Makes the error. @param limit which bound @param max the bound */
  constructor(limit: "queuedMax" | "bytesMax", max: number) {
    const what = limit === "queuedMax" ? `${max} jobs are waiting` : `all jobs together have ${max} bytes`;
    super("SLUICE_JOB_QUEUE_FULL", `Cannot enqueue: ${what}, as many as may`, 503);
    this.limit = limit;
    this.max = max;
  }
}

/** A job's input, result or progress is too large. */
export class JobTooLargeError extends JobError {
  /** Which part. */
  readonly part: "input" | "result" | "progress";
  /** The bound, bytes. */
  readonly bytesMax: number;
  /** Makes the error. @param part of the job @param bytesMax the bound */
  constructor(part: "input" | "result" | "progress", bytesMax: number) {
    super("SLUICE_JOB_TOO_LARGE", `Cannot keep a job's ${part}: it has more than ${bytesMax} bytes`, 413);
    this.part = part;
    this.bytesMax = bytesMax;
  }
}

/** The idempotency key names another job. */
export class JobKeyReusedError extends JobError {
  /** The key. */
  readonly key: string;
  /** Makes the error. @param key the key */
  constructor(key: string) {
    super(
      "SLUICE_JOB_KEY_REUSED",
      `Cannot enqueue: the idempotency key ${JSON.stringify(key)} was used for another job`,
      422,
    );
    this.key = key;
  }
}

/** The job is not, or no longer, this worker's. */
export class StaleClaimError extends JobError {
  /** The job. */
  readonly id: string;
  /** Makes the error. @param id the job @param doing what was asked, as in "Cannot complete" */
  constructor(id: string, doing: string) {
    super("SLUICE_JOB_STALE_CLAIM", `${doing} job ${id}: this claim of it does not hold (any more)`, 409);
    this.id = id;
  }
}

/** The store was closed. */
export class JobStoreClosedError extends JobError {
  /** Makes the error. @param doing what was asked, as in "Cannot enqueue" */
  constructor(doing: string) {
    super("SLUICE_JOB_STORE_CLOSED", `${doing}: the job store is closed`, 503);
  }
}

/** No runner of that name is here. */
export class UnknownRunnerError extends JobError {
  /** The name. */
  readonly runner: string;
  /** Makes the error. @param runner the name @param known those there are */
  constructor(runner: string, known: readonly string[]) {
    super(
      "SLUICE_JOB_UNKNOWN_RUNNER",
      `Cannot enqueue: there is no runner ${JSON.stringify(runner.slice(0, 100))}, but: ${known.join(", ")}`,
      400,
    );
    this.runner = runner;
  }
}

/** A job is not to be repeated: thrown by a runner, or made of an input that it refuses. */
export class JobRejectedError extends JobError {
  /** Makes the error. @param why for the client */
  constructor(why: string, options?: ErrorOptions) {
    super("SLUICE_JOB_REJECTED", `Cannot run the job: ${why}`, 400, options);
  }
}

/** The job was cancelled; the reason of its signal. */
export class JobCancelledError extends JobError {
  /** Takes no detail. */
  constructor() {
    super("SLUICE_JOB_CANCELLED", "Cannot go on with the job: it was cancelled", 409);
  }
}

/** The attempt took too long; the reason of its signal. */
export class JobTimeoutError extends JobError {
  /** How long it was given, milliseconds. */
  readonly timeoutMs: number;
  /** Makes the error. @param timeoutMs how long it was given */
  constructor(timeoutMs: number) {
    super("SLUICE_JOB_TIMEOUT", `Cannot go on with the job: not done within ${timeoutMs} ms`, 504);
    this.timeoutMs = timeoutMs;
  }
}

/** The service stops; the job goes back to the queue; the reason of its signal. */
export class JobsStoppingError extends JobError {
  /** Makes the error. @param doing what was asked or is broken off */
  constructor(doing = "Cannot go on with the job") {
    super("SLUICE_JOBS_STOPPING", `${doing}: the jobs service is stopping`, 503);
  }
}
