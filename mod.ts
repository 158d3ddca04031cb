/**
 * Sluice: a selector-driven TCP and HTTP server kit.
 *
 * @module
 */
export * from "./io/mod.ts";
export * from "./pool/mod.ts";
export * from "./server/mod.ts";
