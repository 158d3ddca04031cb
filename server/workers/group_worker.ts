/**
 * One worker of a group, from its start to its end, as the main thread sees it.
 *
 * ```text
 * STARTING → UP → STOPPING → GONE
 *     ╰───────┴──────┴─────────↗      it failed, crashed or was stopped at once
 * ```
 *
 * Invariants: `ready` settles once; `ended` resolves once, after which the thread holds nothing, or was given up.
 *
 * @module
 */
import { createServerStats, type ServerStats } from "../server_stats.ts";
import type { ShutdownOptions, ShutdownReport } from "../shutdown.ts";
import { reviveError, WorkerStartError } from "./errors.ts";
import type {
  FromWorker,
  ListeningMessage,
  OpenLink,
  StatsMessage,
  WorkerConfig,
  WorkerLink,
} from "./protocol.ts";
import type { ServiceStats } from "./worker_module.ts";

/** How a worker ended. */
export interface WorkerEnd {
  /** The error that ended it; `undefined` when there was none. */
  readonly error: unknown;
  /** What it reported of its stop; `null` when it stopped without a word. */
  readonly report: ShutdownReport | null;
}

/** One worker; see the module's text. */
export class GroupWorker {
  /** Its number. */
  readonly index: number;
  /** Resolves when it listens; rejects with `WorkerStartError` when it will not. */
  readonly ready: Promise<ListeningMessage>;
  /** Resolves when it is gone. */
  readonly ended: Promise<WorkerEnd>;
  readonly #link: WorkerLink;
  readonly #ready: PromiseWithResolvers<ListeningMessage> = Promise.withResolvers();
  readonly #ended: PromiseWithResolvers<WorkerEnd> = Promise.withResolvers();
  #stats: ServerStats = createServerStats();
  #serviceStats: ServiceStats | null = null;
  #waiting: PromiseWithResolvers<void> | null = null;
  #report: ShutdownReport | null = null;
  #failure: unknown;
  #isUp = false;
  #isGone = false;

  /**
   * Starts it.
   *
   * @param config what it is started with
   * @param open makes its thread
   * @throws what `open` throws
   */
  constructor(config: WorkerConfig, open: OpenLink) {
    this.index = config.index;
    this.ready = this.#ready.promise;
    this.ready.catch(() => {}); // Who starts it awaits it; a worker that is stopped before need not be waited for.
    this.ended = this.#ended.promise;
    this.#link = open(config, {
      message: (message) => this.#receive(message),
      ended: (error) => this.#end(error),
    });
  }

  /** Whether it listens. */
  get isUp(): boolean {
    return this.#isUp && !this.#isGone;
  }

  /** Its counters, as last told. */
  get stats(): ServerStats {
    return this.#stats;
  }

  /** Its service's counters, as last told; `null` when it does not count. */
  get serviceStats(): ServiceStats | null {
    return this.#serviceStats;
  }

  /** Asks for its counters; resolves when they came, or it is gone. */
  refresh(): Promise<void> {
    if (!this.isUp) return Promise.resolve();
    if (this.#waiting === null) {
      this.#waiting = Promise.withResolvers();
      this.#link.post({ type: "stats" });
    }
    return this.#waiting.promise;
  }

  /** Tells it to stop; one that does not listen yet is stopped at once. */
  shutdown(options: ShutdownOptions): void {
    if (this.#isGone) return;
    if (this.#isUp) this.#link.post({ type: "shutdown", options });
    else this.stop();
  }

  /** Stops it at once. */
  stop(): void {
    if (!this.#isGone) this.#link.stop();
  }

  /** Takes it for gone although its thread may go on computing: nothing of it is waited for any more. */
  giveUp(): void {
    this.keepAlive(false);
    this.#end(undefined);
  }

  /** Whether the process lives on while it does. */
  keepAlive(isKept: boolean): void {
    if (!this.#isGone) this.#link.keepAlive(isKept);
  }

  #receive(message: FromWorker): void {
    if (this.#isGone) return;
    switch (message.type) {
      case "listening":
        this.#isUp = true;
        return this.#ready.resolve(message);
      case "failed":
        this.#failure = reviveError(message.error);
        return this.stop();
      case "stats":
        return this.#take(message);
      case "stopped":
        this.#take(message.counters);
        this.#report = message.report;
        return this.stop(); // What its module left running would keep the thread.
    }
  }

  #take({ stats, service }: StatsMessage): void {
    this.#stats = stats;
    this.#serviceStats = service;
    this.#answered();
  }

  #answered(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  #end(error: unknown): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#failure ??= error;
    this.#answered();
    this.#ready.reject(new WorkerStartError(this.index, this.#failure)); // Without effect on one that was ready.
    this.#ended.resolve({ error: this.#failure, report: this.#report });
  }
}
