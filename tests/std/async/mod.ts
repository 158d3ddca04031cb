/**
 * Stands in for the published `@std/async` where its registry cannot be reached.
 *
 * Strategy: the same names, signatures and failures as the published 1.x package; only what tests use is here.
 *
 * @module
 */
export * from "./abortable.ts";
export * from "./delay.ts";
export * from "./retry.ts";
