/**
 * One request and its response under `node:http`: the handler's `Request` and `ServeInfo`, made of what Node has parsed.
 *
 * Strategy: as under `serve()`, little is done before somebody asks: the request is a view, its body is received when it
 * is read (until then Node's own pause is the brake), signals and promises are made on first use and then show what
 * has happened before.
 *
 * Invariants: `disconnected` aborts when the connection closes before the response was complete, and at no other time;
 * `draining` never, for Node tells nobody that it stops. `completed` settles once, and never rejects unhandled.
 *
 * @module
 */
import { ConnectionResetError, UnsupportedError } from "../io/errors.ts";
import type { Addr } from "../io/selector.ts";
import { BodyTooLargeError } from "./collect_body.ts";
import type { HijackedConnection, ServeInfo } from "./handler.ts";
import { IncomingBody, type IncomingBodyOwner } from "./incoming_body.ts";
import { NodeFields, type NodeHead } from "./node_head.ts";
import type { IncomingLike, ServerResponseLike } from "./node_http.ts";
import type { RequestSource } from "./request.ts";
import { EarlyHintsError } from "./response_errors.ts";

/** The parameters of a request that went through no router. */
const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/** Ports that URLs leave out, by scheme (RFC 9110 §4.2). */
const DEFAULT_PORTS = Object.freeze({ http: 80, https: 443 });

/** Between two links of a `Link` field (RFC 8288 §3): Node wants them apart. */
const BETWEEN_LINKS = /,\s*(?=<)/;

/** What Node throws for hints that it does not take: a link in a form it does not know, a value, a name, a head before them. */
const HINTS_REFUSED: ReadonlySet<unknown> = new Set([
  "ERR_INVALID_ARG_VALUE",
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
  "ERR_HTTP_INVALID_HEADER_VALUE",
  "ERR_HTTP_HEADERS_SENT",
]);

/** One request and its response; see the module's text. */
export class NodeExchange implements ServeInfo, RequestSource, IncomingBodyOwner {
  readonly head: NodeHead;
  readonly body: IncomingBody | null;
  readonly gatheredBytesMax?: number;
  readonly params: Readonly<Record<string, string>> = NO_PARAMS;
  /** Whether the response was begun, so that no interim one can come before it. */
  isAnswered = false;
  readonly #incoming: IncomingLike;
  readonly #response: ServerResponseLike;
  readonly #bodyBytesMax: number;
  #isCancelled = false;
  #isOver = false;
  #cutReason: Error | null = null;
  #disconnected: AbortController | null = null;
  #draining: AbortController | null = null;
  #completed: PromiseWithResolvers<void> | null = null;
  #trailers: PromiseWithResolvers<Headers> | null = null;

  /**
   * @param incoming the request @param response its response
   * @param head of the request
   * @param bodyBytesMax bytes its body may have; `Infinity` for any number
   */
  constructor(
    incoming: IncomingLike,
    response: ServerResponseLike,
    head: NodeHead,
    bodyBytesMax: number,
  ) {
    this.head = head;
    this.#incoming = incoming;
    this.#response = response;
    this.#bodyBytesMax = bodyBytesMax;
    if (bodyBytesMax !== Infinity) this.gatheredBytesMax = bodyBytesMax;
    const { framing } = head;
    this.body = framing.kind === "none"
      ? null
      : new IncomingBody(this, framing.kind === "length" ? framing.length : null);
    // A body parser that ran before has the bytes: reading them again fails, rather than finding nothing.
    if (incoming.readableEnded) this.body?.discard(new TypeError("Cannot read the body: it was read before"));
  }

  // ---- ServeInfo ------------------------------------------------------------------------------------------------

  get remoteAddr(): Addr {
    const { remoteAddress, remotePort } = this.#incoming.socket;
    return addrOf(remoteAddress, remotePort);
  }

  get localAddr(): Addr {
    const { localAddress, localPort } = this.#incoming.socket;
    return addrOf(localAddress, localPort);
  }

  get disconnected(): AbortSignal {
    if (this.#disconnected === null) {
      this.#disconnected = new AbortController();
      if (this.#cutReason !== null) this.#disconnected.abort(this.#cutReason);
    }
    return this.#disconnected.signal;
  }

  get draining(): AbortSignal {
    this.#draining ??= new AbortController();
    return this.#draining.signal;
  }

  get completed(): Promise<void> {
    if (this.#completed === null) {
      this.#completed = Promise.withResolvers();
      this.#completed.promise.catch(() => {}); // Who only asks, and does not wait, must not be ended by it.
      if (this.#cutReason !== null) this.#completed.reject(this.#cutReason);
      else if (this.#isOver) this.#completed.resolve();
    }
    return this.#completed.promise;
  }

  get trailers(): Promise<Headers> {
    if (this.#trailers === null) {
      this.#trailers = Promise.withResolvers();
      this.#trailers.promise.catch(() => {}); // As with `completed`.
      if (this.body === null) this.#trailers.resolve(new Headers());
      else if (this.body.isComplete) this.#trailers.resolve(this.#trailerHeaders());
      else if (this.#cutReason !== null) this.#trailers.reject(this.#cutReason);
    }
    return this.#trailers.promise;
  }

  earlyHints(headers: HeadersInit): void {
    if (this.isAnswered || this.#isOver) {
      throw new EarlyHintsError("the response was returned before, or nobody waits for it");
    }
    const hints: Record<string, string | string[]> = {};
    for (const [name, value] of new Headers(headers)) {
      hints[name] = name === "link" ? value.split(BETWEEN_LINKS) : value;
    }
    try {
      if (this.head.minorVersion === 1) this.#response.writeEarlyHints?.(hints); // RFC 9110 §15.2: not for a 1.0 client.
    } catch (cause) {
      if (!HINTS_REFUSED.has((cause as { readonly code?: unknown } | null)?.code)) throw cause;
      throw new EarlyHintsError("node:http does not take them", { cause });
    }
  }

  hijack(): HijackedConnection {
    throw new UnsupportedError(
      "Cannot take the connection over",
      "it belongs to node:http; listen to the server's `upgrade` event, or use serve()",
    );
  }

  // ---- RequestSource --------------------------------------------------------------------------------------------

  get scheme(): "http" | "https" {
    return this.#incoming.socket.encrypted === true ? "https" : "http";
  }

  get authority(): string {
    const { localAddr, scheme } = this;
    if (localAddr.transport === "unix") return "localhost";
    const host = localAddr.hostname.includes(":") ? `[${localAddr.hostname}]` : localAddr.hostname;
    return localAddr.port === DEFAULT_PORTS[scheme] ? host : `${host}:${localAddr.port}`;
  }

  // ---- IncomingBodyOwner ----------------------------------------------------------------------------------------

  /** From here on Node's request flows into the body. */
  bodyWanted(body: IncomingBody): void {
    const incoming = this.#incoming;
    incoming.on("end", () => {
      body.end(incoming.rawTrailers.length > 0 ? new NodeFields(incoming.rawTrailers) : null);
      this.#trailers?.resolve(this.#trailerHeaders());
    });
    incoming.on("close", () => {
      if (!incoming.complete) this.#failBody(new ConnectionResetError("Cannot read the body"));
    });
    incoming.on("data", (chunk) => {
      if (this.#isCancelled) return;
      body.push(chunk);
      if (body.receivedBytes > this.#bodyBytesMax) {
        this.#failBody(new BodyTooLargeError(this.#bodyBytesMax));
        this.#isCancelled = true;
      }
    });
  }

  bodyPaused(): void {
    this.#incoming.pause();
  }

  bodyResumed(): void {
    this.#incoming.resume();
  }

  /** What still comes is dropped, so that the connection can go on. */
  bodyCancelled(): void {
    this.#isCancelled = true;
    this.#incoming.resume();
  }

  // ---- the listener's side --------------------------------------------------------------------------------------

  /** Why nobody waits for the response any more; `null` while somebody does. */
  get cutReason(): Error | null {
    return this.#cutReason;
  }

  /** The system has taken the response. */
  delivered(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#completed?.resolve();
  }

  /** The client left before the response was complete, or the response cannot be completed. */
  cut(reason: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cutReason = reason;
    this.#failBody(reason);
    this.#completed?.reject(reason);
    this.#disconnected?.abort(reason);
  }

  #failBody(reason: Error): void {
    this.body?.fail(reason);
    if (this.body?.isComplete === false) this.#trailers?.reject(reason);
  }

  #trailerHeaders(): Headers {
    const headers = new Headers();
    const fields = new NodeFields(this.#incoming.rawTrailers);
    for (let i = 0; i < fields.count; i++) headers.append(fields.nameAt(i), fields.valueAt(i));
    return headers;
  }
}

/** An address as Node tells it: nothing for a Unix socket. */
function addrOf(hostname: string | undefined, port: number | undefined): Addr {
  return hostname === undefined || port === undefined
    ? { transport: "unix", path: "" }
    : { transport: "tcp", hostname, port };
}
