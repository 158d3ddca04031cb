/**
 * `serve()`: `Deno.serve`'s signature, on sockets whose bytes are ours.
 *
 * @module
 */
import { UnsupportedError } from "../io/errors.ts";
import { LoopLag } from "../io/loop_lag.ts";
import { openSelector } from "../io/open_selector.ts";
import type { Addr, Clock, Listener, ListenOptions, Selector, TcpAddr, UnixAddr } from "../io/selector.ts";
import { AddressCounter } from "./address_counter.ts";
import { Connection } from "./connection.ts";
import { resolveDeadlines, type ServeDeadlines } from "./deadlines.ts";
import { ErrorHandler, type OnError, printError } from "./error_handler.ts";
import type { Handler } from "./handler.ts";
import { HeadStore } from "./http1/head_store.ts";
import { KnownHead } from "./http1/known_head.ts";
import type { MessageLimits } from "./http1/message.ts";
import { ScannerPool } from "./http1/scanner_pool.ts";
import { type ResolvedLimits, resolveLimits, type ServeLimits } from "./limits.ts";
import { type SheddingOptions, shedLoad } from "./load_shedding.ts";
import { PlainHeads } from "./plain_heads.ts";
import { ProxyPrelude, type ProxyProtocolOptions, ProxyRule } from "./proxy_prelude.ts";
import { JSON_FIELDS, NO_FIELDS, TEXT_FIELDS } from "./reply.ts";
import { RequestUrls } from "./request_urls.ts";
import { ServerClock } from "./server_clock.ts";
import type { ServerContext } from "./server_context.ts";
import { type CountingStats, createServerStats, type ServerStats } from "./server_stats.ts";
import { resolveGrace, Shutdown, type ShutdownOptions, type ShutdownReport } from "./shutdown.ts";
import { serveWorkers, type ServeWorkersOptions, type WorkersServer } from "./workers/serve_workers.ts";
import { WriteBudget } from "./write_budget.ts";

/** Options of `serve`. Those that `Deno.serve` has mean the same here. */
export interface ServeOptions<Address extends Addr = Addr> {
  /** Port to listen on; 0 picks a free one. Default 8000. */
  readonly port?: number;
  /** Address to listen on, or `"localhost"`. Default `"0.0.0.0"`. */
  readonly hostname?: string;
  /** Shares the port with other listeners that say so too. Default false. */
  readonly reusePort?: boolean;
  /** Path of a Unix socket to listen on, instead of a port. */
  readonly path?: string;
  /**
   * Descriptor of a socket that listens already, instead of a port: what systemd's socket activation hands over
   * (`inheritedDescriptors()`), so that a restart refuses nobody. On Deno and Node.
   */
  readonly fd?: number;
  /** Length of the kernel's queue of connections not yet accepted. Default 511. */
  readonly backlog?: number;
  /** Stops the server at once when aborted: connections are cut. */
  readonly signal?: AbortSignal;
  /** Called, before `serve` returns, with the address. Default: nothing is printed. */
  readonly onListen?: (addr: Address) => void;
  /**
   * Makes the response for what a handler threw or rejected with, or for its returning no response; also told of
   * bodies that failed after their head was sent (the response it then makes is not used). Default: prints the error and
   * answers 500 without details.
   */
  readonly onError?: OnError;
  /** What waits for the sockets. Default: one of its own, from `openSelector()`, that is closed with the server. */
  readonly selector?: Selector;
  /** Bounds; see `ServeLimits` for each and its default. */
  readonly limits?: ServeLimits;
  /** How long to wait; see `ServeDeadlines` for each and its default. */
  readonly deadlines?: ServeDeadlines;
  /** One bound for the bytes that wait in several servers, instead of `limits.bufferedBytesTotalMax`. */
  readonly writeBudget?: WriteBudget;
  /**
   * Whether a client that sends its FIN after the request may still read a streamed response. Default false: a FIN before
   * the response's end is taken for a client that left, as most are. A response that is all there is always sent.
   */
  readonly allowHalfClose?: boolean;
  /** Takes the PROXY protocol's header (versions 1 and 2) from these proxies, and the client's address from it. Default: from nobody. */
  readonly proxyProtocol?: ProxyProtocolOptions;
  /** Answers 503 while the event loop is late, health and metrics excepted; see `SheddingOptions`. Default: never. */
  readonly shedding?: SheddingOptions;
}

/** Options of a server that listens on a port. */
export type ServeTcpOptions = ServeOptions<TcpAddr> & { readonly path?: never };

/** Options of a server that listens on a Unix socket. */
export type ServeUnixOptions = ServeOptions<UnixAddr> & { readonly path: string };

/** A server at work. */
export interface Server<Address extends Addr = Addr> {
  /** Where it listens, with the port that was picked. */
  readonly addr: Address;
  /** Resolves when it has stopped and everything is released. */
  readonly finished: Promise<void>;
  /** What it counts; a live view. */
  readonly stats: ServerStats;
  /** Stops in stages; resolves with what became of what was in progress. See `ShutdownOptions`. */
  shutdown(options?: ShutdownOptions): Promise<ShutdownReport>;
  /** Lets the process live while the server listens (the default). */
  ref(): void;
  /** Lets the process exit although the server listens. */
  unref(): void;
  /** Same as `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The port of `Deno.serve`. */
const PORT_DEFAULT = 8000;

/**
 * Serves HTTP/1.1 with a handler.
 *
 * @param handler called for each request
 * @throws what `Selector.listen` throws: `AddressInUseError` for a taken port, `RangeError` for a bad one, …
 * @example
 * ```ts
 * import { serve } from "@sluice/kit";
 *
 * await using server = serve({ port: 0 }, () => new Response("Hello"));
 * console.log(await (await fetch(`http://127.0.0.1:${server.addr.port}/`)).text()); // "Hello"
 * ```
 */
export function serve(handler: Handler): Server<TcpAddr>;
/**
 * The same on a port of choice.
 *
 * @param options where to listen, what to allow
 * @param handler called for each request
 */
export function serve(options: ServeTcpOptions, handler: Handler): Server<TcpAddr>;
/**
 * The same on a Unix socket.
 *
 * @param options where to listen, what to allow
 * @param handler called for each request
 */
export function serve(options: ServeUnixOptions, handler: Handler): Server<UnixAddr>;
/**
 * The same with the handler among the options.
 *
 * @param options where to listen, what to allow, and the handler
 */
export function serve(options: ServeTcpOptions & { readonly handler: Handler }): Server<TcpAddr>;
/**
 * The same with the handler among the options, on a Unix socket.
 *
 * @param options where to listen, what to allow, and the handler
 */
export function serve(options: ServeUnixOptions & { readonly handler: Handler }): Server<UnixAddr>;
/**
 * The same where it is not known in advance whether a port or a path is given.
 *
 * @param options where to listen, what to allow
 * @param handler called for each request
 */
export function serve(options: ServeOptions, handler: Handler): Server;
/**
 * The same in several threads that share the port; the handler is a module's, loaded in each of them.
 *
 * @param options how many workers, which module, where to listen
 * @returns the server, once all workers listen
 * @throws as a rejection: `WorkerStartError` when a worker does not come to listen, with the module's error as cause
 */
export function serve(options: ServeWorkersOptions): Promise<WorkersServer>;
// deno-lint-ignore no-explicit-any -- the overloads promise the kind of address that the options ask for
export function serve(first: unknown, second?: unknown): any {
  if (second === undefined && typeof first === "object" && first !== null && "workers" in first) {
    return serveWorkers(first as ServeWorkersOptions);
  }
  const { options, handler } = sortArguments(first, second);
  return new HttpServer(options, handler);
}

function sortArguments(first: unknown, second: unknown): { options: ServeOptions; handler: Handler } {
  let options: unknown = first;
  let handler: unknown = second;
  if (typeof first === "function") [options, handler] = [second ?? {}, first];
  else if (second === undefined && typeof first === "object" && first !== null && "handler" in first) {
    handler = first.handler;
  }
  if (typeof options !== "object" || options === null) {
    throw new TypeError("Cannot serve: a handler, or options and a handler, are needed");
  }
  if (typeof handler !== "function") {
    throw new TypeError(
      `Cannot serve: the handler must be a function, not ${handler === null ? "null" : typeof handler}`,
    );
  }
  if ("workers" in options) {
    throw new TypeError("Cannot serve with workers and a handler: name the module that exports the handler");
  }
  return { options: options as ServeOptions, handler: handler as Handler };
}

/** The server that `serve` returns. */
class HttpServer implements Server {
  readonly addr: Addr;
  readonly finished: Promise<void>;
  readonly #context: ServerContext;
  readonly #selector: Selector;
  readonly #ownsSelector: boolean;
  readonly #listener: Listener;
  /** Its own sampler of the loop's lag, if it needs one. */
  readonly #lag: LoopLag | null;
  readonly #signal: AbortSignal | null;
  readonly #onAbort: () => void;
  readonly #finish: PromiseWithResolvers<void> = Promise.withResolvers();
  #shutdown: Shutdown | null = null;
  #report: Promise<ShutdownReport> | null = null;

  constructor(options: ServeOptions, handler: Handler) {
    const limits = resolveLimits(options.limits);
    const deadlines = resolveDeadlines(options.deadlines);
    const listenOptions = listenOptionsOf(options, limits);
    const proxyRule = options.proxyProtocol === undefined ? null : new ProxyRule(options.proxyProtocol);
    this.#ownsSelector = options.selector === undefined;
    this.#selector = options.selector ?? openSelector();
    const { shedding } = options;
    const lag = shedding === undefined ? null : shedding.lag ?? new LoopLag(this.#selector.clock);
    this.#lag = shedding?.lag === undefined ? lag : null;
    try {
      const context = createContext(handler, options, limits, deadlines, this.#selector, lag);
      this.#context = context;
      this.#listener = this.#selector.listen(
        listenOptions,
        () => proxyRule === null ? new Connection(context) : new ProxyPrelude(context, proxyRule),
      );
    } catch (error) {
      if (this.#ownsSelector) this.#selector.close();
      throw error;
    }
    this.addr = this.#listener.addr;
    this.#lag?.start();
    const listener = this.#listener;
    Object.defineProperty(this.#context.stats, "connectionsRefused", {
      enumerable: true,
      get: () => listener.stats.refused,
    });
    this.finished = this.#finish.promise;
    this.#signal = options.signal ?? null;
    this.#onAbort = () => void this.shutdown({ graceMs: 0 });
    if (this.#signal?.aborted === true) this.#onAbort();
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    options.onListen?.(this.addr);
  }

  get stats(): ServerStats {
    return this.#context.stats;
  }

  shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    const grace = resolveGrace(options);
    if (this.#shutdown === null) {
      const closed = this.#listener.close();
      this.#shutdown = new Shutdown(this.#context);
      this.#report = this.#stop(closed, this.#shutdown.done);
    }
    this.#shutdown.hasten(grace);
    return this.#report!;
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #stop(closed: Promise<void>, done: Promise<ShutdownReport>): Promise<ShutdownReport> {
    try {
      const report = await done;
      await closed;
      this.#context.time.close();
      this.#lag?.stop();
      if (this.#ownsSelector) await this.#selector.close();
      return report;
    } finally {
      this.#signal?.removeEventListener("abort", this.#onAbort);
      this.#finish.resolve();
    }
  }
}

function listenOptionsOf(options: ServeOptions, limits: ResolvedLimits): ListenOptions {
  const { path, fd, backlog, hostname = "0.0.0.0", port = PORT_DEFAULT, reusePort = false } = options;
  if ("cert" in options || "key" in options) {
    throw new UnsupportedError(
      "Cannot serve HTTPS",
      "there is no TLS yet; let a proxy in front of the server do it",
    );
  }
  const common = { connectionsMax: limits.connectionsMax, ...(backlog === undefined ? {} : { backlog }) };
  if (path !== undefined) return { ...common, transport: "unix", path };
  if (fd !== undefined) return { ...common, transport: "fd", fd };
  if (typeof port !== "number") {
    throw new TypeError(`Cannot serve: the port must be a number, not ${typeof port}`);
  }
  return { ...common, hostname, port, reusePort };
}

/** The limits that are the engine's. */
function messageLimitsOf(limits: ResolvedLimits): MessageLimits {
  return {
    startLineBytesMax: limits.requestLineBytesMax,
    headerBytesMax: limits.headerBytesMax,
    headersMax: limits.headersMax,
    bodyBytesMax: limits.bodyBytesMax,
    chunkExtensionBytesMax: limits.chunkExtensionBytesMax,
    trailerBytesMax: limits.trailerBytesMax,
    trailersMax: limits.trailersMax,
  };
}

function createContext(
  handler: Handler,
  options: ServeOptions,
  limits: ResolvedLimits,
  deadlines: ServerContext["deadlines"],
  selector: Selector,
  lag: LoopLag | null,
): ServerContext {
  const clock: Clock = selector.clock;
  const stats: CountingStats = createServerStats();
  const time = new ServerClock(clock, selector.timers);
  const messageLimits = messageLimitsOf(limits);
  const { shedding } = options;
  return {
    handler: shedding === undefined || lag === null
      ? handler
      : shedLoad(handler, lag, shedding, () => stats.limitsReached.loopLag++),
    errors: new ErrorHandler(options.onError ?? printError),
    limits,
    messageLimits,
    deadlines,
    stats,
    clock,
    timers: selector.timers,
    time,
    plainHeads: [TEXT_FIELDS, NO_FIELDS, JSON_FIELDS].map((fields) => new PlainHeads(fields, time)),
    budget: options.writeBudget ?? new WriteBudget(limits.bufferedBytesTotalMax),
    connections: new Set(),
    addresses: new AddressCounter(limits.connectionsPerAddressMax),
    parsing: { store: new HeadStore(), known: new KnownHead(), scanners: new ScannerPool(messageLimits) },
    urls: new RequestUrls(),
    allowHalfClose: options.allowHalfClose === true,
    draining: null,
    onConnectionGone: null,
  };
}
