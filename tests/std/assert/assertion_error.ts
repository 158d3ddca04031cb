/** The failure every assertion throws, and how its message is put together. */

import { AssertionError as NodeAssertionError } from "node:assert";
import { inspect } from "node:util";

/** What a failed assertion throws. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** Throws an `AssertionError` that says what failed, then the caller's own words, then an optional detail. */
export function failWith(what: string, msg?: string, detail = ""): never {
  throw new AssertionError(`${what}${msg ? `: ${msg}` : "."}${detail && `\n${detail}`}`);
}

/** A value as a failure message shows it. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 10, sorted: true, maxArrayLength: 200, maxStringLength: 4_000 });
}

/** What differs between two values, line by line. */
export function difference(actual: unknown, expected: unknown): string {
  return new NodeAssertionError({ actual, expected, operator: "deepStrictEqual" }).message;
}
