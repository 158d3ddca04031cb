/**
 * What can go wrong with workers that serve.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";
import type { ErrorText } from "./protocol.ts";

/** A worker did not come to listen: its module could not be loaded, made no handler, or the address could not be had. */
export class WorkerStartError extends SluiceError {
  /** Number of the worker. */
  readonly index: number;
  /** Makes the error; the cause is the module's own. @param index number of the worker @param cause what ended it */
  constructor(index: number, cause: unknown) {
    super("SLUICE_WORKER_START", `Cannot start worker ${index}: ${reasonOf(cause)}`, { cause });
    this.index = index;
  }
}

/** A worker ended that was not asked to; it is replaced. */
export class WorkerCrashedError extends SluiceError {
  /** Number of the worker. */
  readonly index: number;
  /** Makes the error. @param index number of the worker @param cause what ended it */
  constructor(index: number, cause: unknown) {
    super("SLUICE_WORKER_CRASHED", `Cannot go on with worker ${index}: ${reasonOf(cause)}`, { cause });
    this.index = index;
  }
}

function reasonOf(cause: unknown): string {
  if (cause === undefined) return "it ended without an error";
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}

/** What of an error goes to another thread. */
export function describeError(error: unknown): ErrorText {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), stack: "" };
  const { name, message, stack = "" } = error;
  return { name, message, stack };
}

/** Classes that every thread has, by name. */
const NATIVE_ERRORS: Readonly<Record<string, ErrorConstructor>> = {
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  URIError,
};

/** The error again, as far as it can be had: of its own class if that is one of the language's. */
export function reviveError({ name, message, stack }: ErrorText): Error {
  const error = new (NATIVE_ERRORS[name] ?? Error)(message);
  if (error.name !== name) error.name = name;
  if (stack !== "") error.stack = stack;
  return error;
}
