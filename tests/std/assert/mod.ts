/**
 * Stands in for the published `@std/assert` where its registry cannot be reached.
 *
 * Strategy: the same names, signatures and failures as the published 1.x package, so that one test file passes
 * on either (`deno task test` runs on this, `deno task test:jsr` on the real one). Only what tests use is here.
 * Known limit: the text of a message differs; that a failure is an `AssertionError` does not.
 *
 * @module
 */
export * from "./assertion_error.ts";
export * from "./equal.ts";
export * from "./numbers.ts";
export * from "./throws.ts";
export * from "./values.ts";
