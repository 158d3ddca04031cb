/**
 * Errors on their way from a worker: what was thrown, whatever it is, as plain data.
 *
 * Strategy: an `Error` would be cloned by its runtime, but without its class, its code, and on some runtimes without stack or cause. A
 * record of strings arrives everywhere, and always can be sent.
 *
 * @module
 */
import type { RemoteError } from "./errors.ts";

/** Causes that are followed: enough for any honest chain, and an end for one that goes in circles. */
const CAUSES_MAX = 4;

/** Characters of a text that are kept: a stack of a hundred frames. */
const TEXT_MAX = 16_384;

/**
 * Describes what was thrown.
 *
 * @param thrown anything at all; getters that throw themselves are survived
 * @param causesMax how far causes are followed
 */
export function describeError(thrown: unknown, causesMax: number = CAUSES_MAX): RemoteError {
  if (typeof thrown !== "object" || thrown === null) {
    const message = textOf(() => String(thrown));
    return { name: thrown === null ? "null" : typeof thrown, message, stack: message };
  }
  const error = thrown as {
    name?: unknown;
    message?: unknown;
    stack?: unknown;
    code?: unknown;
    cause?: unknown;
  };
  const name = textOf(() => typeof error.name === "string" ? error.name : "object");
  const message = textOf(() => typeof error.message === "string" ? error.message : String(error));
  const stack = textOf(() => typeof error.stack === "string" ? error.stack : `${name}: ${message}`);
  const code = valueOf(() => error.code);
  const cause = valueOf(() => error.cause);
  return {
    name,
    message,
    stack,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(cause === undefined || causesMax === 0 ? {} : { cause: describeError(cause, causesMax - 1) }),
  };
}

function valueOf(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined; // a getter that throws: the rest of the error still tells
  }
}

function textOf(read: () => string): string {
  const text = valueOf(read);
  return typeof text === "string" ? text.slice(0, TEXT_MAX) : "(it cannot be read)";
}
