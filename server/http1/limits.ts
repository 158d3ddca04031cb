/**
 * The bounds of one message by default, each with its reason.
 *
 * @module
 */
import type { MessageLimits } from "./message.ts";

/**
 * What a server allows a request, unless told otherwise.
 *
 * @example
 * ```ts
 * import { MESSAGE_LIMITS_DEFAULT } from "./limits.ts";
 * const limits = { ...MESSAGE_LIMITS_DEFAULT, headersMax: 50 };
 * ```
 */
export const MESSAGE_LIMITS_DEFAULT: MessageLimits = Object.freeze({
  // RFC 9112 §3 recommends to support at least 8000; 8 KiB is what nginx and Apache take.
  startLineBytesMax: 8 * 1024,
  // Apache and nginx take 32 KiB in all (4 × 8 KiB); large single sign-on cookies need more than Node's 16 KiB.
  headerBytesMax: 32 * 1024,
  // Browsers send about 20; Apache's and hyper's limit is 100 too.
  headersMax: 100,
  // nginx takes 1 MiB; what uploads more says so per route.
  bodyBytesMax: 1024 * 1024,
  // Nobody uses them; CVE-2023-39326 and CVE-2024-22019 did. 16 bytes in each of 64 chunks.
  chunkExtensionBytesMax: 1024,
  // Digests, signatures and gRPC's status are a few hundred bytes.
  trailerBytesMax: 8 * 1024,
  // A third of the head's, for the same reason.
  trailersMax: 32,
});

/**
 * What a client (the gateway's) allows a response: bodies are unbounded, since they are streamed and never held.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { RESPONSE_LIMITS_DEFAULT } from "./limits.ts";
 * assert(RESPONSE_LIMITS_DEFAULT.bodyBytesMax === Infinity);
 * ```
 */
export const RESPONSE_LIMITS_DEFAULT: MessageLimits = Object.freeze({
  ...MESSAGE_LIMITS_DEFAULT,
  // Set-Cookie and Content-Security-Policy make response heads larger than request heads.
  headerBytesMax: 64 * 1024,
  bodyBytesMax: Infinity,
  // Some servers send one small extension with every chunk of an endless body; each is still bounded by its line.
  chunkExtensionBytesMax: 16 * 1024,
});

/**
 * Throws unless every limit is one the engine can keep.
 *
 * @param limits the limits to look at
 * @throws {RangeError} a limit is not a whole number of at least 0 (`Infinity` is fine for the body only)
 *
 * @example
 * ```ts
 * import { assertLimits, MESSAGE_LIMITS_DEFAULT } from "./limits.ts";
 * assertLimits(MESSAGE_LIMITS_DEFAULT);
 * ```
 */
export function assertLimits(limits: MessageLimits): void {
  for (const name in limits) { // Not by entries: this runs once for each connection, and a dozen arrays are a kilobyte.
    const value = limits[name as keyof MessageLimits];
    const isEndless = name === "bodyBytesMax" && value === Infinity;
    if (!isEndless && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new RangeError(`Cannot use the limit ${name}: ${value} is not a whole number of at least 0`);
    }
  }
}

/** Interim heads before one response: a 100, a 103 or two and some 102; more is a server gone wrong. */
export const INTERIM_HEADS_MAX = 32;

/** Requests sent whose responses have not begun: more than any client pipelines. */
export const EXPECTED_RESPONSES_MAX = 1024;
