/**
 * The scanners of a server's connections: few for many.
 *
 * Strategy: a connection needs a scanner from a head's first byte to its last, which is nearly always within one read; so
 * it borrows one for that long. Only connections whose head comes in parts keep theirs, so ten thousand idle ones share
 * one, and each is half a KiB smaller.
 *
 * @module
 */
import type { MessageLimits } from "./message.ts";
import { RequestScanner } from "./start_line.ts";

/** Scanners kept for the next head: more than one are only free after heads that came in parts. */
const FREE_MAX = 8;

/**
 * Lends scanners of requests.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { MESSAGE_LIMITS_DEFAULT } from "./limits.ts";
 * import { ScannerPool } from "./scanner_pool.ts";
 * const pool = new ScannerPool(MESSAGE_LIMITS_DEFAULT);
 * const scanner = pool.take();
 * pool.give(scanner);
 * assert(pool.take() === scanner);
 * ```
 */
export class ScannerPool {
  /** What its scanners keep to. */
  readonly limits: MessageLimits;
  readonly #free: RequestScanner[] = [];

  /** @param limits bounds of each request */
  constructor(limits: MessageLimits) {
    this.limits = limits;
  }

  /** A scanner at the beginning of a head. */
  take(): RequestScanner {
    return this.#free.pop() ?? new RequestScanner(this.limits);
  }

  /** Gives back a scanner, at the beginning of a head again. */
  give(scanner: RequestScanner): void {
    scanner.reset();
    if (this.#free.length < FREE_MAX) this.#free.push(scanner);
  }
}
