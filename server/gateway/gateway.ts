/**
 * A reverse proxy as a handler: streams requests to an upstream and its responses back, nothing held back and nothing
 * piled up.
 *
 * What it promises:
 * - Every read from the upstream goes to the client in the same turn; tokens and events are not collected.
 * - Who does not read stops who sends, in both directions, through TCP: memory stays flat.
 * - A client that leaves closes its upstream connection in the same turn, whatever the exchange was doing.
 * - An upstream that fails in mid-body aborts the client's connection; a cut response never looks complete.
 * - Failures before that are problem details (RFC 9457) with a stable `code`: 502, 503 or 504.
 *
 * Known limits: HTTP/1.1 to the upstream, without TLS; no upgrades (WebSocket) and no CONNECT; `Location` and cookie
 * domains of the upstream are passed on as they are; interim responses other than 100 and 103 are dropped.
 *
 * @module
 */
import type { SluiceError } from "../../io/errors.ts";
import { openSelector } from "../../io/open_selector.ts";
import type { Selector } from "../../io/selector.ts";
import { LocalProtocolError } from "../http1/errors.ts";
import { assertLimits, RESPONSE_LIMITS_DEFAULT } from "../http1/limits.ts";
import type { MessageLimits } from "../http1/message.ts";
import { problem } from "../problem.ts";
import { clientAddress, type ClientFacts } from "./forwarded.ts";
import { GatewayCounters, type GatewayStats } from "./gateway_stats.ts";
import { takesTrailers } from "./hop_fields.ts";
import { InboundFramingError, type InboundRequest, inboundRequest } from "./inbound_request.ts";
import { type ExchangeContext, type ExchangeRequest, ProxyExchange } from "./proxy_exchange.ts";
import { type HeadPolicy, type Refusal, refusalOf, upstreamHead } from "./request_head.ts";
import { parseUpstream, type Upstream } from "./upstream.ts";
import { type PoolOptions, UpstreamPool } from "./upstream_pool.ts";

/** Options of `gateway`. Every wait and every count has a bound; times are milliseconds. */
export interface GatewayOptions {
  /** Where requests go: `http://host[:port][/base]` or `unix:/path`. */
  readonly upstream: string | URL;
  /** What connects; the gateway leaves it open. Default: one of its own, opened at the first request. */
  readonly selector?: Selector;
  /** Taken off the front of every path, as in `"/api"`; a request outside is answered 404. Default: nothing. */
  readonly stripPrefix?: string;
  /** Whether the client's `Host` goes to the upstream, instead of the upstream's own. Default false. */
  readonly preserveHost?: boolean;
  /** The gateway's name in `Via`, a token; `null` writes none, and then loops are not noticed. Default `"sluice"`. */
  readonly via?: string | null;
  /** Whether `X-Forwarded-For`, `-Proto` and `-Host` are written. Default true. */
  readonly forwarded?: boolean;
  /**
   * Whose `X-Forwarded-*` are believed and added to: those of nobody, of everybody, or of who the function says, given
   * the peer's address (`null` over a Unix socket). Default false: they are removed and written anew.
   */
  readonly trustForwarded?: boolean | ((address: string | null) => boolean);
  /**
   * Whether the upstream stops together with the server that the gateway runs under, and ends its event streams then. Such a stream
   * is reported as ended by the stop, and cut after `streamGraceMs`; others are awaited as any answer is. Default false.
   */
  readonly stopsTogether?: boolean;
  /** Connections to the upstream at once. Default 10,000. */
  readonly connectionsMax?: number;
  /** Connections kept while unused. Default 256. */
  readonly idleMax?: number;
  /** How long one is kept. Default 4,000; the upstream's `Keep-Alive: timeout=n` may shorten it. */
  readonly idleTimeoutMs?: number;
  /** Requests that wait for a connection when all are in use; one more is answered 503. Default 1,024. */
  readonly queueMax?: number;
  /** How long each of them waits; then 503. Default 10,000. */
  readonly queueTimeoutMs?: number;
  /** How long connecting may take; then 504. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * How long the upstream may take to answer a whole request, or to take a part of its body; then 504. `null` for ever. Default 290,000.
   */
  readonly headTimeoutMs?: number | null;
  /** How long a response may be silent while the client reads; then it is cut. `null` for ever. Default 600,000. */
  readonly bodyIdleTimeoutMs?: number | null;
  /** How long the upstream may take to say `100 Continue`; then the body is sent all the same. Default 1,000. */
  readonly continueTimeoutMs?: number;
  /** Bounds of the upstream's messages. Default `RESPONSE_LIMITS_DEFAULT`. */
  readonly limits?: Partial<MessageLimits>;
  /** Hears of every failure of the upstream, with its address and cause, which clients are not told. Default: nobody. */
  readonly onError?: (error: SluiceError) => void;
}

/** What a gateway reads of a server's `info`; every part may be missing, as under a foreign server. */
export interface GatewayInfo {
  /** The client's address. */
  readonly remoteAddr?: { readonly transport: string; readonly hostname?: string };
  /** Aborts when the client is gone; without it `request.signal` is taken for that. */
  readonly disconnected?: AbortSignal;
  /** Sends an interim 103. An `EarlyHintsError` leaves it out; what else it throws fails the request. */
  readonly earlyHints?: (headers: HeadersInit) => void;
}

/** A handler that forwards; made by `gateway`. */
export interface Gateway {
  /** Forwards a request. Rejects with a TypeError if its body was read before, and with what a foreign `info` throws. */
  (request: Request, info?: GatewayInfo): Promise<Response>;
  /** Counters and gauges; a live view. */
  readonly stats: GatewayStats;
  /**
   * Ends it: later requests are answered 503, what is still being forwarded is cut. Let the server finish first
   * (`shutdown`). Resolves when every connection is closed. Idempotent.
   */
  close(): Promise<void>;
  /** Same as `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The number of token streams that one thread is meant to hold; well below the 28,232 ports Linux connects from. */
const CONNECTIONS_MAX = 10_000;

/** A burst of that many requests at once finds them all the next time; kept, they cost about 6 MiB on `native`. */
const IDLE_MAX = 256;

/** uvicorn and Node close after 5 s; whoever closes first does not lose a request to the other's FIN. */
const IDLE_TIMEOUT_MS = 4_000;

/** A tenth of the connections: who waits behind more than that gains nothing by waiting. */
const QUEUE_MAX = 1_024;

/** How long people wait for anything to happen (Nielsen, 1993: 10 s). */
const QUEUE_TIMEOUT_MS = 10_000;

/** Two retransmissions of a lost SYN (after 1 s and 3 s; RFC 6298 §2.1, §5.5) and some room. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Answers that are not streamed take minutes. A little less than `serve()` waits, so that the client hears who was slow. */
const HEAD_TIMEOUT_MS = 290_000;

/** Models think for minutes between two tokens, and OpenAI's own clients wait 10; a quiet connection costs little. */
const BODY_IDLE_TIMEOUT_MS = 600_000;

/** What curl waits; a server that knows `Expect` answers at once. */
const CONTINUE_TIMEOUT_MS = 1_000;

/** A pseudonym in `Via` is a token (RFC 9110 §7.6.3, §5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/** A prefix to strip: begins with a slash, does not end with one. */
const PREFIX = /^(?:\/[^/?#]+)+$/;

/**
 * Makes a handler that forwards requests to an upstream.
 *
 * @param options the upstream, and what differs from the defaults
 * @returns a handler for `serve()` (or `Deno.serve`, `Bun.serve`, …) with `stats` and `close()`
 * @throws TypeError or RangeError for options that make no sense, UnsupportedError for an `https:` upstream
 *
 * @example
 * ```ts
 * import { gateway, serve } from "@sluice/kit/server";
 *
 * const upstream = serve({ port: 0, onListen() {} }, () => new Response("hello"));
 * await using proxy = gateway({ upstream: `http://127.0.0.1:${upstream.addr.port}` });
 * const server = serve({ port: 0, onListen() {} }, proxy);
 * const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
 * console.assert(await response.text() === "hello" && proxy.stats.outcomes.completed === 1);
 * await server.shutdown();
 * await upstream.shutdown();
 * ```
 */
export function gateway(options: GatewayOptions): Gateway {
  const service = new GatewayService(options);
  const close = () => service.close();
  return Object.assign((request: Request, info?: GatewayInfo) => service.handle(request, info ?? {}), {
    stats: service.counters,
    close,
    [Symbol.asyncDispose]: close,
  });
}

/** What stands behind a `Gateway`. */
class GatewayService {
  readonly counters: GatewayCounters = new GatewayCounters(() => this.#context?.pool.stats ?? null);
  readonly #upstream: Upstream;
  readonly #policy: HeadPolicy;
  readonly #trust: (address: string | null) => boolean;
  readonly #poolOptions: PoolOptions;
  readonly #onError: (error: SluiceError) => void;
  readonly #givenSelector: Selector | null;
  readonly #stopsTogether: boolean;
  #ownSelector: Selector | null = null;
  /** Made at the first request, with the selector. */
  #context: ExchangeContext | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: GatewayOptions) {
    const { trustForwarded = false, forwarded = true, preserveHost = false, stripPrefix = "" } = options;
    const { via = "sluice" } = options;
    if (via !== null && !TOKEN.test(via)) {
      throw new TypeError(`Cannot use "${via}" in Via: it must be a token`);
    }
    if (stripPrefix !== "" && !PREFIX.test(stripPrefix)) {
      throw new TypeError(`Cannot strip the prefix "${stripPrefix}": it must be a path such as "/api"`);
    }
    this.#upstream = parseUpstream(options.upstream);
    this.#policy = { preservesHost: preserveHost, via, sendsForwarded: forwarded, stripPrefix };
    this.#trust = typeof trustForwarded === "function" ? trustForwarded : () => trustForwarded;
    this.#poolOptions = poolOptions(options);
    this.#onError = options.onError ?? (() => {});
    this.#givenSelector = options.selector ?? null;
    this.#stopsTogether = options.stopsTogether ?? false;
  }

  handle(request: Request, info: GatewayInfo): Promise<Response> {
    this.counters.requests++;
    if (this.#closing !== null) return this.#refuse(CLOSED);
    let exchangeRequest: ExchangeRequest;
    try {
      const inbound = inboundRequest(request);
      const refusal = refusalOf(inbound, this.#policy);
      if (refusal !== null) return this.#refuse(refusal);
      exchangeRequest = this.#exchangeRequest(request, inbound, info);
    } catch (error) {
      const isClientFault = error instanceof InboundFramingError || error instanceof LocalProtocolError;
      if (!isClientFault) return Promise.reject(error);
      // What our own engine would have refused, but another server let through.
      return this.#refuse({
        status: 400,
        code: "SLUICE_GATEWAY_REQUEST",
        detail: "The request is malformed.",
      });
    }
    return new ProxyExchange(this.#context ??= this.#open(), exchangeRequest).run();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#context?.pool.close();
    await this.#ownSelector?.close();
  }

  #exchangeRequest(request: Request, inbound: InboundRequest, info: GatewayInfo): ExchangeRequest {
    const client = this.#clientFacts(request, inbound, info);
    return {
      inbound,
      head: upstreamHead(inbound, this.#upstream, this.#policy, client),
      disconnected: info.disconnected ?? request.signal,
      earlyHints: info.earlyHints === undefined ? null : (headers) => info.earlyHints!(headers),
      takesTrailers: takesTrailers(inbound.fields),
    };
  }

  #open(): ExchangeContext {
    const selector = this.#givenSelector ?? (this.#ownSelector = openSelector());
    return {
      name: this.#upstream.name,
      pool: new UpstreamPool(selector, this.#upstream, this.#poolOptions),
      counters: this.counters,
      clock: selector.clock,
      via: this.#policy.via,
      stopsTogether: this.#stopsTogether,
      onError: this.#onError,
    };
  }

  #clientFacts(request: Request, inbound: InboundRequest, info: GatewayInfo): ClientFacts {
    const address = clientAddress(info.remoteAddr);
    return {
      address,
      proto: request.url.startsWith("https:") ? "https" : "http",
      host: inbound.host,
      isTrusted: this.#trust(address),
    };
  }

  #refuse(refusal: Refusal): Promise<Response> {
    this.counters.outcomes.refused++;
    return Promise.resolve(problem(refusal.status, { code: refusal.code, detail: refusal.detail }));
  }
}

/** The answer of a gateway that was closed. */
const CLOSED: Refusal = { status: 503, code: "SLUICE_GATEWAY_CLOSED", detail: "The gateway is closed." };

function poolOptions(options: GatewayOptions): PoolOptions {
  const limits = { ...RESPONSE_LIMITS_DEFAULT, ...options.limits };
  assertLimits(limits);
  return {
    limits,
    connectionsMax: wholeNumber("connectionsMax", options.connectionsMax ?? CONNECTIONS_MAX, 1),
    idleMax: wholeNumber("idleMax", options.idleMax ?? IDLE_MAX, 0),
    queueMax: wholeNumber("queueMax", options.queueMax ?? QUEUE_MAX, 0),
    idleTimeoutMs: duration("idleTimeoutMs", options.idleTimeoutMs ?? IDLE_TIMEOUT_MS),
    queueTimeoutMs: duration("queueTimeoutMs", options.queueTimeoutMs ?? QUEUE_TIMEOUT_MS),
    connectTimeoutMs: duration("connectTimeoutMs", options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS),
    continueTimeoutMs: duration("continueTimeoutMs", options.continueTimeoutMs ?? CONTINUE_TIMEOUT_MS),
    headTimeoutMs: durationOrNever("headTimeoutMs", options.headTimeoutMs, HEAD_TIMEOUT_MS),
    bodyIdleTimeoutMs: durationOrNever("bodyIdleTimeoutMs", options.bodyIdleTimeoutMs, BODY_IDLE_TIMEOUT_MS),
  };
}

function durationOrNever(name: string, value: number | null | undefined, fallback: number): number | null {
  return value === null ? null : duration(name, value ?? fallback);
}

function duration(name: string, value: number): number {
  if (value > 0 && value < Infinity) return value;
  throw new RangeError(`Cannot use ${name} ${value}: it must be a finite number of milliseconds above 0`);
}

function wholeNumber(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`Cannot use ${name} ${value}: it must be a whole number from ${least} on`);
}
