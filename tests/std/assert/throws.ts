/** Assertions on what a function throws or a promise rejects with. */

import { AssertionError, failWith } from "./assertion_error.ts";

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** What a caller asked of the error, sorted out of the overloads' positional arguments. */
interface Wanted<E extends Error> {
  readonly errorClass: ErrorClass<E> | undefined;
  readonly msgIncludes: string | undefined;
  readonly msg: string | undefined;
}

function wanted<E extends Error>(
  classOrMsg: ErrorClass<E> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): Wanted<E> {
  if (typeof classOrMsg === "string") {
    return { errorClass: undefined, msgIncludes: undefined, msg: classOrMsg };
  }
  return { errorClass: classOrMsg, msgIncludes, msg };
}

/** Asserts that a value is an `Error`, of a class and with a text in its message where those are given. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) failWith(`Expected "error" to be an Error object`, msg);
  if (errorClass && !(error instanceof errorClass)) {
    const was = error?.constructor?.name;
    failWith(`Expected error to be instance of "${errorClass.name}", but was "${was}"`, msg, error.stack);
  }
  const text = stripped(error.message);
  const found = msgMatches instanceof RegExp
    ? msgMatches.test(text)
    : text.includes(stripped(msgMatches ?? ""));
  if (!found) {
    failWith(
      `Expected error message to include ${JSON.stringify(String(msgMatches))}, but got "${text}"`,
      msg,
    );
  }
}

/** A text without terminal colours, which differ between a terminal and a pipe. */
function stripped(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}

function checked<E extends Error>(error: unknown, { errorClass, msgIncludes, msg }: Wanted<E>): unknown {
  if (errorClass) {
    if (!(error instanceof Error)) failWith("A non-Error object was thrown", msg);
    assertIsError(error, errorClass, msgIncludes, msg);
  }
  return error;
}

/** Asserts that a function throws, and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that a function throws an error of a class, with a text in its message, and returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  classOrMsg?: ErrorClass<E> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const want = wanted(classOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    return checked(error, want);
  }
  failWith("Expected function to throw", want.msg);
}

/** Asserts that a promise rejects, and resolves with the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that a promise rejects with an error of a class, with a text in its message, and resolves with it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<E> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const want = wanted(classOrMsg, msgIncludes, msg);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (cause) {
    throw new AssertionError(`Function throws when expected to reject${want.msg ? `: ${want.msg}` : "."}`, {
      cause,
    });
  }
  if (typeof promise?.then !== "function") failWith("Function throws when expected to reject", want.msg);
  try {
    await promise;
  } catch (error) {
    return checked(error, want);
  }
  failWith("Expected function to reject", want.msg);
}
