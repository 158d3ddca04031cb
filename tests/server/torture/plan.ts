/**
 * What the clients of the HTTP torture ask for: requests whose every byte, and every byte of whose answer, follows from a number.
 *
 * @module
 */
import { Prng } from "../../../io/testing/prng.ts";

/** Bodies are this long at most: twice the high-water mark and more, so that backpressure takes part. */
const BODY_BYTES_MAX = 200_000;
/** The largest upload that a server of the torture takes, and the largest that is sent. */
export const UPLOAD_BYTES_MAX = 100_000;
const UPLOAD_TOO_LARGE_MAX = 130_000;

/** What a handler does. The first group answers with a body of its own, the second takes one, the third goes wrong or elsewhere. */
const OWN = [
  "text",
  "bytes",
  "response",
  "blob",
  "stream",
  "length",
  "iterable",
  "producer",
  "exact",
  "rude",
  "later",
  "hints",
] as const;
const TAKING = [
  "echo-stream",
  "echo-pieces",
  "echo-text",
  "echo-byob",
  "digest",
  "half",
  "ignore",
  "later-ignore",
] as const;
const ODD = ["empty", "unchanged", "throw", "fail", "events", "hijack"] as const;

/** What a handler does with a request. */
export type Kind = (typeof OWN)[number] | (typeof TAKING)[number] | (typeof ODD)[number];

/** A part of a request's bytes. */
export interface Piece {
  readonly text: string;
  /** Whether it may only be sent when the server has asked for it by 100, or has answered. */
  readonly waits: boolean;
}

/** One request, and what is to come back. */
export interface Plan {
  /** Unlike any other's. */
  readonly id: number;
  readonly kind: Kind;
  readonly method: string;
  readonly isVia: boolean;
  /** Whether it is HTTP/1.0, whose streamed bodies end with the connection. */
  readonly isOld: boolean;
  /** Whether it is the last that the client wants to be answered on its connection. */
  readonly isLast: boolean;
  readonly pieces: readonly Piece[];
  /** Bytes of the whole request. */
  readonly wireBytes: number;
  readonly uploadBytes: number;
  /** Its status, if all goes well. */
  readonly status: number;
  /** The body that comes back, `null` for events. */
  readonly body: string;
  /** Whether its response must break off. */
  readonly mustFail: boolean;
  /** Whether its response may break off or be another: something in it is too much. */
  readonly mayFail: boolean;
  /** Whether the connection may end behind its response without a word in its head. */
  readonly mayEnd: boolean;
}

/** What the planner has to know of the server. */
export interface PlanLimits {
  readonly unreadBytesMax: number;
  /** Whether there is a gateway to ask. */
  readonly hasGateway: boolean;
}

/** `length` bytes that follow from `id`: each 0 to 127, so that text and bytes are the same; line ends among them. */
export function fill(id: number, length: number): string {
  const codes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    codes[index] = (Math.imul(id + index, 0x9e3779b1) >>> 23) & 0x7f;
  }
  return new TextDecoder().decode(codes);
}

/** How many events a stream has. */
export function eventCount(length: number): number {
  return 1 + length % 30;
}

/** One event of a stream. */
export function eventData(id: number, index: number): string {
  return `${id}.${index} ${"x".repeat((id + index) % 200)}`;
}

/** What a stream of events looks like, if nothing ends it. */
export function eventText(id: number, count: number): string {
  let text = "";
  for (let index = 0; index < count; index++) text += `data: ${eventData(id, index)}\n\n`;
  return text;
}

function pickKind(prng: Prng): Kind {
  const group = prng.integer(0, 9);
  const kinds = group < 5 ? OWN : group < 8 ? TAKING : ODD;
  return kinds[prng.integer(0, kinds.length - 1)]!;
}

/** Makes a request up. */
export function planRequest(prng: Prng, id: number, limits: PlanLimits): Plan {
  const kind = pickKind(prng);
  const isTaking = (TAKING as readonly string[]).includes(kind);
  const isHijack = kind === "hijack";
  const isVia = limits.hasGateway && !isHijack && prng.chance(0.3);
  const isOld = !isHijack && prng.chance(0.06);
  const method = isTaking
    ? ["POST", "PUT", "PATCH"][prng.integer(0, 2)]!
    : !isHijack && prng.chance(0.12)
    ? "HEAD"
    : "GET";
  const length = prng.chance(0.5) ? prng.integer(0, 400) : prng.skewed(BODY_BYTES_MAX);
  const isTooLarge = isTaking && prng.chance(0.04);
  const uploadBytes = isHijack || isTaking ? pickUpload(prng, isTooLarge) : 0;
  const isUnread = kind === "ignore" || kind === "later-ignore" || kind === "half";
  const isEcho = kind.startsWith("echo") || isHijack;
  const isBroken = kind === "fail" && method !== "HEAD";
  const plan = {
    id,
    kind,
    method,
    isVia,
    isOld,
    isLast: isHijack || prng.chance(0.04),
    uploadBytes,
    status: kind === "empty"
      ? 204
      : kind === "unchanged"
      ? 304
      : kind === "throw"
      ? 500
      : isHijack
      ? 101
      : 200,
    body: bodyOf(kind, id, isEcho ? uploadBytes : length),
    mustFail: isBroken,
    mayFail: isBroken || isTooLarge || kind === "rude",
    mayEnd: isTooLarge || (isUnread && uploadBytes > limits.unreadBytesMax),
  };
  const pieces = piecesOf(prng, plan, length);
  return { ...plan, pieces, wireBytes: pieces.reduce((sum, { text }) => sum + text.length, 0) };
}

function pickUpload(prng: Prng, isTooLarge: boolean): number {
  if (isTooLarge) return prng.integer(UPLOAD_BYTES_MAX + 1, UPLOAD_TOO_LARGE_MAX);
  return prng.chance(0.5) ? prng.integer(0, 300) : prng.skewed(UPLOAD_BYTES_MAX);
}

function bodyOf(kind: Kind, id: number, length: number): string {
  if (kind === "empty" || kind === "unchanged") return "";
  if (kind === "throw") return "deliberate";
  if (kind === "events") return eventText(id, eventCount(length));
  return fill(id, length);
}

type Head = Pick<Plan, "id" | "kind" | "method" | "isVia" | "isOld" | "isLast" | "uploadBytes">;

/** The request's bytes. */
function piecesOf(prng: Prng, plan: Head, length: number): Piece[] {
  const { id, kind, method, isOld, isLast, uploadBytes } = plan;
  const path = `${plan.isVia ? "/via" : ""}/${kind}/${id}/${length}/${uploadBytes}`;
  let head = `${method} ${path} HTTP/1.${isOld ? 0 : 1}\r\n${prng.chance(0.5) ? "Host" : "HOST"}: a\r\n`;
  if (prng.chance(0.3)) head += `X-Noise: ${"n".repeat(prng.skewed(900))}\r\n`;
  if (prng.chance(0.3)) head += "TE: trailers\r\nConnection: te\r\n";
  if (kind === "hijack") {
    const whole = `${head}Connection: upgrade\r\nUpgrade: echo\r\n\r\n`;
    return [{ text: whole, waits: false }, { text: fill(id, uploadBytes), waits: prng.chance(0.5) }];
  }
  if (isOld && !isLast) head += "Connection: keep-alive\r\n";
  else if (isLast) head += "Connection: close\r\n";
  if (method === "GET" || method === "HEAD") {
    if (!isOld && prng.chance(0.1)) head += "Connection: upgrade\r\nUpgrade: x\r\n"; // It is declined.
    return [{ text: `${head}\r\n`, waits: false }];
  }
  const waits = !isOld && uploadBytes > 0 && prng.chance(0.15);
  if (waits || prng.chance(0.05)) head += "Expect: 100-continue\r\n";
  const isChunked = !isOld && prng.chance(0.5);
  head += isChunked ? "Transfer-Encoding: chunked\r\n\r\n" : `Content-Length: ${uploadBytes}\r\n\r\n`;
  const body = fill(id, uploadBytes);
  return [{ text: head, waits: false }, { text: isChunked ? chunksOf(prng, id, body) : body, waits }];
}

function chunksOf(prng: Prng, id: number, body: string): string {
  let text = "";
  for (let at = 0; at < body.length;) {
    const size = Math.min(body.length - at, prng.skewed(9_000));
    text += `${size.toString(16)}${prng.chance(0.02) && at < 20_000 ? ";a=b" : ""}\r\n${
      body.slice(at, at + size)
    }\r\n`;
    at += size;
  }
  return `${text}0\r\n${prng.chance(0.5) ? `X-Tail: ${id}\r\n` : ""}\r\n`;
}
