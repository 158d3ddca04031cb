/**
 * The HTTP/1.1 engine: bytes in, events out, for both roles; and heads out again. No I/O, no promise, no clock.
 *
 * @module
 */
export * from "./encoder.ts";
export * from "./errors.ts";
export * from "./head_store.ts";
export * from "./known_head.ts";
export * from "./leniencies.ts";
export * from "./limits.ts";
export type * from "./message.ts";
export { MessageReader } from "./message_reader.ts";
export * from "./parser.ts";
export * from "./refusals.ts";
export { ScannerPool } from "./scanner_pool.ts";
