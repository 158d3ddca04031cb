/**
 * Sends a response of any kind: text and bytes at once, everything else through a `ResponseWriter`.
 *
 * Strategy: a `Reply` tells what it is made of (`rawReply`); any other `Response` shows its body as a stream, which is
 * looked at first, because most have all their bytes at hand (see `stream_producer.ts`). The head is encoded before
 * anything is written, so a field that cannot be sent is still answered with a 500.
 *
 * What the server decides and a response cannot: `Transfer-Encoding`, `Connection` (but `close` is heeded),
 * `Keep-Alive`. `Content-Length` is the true length where it is known; else what the response says is promised, and kept
 * by aborting. HEAD, 204 and 304 have no body (RFC 9110 §6.4.1); a producer is not started for them.
 *
 * @module
 */
import type { Transport } from "../io/selector.ts";
import { isAftermath } from "./aftermath.ts";
import type { BodyProducer } from "./body_writer.ts";
import { type Exchange, READY, WAITING } from "./exchange.ts";
import { encodeResponseHead, type FieldLines } from "./http1/encoder.ts";
import type { Framing } from "./http1/message.ts";
import { HEAD_END, type PlainHeads } from "./plain_heads.ts";
import { JSON_FIELDS, NO_FIELDS, type RawReply, rawReply, readResponse, TEXT_FIELDS } from "./reply.ts";
import { isProducer } from "./reply_body.ts";
import { ResponseWriter, type WriterOwner } from "./response_writer.ts";
import type { ServerContext } from "./server_context.ts";
import { StaticProducer } from "./static_producer.ts";
import { IterableProducer, StreamProducer } from "./stream_producer.ts";

/** The exchanges of a connection, as their responses see them. */
export interface SenderOwner extends WriterOwner {
  /** What the server's connections share. */
  readonly server: ServerContext;
  /** Where to write. */
  readonly transport: Transport;
  /** Whether a stream would have a reader. */
  readonly isClientThere: boolean;
  /** Whether the connection may go on after the exchange's response. */
  keepsAlive(exchange: Exchange): boolean;
  /** A head, or a whole response, was written. */
  wroteWhole(bytes: number): void;
  /** The exchange's response takes more than this turn. */
  enqueue(exchange: Exchange): void;
  /** The exchange's head is written, and `writer` is to write its body. */
  bodyBegun(exchange: Exchange, writer: ResponseWriter): void;
  /** The exchange's response is written to its end. */
  sent(exchange: Exchange, isStream: boolean): void;
  /** The response would be a stream for a client that left: nothing more is sent. */
  leave(exchange: Exchange): void;
  /** The response may be made of the request's body. */
  bodyWanted(exchange: Exchange): void;
  /** The response cannot be sent; nothing of it was. */
  fail(exchange: Exchange, error: unknown): void;
}

/** What of a response's fields matters to the server itself. */
interface FieldNotes {
  isClosing: boolean;
  length: number | null;
  isUpgrade: boolean;
  isEventStream: boolean;
}

/** 64 KiB: what the write buffer takes before it counts as full. More is sent piece by piece. */
const WHOLE_BYTES_MAX = 64 * 1024;

/** Texts up to this length are looked through for non-ASCII, and written together with the head when they have none. */
const SHORT_TEXT_LENGTH = 8 * 1024;

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Digits alone (RFC 9110 §8.6), and so few that the number is exact. */
const CONTENT_LENGTH = /^[0-9]{1,15}$/;

const NO_NOTES: Readonly<FieldNotes> = Object.freeze({
  isClosing: false,
  length: null,
  isUpgrade: false,
  isEventStream: false,
});

// Deno looks its web classes up at every mention of a global.
const WebHeaders = Headers;
const WebStream = ReadableStream;
const WebBlob = Blob;

const NO_BYTES = new Uint8Array(0);
const NO_BODY: Framing = Object.freeze({ kind: "none" });
const CHUNKED: Framing = Object.freeze({ kind: "chunked" });
const UNTIL_CLOSE: Framing = Object.freeze({ kind: "close" });

const encoder = new TextEncoder();

/**
 * Sends what a handler returned. The exchange is first in line and WAITING.
 *
 * @param owner the connection's pipeline
 * @param exchange whose response it is
 * @param response any response
 */
export function sendResponse(owner: SenderOwner, exchange: Exchange, response: Response): void {
  let raw: RawReply;
  let notes: Readonly<FieldNotes>;
  try {
    raw = rawReply(response) ?? readResponse(response);
    if (raw.fields instanceof WebHeaders) raw = { ...raw, fields: linesOf(raw.fields) };
    notes = noteFields(raw.fields);
    if (raw.status === 101) {
      throw new TypeError("Cannot send 101 (Switching Protocols): it takes info.hijack()");
    }
  } catch (error) {
    return owner.fail(exchange, error);
  }
  if (exchange.head.targetForm === "authority" && raw.status < 300) {
    return refuseTunnel(owner, exchange, raw);
  }
  const { body } = raw;
  if (typeof body === "string") sendText(owner, exchange, raw, notes, body);
  else if (body === null) sendBytes(owner, exchange, raw, notes, NO_BYTES);
  else if (body instanceof Uint8Array) sendBytes(owner, exchange, raw, notes, body);
  else sendObject(owner, exchange, raw, notes, body);
}

/**
 * Sends an error that is no handler's.
 *
 * @param owner the connection's pipeline
 * @param exchange whose response it is
 * @param status its status
 * @param text its body
 */
export function sendError(owner: SenderOwner, exchange: Exchange, status: number, text: string): void {
  exchange.phase = WAITING;
  sendText(owner, exchange, { status, statusText: "", fields: TEXT_FIELDS, body: text }, NO_NOTES, text);
}

/**
 * A response to what is no request (RFC 9112 §2.2), after which the connection ends.
 *
 * @param server for the date
 * @param status its status
 * @param text its body
 */
export function encodeRefusal(server: ServerContext, status: number, text: string): string {
  const head = encodeResponseHead({
    status,
    fields: TEXT_FIELDS,
    framing: { kind: "length", length: text.length + 1 },
    method: "GET",
    minorVersion: 1,
    keepAlive: false,
    date: server.time.date(),
  });
  return head + text + "\n";
}

/**
 * Lets go of a response that nobody will read.
 *
 * @param owner told what goes wrong with it
 * @param response any response
 * @param reason why nobody will; what follows from it is not told; `null` when nobody knows
 */
export function discardResponse(owner: WriterOwner, response: Response, reason: Error | null): void {
  try {
    const { body } = rawReply(response) ?? readResponse(response);
    if (body instanceof WebStream) {
      body.cancel().catch((error) => {
        if (!isAftermath(error, reason)) owner.report(error);
      });
    } else if (
      typeof body === "object" && body !== null && !(body instanceof Uint8Array) && !(body instanceof WebBlob)
    ) {
      producerOf(owner, body, false).onClosed?.(null);
    }
  } catch (error) {
    owner.report(error);
  }
}

/** RFC 9110 §9.3.6: any 2xx to CONNECT begins a tunnel, which only a handler that takes the connection over can serve. */
function refuseTunnel(owner: SenderOwner, exchange: Exchange, raw: RawReply): void {
  const { body } = raw;
  if (
    typeof body === "object" && body !== null && !(body instanceof Uint8Array) && !(body instanceof WebBlob)
  ) {
    producerOf(owner, body, false).onClosed?.(null);
  }
  sendError(owner, exchange, 501, "CONNECT is not served here\n");
}

function sendText(
  owner: SenderOwner,
  exchange: Exchange,
  raw: RawReply,
  notes: FieldNotes,
  text: string,
): void {
  const { server, transport } = owner;
  const isShort = text.length <= SHORT_TEXT_LENGTH;
  const plain = isShort ? plainHeadsFor(server, exchange, raw) : null;
  const isPlain = plain !== null && owner.keepsAlive(exchange);
  const again = isPlain ? plain.again(text) : null;
  if (again === null && !(isShort && ASCII.test(text))) {
    return sendBytes(owner, exchange, raw, notes, encoder.encode(text));
  }
  if (isPlain) {
    exchange.keepsAlive = true;
    server.stats.responsesByStatus[200]!++;
    owner.wroteWhole(writePlain(transport, plain, again, text));
    return owner.sent(exchange, false);
  }
  const head = encodeHead(
    owner,
    exchange,
    raw,
    notes,
    wholeFraming(exchange, raw.status, notes, text.length),
  );
  if (head === null) return;
  const whole = isBodiless(exchange, raw.status) ? head : head + text;
  transport.writeLatin1(whole);
  owner.wroteWhole(whole.length);
  owner.sent(exchange, false);
}

/** Writes a response whose head is encoded already, perhaps with its text; returns how many bytes that are. */
function writePlain(transport: Transport, plain: PlainHeads, again: Uint8Array | null, text: string): number {
  if (again !== null) {
    transport.write(again);
    return again.length;
  }
  plain.remember(text);
  const start = plain.start();
  const rest = text.length + HEAD_END + text;
  transport.write(start);
  transport.writeLatin1(rest);
  return start.length + rest.length;
}

function sendBytes(
  owner: SenderOwner,
  exchange: Exchange,
  raw: RawReply,
  notes: FieldNotes,
  bytes: Uint8Array,
): void {
  if (bytes.length > WHOLE_BYTES_MAX) {
    exchange.isWhole = true;
    return sendProducer(owner, exchange, raw, notes, new StaticProducer(bytes), bytes.length);
  }
  const head = encodeHead(
    owner,
    exchange,
    raw,
    notes,
    wholeFraming(exchange, raw.status, notes, bytes.length),
  );
  if (head === null) return;
  owner.transport.writeLatin1(head);
  let { length } = head;
  if (bytes.length > 0 && !isBodiless(exchange, raw.status)) {
    owner.transport.write(bytes);
    length += bytes.length;
  }
  owner.wroteWhole(length);
  owner.sent(exchange, false);
}

/** Streams, blobs, iterables, producers. */
function sendObject(
  owner: SenderOwner,
  exchange: Exchange,
  raw: RawReply,
  notes: FieldNotes,
  body: Exclude<RawReply["body"], string | Uint8Array | null>,
): void {
  let producer: BodyProducer;
  try {
    producer = producerOf(owner, body, notes.isEventStream);
  } catch (error) { // A stream that is locked.
    return owner.fail(exchange, error);
  }
  if (body instanceof WebBlob) return sendProducer(owner, exchange, raw, notes, producer, body.size);
  if (!(producer instanceof StreamProducer) || notes.length !== null || notes.isEventStream) {
    return sendProducer(
      owner,
      exchange,
      raw,
      notes,
      producer,
      (producer as BodyProducer).length ?? notes.length,
    );
  }
  exchange.phase = READY;
  owner.enqueue(exchange);
  const stream = producer;
  stream.peek().then((bytes) => {
    if (exchange.phase !== READY) return stream.onClosed(exchange.cutReason);
    exchange.phase = WAITING;
    if (bytes !== null) return sendBytes(owner, exchange, raw, notes, bytes);
    sendProducer(owner, exchange, raw, notes, stream, null);
  }, (error) => {
    if (exchange.phase === READY) exchange.phase = WAITING;
    owner.fail(exchange, error);
  });
}

/** Writes the head and sets the producer to work. */
function sendProducer(
  owner: SenderOwner,
  exchange: Exchange,
  raw: RawReply,
  notes: FieldNotes,
  producer: BodyProducer,
  length: number | null,
): void {
  if (!owner.isClientThere && !exchange.isWhole) {
    producer.onClosed?.(null);
    return owner.leave(exchange);
  }
  const isBodyless = isBodiless(exchange, raw.status);
  const framing = isBodyless ? bodilessFraming(notes, length) : framingOf(exchange, length);
  // It may be made of the request's body, and behind its head there is no room for 100 (RFC 9110 §10.1.1).
  const isMadeNow = !isBodyless && !exchange.isWhole && raw.status < 300;
  if (isMadeNow && exchange.awaitsContinue && !exchange.isBodyUnwanted) owner.bodyWanted(exchange);
  const head = encodeHead(owner, exchange, raw, notes, framing);
  if (head === null) return producer.onClosed?.(null);
  owner.transport.writeLatin1(head);
  owner.wroteWhole(head.length);
  if (!isBodyless) {
    return owner.bodyBegun(exchange, new ResponseWriter(owner.transport, owner, producer, framing));
  }
  producer.onClosed?.(null);
  owner.sent(exchange, false);
}

/** Encodes the head and settles whether the connection goes on; `null` when it cannot be encoded. */
function encodeHead(
  owner: SenderOwner,
  exchange: Exchange,
  raw: RawReply,
  notes: FieldNotes,
  framing: Framing,
): string | null {
  const { head, hasFailed } = exchange;
  const { server } = owner;
  const keepAlive = !notes.isClosing && framing.kind !== "close" && owner.keepsAlive(exchange);
  let text: string;
  try {
    text = encodeResponseHead({
      status: raw.status,
      statusText: raw.statusText,
      fields: raw.fields,
      framing,
      method: head.method,
      minorVersion: head.minorVersion,
      keepAlive,
      connection: notes.isUpgrade ? "upgrade" : "",
      date: server.time.date(),
    });
  } catch (error) {
    owner.fail(exchange, error);
    return null;
  }
  exchange.keepsAlive = keepAlive;
  server.stats.responsesByStatus[raw.status]!++;
  if (hasFailed) exchange.hasFailed = false; // What could fail has not.
  return text;
}

/** The heads that are encoded already, if the response has such a one. */
function plainHeadsFor(server: ServerContext, exchange: Exchange, raw: RawReply): PlainHeads | null {
  const { method, minorVersion } = exchange.head;
  if (raw.status !== 200 || raw.statusText !== "" || minorVersion !== 1) return null;
  if (method === "HEAD" || method === "CONNECT") return null;
  const [ofText, ofNothing, ofJson] = server.plainHeads;
  if (raw.fields === TEXT_FIELDS) return ofText!;
  if (raw.fields === JSON_FIELDS) return ofJson!;
  return raw.fields === NO_FIELDS ? ofNothing! : null;
}

/** Whether the response has no body, whatever the handler made (RFC 9110 §6.4.1). */
function isBodiless(exchange: Exchange, status: number): boolean {
  return exchange.head.method === "HEAD" || status === 204 || status === 304 || status === 205;
}

/** Framing of a body that is all there. */
function wholeFraming(exchange: Exchange, status: number, notes: FieldNotes, length: number): Framing {
  if (status === 204 || status === 205) return NO_BODY;
  const isNothingKnown = length === 0 && isBodiless(exchange, status);
  return isNothingKnown ? bodilessFraming(notes, null) : { kind: "length", length };
}

/** Framing of a HEAD or 304 response whose body would be streamed: what it would say of its length (RFC 9110 §8.6). */
function bodilessFraming(notes: FieldNotes, length: number | null): Framing {
  const promised = length ?? notes.length;
  if (promised !== null) return { kind: "length", length: promised };
  return NO_BODY;
}

/** Framing of a streamed body (RFC 9112 §6.3). */
function framingOf(exchange: Exchange, length: number | null): Framing {
  if (length !== null) return { kind: "length", length };
  return exchange.head.minorVersion === 1 ? CHUNKED : UNTIL_CLOSE;
}

function producerOf(
  owner: WriterOwner,
  body: Exclude<RawReply["body"], string | Uint8Array | null>,
  isEventStream: boolean,
): BodyProducer {
  const kind = isEventStream ? "stream" : "body";
  const report = (error: unknown) => owner.report(error);
  if (body instanceof WebStream) return new StreamProducer(body, kind, report);
  if (body instanceof WebBlob) return new StreamProducer(body.stream(), kind, report);
  return isProducer(body) ? body : new IterableProducer(body, kind, report);
}

/** The lines of headers, which are read more than once: their iterator costs six times what `forEach` does. */
function linesOf(headers: Headers): FieldLines {
  const lines: [string, string][] = [];
  headers.forEach((value, name) => lines.push([name, value]));
  return lines;
}

/** Reads what of the fields is the server's business. */
function noteFields(fields: FieldLines): Readonly<FieldNotes> {
  if (fields === TEXT_FIELDS || fields === NO_FIELDS || fields === JSON_FIELDS) return NO_NOTES;
  const notes: FieldNotes = { ...NO_NOTES };
  for (const [name, value] of fields) {
    switch (name.length) {
      case 7:
        if (name.toLowerCase() === "upgrade") notes.isUpgrade = true;
        break;
      case 10:
        if (name.toLowerCase() === "connection") notes.isClosing ||= /(^|[\s,])close($|[\s,])/i.test(value);
        break;
      case 12:
        if (name.toLowerCase() === "content-type") notes.isEventStream = /^text\/event-stream\b/i.test(value);
        break;
      case 14:
        if (name.toLowerCase() === "content-length" && CONTENT_LENGTH.test(value)) {
          notes.length = Number(value);
        }
        break;
    }
  }
  return notes;
}
