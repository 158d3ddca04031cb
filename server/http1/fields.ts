/**
 * Field lines as a lazy view on a section's bytes.
 *
 * Strategy: four offsets per line; a name or value becomes a string when it is asked for. Names that are often sent are
 * shared strings. The view is on loan: `release` cuts it from the bytes, so that a use after the loan throws, and can never
 * read what another connection received.
 *
 * @module
 */
import { LocalProtocolError } from "./errors.ts";
import { isText, latin1, TOKEN_LOWER } from "./grammar.ts";
import type { Fields } from "./message.ts";
import { OFFSETS_PER_FIELD } from "./section_scanner.ts";

/** Names worth sharing: what browsers, LLM clients and proxies send (and their servers answer). */
const COMMON_NAMES = [
  "accept",
  "accept-encoding",
  "accept-language",
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-disposition",
  "content-encoding",
  "content-length",
  "content-type",
  "cookie",
  "date",
  "dnt",
  "etag",
  "expect",
  "expires",
  "forwarded",
  "host",
  "idempotency-key",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "keep-alive",
  "last-event-id",
  "last-modified",
  "location",
  "openai-processing-ms",
  "origin",
  "pragma",
  "priority",
  "range",
  "referer",
  "retry-after",
  "sec-ch-ua",
  "sec-ch-ua-mobile",
  "sec-ch-ua-platform",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "server",
  "set-cookie",
  "strict-transport-security",
  "te",
  "trailer",
  "traceparent",
  "transfer-encoding",
  "upgrade",
  "upgrade-insecure-requests",
  "user-agent",
  "vary",
  "via",
  "x-api-key",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-request-id",
  "x-stainless-arch",
  "x-stainless-lang",
  "x-stainless-os",
  "x-stainless-package-version",
  "x-stainless-retry-count",
  "x-stainless-runtime",
  "x-stainless-runtime-version",
] as const;

/** They by length, since few share one. */
const COMMON_BY_LENGTH: readonly (readonly string[])[] = Array.from(
  { length: 1 + Math.max(...COMMON_NAMES.map((name) => name.length)) },
  (_, length) => COMMON_NAMES.filter((name) => name.length === length),
);

const NO_OFFSETS: readonly number[] = Object.freeze([]);

/** Field lines of a head or of trailers. */
export class FieldsView implements Fields {
  /** Field lines. */
  count = 0;
  /** Where the section is; `null` when the loan is over. */
  protected source: Uint8Array | null = null;
  /** Index of the section's first byte in it. */
  protected base = 0;
  /** Name start and end, value start and end of each line, from `base`. */
  protected offsets: readonly number[] = NO_OFFSETS;

  /** Lends the view the bytes of a section. */
  lend(source: Uint8Array, base: number, offsets: readonly number[], count: number): void {
    this.source = source;
    this.base = base;
    this.offsets = offsets;
    this.count = count;
  }

  /** Ends the loan: whatever is asked from now on throws. */
  release(): void {
    this.source = null;
    this.offsets = NO_OFFSETS;
    this.count = 0;
  }

  nameAt(index: number): string {
    const bytes = this.bytes;
    const o = this.#line(index);
    const start = this.base + this.offsets[o]!;
    const end = this.base + this.offsets[o + 1]!;
    const common = COMMON_BY_LENGTH[end - start];
    if (common !== undefined) {
      for (const name of common) if (isText(bytes, start, end, name)) return name;
    }
    return latin1(bytes, start, end).toLowerCase();
  }

  valueAt(index: number): string {
    const o = this.#line(index);
    return latin1(this.bytes, this.base + this.offsets[o + 2]!, this.base + this.offsets[o + 3]!);
  }

  get(name: string): string | null {
    const index = this.#indexOf(name, 0);
    return index === -1 ? null : this.valueAt(index);
  }

  getAll(name: string): string[] {
    const values: string[] = [];
    for (let i = this.#indexOf(name, 0); i !== -1; i = this.#indexOf(name, i + 1)) {
      values.push(this.valueAt(i));
    }
    return values;
  }

  has(name: string): boolean {
    return this.#indexOf(name, 0) !== -1;
  }

  /** The section's bytes. */
  protected get bytes(): Uint8Array {
    if (this.source === null) {
      throw new LocalProtocolError(
        "Cannot read the fields: they were on loan until the call returned (see retain)",
      );
    }
    return this.source;
  }

  /** Index of the first line at or after `from` with this name, or -1. */
  #indexOf(name: string, from: number): number {
    const bytes = this.bytes;
    const { base, offsets, count } = this;
    const first = name.charCodeAt(0);
    for (let i = from; i < count; i++) {
      const start = base + offsets[i * OFFSETS_PER_FIELD]!;
      if (TOKEN_LOWER[bytes[start]!] !== first) continue;
      if (isText(bytes, start, base + offsets[i * OFFSETS_PER_FIELD + 1]!, name)) return i;
    }
    return -1;
  }

  /** Index of the line's first offset. */
  #line(index: number): number {
    if (index >= 0 && index < this.count) return index * OFFSETS_PER_FIELD;
    throw new RangeError(`Cannot read field line ${index}: there are ${this.count}`);
  }
}
