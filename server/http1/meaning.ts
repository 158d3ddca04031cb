/**
 * What the field lines of a head mean for the message and the connection: length, coding, host, options.
 *
 * Strategy: one pass over the lines; the length of a name tells nearly all lines apart from
 * those that matter. The rules that need more than one line are the heads' own (`head.ts`).
 *
 * @module
 */
import { isAuthority } from "./authority.ts";
import { COMMA, DIGIT_0, HTAB, isText, SP, TOKEN_LOWER } from "./grammar.ts";
import type { RefusalId } from "./refusals.ts";
import { OFFSETS_PER_FIELD } from "./section_scanner.ts";

/** Digits of 2^53-1. A longer number is refused even if it begins with zeros, so that none is without bound. */
const LENGTH_DIGITS_MAX = 16;

/** What was read from one head; used again for the next. */
export class Meaning {
  /** Value of Content-Length, -1 without one. */
  length = -1;
  /** Whether there is a Transfer-Encoding. */
  hasCoding = false;
  /** Whether its last coding is `chunked`, and no earlier one. */
  isChunked = false;
  /** Whether there is a coding other than `chunked`. */
  hasOtherCoding = false;
  /** Whether Connection has `close`. */
  hasClose = false;
  /** Whether Connection has `keep-alive`. */
  hasKeepAlive = false;
  /** Whether Connection has `upgrade`. */
  hasUpgradeOption = false;
  /** Whether there is an Upgrade that names more than `h2c`, which nobody offers (RFC 9113 §3.1 withdrew it). */
  hasUpgrade = false;
  /** Whether Expect is `100-continue`. */
  hasExpect = false;
  /** Index of the line that is Host, or -1. */
  hostIndex = -1;

  /**
   * Reads the lines.
   *
   * @param bytes where the section is
   * @param base index of its first byte
   * @param offsets four per line
   * @param count lines
   * @param isRequest whether Host and Expect mean something
   * @returns the rule that was broken, or `null`
   */
  read(
    bytes: Uint8Array,
    base: number,
    offsets: readonly number[],
    count: number,
    isRequest: boolean,
  ): RefusalId | null {
    this.#reset();
    for (let i = 0, o = 0; i < count; i++, o += OFFSETS_PER_FIELD) {
      const start = base + offsets[o]!;
      const length = base + offsets[o + 1]! - start;
      // Lengths of the names below; most other names have none of them.
      if (length !== 4 && length !== 6 && length !== 7 && length !== 10 && length !== 14 && length !== 17) {
        continue;
      }
      const refusal = this.#readLine(
        bytes,
        start,
        length,
        base + offsets[o + 2]!,
        base + offsets[o + 3]!,
        i,
        isRequest,
      );
      if (refusal !== null) return refusal;
    }
    return null;
  }

  #reset(): void {
    this.length = -1;
    this.hasCoding = false;
    this.isChunked = false;
    this.hasOtherCoding = false;
    this.hasClose = false;
    this.hasKeepAlive = false;
    this.hasUpgradeOption = false;
    this.hasUpgrade = false;
    this.hasExpect = false;
    this.hostIndex = -1;
  }

  /** Reads one line whose name may matter. */
  #readLine(
    bytes: Uint8Array,
    name: number,
    length: number,
    start: number,
    end: number,
    index: number,
    isRequest: boolean,
  ): RefusalId | null {
    switch (length) {
      case 4:
        if (!isRequest || !isText(bytes, name, name + 4, "host")) return null;
        if (this.hostIndex !== -1) return "host-repeated";
        this.hostIndex = index;
        // RFC 9110 §7.2: empty when the target has no authority.
        return start === end || isAuthority(bytes, start, end, false) ? null : "host-syntax";
      case 6:
        if (!isRequest || !isText(bytes, name, name + 6, "expect")) return null;
        this.hasExpect = true;
        return isText(bytes, start, end, "100-continue") ? null : "expectation";
      case 7:
        if (!isText(bytes, name, name + 7, "upgrade")) return null;
        if (end > start && !isText(bytes, start, end, "h2c")) this.hasUpgrade = true;
        return null;
      case 10:
        return isText(bytes, name, name + 10, "connection") ? this.#readConnection(bytes, start, end) : null;
      case 14:
        return isText(bytes, name, name + 14, "content-length") ? this.#readLength(bytes, start, end) : null;
      default:
        return isText(bytes, name, name + 17, "transfer-encoding")
          ? this.#readCoding(bytes, start, end)
          : null;
    }
  }

  /** Content-Length (RFC 9110 §8.6): one line, digits only. */
  #readLength(bytes: Uint8Array, start: number, end: number): RefusalId | null {
    if (this.length !== -1) return "length-repeated";
    if (start === end) return "length-syntax";
    let length = 0;
    for (let i = start; i < end; i++) {
      const digit = bytes[i]! - DIGIT_0;
      if (digit < 0 || digit > 9) return "length-syntax";
      length = length * 10 + digit;
    }
    if (end - start > LENGTH_DIGITS_MAX || length > Number.MAX_SAFE_INTEGER) return "length-overflow";
    this.length = length;
    return null;
  }

  /** Transfer-Encoding (RFC 9112 §6.1): more than one line is one list (RFC 9110 §5.3). */
  #readCoding(bytes: Uint8Array, start: number, end: number): RefusalId | null {
    this.hasCoding = true;
    let i = start;
    do {
      const first = skipSpace(bytes, i, end);
      const last = skipToken(bytes, first, end);
      if (first === last || this.isChunked) return "coding-syntax";
      if (isText(bytes, first, last, "chunked")) this.isChunked = true;
      else this.hasOtherCoding = true;
      i = skipSpace(bytes, last, end);
      if (i < end && bytes[i] !== COMMA) return "coding-syntax";
    } while (i++ < end);
    return null;
  }

  /** Connection (RFC 9110 §7.6.1); empty elements are let through (§5.6.1.2). */
  #readConnection(bytes: Uint8Array, start: number, end: number): RefusalId | null {
    let i = start;
    do {
      const first = skipSpace(bytes, i, end);
      const last = skipToken(bytes, first, end);
      switch (last - first) {
        case 5:
          if (isText(bytes, first, last, "close")) this.hasClose = true;
          break;
        case 7:
          if (isText(bytes, first, last, "upgrade")) this.hasUpgradeOption = true;
          break;
        case 10:
          if (isText(bytes, first, last, "keep-alive")) this.hasKeepAlive = true;
          break;
      }
      i = skipSpace(bytes, last, end);
      if (i < end && bytes[i] !== COMMA) return "connection-syntax";
    } while (i++ < end);
    return null;
  }
}

/** Whether the byte is optional white space (RFC 9110 §5.6.3). */
function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

/** Index after white space. */
function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && isSpace(bytes[i]!)) i++;
  return i;
}

/** Index after a token. */
function skipToken(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && TOKEN_LOWER[bytes[i]!] !== 0) i++;
  return i;
}
