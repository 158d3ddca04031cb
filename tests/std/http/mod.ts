/**
 * Stands in for the published `@std/http` where its registry cannot be reached.
 *
 * Strategy: the same names, signatures and answers as the published 1.x package; only what tests use is here.
 *
 * @module
 */
export * from "./file_server.ts";
export * from "./status.ts";
