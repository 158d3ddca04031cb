/**
 * `serve({ workers, module })`: one port, many threads.
 *
 * @module
 */
import { UnsupportedError } from "../../io/errors.ts";
import { openSelector, type Selection, type SelectorKind } from "../../io/open_selector.ts";
import { detectRuntime } from "../../io/runtime.ts";
import type { TcpAddr } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { resolveDeadlines } from "../deadlines.ts";
import { printError } from "../error_handler.ts";
import { resolveLimits } from "../limits.ts";
import type { ServerStats } from "../server_stats.ts";
import { resolveGrace, type ShutdownOptions, type ShutdownReport } from "../shutdown.ts";
import type { OpenLink, WorkerServeOptions } from "./protocol.ts";
import { openThread } from "./thread_link.ts";
import { type WorkerCounts, WorkerGroup } from "./worker_group.ts";
import type { ServiceStats } from "./worker_module.ts";

/** Options of `serve` with workers: those of `ServeOptions` that can be copied to another thread, and these. */
export interface ServeWorkersOptions extends Partial<WorkerServeOptions> {
  /** How many workers serve, from 1 to 256; one per core is as many as help. */
  readonly workers: number;
  /**
   * The module that makes the handler in each worker: an absolute URL, such as `new URL("./app.ts", import.meta.url)`. It
   * exports `default { fetch }` as for `deno serve`, a handler as default, or `createService`; see `WorkerModule`.
   */
  readonly module: string | URL;
  /** What `createService` is given: anything that can be copied to another thread. */
  readonly data?: unknown;
  /** Which selector each worker opens. Default: `SLUICE_SELECTOR`, else the best that is here. */
  readonly selectorKind?: SelectorKind;
  /**
   * Shares the port with servers of other processes that say so too. Default false: a port that anybody listens on is
   * refused at the start, although the workers share it among themselves.
   */
  readonly reusePort?: boolean;
  /** Stops the server at once when aborted: connections are cut. */
  readonly signal?: AbortSignal;
  /** Called, before the promise resolves, with the address. Default: nothing is printed. */
  readonly onListen?: (addr: TcpAddr) => void;
  /** Hears of a `WorkerCrashedError`, and of a `WorkerStartError` of a replacement. Default: prints it. */
  readonly onCrash?: (error: Error) => void;
}

/** A server of several workers. */
export interface WorkersServer {
  /** Where it listens, with the port that was picked. */
  readonly addr: TcpAddr;
  /** How its workers wait, and why so. */
  readonly selection: Selection;
  /** Resolves when it has stopped and everything is released. */
  readonly finished: Promise<void>;
  /** What became of its workers. */
  readonly workers: WorkerCounts;
  /** The sum of what its workers count, those that are gone included; a worker too busy to answer counts as last told. */
  stats(): Promise<ServerStats>;
  /** The sum of what the workers' services count (`WorkerService.stats`), as told when `stats()` last asked. */
  serviceStats(): ServiceStats;
  /** Stops all workers in stages; resolves with the sum of their reports. See `ShutdownOptions`. */
  shutdown(options?: ShutdownOptions): Promise<ShutdownReport>;
  /** Lets the process live while the server listens (the default). */
  ref(): void;
  /** Lets the process exit although the server listens. */
  unref(): void;
  /** Same as `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** More threads than cores only cost memory, and no machine this was meant for has more cores. */
const WORKERS_MAX = 256;

/** The port of `Deno.serve`. */
const PORT_DEFAULT = 8000;

/** Options that belong to one thread, and what to do instead. */
const NOT_SHARED: Readonly<Record<string, string>> = {
  handler: "a handler cannot go to another thread: name the module that exports it",
  path: "a Unix socket cannot be shared: listen on a port",
  fd: "a socket that was handed over cannot be shared: listen on a port",
  selector: "each worker opens its own: say which kind by selectorKind",
  writeBudget: "each worker has its own: set limits.bufferedBytesTotalMax",
  onError: "a function cannot go to another thread: the module's service may have an onError",
};

/**
 * Serves with several workers; what `serve` does when it is given `workers`.
 *
 * @param options where to listen, which module, how many workers
 * @param open makes a worker's thread
 * @returns the server, once all workers listen
 * @throws (rejects with) RangeError and TypeError for bad options, UnsupportedError where ports cannot be shared,
 *   AddressInUseError for a taken port, WorkerStartError with the module's own error as cause
 */
export async function serveWorkers(
  options: ServeWorkersOptions,
  open: OpenLink = openThread,
): Promise<WorkersServer> {
  check(options);
  const { workers: size, data = null, selectorKind = null, reusePort = false, onCrash } = options;
  const serve = serveOptionsOf(options);
  if (serve.port !== 0 && !reusePort) await refuseTaken(serve);
  const clock = new SystemClock();
  const timers = new TimerWheel(clock);
  const config = { module: new URL(options.module).href, data, selectorKind, serve };
  const group = new WorkerGroup({
    size,
    config,
    open,
    timers,
    now: () => clock.now(),
    onCrash: onCrash ?? ((error) => void printError(error)),
  });
  try {
    await group.start();
  } catch (error) {
    timers.close();
    throw error;
  }
  return new Workers(group, timers, options);
}

function check(options: ServeWorkersOptions): void {
  const { workers, module, limits, deadlines, shedding } = options;
  if (!Number.isSafeInteger(workers) || workers < 1 || workers > WORKERS_MAX) {
    throw new RangeError(
      `Cannot serve with ${workers} workers: it must be a whole number from 1 to ${WORKERS_MAX}`,
    );
  }
  if (!URL.canParse(String(module))) {
    throw new TypeError(
      `Cannot serve the module "${module}": it must be an absolute URL, such as new URL("./app.ts", import.meta.url)`,
    );
  }
  for (const [name, why] of Object.entries(NOT_SHARED)) {
    if (Object.hasOwn(options, name)) throw new TypeError(`Cannot serve with workers and ${name}: ${why}`);
  }
  if (shedding !== undefined && "lag" in shedding) {
    throw new TypeError("Cannot serve with workers and shedding.lag: each worker goes by its own lag");
  }
  resolveLimits(limits);
  resolveDeadlines(deadlines);
  const { name, os } = detectRuntime();
  if (name === "unknown" || os !== "linux") {
    throw new UnsupportedError(
      "Cannot serve with workers",
      `they share a port by SO_REUSEPORT, which deals out connections on Linux only, and this is ${
        os || name
      }`,
    );
  }
}

function serveOptionsOf(options: ServeWorkersOptions): WorkerServeOptions {
  const { port = PORT_DEFAULT, hostname = "0.0.0.0", backlog, limits, deadlines } = options;
  const { allowHalfClose, proxyProtocol, shedding } = options;
  return {
    port,
    hostname,
    ...(backlog === undefined ? {} : { backlog }),
    ...(limits === undefined ? {} : { limits }),
    ...(deadlines === undefined ? {} : { deadlines }),
    ...(allowHalfClose === undefined ? {} : { allowHalfClose }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    ...(shedding === undefined ? {} : { shedding }),
  };
}

/**
 * Listens for a moment without sharing: the workers' own listeners would get along with those of anybody who
 * shares the port as well, and half of the requests would go there.
 */
async function refuseTaken({ port, hostname }: WorkerServeOptions): Promise<void> {
  await using selector = openSelector({ kind: "native" });
  await selector.listen({ port, hostname }, () => {
    throw new UnsupportedError("Cannot accept", "nothing is served yet");
  }).close();
}

/** The server that `serveWorkers` returns. */
class Workers implements WorkersServer {
  readonly finished: Promise<void>;
  readonly #group: WorkerGroup;
  readonly #timers: TimerWheel;
  readonly #signal: AbortSignal | null;
  readonly #onAbort = (): void => void this.shutdown({ graceMs: 0 });
  readonly #finish: PromiseWithResolvers<void> = Promise.withResolvers();
  #report: Promise<ShutdownReport> | null = null;
  #isReleased = false;

  constructor(group: WorkerGroup, timers: TimerWheel, { signal, onListen }: ServeWorkersOptions) {
    this.#group = group;
    this.#timers = timers;
    this.finished = this.#finish.promise;
    this.#signal = signal ?? null;
    if (this.#signal?.aborted === true) this.#onAbort();
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    onListen?.(this.addr);
  }

  get addr(): TcpAddr {
    return this.#group.addr;
  }

  get selection(): Selection {
    return this.#group.selection;
  }

  get workers(): WorkerCounts {
    return this.#group.counts;
  }

  stats(): Promise<ServerStats> {
    return this.#isReleased ? Promise.resolve(this.#group.lastStats()) : this.#group.stats();
  }

  serviceStats(): ServiceStats {
    return this.#group.serviceStats();
  }

  shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    resolveGrace(options); // A bad one must not begin the stop.
    const report = this.#group.shutdown(options);
    return this.#report ??= this.#release(report);
  }

  ref(): void {
    this.#group.keepAlive(true);
  }

  unref(): void {
    this.#group.keepAlive(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #release(report: Promise<ShutdownReport>): Promise<ShutdownReport> {
    try {
      return await report;
    } finally {
      this.#isReleased = true;
      this.#signal?.removeEventListener("abort", this.#onAbort);
      this.#timers.close();
      this.#finish.resolve();
    }
  }
}
