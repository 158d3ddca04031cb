/**
 * Which errors are no news: those that follow from an end which everybody knows of already.
 *
 * @module
 */

/** 16 causes behind one another at most are looked at: they may go round in a circle. */
const DEPTH_MAX = 16;

/**
 * Whether an error follows from why its exchange was given up, so that telling of it would tell nothing new: a client that left
 * fails the upload, which fails whatever is made of it.
 *
 * @param error what was thrown
 * @param reason why the exchange was given up; `null` when nobody said
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isAftermath } from "./aftermath.ts";
 *
 * const left = new Error("the client left");
 * assert(isAftermath(new Error("no upload", { cause: left }), left));
 * assert(!isAftermath(new Error("a mistake"), left));
 * ```
 */
export function isAftermath(error: unknown, reason: Error | null): boolean {
  let cause = error;
  for (let depth = 0; depth < DEPTH_MAX && cause instanceof Error; depth++, cause = cause.cause) {
    if (cause === reason || cause.name === "AbortError") return true;
  }
  return false;
}
