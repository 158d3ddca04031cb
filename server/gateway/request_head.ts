/**
 * The head that goes to the upstream, made from the one that came: the target mapped, what belongs to one hop left out,
 * what proxies say added.
 *
 * @module
 */
import { encodeRequestHead } from "../http1/encoder.ts";
import { addForwarded, type ClientFacts, isIdentityField, viaHops, viaLine } from "./forwarded.ts";
import { connectionOptions, type FieldLine, isHopField, takesTrailers } from "./hop_fields.ts";
import type { InboundRequest } from "./inbound_request.ts";
import type { Upstream } from "./upstream.ts";

/** How heads are rewritten. */
export interface HeadPolicy {
  /** Whether the client's `Host` goes on; else it is the upstream's own. */
  readonly preservesHost: boolean;
  /** The gateway's name in `Via`; `null` for none. */
  readonly via: string | null;
  /** Whether `X-Forwarded-*` are written. */
  readonly sendsForwarded: boolean;
  /** Taken off the front of the path; empty for nothing. */
  readonly stripPrefix: string;
}

/** Why a request is answered here and not forwarded. */
export interface Refusal {
  /** Status of the answer. */
  readonly status: number;
  /** Stable identifier. */
  readonly code: string;
  /** What is wrong with the request. */
  readonly detail: string;
}

/**
 * Hops in `Via` from which on a request goes round in circles: nobody has 16 proxies in a row on purpose, and each round
 * of a loop holds one more connection.
 */
const VIA_HOPS_MAX = 16;

/** A path segment `.` or `..`, also percent-encoded, between slashes of either kind. */
const DOT_SEGMENT = /(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|$)/i;

/** Digits of `Max-Forwards` (RFC 9110 §7.6.2). */
const MAX_FORWARDS = /^\d{1,9}$/;

/**
 * Finds out whether a request must be answered by the gateway itself.
 *
 * @param inbound the request
 * @param policy how heads are rewritten
 * @returns `null` when it can be forwarded
 */
export function refusalOf(inbound: InboundRequest, policy: HeadPolicy): Refusal | null {
  const { method, fields, target } = inbound;
  if (method === "CONNECT" || method === "TRACE") {
    // CONNECT asks for a tunnel, TRACE for an echo of what proxies added: neither is a gateway's to give (RFC 9110 §9.3.6, §9.3.8).
    return { status: 405, code: "SLUICE_GATEWAY_METHOD", detail: `${method} is not forwarded.` };
  }
  if (viaHops(fields) >= VIA_HOPS_MAX) {
    return { status: 508, code: "SLUICE_GATEWAY_LOOP", detail: "The request came through too many proxies." };
  }
  if (method === "OPTIONS" && fields.get("max-forwards") === "0") {
    return { status: 501, code: "SLUICE_GATEWAY_LAST_HOP", detail: "The gateway has no options of its own." };
  }
  if (hasDotSegment(target)) {
    // Who routes by a prefix and who serves the file may disagree about what is meant, and access rules with them.
    return { status: 400, code: "SLUICE_GATEWAY_TARGET", detail: 'The path has a "." or ".." segment.' };
  }
  if (policy.stripPrefix !== "" && !isBelow(target, policy.stripPrefix)) {
    return { status: 404, code: "SLUICE_GATEWAY_PREFIX", detail: "The path is not one that is forwarded." };
  }
  return null;
}

/**
 * Encodes the head for the upstream.
 *
 * @param inbound the request
 * @param upstream where it goes
 * @param policy how heads are rewritten
 * @param client what is known of the client
 * @returns the head, one code unit per byte
 */
export function upstreamHead(
  inbound: InboundRequest,
  upstream: Upstream,
  policy: HeadPolicy,
  client: ClientFacts,
): string {
  const wantsTrailers = takesTrailers(inbound.fields);
  return encodeRequestHead({
    method: inbound.method,
    target: mapTarget(inbound.target, policy.stripPrefix, upstream.basePath),
    host: policy.preservesHost && client.host !== null ? client.host : upstream.authority,
    fields: forwardedFields(inbound, policy, client, wantsTrailers),
    framing: inbound.framing,
    keepAlive: true,
    ...(wantsTrailers ? { connection: "te" } : {}),
  });
}

function forwardedFields(
  inbound: InboundRequest,
  policy: HeadPolicy,
  client: ClientFacts,
  wantsTrailers: boolean,
): FieldLine[] {
  const { fields } = inbound;
  const lines: FieldLine[] = [];
  const dropped = connectionOptions(fields);
  const isChunked = inbound.framing.kind === "chunked";
  for (let i = 0; i < fields.count; i++) {
    const name = fields.nameAt(i);
    if (name === "host" || name === "via" || name === "expect") continue;
    if (isIdentityField(name) && (!client.isTrusted || isRewritten(name, policy))) continue;
    if (name === "trailer" && isChunked && !dropped?.has(name)) lines.push([name, fields.valueAt(i)]);
    else if (name === "max-forwards" && inbound.method === "OPTIONS") lines.push(oneLess(fields.valueAt(i)));
    else if (!isHopField(name) && !dropped?.has(name)) lines.push([name, fields.valueAt(i)]);
  }
  // RFC 9110 §10.1.1: a proxy forwards the expectation, and so hears from the one who decides.
  if (inbound.expectsContinue) lines.push(["expect", "100-continue"]);
  if (wantsTrailers) lines.push(["te", "trailers"]);
  if (policy.sendsForwarded) addForwarded(lines, fields, client);
  if (policy.via !== null) lines.push(viaLine(fields, inbound.minorVersion, policy.via));
  else if (fields.has("via")) lines.push(["via", fields.getAll("via").join(", ")]);
  return lines;
}

/** Whether `addForwarded` writes the field, from what a trusted client said and what is known. */
function isRewritten(name: string, policy: HeadPolicy): boolean {
  return policy.sendsForwarded &&
    (name === "x-forwarded-for" || name === "x-forwarded-proto" || name === "x-forwarded-host");
}

/** `Max-Forwards` for the next hop (RFC 9110 §7.6.2); what is no number goes on as it is. */
function oneLess(value: string): FieldLine {
  return ["max-forwards", MAX_FORWARDS.test(value) ? String(Math.max(0, Number(value) - 1)) : value];
}

/**
 * The target at the upstream: the prefix taken off, the base path put in front; query untouched.
 *
 * @param target origin form or `*`
 * @param stripPrefix taken off; the target is below it
 * @param basePath put in front, without a slash at the end
 */
export function mapTarget(target: string, stripPrefix: string, basePath: string): string {
  if (target === "*" || (stripPrefix === "" && basePath === "")) return target;
  const rest = target.slice(stripPrefix.length);
  const path = basePath + rest;
  return path.startsWith("/") ? path : `/${path}`;
}

/** Whether the target's path is the prefix or below it. */
function isBelow(target: string, prefix: string): boolean {
  if (!target.startsWith(prefix)) return false;
  const next = target.charAt(prefix.length);
  return next === "" || next === "/" || next === "?";
}

function hasDotSegment(target: string): boolean {
  // Nearly no target has one of these, and looking for them costs next to nothing.
  if (!target.includes("/.") && !target.includes("%2") && !target.includes("\\")) return false;
  const query = target.indexOf("?");
  return DOT_SEGMENT.test(query < 0 ? target : target.slice(0, query));
}
