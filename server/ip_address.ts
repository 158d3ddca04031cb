/**
 * IP addresses as text and as bytes, and sets of them written as addresses and prefixes (`10.0.0.0/8`).
 *
 * Only the strict spellings are read: IPv4 as four decimal numbers without leading zeros (RFC 6943 §3.1.1 tells what
 * others have led to), IPv6 as in RFC 4291 §2.2, without zone. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is the
 * IPv4 address it stands for, so that a dual-stack listener sees the same clients as any other.
 *
 * @module
 */

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const IPV6_GROUPS = 8;

/** 0 to 255 without a leading zero. */
const IPV4_NUMBER = /^(?:0|[1-9][0-9]{0,2})$/;

/** One to four hexadecimal digits. */
const IPV6_GROUP = /^[0-9a-fA-F]{1,4}$/;

/**
 * Reads an address.
 *
 * @param text without brackets, prefix length or zone
 * @returns 4 or 16 bytes, in network order; `null` when it is none
 */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | null {
  const numbers = text.split(".");
  if (numbers.length !== IPV4_BYTES) return null;
  const bytes = new Uint8Array(IPV4_BYTES);
  for (let i = 0; i < IPV4_BYTES; i++) {
    const value = Number(numbers[i]);
    if (!IPV4_NUMBER.test(numbers[i]!) || value > 255) return null;
    bytes[i] = value;
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | null {
  const gap = text.indexOf("::");
  if (gap !== text.lastIndexOf("::")) return null;
  const head = gap < 0 ? parseGroups(text, true) : parseGroups(text.slice(0, gap), false);
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true);
  if (head === null || tail === null) return null;
  const missing = IPV6_GROUPS - head.length - tail.length;
  // "::" stands for at least one group (RFC 5952 §4.2.2 asks writers not to use it for one, readers take it).
  if (gap < 0 ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(IPV6_BYTES);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return isMapped(bytes) ? bytes.slice(IPV6_BYTES - IPV4_BYTES) : bytes;
}

/** Groups of one side of "::"; the last of the address (`isLast`) may be an IPv4 address, which makes two. */
function parseGroups(text: string, isLast: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (isLast && i === parts.length - 1 && part.includes(".")) {
      const bytes = parseIpv4(part);
      if (bytes === null) return null;
      groups.push(bytes[0]! << 8 | bytes[1]!, bytes[2]! << 8 | bytes[3]!);
    } else if (IPV6_GROUP.test(part)) groups.push(parseInt(part, 16));
    else return null;
  }
  return groups;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/**
 * Writes an address as RFC 5952 §4 recommends.
 *
 * @param bytes 4 or 16 bytes in network order
 */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === IPV4_BYTES) return bytes.join(".");
  const groups: number[] = [];
  for (let i = 0; i < IPV6_GROUPS; i++) groups.push(bytes[2 * i]! << 8 | bytes[2 * i + 1]!);
  let gapStart = -1;
  let gapLength = 1; // A single zero group is written out (§4.2.2).
  for (let start = 0; start < IPV6_GROUPS; start++) {
    let end = start;
    while (end < IPV6_GROUPS && groups[end] === 0) end++;
    if (end - start > gapLength) [gapStart, gapLength] = [start, end - start]; // The first of equal ones (§4.2.3).
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (gapStart < 0) return text(groups);
  return `${text(groups.slice(0, gapStart))}::${text(groups.slice(gapStart + gapLength))}`;
}

/** Some leading bits. */
interface Prefix {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/**
 * A set of addresses.
 *
 * @example
 * ```ts
 * import { AddressSet } from "./ip_address.ts";
 *
 * const trusted = new AddressSet(["10.0.0.0/8", "::1"]);
 * console.assert(trusted.has("10.1.2.3") && !trusted.has("11.0.0.1"));
 * ```
 */
export class AddressSet {
  readonly #prefixes: readonly Prefix[];

  /**
   * Reads the members.
   *
   * @param members addresses, and prefixes as in `10.0.0.0/8`
   * @throws TypeError for what is neither, or has bits beyond its prefix
   */
  constructor(members: Iterable<string>) {
    this.#prefixes = Array.from(members, parsePrefix);
  }

  /** Whether an address is in the set; what is no IP address is in none. */
  has(hostname: string): boolean {
    const bytes = parseIp(hostname);
    return bytes !== null && this.#prefixes.some((prefix) => isWithin(bytes, prefix));
  }
}

function parsePrefix(text: string): Prefix {
  const [address = "", length, ...rest] = text.split("/");
  const bytes = parseIp(address);
  const bits = length === undefined
    ? (bytes?.length ?? 0) * 8
    : IPV4_NUMBER.test(length)
    ? Number(length)
    : -1;
  if (bytes === null || rest.length > 0 || bits < 0 || bits > bytes.length * 8) {
    throw new TypeError(`Cannot read "${text}": it is neither an IP address nor a prefix of some`);
  }
  if (
    !isWithin(new Uint8Array(bytes.length), {
      bytes: bytes.map((byte, i) => byte & ~maskOf(bits, i)),
      bits: bytes.length * 8,
    })
  ) {
    throw new TypeError(`Cannot read "${text}": the address has bits beyond its prefix`);
  }
  return { bytes, bits };
}

function isWithin(bytes: Uint8Array, prefix: Prefix): boolean {
  if (bytes.length !== prefix.bytes.length) return false;
  return bytes.every((byte, i) => ((byte ^ prefix.bytes[i]!) & maskOf(prefix.bits, i)) === 0);
}

/** The bits of byte `index` that a prefix of `bits` bits has. */
function maskOf(bits: number, index: number): number {
  const here = Math.min(8, Math.max(0, bits - 8 * index));
  return 0xff00 >> here & 0xff;
}
