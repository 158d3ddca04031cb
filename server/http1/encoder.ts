/**
 * The engine's writing half: heads, chunk headers and last chunks as strings with one code unit per byte, for
 * `transport.writeLatin1`.
 *
 * Strategy: the caller says what the message is (status, fields, how the body is framed, whether the connection goes on)
 * and the encoder alone writes `Content-Length`, `Transfer-Encoding` and `Connection`: lines of these names among the
 * fields are left out (as is `Host`), so the framing on the wire is always the framing that was asked for (RFC 9112 §6).
 * Every name and value is checked (RFC 9110 §5.1, §5.5): what could break a line is a `LocalProtocolError`, and nothing is
 * sent. What never changes from one message to the next is checked once, as a `FieldBlock`.
 *
 * @module
 */
import { isAuthority } from "./authority.ts";
import { LocalProtocolError } from "./errors.ts";
import { FIELD_VALUE, TARGET, TOKEN_LOWER } from "./grammar.ts";
import type { Framing } from "./message.ts";
import { REASONS } from "./reasons.ts";
import { isForbiddenTrailer } from "./trailer_rule.ts";

/** Field lines to send: pairs of name and value, as a `Headers`, a `Map` or an array gives them. */
export type FieldLines = Iterable<readonly [name: string, value: string]>;

/** What a response head says. */
export interface ResponseHeadInit {
  /** 101, or 200 to 599; interim ones are `encodeInterimHead`'s. */
  readonly status: number;
  /** Reason phrase; the registered one when left out. */
  readonly statusText?: string;
  /** Field lines; those that frame the message or manage the connection are left out, see the module's text. */
  readonly fields?: FieldLines;
  /** Field lines that were encoded before, sent after `fields`. */
  readonly block?: FieldBlock;
  /** How the body is framed; for HEAD and 304, how it would be (`none` then says nothing about it). */
  readonly framing: Framing;
  /** Method of the request that is answered. */
  readonly method: string;
  /** Minor version of that request. */
  readonly minorVersion: 0 | 1;
  /** Whether the connection goes on after this response. `false` is sent as `Connection: close`. */
  readonly keepAlive: boolean;
  /** Further connection options, as in `"upgrade"` with 426; 101 has its own. */
  readonly connection?: string;
  /** Value of `Date`, unless the fields have one; `null` for a server without a clock (RFC 9110 §6.6.1). */
  readonly date: string | null;
}

/** What a request head says. */
export interface RequestHeadInit {
  /** The method, as it is to be sent. */
  readonly method: string;
  /** The request target, in the form that fits (RFC 9112 §3.2). */
  readonly target: string;
  /** Value of `Host`, sent first. */
  readonly host: string;
  /** Field lines; those that frame the message or manage the connection are left out. */
  readonly fields?: FieldLines;
  /** Field lines that were encoded before, sent after `fields`. */
  readonly block?: FieldBlock;
  /** How the body is framed; a request knows no `close`. */
  readonly framing: Framing;
  /** Whether the connection goes on after the response. `false` is sent as `Connection: close`. */
  readonly keepAlive: boolean;
  /** Further connection options, as in `"upgrade"` or `"TE"`. */
  readonly connection?: string;
}

/**
 * Field lines that were checked and encoded once, to be sent with any number of heads.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { FieldBlock } from "./encoder.ts";
 * assert(new FieldBlock([["server", "sluice"]]).text === "server: sluice\r\n");
 * ```
 */
export class FieldBlock {
  /** The lines, each with its CRLF. */
  readonly text: string;
  /** Whether `Date` is among them. */
  readonly hasDate: boolean;

  /**
   * Checks and encodes the lines.
   *
   * @param fields the lines; those that frame the message or manage the connection are left out
   * @throws {LocalProtocolError} a name or value no message may carry
   */
  constructor(fields: FieldLines) {
    const lines = encodeLines(fields);
    this.text = lines.text;
    this.hasDate = lines.hasDate;
  }
}

/** Ends the data of a chunk. */
export const CHUNK_END = "\r\n";

/** A last chunk without trailers. */
export const LAST_CHUNK = "0\r\n\r\n";

/** A result of `encodeLines`. */
interface EncodedLines {
  readonly text: string;
  readonly hasDate: boolean;
}

/**
 * Encodes the head of a final response, or of 101.
 *
 * @param init what the head says
 * @returns the head with its empty line, one code unit per byte
 * @throws {LocalProtocolError} a name, value or reason no message may carry, or a framing the message cannot have
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeResponseHead } from "./encoder.ts";
 * const head = encodeResponseHead({
 *   status: 200,
 *   fields: [["content-type", "text/plain"]],
 *   framing: { kind: "length", length: 5 },
 *   method: "GET",
 *   minorVersion: 1,
 *   keepAlive: true,
 *   date: null,
 * });
 * assert(head === "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n");
 * ```
 */
export function encodeResponseHead(init: ResponseHeadInit): string {
  const { status, framing } = init;
  if (!(status === 101 || (status >= 200 && status <= 599)) || !Number.isInteger(status)) {
    throw new LocalProtocolError(`Cannot encode the head: ${status} is no status of a final response`);
  }
  let head = statusLine(status, init.statusText);
  let hasDate = init.date === null;
  if (init.fields !== undefined) {
    const lines = encodeLines(init.fields);
    head += lines.text;
    hasDate ||= lines.hasDate;
  }
  if (init.block !== undefined) {
    head += init.block.text;
    hasDate ||= init.block.hasDate;
  }
  if (status === 101 && !/\r\nupgrade:/i.test(head)) {
    throw new LocalProtocolError("Cannot encode the head: 101 says by Upgrade to what (RFC 9110 §15.2.2)");
  }
  if (!hasDate) head += `date: ${checkedValue("date", init.date!)}\r\n`;
  head += responseFraming(init);
  const isClosing = !init.keepAlive || framing.kind === "close";
  return head + connectionLine(init, isClosing) + "\r\n";
}

/**
 * Encodes an interim response's head: 100, 102, 103 (RFC 8297).
 *
 * @param status 100 to 199, but not 101
 * @param fields field lines, as in early hints
 * @throws {LocalProtocolError} another status, or a name or value no message may carry
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeInterimHead } from "./encoder.ts";
 * assert(encodeInterimHead(100) === "HTTP/1.1 100 Continue\r\n\r\n");
 * ```
 */
export function encodeInterimHead(status: number, fields?: FieldLines): string {
  if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) {
    throw new LocalProtocolError(`Cannot encode the head: ${status} is no status of an interim response`);
  }
  return statusLine(status, undefined) + (fields === undefined ? "" : encodeLines(fields).text) +
    "\r\n";
}

/**
 * Encodes a request's head.
 *
 * @param init what the head says
 * @returns the head with its empty line, one code unit per byte
 * @throws {LocalProtocolError} a method, target, host, name or value no message may carry, or a framing it cannot have
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeRequestHead } from "./encoder.ts";
 * const head = encodeRequestHead({
 *   method: "GET",
 *   target: "/",
 *   host: "a.example",
 *   framing: { kind: "none" },
 *   keepAlive: true,
 * });
 * assert(head === "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
 * ```
 */
export function encodeRequestHead(init: RequestHeadInit): string {
  const { method, framing } = init;
  if (!isToken(method)) throw new LocalProtocolError("Cannot encode the head: the method is no token");
  if (!isMadeOf(TARGET, init.target)) {
    throw new LocalProtocolError(
      "Cannot encode the head: the target is empty or has bytes no target may have",
    );
  }
  if (!isHost(init.host)) {
    throw new LocalProtocolError("Cannot encode the head: the host is not a host and an optional port");
  }
  let head = `${method} ${init.target} HTTP/1.1\r\nhost: ${init.host}\r\n`;
  if (init.fields !== undefined) head += encodeLines(init.fields).text;
  if (init.block !== undefined) head += init.block.text;
  if (framing.kind === "close") {
    throw new LocalProtocolError("Cannot encode the head: a request's body cannot end with the connection");
  }
  if (method === "CONNECT" && framing.kind !== "none") {
    throw new LocalProtocolError("Cannot encode the head: CONNECT has no content (RFC 9110 §9.3.6)");
  }
  // RFC 9110 §8.6: a method that usually has content says so when it has none.
  if (framing.kind === "none") {
    if (method === "POST" || method === "PUT" || method === "PATCH") head += "content-length: 0\r\n";
  } else {
    head += framingLine(framing);
  }
  const connection = init.connection ?? "";
  if (connection !== "" && !isTokenList(connection)) throw badConnection();
  if (init.keepAlive) return head + (connection === "" ? "\r\n" : `connection: ${connection}\r\n\r\n`);
  return head +
    (connection === "" ? "connection: close\r\n\r\n" : `connection: close, ${connection}\r\n\r\n`);
}

/**
 * Encodes the line before a chunk's data; `CHUNK_END` goes after the data.
 *
 * @param length bytes of data, at least 1: an empty chunk would end the body
 * @throws {LocalProtocolError} the length is no whole number of at least 1
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeChunkHeader } from "./encoder.ts";
 * assert(encodeChunkHeader(255) === "ff\r\n");
 * ```
 */
export function encodeChunkHeader(length: number): string {
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new LocalProtocolError(`Cannot encode the chunk: its length is ${length}`);
  }
  return length.toString(16) + "\r\n";
}

/**
 * Encodes the last chunk with its trailers.
 *
 * @param trailers trailer lines, if any
 * @throws {LocalProtocolError} a name or value no message may carry, or a field that cannot be a trailer (RFC 9110 §6.5.1)
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeLastChunk } from "./encoder.ts";
 * assert(encodeLastChunk([["x-sum", "42"]]) === "0\r\nx-sum: 42\r\n\r\n");
 * ```
 */
export function encodeLastChunk(trailers?: FieldLines): string {
  if (trailers === undefined) return LAST_CHUNK;
  let text = "0\r\n";
  for (const [name, value] of trailers) {
    if (isForbiddenTrailer(name.toLowerCase())) {
      throw new LocalProtocolError(`Cannot encode the trailers: ${name} cannot be one (RFC 9110 §6.5.1)`);
    }
    text += encodeLine(name, value);
  }
  return text + "\r\n";
}

/** The status line. */
function statusLine(status: number, statusText: string | undefined): string {
  const registered = REASONS[status];
  if (statusText === undefined || statusText === "") return registered ?? `HTTP/1.1 ${status} \r\n`;
  return `HTTP/1.1 ${status} ${checkedValue("reason phrase", statusText)}\r\n`;
}

/** All lines that are the caller's to write. */
function encodeLines(fields: FieldLines): EncodedLines {
  let text = "";
  let hasDate = false;
  for (const [name, value] of fields) {
    const kind = kindOf(name);
    if (kind === KIND_MANAGED) continue;
    if (kind === KIND_DATE) hasDate = true;
    text += encodeLine(name, value);
  }
  return { text, hasDate };
}

// What a field is to the encoder; numbers, since strings would be compared for every field of every head.
const KIND_FREE = 0;
const KIND_MANAGED = 1;
const KIND_DATE = 2;

/** Which names are the encoder's: the length tells most others apart without making a string. */
function kindOf(name: string): number {
  switch (name.length) {
    case 4: {
      const lower = name.toLowerCase();
      return lower === "host" ? KIND_MANAGED : lower === "date" ? KIND_DATE : KIND_FREE;
    }
    case 10: {
      const lower = name.toLowerCase();
      return lower === "connection" || lower === "keep-alive" ? KIND_MANAGED : KIND_FREE;
    }
    case 14:
      return name.toLowerCase() === "content-length" ? KIND_MANAGED : KIND_FREE;
    case 17:
      return name.toLowerCase() === "transfer-encoding" ? KIND_MANAGED : KIND_FREE;
    default:
      return KIND_FREE;
  }
}

/** One line, checked. */
function encodeLine(name: string, value: string): string {
  if (!isToken(name)) {
    throw new LocalProtocolError(`Cannot encode the field ${JSON.stringify(name)}: its name is no token`);
  }
  return name + ": " + checkedValue(name, value) + "\r\n";
}

/** The value, if a message may carry it. */
function checkedValue(name: string, value: string): string {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    // Beyond 255 the table has nothing: a value is a ByteString, or it could smuggle CR and LF when it is cut to bytes.
    if (FIELD_VALUE[unit] !== 1) {
      throw new LocalProtocolError(`Cannot encode the ${name}: its value has the code unit ${unit}`);
    }
  }
  return value;
}

/** Whether the text is a token (RFC 9110 §5.6.2). */
function isToken(text: string): boolean {
  return isMadeOf(TOKEN_LOWER, text);
}

/** Whether the text is not empty and all its code units are of the class; those above 255 are in none. */
function isMadeOf(table: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (!(table[text.charCodeAt(i)]! > 0)) return false;
  }
  return text.length > 0;
}

/** Whether the text can be Host's value: empty when the target has no authority (RFC 9110 §7.2). */
function isHost(text: string): boolean {
  if (text === "") return true;
  // A byte that no host has stands for the code units beyond bytes.
  const bytes = Uint8Array.from(text, (char) => Math.min(char.charCodeAt(0), 0xff));
  return isAuthority(bytes, 0, bytes.length, false);
}

/** Whether the text is a list of tokens. */
function isTokenList(text: string): boolean {
  return text.split(",").every((part) => isToken(part.trim()));
}

/** The lines that frame a response's body (RFC 9112 §6), or none. */
function responseFraming(init: ResponseHeadInit): string {
  const { status, framing, method } = init;
  if (status === 101 || status === 204 || isTunnel(init)) {
    if (framing.kind === "none") return "";
    throw new LocalProtocolError(
      `Cannot encode the head: ${method} with ${status} has no content (RFC 9112 §6.3)`,
    );
  }
  if (framing.kind === "none") {
    // RFC 9110 §8.6: HEAD and 304 may leave it out; without it, anything else would last until the connection ends.
    return method === "HEAD" || status === 304 ? "" : "content-length: 0\r\n";
  }
  if (status === 205 && !(framing.kind === "length" && framing.length === 0)) {
    throw new LocalProtocolError("Cannot encode the head: 205 has no content (RFC 9110 §15.3.6)");
  }
  if (framing.kind === "close") return "";
  if (framing.kind === "chunked" && init.minorVersion === 0) {
    throw new LocalProtocolError("Cannot encode the head: HTTP/1.0 knows no chunks (RFC 9112 §6.1)");
  }
  return framingLine(framing);
}

/** Whether what follows the head is a tunnel's (RFC 9110 §9.3.6). */
function isTunnel(init: ResponseHeadInit): boolean {
  return init.method === "CONNECT" && init.status >= 200 && init.status <= 299;
}

/** One framing line. */
function framingLine(framing: Framing): string {
  if (framing.kind === "chunked") return "transfer-encoding: chunked\r\n";
  const length = framing.kind === "length" ? framing.length : -1;
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new LocalProtocolError(`Cannot encode the head: the length is ${length}`);
  }
  return `content-length: ${length}\r\n`;
}

/** A response's `Connection` (RFC 9112 §9.3): 1.1 goes on unless told otherwise, 1.0 the other way round. */
function connectionLine(init: ResponseHeadInit, isClosing: boolean): string {
  if (init.status === 101) return "connection: upgrade\r\n";
  if (isTunnel(init)) return "";
  let options = isClosing ? "close" : init.minorVersion === 0 ? "keep-alive" : "";
  if (init.connection !== undefined && init.connection !== "") {
    if (!isTokenList(init.connection)) throw badConnection();
    options = options === "" ? init.connection : `${options}, ${init.connection}`;
  }
  return options === "" ? "" : `connection: ${options}\r\n`;
}

/** What a malformed `connection` gets. */
function badConnection(): LocalProtocolError {
  return new LocalProtocolError("Cannot encode the head: the connection options are no list of tokens");
}
