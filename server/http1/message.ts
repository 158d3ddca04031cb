/**
 * The contracts of the HTTP/1.1 engine: what it reports (MessageSink), how a head is seen (Fields, RequestHead,
 * ResponseHead), how a body is framed (Framing) and what bounds it (MessageLimits). Types only.
 *
 * The engine is sans-IO: bytes in, events out; no promise, no clock, no socket. One grammar serves both roles: a
 * server parses requests, a client (the gateway's) parses responses.
 *
 * ## Event grammar of one message
 *
 * ```text
 * head → body* → end          (then the next message's head, unless the connection is to close)
 * anything → error            (once; then nothing ever again)
 * ```
 *
 * In the client role any number of interim heads (1xx except 101) may come first, each complete by itself
 * (`head.isInterim`), without `end`.
 *
 * Bytes given to `body` and the views given to `head`/`end` are on loan until the call returns;
 * `head.retain()` copies what it looks at and makes it last.
 *
 * @module
 */
import type { Http1Error } from "./errors.ts";

/** How a message body is delimited (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

/** Field lines (RFC 9110 §5) as a lazy view on the bytes: nothing becomes a string before somebody asks. */
export interface Fields {
  /** How many field lines. */
  readonly count: number;
  /** Name of line `index`, in lower case. */
  nameAt(index: number): string;
  /** Value of line `index`, trimmed, one code unit per byte (a ByteString). */
  valueAt(index: number): string;
  /** Value of the first line with `name` (given in lower case), or `null`. */
  get(name: string): string | null;
  /** Values of all lines with `name` (lower case), in order. */
  getAll(name: string): string[];
  /** Whether there is a line with `name` (lower case). */
  has(name: string): boolean;
}

/** What both kinds of head share. */
export interface MessageHead extends Fields {
  /** Minor version: 0 or 1. */
  readonly minorVersion: 0 | 1;
  /** How the body that follows is framed. */
  readonly framing: Framing;
  /** Whether the connection may carry another message after this one (RFC 9112 §9.3). */
  readonly keepAlive: boolean;
  /** Whether `Connection` names `upgrade` and `Upgrade` is present. */
  readonly isUpgrade: boolean;
  /** Bytes of the whole head on the wire, start line and final CRLF included. */
  readonly wireBytes: number;
}

/** A request's head. */
export interface RequestHead extends MessageHead {
  /** Case-sensitive method; well-known ones are shared strings. */
  readonly method: string;
  /** The request target as sent. */
  readonly target: string;
  /** Which of RFC 9112 §3.2's four forms the target has. */
  readonly targetForm: "origin" | "absolute" | "authority" | "asterisk";
  /** Whether `Expect: 100-continue` waits for an interim response (HTTP/1.1 only). */
  readonly expectsContinue: boolean;
  /** Makes the view outlive the call by copying its bytes. Idempotent; returns the lasting head. */
  retain(): RequestHead;
}

/** A response's head. */
export interface ResponseHead extends MessageHead {
  /** 100 to 599 (599 and above are refused). */
  readonly status: number;
  /** Reason phrase; may be empty. */
  readonly reason: string;
  /** A 1xx other than 101: another head follows. */
  readonly isInterim: boolean;
  /** Makes the view outlive the call by copying its bytes. Idempotent; returns the lasting head. */
  retain(): ResponseHead;
}

/** Who hears the engine's events. Calls come from inside `feed` and `finish` only. */
export interface MessageSink<Head extends MessageHead> {
  /** A head is complete and valid. */
  head(head: Head): void;
  /** A piece of the body, at least one byte, without framing. On loan. */
  body(bytes: Uint8Array): void;
  /** The message is complete; `trailers` when a chunked body had any that are kept. On loan. */
  end(trailers: Fields | null): void;
  /** The peer broke the grammar or a limit; the parser is dead from now on. */
  error(error: Http1Error): void;
}

/** The bounds of one message, each with its stated answer; defaults in `limits.ts`. */
export interface MessageLimits {
  /** Bytes of the request line (414) or status line, CRLF excluded. */
  readonly startLineBytesMax: number;
  /** Bytes of all field lines together (431). */
  readonly headerBytesMax: number;
  /** Field lines (431). */
  readonly headersMax: number;
  /** Bytes of body, framing excluded (413); `Infinity` for none. `Parser.setBodyBytesMax` overrides per message. */
  readonly bodyBytesMax: number;
  /** Bytes of chunk extensions in one message (400). */
  readonly chunkExtensionBytesMax: number;
  /** Bytes of trailer lines (431). */
  readonly trailerBytesMax: number;
  /** Trailer lines (431). */
  readonly trailersMax: number;
}

/** The engine's reading half. */
export interface MessageParser {
  /**
   * Takes bytes and calls the sink. Returns how many were consumed: all of them, unless the sink paused the parser,
   * the parser is dead, or the message that ended was the last the connection may carry (`isDone`).
   */
  feed(bytes: Uint8Array): number;
  /** Stops after the current event; `feed` returns what it consumed and consumes nothing until `resume`. */
  pause(): void;
  /** Lets `feed` consume again; the caller feeds what was left over, even if nothing: `end` may wait to be told. */
  resume(): void;
  /** The peer's FIN: ends a close-delimited body, is fine between messages, an `error` inside one. */
  finish(): void;
  /** Sets the body limit of the message whose head is being reported. A declared length above it is an error at once. */
  setBodyBytesMax(bytes: number): void;
  /** Whether it waits for a new message's first byte. */
  readonly isIdle: boolean;
  /** Whether the first bytes of a head have come, but not all. */
  readonly isInHead: boolean;
  /** Whether the last message the connection may carry has ended: later bytes are ignored. */
  readonly isDone: boolean;
  /** Whether `error` was reported. */
  readonly isDead: boolean;
}
