/**
 * Gathers a whole body in memory, up to a bound.
 *
 * @module
 */
import { SluiceError } from "../io/errors.ts";
import type { BodyConsumer, BodyFlow, BodySource } from "./body_source.ts";

/** A body has more bytes than may be gathered in memory. */
export class BodyTooLargeError extends SluiceError {
  /** The bound, bytes. */
  readonly bytesMax: number;
  /** Status a server answers with, unless its handler knows better. */
  readonly status = 413;
  /** Makes one. @param bytesMax the bound, bytes */
  constructor(bytesMax: number) {
    super("SLUICE_BODY_TOO_LARGE", `Cannot gather the body: it has more than ${bytesMax} bytes`);
    this.bytesMax = bytesMax;
  }
}

/** Most bodies to gather are a form or a JSON document: one allocation holds them. */
const FIRST_BYTES = 4 * 1024;

/** A declared length is believed up to here: who declares much and sends nothing must not cost much memory. */
const DECLARED_BYTES_MAX = 64 * 1024;

/**
 * Who has sent a sixteenth of what was declared is believed the rest: a MiB is then copied once more by its first 64 KiB only, and
 * who stops there holds at most sixteen times what it sent.
 */
const DECLARED_GROWTH = 16;

/** Without a declared length the buffer doubles, so that at most half of it is for nothing. */
const UNKNOWN_GROWTH = 2;

/**
 * Reads a body to its end.
 *
 * @param source the body; it is used afterwards
 * @param bytesMax how many bytes to hold; more of them reject, and cancel the source
 * @returns the bytes, in a buffer of their own
 * @throws {TypeError} the body was read before
 * @throws {BodyTooLargeError} more than `bytesMax` bytes
 * @throws {Error} what the body failed with: a part is never returned
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { collectBody } from "./collect_body.ts";
 * import { IncomingBody } from "./incoming_body.ts";
 *
 * const owner = { bodyWanted() {}, bodyPaused() {}, bodyResumed() {}, bodyCancelled() {} };
 * const body = new IncomingBody(owner, 5);
 * const bytes = collectBody(body, 1024);
 * body.push(new TextEncoder().encode("hello"));
 * body.end(null);
 * assert((await bytes).length === 5);
 * ```
 */
export function collectBody(source: BodySource, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const collector = new Collector(source.length, bytesMax, resolve, reject);
    collector.flow = source.consume(collector);
    collector.settle();
  });
}

/** Gathers in one buffer that grows by a factor. */
class Collector implements BodyConsumer {
  flow: BodyFlow | null = null;
  readonly #bytesMax: number;
  /** No larger buffer is of use: the bound, or what was declared. */
  readonly #lengthMax: number;
  readonly #growth: number;
  readonly #resolve: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #reject: (reason: Error) => void;
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;
  #overrun: BodyTooLargeError | null = null;

  constructor(
    length: number | null,
    bytesMax: number,
    resolve: (bytes: Uint8Array<ArrayBuffer>) => void,
    reject: (reason: Error) => void,
  ) {
    this.#bytesMax = bytesMax;
    this.#lengthMax = Math.min(length ?? bytesMax, bytesMax);
    this.#growth = length === null ? UNKNOWN_GROWTH : DECLARED_GROWTH;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#buffer = new Uint8Array(Math.min(length ?? FIRST_BYTES, DECLARED_BYTES_MAX, bytesMax));
  }

  /** Ends it if it got too large, which may have been before there was a flow to cancel. */
  settle(): void {
    if (this.#overrun === null || this.flow === null) return;
    this.flow.cancel(this.#overrun);
    this.#reject(this.#overrun);
  }

  chunk(bytes: Uint8Array): void {
    if (this.#overrun !== null) return;
    const length = this.#length + bytes.length;
    if (length > this.#bytesMax) {
      this.#overrun = new BodyTooLargeError(this.#bytesMax);
      return this.settle();
    }
    if (length > this.#buffer.length) {
      const size = Math.min(this.#growth * this.#buffer.length, this.#lengthMax);
      const buffer = new Uint8Array(Math.max(length, size));
      buffer.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = buffer;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  end(): void {
    if (this.#overrun !== null) return;
    // The web's methods give out the whole buffer, so it must hold nothing else.
    this.#resolve(this.#length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.#length));
  }

  failed(reason: Error): void {
    this.#reject(reason);
  }
}
