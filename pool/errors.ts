/**
 * The pool's errors: one class per condition, each with a stable `code` and its data as fields.
 *
 * `PoolError` stands beside `SluiceError` of the io layer: neither layer imports the other, and `code` means the same.
 *
 * @module
 */
import type { StopKind } from "./pool_contract.ts";

/** Base of every error the pool makes: `code` is stable across versions and runtimes, `message` is for people. */
export class PoolError extends Error {
  /** Stable identifier, `SLUICE_…`. */
  readonly code: string;
  /** Makes an error; `options.cause` is kept. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** What a task threw, as its worker told it. */
export interface RemoteError {
  /** The error's `name`, or the type of what was thrown. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
  /** Its stack in the worker. */
  readonly stack: string;
  /** Its `code`, if it had one. */
  readonly code?: string | number | undefined;
  /** Its cause, if it had one. */
  readonly cause?: RemoteError | undefined;
}

/** The task threw, or its module could not run it. `remote` is what it threw; the remote stack is part of `stack`. */
export class TaskFailedError extends PoolError {
  /** The task's name. */
  readonly task: string;
  /** What was thrown in the worker. */
  readonly remote: RemoteError;
  /** Makes the error. @param task the task's name @param remote what was thrown */
  constructor(task: string, remote: RemoteError) {
    super("SLUICE_TASK_FAILED", `Cannot finish ${task}: ${remote.name}: ${remote.message}`);
    this.task = task;
    this.remote = remote;
    this.stack = `${this.stack}\n  in the worker: ${remote.stack}`;
  }
}

/** The task's signal aborted; `cause` is the signal's reason. */
export class TaskCancelledError extends PoolError {
  /** The task's name. */
  readonly task: string;
  /** How it was stopped. */
  readonly how: StopKind;
  /** Makes the error. @param task the task's name @param how how it was stopped */
  constructor(task: string, how: StopKind, options?: ErrorOptions) {
    super("SLUICE_TASK_CANCELLED", `Cannot finish ${task}: it was cancelled (${how})`, options);
    this.task = task;
    this.how = how;
  }
}

/** The task's deadline passed, or would have. */
export class TaskDeadlineError extends PoolError {
  /** The task's name. */
  readonly task: string;
  /** The deadline it was given, milliseconds from the call. */
  readonly deadlineMs: number;
  /** How it was stopped; `"refused"` when it could not have been done in time and was not begun. */
  readonly how: StopKind | "refused";
  /** Makes the error. @param task the task's name @param deadlineMs its deadline @param how how it was stopped */
  constructor(task: string, deadlineMs: number, how: StopKind | "refused") {
    super("SLUICE_TASK_DEADLINE", `Cannot finish ${task}: not done within ${deadlineMs} ms (${how})`);
    this.task = task;
    this.deadlineMs = deadlineMs;
    this.how = how;
  }
}

/** The task's input, output or item cannot be cloned. */
export class TaskCloneError extends PoolError {
  /** The task's name. */
  readonly task: string;
  /** Makes the error. @param task the task's name @param what `"input"`, `"output"` or `"item"` @param why the runtime's reason */
  constructor(task: string, what: string, why: string, options?: ErrorOptions) {
    super("SLUICE_TASK_CLONE", `Cannot send the ${what} of ${task}: ${why}`, options);
    this.task = task;
  }
}

/** The input is too large to be copied. */
export class InputTooLargeError extends PoolError {
  /** Bytes that would have been copied. */
  readonly bytes: number;
  /** The limit, bytes. */
  readonly copyBytesMax: number;
  /** Makes the error. @param task the task's name @param bytes what would have been copied @param copyBytesMax the limit */
  constructor(task: string, bytes: number, copyBytesMax: number) {
    super(
      "SLUICE_INPUT_TOO_LARGE",
      `Cannot copy the input of ${task}: ${bytes} bytes are more than ${copyBytesMax}; transfer or share them`,
    );
    this.bytes = bytes;
    this.copyBytesMax = copyBytesMax;
  }
}

/** The worker ended under the task: it exited, ran out of memory, or was stopped because of another task. */
export class WorkerLostError extends PoolError {
  /** The task's name. */
  readonly task: string;
  /** The worker's exit code; `null` when it has none. */
  readonly exitCode: number | null;
  /** Makes the error. @param task the task's name @param why what happened to the worker @param exitCode its exit code */
  constructor(task: string, why: string, exitCode: number | null, options?: ErrorOptions) {
    super("SLUICE_WORKER_LOST", `Cannot finish ${task}: ${why}`, options);
    this.task = task;
    this.exitCode = exitCode;
  }
}

/** The queue is full. */
export class QueueFullError extends PoolError {
  /** The bound that was reached, tasks. */
  readonly queueMax: number;
  /** Makes the error. @param task the task's name @param queueMax the bound */
  constructor(task: string, queueMax: number) {
    super("SLUICE_QUEUE_FULL", `Cannot run ${task}: ${queueMax} tasks are waiting`);
    this.queueMax = queueMax;
  }
}

/** The task was dropped from a full queue to make room for a newer one. */
export class TaskDroppedError extends PoolError {
  /** The task's name. */
  readonly task: string;
  /** Makes the error. @param task the task's name */
  constructor(task: string) {
    super("SLUICE_TASK_DROPPED", `Cannot run ${task}: it was the oldest in a full queue`);
    this.task = task;
  }
}

/** Too many threads were given up while busy; the pool takes tasks again when one has come back. */
export class PoolSaturatedError extends PoolError {
  /** Threads that compute on. */
  readonly abandoned: number;
  /** Makes the error. @param task the task's name @param abandoned threads that compute on */
  constructor(task: string, abandoned: number) {
    super(
      "SLUICE_POOL_SATURATED",
      `Cannot run ${task}: ${abandoned} threads could not be stopped and still compute; use isolation "process"`,
    );
    this.abandoned = abandoned;
  }
}

/** The pool is closed or destroyed. */
export class PoolClosedError extends PoolError {
  /** Makes the error. @param doing what was asked, as in "Cannot run hash" @param why what became of the pool */
  constructor(doing: string, why = "the pool is closed") {
    super("SLUICE_POOL_CLOSED", `${doing}: ${why}`);
  }
}

/** The pool has no workers and gets none: its module does not load. `cause` is why. */
export class PoolFailedError extends PoolError {
  /** Makes the error. @param doing what was asked @param why what the last start failed with */
  constructor(doing: string, why: string, options?: ErrorOptions) {
    super("SLUICE_POOL_FAILED", `${doing}: no worker starts: ${why}`, options);
  }
}

/** This runtime cannot do what was asked. */
export class PoolUnsupportedError extends PoolError {
  /** Makes the error. @param doing what was asked @param why what is missing */
  constructor(doing: string, why: string) {
    super("SLUICE_POOL_UNSUPPORTED", `${doing}: ${why}`);
  }
}
