/**
 * The head that goes to the client, made from the upstream's.
 *
 * @module
 */
import type { Framing, ResponseHead } from "../http1/message.ts";
import { viaLine } from "./forwarded.ts";
import { connectionOptions, type FieldLine, isHopField } from "./hop_fields.ts";

/** What is kept of a response's head. */
export interface OutboundHead {
  /** 200 to 599. */
  readonly status: number;
  /** Reason phrase; may be empty. */
  readonly statusText: string;
  /** The fields that go on. */
  readonly lines: FieldLine[];
  /** How the body is framed. */
  readonly framing: Framing;
  /** Whether there is no body whatever the fields say. */
  readonly isBodyless: boolean;
}

/** Statuses of responses that have no content (RFC 9110 §15.3.5, §15.3.6, §15.4.5). */
const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * Makes the head for the client. Copies what it needs, so that the view may go.
 *
 * @param head the upstream's
 * @param method the request's method
 * @param via the gateway's name in `Via`; `null` for none
 */
export function outboundHead(head: ResponseHead, method: string, via: string | null): OutboundHead {
  const isBodyless = method === "HEAD" || BODYLESS.has(head.status);
  const dropped = connectionOptions(head);
  const lines: FieldLine[] = [];
  for (let i = 0; i < head.count; i++) {
    const name = head.nameAt(i);
    if (name === "via" && via !== null) continue;
    if (goesOn(name, head.framing, isBodyless) && !dropped?.has(name)) lines.push([name, head.valueAt(i)]);
  }
  if (via !== null) lines.push(viaLine(head, head.minorVersion, via));
  return {
    status: head.status,
    statusText: head.reason,
    lines,
    framing: head.framing,
    isBodyless,
  };
}

function goesOn(name: string, framing: Framing, isBodyless: boolean): boolean {
  if (!isHopField(name)) return true;
  // Of a response without its body, the length is all there is to learn (RFC 9110 §8.6).
  if (name === "content-length") return isBodyless;
  return name === "trailer" && framing.kind === "chunked";
}

/** The fields of an interim response that go on. */
export function interimLines(head: ResponseHead): FieldLine[] {
  const dropped = connectionOptions(head);
  const lines: FieldLine[] = [];
  for (let i = 0; i < head.count; i++) {
    const name = head.nameAt(i);
    if (!isHopField(name) && !dropped?.has(name)) lines.push([name, head.valueAt(i)]);
  }
  return lines;
}

/** Whether the response's body is an event stream. */
export function isEventStream(head: ResponseHead): boolean {
  return /^text\/event-stream\b/i.test(head.get("content-type") ?? "");
}
