/**
 * What the gateway tells its upstream about the client, and both sides about itself: `X-Forwarded-For`, `-Proto`,
 * `-Host` (what every framework reads) and `Via` (RFC 9110 §7.6.3).
 *
 * Rule: who can be believed is decided once, by `trust`. From a client that is not trusted, every field that says who
 * the client is gets removed, in all its spellings, and is written anew; from a trusted one (another proxy of the same
 * house) `X-Forwarded-For` is appended to and the others are kept where present.
 *
 * Known limit: `Forwarded` (RFC 7239) is kept from trusted clients and removed from others, but not written.
 *
 * @module
 */
import type { Fields } from "../http1/message.ts";
import type { FieldLine } from "./hop_fields.ts";

/** The prefix of the fields that say who the client is; WSGI and CGI take `_` for `-`, so it is compared that way. */
const FORWARDED_PREFIX = "x-forwarded-";

/** Other fields that frameworks and applications believe about the client. */
const IDENTITY_FIELDS: ReadonlySet<string> = new Set([
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
]);

/** An IPv4 address in an IPv6 one (RFC 4291 §2.5.5.2), as dual-stack sockets show them. */
const MAPPED_V4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** Whether a field (lower case) says who the client is, so that an untrusted client must not send it. */
export function isIdentityField(name: string): boolean {
  const first = name.charCodeAt(0);
  if (first !== 0x78 /* x */ && first !== 0x66 /* f */ && first !== 0x74 /* t */) return false;
  const dashed = name.replaceAll("_", "-");
  return dashed.startsWith(FORWARDED_PREFIX) || IDENTITY_FIELDS.has(dashed);
}

/** The client's address as `X-Forwarded-For` has it; `null` over a Unix socket, which has none. */
export function clientAddress(addr: { readonly hostname?: string } | undefined): string | null {
  if (addr?.hostname === undefined) return null;
  return MAPPED_V4.exec(addr.hostname)?.[1] ?? addr.hostname;
}

/** What is known of the client. */
export interface ClientFacts {
  /** Its address, or `null` when it has none. */
  readonly address: string | null;
  /** `"http"` or `"https"`. */
  readonly proto: string;
  /** What it asked for in `Host`, or `null`. */
  readonly host: string | null;
  /** Whether what it says about others is believed. */
  readonly isTrusted: boolean;
}

/**
 * Adds the `X-Forwarded-*` lines.
 *
 * @param lines where to
 * @param fields the client's fields
 * @param client what is known of it
 */
export function addForwarded(lines: FieldLine[], fields: Fields, client: ClientFacts): void {
  const before = client.isTrusted ? fields.getAll("x-forwarded-for") : [];
  if (client.address !== null) before.push(client.address);
  if (before.length > 0) lines.push(["x-forwarded-for", before.join(", ")]);
  addUnlessTrusted(lines, fields, client, "x-forwarded-proto", client.proto);
  addUnlessTrusted(lines, fields, client, "x-forwarded-host", client.host);
}

function addUnlessTrusted(
  lines: FieldLine[],
  fields: Fields,
  client: ClientFacts,
  name: string,
  value: string | null,
): void {
  const kept = client.isTrusted ? fields.getAll(name) : [];
  if (kept.length > 0) lines.push([name, kept.join(", ")]);
  else if (value !== null && value !== "") lines.push([name, value]);
}

/**
 * The `Via` line that goes on: what came and this hop (RFC 9110 §7.6.3).
 *
 * @param fields the fields that came
 * @param minorVersion minor version of the message that came
 * @param pseudonym the gateway's name
 */
export function viaLine(fields: Fields, minorVersion: 0 | 1, pseudonym: string): FieldLine {
  const own = minorVersion === 1 ? `1.1 ${pseudonym}` : `1.0 ${pseudonym}`;
  if (!fields.has("via")) return ["via", own];
  return ["via", `${fields.getAll("via").join(", ")}, ${own}`];
}

/** How many hops `Via` lists. */
export function viaHops(fields: Fields): number {
  if (!fields.has("via")) return 0;
  let hops = 0;
  for (const value of fields.getAll("via")) hops += value.split(",").length;
  return hops;
}
