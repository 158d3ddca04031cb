/**
 * The grammar of `host [":" port]`, as in Host and in targets (RFC 9110 §7.2, RFC 3986 §3.2).
 *
 * Known limits: IPvFuture and zone identifiers are refused, since no URL parser takes them.
 *
 * @module
 */
import {
  BRACKET_CLOSE,
  BRACKET_OPEN,
  COLON,
  DIGIT_0,
  DIGIT_9,
  DOT,
  HEX_PLUS_ONE,
  PERCENT,
} from "./grammar.ts";

/** Bytes of a `reg-name` but for the percent-encoded ones: unreserved and sub-delims (RFC 3986 §3.2.2). */
const REG_NAME: Uint8Array = new Uint8Array(256);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=") {
  REG_NAME[char.charCodeAt(0)] = 1;
}

/** The largest TCP port. */
const PORT_MAX = 65535;

/**
 * Whether the bytes are a host that is not empty and an optional port.
 *
 * @param bytes where they are
 * @param start index of the first
 * @param end index after the last
 * @param needsPort whether there must be a port, and one that can be connected to
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isAuthority } from "./authority.ts";
 * const bytes = new TextEncoder().encode("[::1]:8000");
 * assert(isAuthority(bytes, 0, bytes.length, true));
 * ```
 */
export function isAuthority(bytes: Uint8Array, start: number, end: number, needsPort: boolean): boolean {
  let i = start;
  if (i < end && bytes[i] === BRACKET_OPEN) {
    const close = bytes.indexOf(BRACKET_CLOSE, i);
    if (close === -1 || close >= end || !isIpv6(bytes, i + 1, close)) return false;
    i = close + 1;
  } else {
    while (i < end && REG_NAME[bytes[i]!] === 1) i++;
    if (i < end && bytes[i] === PERCENT) i = skipRegName(bytes, i, end);
    if (i === start) return false;
  }
  if (i === end) return !needsPort;
  if (bytes[i] !== COLON) return false;
  return isPort(bytes, i + 1, end, needsPort);
}

/** Index after a reg-name with percent-encoded bytes. */
function skipRegName(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end) {
    if (REG_NAME[bytes[i]!] === 1) i++;
    else if (bytes[i] === PERCENT && i + 2 < end && isHex(bytes[i + 1]!) && isHex(bytes[i + 2]!)) i += 3;
    else break;
  }
  return i;
}

/** `*DIGIT` (RFC 3986 §3.2.3) that TCP has; at least one and not zero if `needsPort`. */
function isPort(bytes: Uint8Array, start: number, end: number, needsPort: boolean): boolean {
  let port = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - DIGIT_0;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
    if (port > PORT_MAX) return false;
  }
  return !needsPort || port > 0;
}

/** IPv6address (RFC 3986 §3.2.2): eight groups, or fewer around one `::`; the last two may be an IPv4 address. */
function isIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let hasGap = false;
  let i = start;
  if (end - i >= 2 && bytes[i] === COLON && bytes[i + 1] === COLON) {
    hasGap = true;
    i += 2;
    if (i === end) return true;
  }
  while (i < end) {
    const groupStart = i;
    while (i < end && isHex(bytes[i]!)) i++;
    if (i < end && bytes[i] === DOT) {
      return isIpv4(bytes, groupStart, end) && hasRightCount(groups + 2, hasGap);
    }
    if (i === groupStart || i - groupStart > 4) return false;
    groups++;
    if (i === end) break;
    if (bytes[i] !== COLON) return false;
    i++;
    if (i === end) return false;
    if (bytes[i] === COLON) {
      if (hasGap) return false;
      hasGap = true;
      i++;
    }
  }
  return hasRightCount(groups, hasGap);
}

/** Eight groups; with `::` at most seven, since it stands for at least one. */
function hasRightCount(groups: number, hasGap: boolean): boolean {
  return hasGap ? groups <= 7 : groups === 8;
}

/** Four `dec-octet` without leading zeros (RFC 3986 §3.2.2). */
function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  for (let octets = 1; octets <= 4; octets++) {
    const octetStart = i;
    let value = 0;
    while (i < end && bytes[i]! >= DIGIT_0 && bytes[i]! <= DIGIT_9 && i - octetStart < 3) {
      value = value * 10 + bytes[i]! - DIGIT_0;
      i++;
    }
    const length = i - octetStart;
    if (length === 0 || value > 255 || (length > 1 && bytes[octetStart] === DIGIT_0)) return false;
    if (octets === 4) return i === end;
    if (i === end || bytes[i] !== DOT) return false;
    i++;
  }
  return false;
}

/** Whether the byte is a hexadecimal digit. */
function isHex(byte: number): boolean {
  return HEX_PLUS_ONE[byte] !== 0;
}
