/**
 * What a service is: a function from a request to a response. Types only.
 *
 * @module
 */
import type { Addr } from "../io/selector.ts";
import type { StreamReader } from "../io/stream_reader.ts";
import type { StreamWriter } from "../io/stream_writer.ts";

/** A service: works under `serve()`, and unchanged under `Deno.serve`, `Bun.serve` and others that pass a Request. */
export type Handler = (request: Request, info: ServeInfo) => Response | Promise<Response>;

/** A connection taken over by a handler (after `Upgrade` or `CONNECT`). */
export interface HijackedConnection {
  /** Reads what the peer sends after the request head, bytes that had already come first. */
  readonly reader: StreamReader;
  /** Writes raw bytes: no HTTP framing is added, not even a response head. */
  readonly writer: StreamWriter;
}

/**
 * What `serve()` tells a handler beside the request. Three signals that other servers mix up are three here. All of
 * them are made when first asked for.
 */
export interface ServeInfo {
  /** The peer's address (the client's, when a trusted PROXY header said so). */
  readonly remoteAddr: Addr;
  /** Own address of the connection. */
  readonly localAddr: Addr;
  /** Aborts when the client is gone before the response was complete. Never on a normal end. */
  readonly disconnected: AbortSignal;
  /** Aborts when the server begins to stop: finish soon, a stream should end. */
  readonly draining: AbortSignal;
  /** Resolves when the response is with the kernel; rejects with the reason when it was cut short. */
  readonly completed: Promise<void>;
  /** The request's trailer fields, once its body was read to the end. */
  readonly trailers: Promise<Headers>;
  /**
   * Sends an interim response 103 (RFC 8297) with these fields, at once; to a client of HTTP/1.0, nothing. Throws an
   * `EarlyHintsError` when it cannot: the response was returned, nobody waits for it, too many wait for an earlier response,
   * or no head may carry a value.
   */
  earlyHints(headers: HeadersInit): void;
  /**
   * Takes the connection over. The handler's returned response is then ignored (return any); allowed once, before
   * a response was returned, and with an unread body only if the body is empty or the request asks for an upgrade. The server's
   * deadlines end with it: every read and drain of the streams takes its own. A server that stops cuts it after `graceMs`.
   */
  hijack(): HijackedConnection;
  /** Values of the route's named parts; empty without a router. */
  readonly params: Readonly<Record<string, string>>;
}
