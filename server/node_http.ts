/**
 * What `node:http` hands to a listener, as far as this library asks: shapes only, so that no file here imports
 * `node:http` and no user needs its types. Node's own objects fit them, as do Deno's, Bun's, Express's and Connect's.
 *
 * @module
 */

/** The socket below a request. */
export interface SocketLike {
  /** The peer's IP address; missing on a Unix socket and after the peer left. */
  readonly remoteAddress?: string | undefined;
  /** The peer's port. */
  readonly remotePort?: number | undefined;
  /** Own IP address. */
  readonly localAddress?: string | undefined;
  /** Own port. */
  readonly localPort?: number | undefined;
  /** Whether it is TLS. */
  readonly encrypted?: boolean | undefined;
  /** Closes with a reset, so that the peer cannot take a cut body for a whole one. */
  resetAndDestroy?(): unknown;
}

/** A request: `http.IncomingMessage`. */
export interface IncomingLike {
  /** Method as sent. */
  readonly method?: string | undefined;
  /** Request target; without the mount path below a Connect or Express app. */
  readonly url?: string | undefined;
  /** Minor version. */
  readonly httpVersionMinor: number;
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[];
  /** The same of the trailers, once the body has ended. */
  readonly rawTrailers: readonly string[];
  /** Whether the whole message came. */
  readonly complete: boolean;
  /** Whether the body was read to its end. */
  readonly readableEnded: boolean;
  /** The connection. */
  readonly socket: SocketLike;
  /** Hears of the body's bytes. */
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  /** Hears of its end (`end`), its failure (`error`), and the message's close (`close`). */
  on(event: string, listener: (error?: unknown) => void): unknown;
  /** Receives no more for now. */
  pause(): unknown;
  /** Receives again. */
  resume(): unknown;
}

/** A response: `http.ServerResponse`. */
export interface ServerResponseLike {
  /** Status of the head. */
  statusCode: number;
  /** Reason phrase. */
  statusMessage: string;
  /** Whether the head was written. */
  readonly headersSent: boolean;
  /** Whether `end` was called. */
  readonly writableEnded: boolean;
  /** Whether the system has taken all of it. */
  readonly writableFinished: boolean;
  /** Bytes that wait. */
  readonly writableLength: number;
  /** Sets a field; an array is as many lines. */
  setHeader(name: string, value: string | readonly string[]): unknown;
  /** Writes the head now. */
  flushHeaders(): void;
  /** Takes bytes; `false` when enough wait. The bytes are held until `taken` is called. */
  write(chunk: Uint8Array | string, taken?: (error?: Error | null) => void): boolean;
  /** Completes the response. */
  end(chunk?: Uint8Array | string): unknown;
  /** Fields after the body, if the framing has room for them. */
  addTrailers(trailers: [string, string][]): void;
  /** Breaks the response off. */
  destroy(error?: Error): unknown;
  /** Sends an interim 103; missing where the runtime has none. */
  writeEarlyHints?(hints: Record<string, string | string[]>): void;
  /** Hears of `drain`, `finish`, `close`, `error`. */
  on(event: string, listener: (error?: unknown) => void): unknown;
}
