/**
 * What the main thread and a worker that serves say to each other. Types only.
 *
 * ```text
 * main    worker
 *   ── config ──→       with the thread
 *   ←─ listening ──     once, unless it failed
 *   ←─ failed ──        it did not come to listen, or crashed
 *   ←─ stats ──         when asked, and every second in which something happened
 *   ── shutdown ──→     any number of times: each can only hasten
 *   ←─ stopped ──       once
 * ```
 *
 * @module
 */
import type { Selection, SelectorKind } from "../../io/open_selector.ts";
import type { ServeDeadlines } from "../deadlines.ts";
import type { ServeLimits } from "../limits.ts";
import type { SheddingOptions } from "../load_shedding.ts";
import type { ProxyProtocolOptions } from "../proxy_prelude.ts";
import type { ServerStats } from "../server_stats.ts";
import type { ShutdownOptions, ShutdownReport } from "../shutdown.ts";
import type { ServiceStats } from "./worker_module.ts";

/** What of `ServeOptions` goes to each worker: what can be copied. */
export interface WorkerServeOptions {
  /** Port to listen on, shared by all; 0 for the first worker of a group that shall pick one. */
  readonly port: number;
  /** Address to listen on. */
  readonly hostname: string;
  /** As in `ServeOptions`. */
  readonly backlog?: number;
  /** As in `ServeOptions`; of each worker. */
  readonly limits?: ServeLimits;
  /** As in `ServeOptions`. */
  readonly deadlines?: ServeDeadlines;
  /** As in `ServeOptions`. */
  readonly allowHalfClose?: boolean;
  /** As in `ServeOptions`. */
  readonly proxyProtocol?: ProxyProtocolOptions;
  /** As in `ServeOptions`; each worker goes by its own lag. */
  readonly shedding?: Omit<SheddingOptions, "lag">;
}

/** What a worker is started with. */
export interface WorkerConfig {
  /** Its number, from 0 on; its successor has the same. */
  readonly index: number;
  /** How many there are. */
  readonly workers: number;
  /** URL of the module that makes its handler. */
  readonly module: string;
  /** What the module is given. */
  readonly data: unknown;
  /** Which selector; `null` for the best one. */
  readonly selectorKind: SelectorKind | null;
  /** How it serves. */
  readonly serve: WorkerServeOptions;
}

/** An error as it goes between threads: classes do not. */
export interface ErrorText {
  /** Its name. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
  /** Its stack, as far as there is one. */
  readonly stack: string;
}

/** What a worker is told. */
export type ToWorker =
  | { readonly type: "stats" }
  | { readonly type: "shutdown"; readonly options: ShutdownOptions };

/** The worker listens. */
export interface ListeningMessage {
  /** Says which message it is. */
  readonly type: "listening";
  /** Where. */
  readonly hostname: string;
  /** The port it listens on. */
  readonly port: number;
  /** Its selector. */
  readonly selection: Selection;
}

/** What was counted. */
export interface StatsMessage {
  /** Says which message it is. */
  readonly type: "stats";
  /** By the worker's server. */
  readonly stats: ServerStats;
  /** By its service, if it counts. */
  readonly service: ServiceStats | null;
}

/** What a worker tells. */
export type FromWorker =
  | ListeningMessage
  | { readonly type: "failed"; readonly error: ErrorText }
  | StatsMessage
  | { readonly type: "stopped"; readonly report: ShutdownReport; readonly counters: StatsMessage };

/** One thread, as its group sees it. */
export interface WorkerLink {
  /** Tells it something. */
  post(message: ToWorker): void;
  /** Stops it, whatever it does; on Deno, one that computes goes on until it waits for something. */
  stop(): void;
  /** Whether the process lives on while the thread does. */
  keepAlive(isKept: boolean): void;
}

/** Who hears of a thread. */
export interface LinkEvents {
  /** It said something. */
  message(message: FromWorker): void;
  /** It is gone, with the error that ended it if one did. Once, and the last event. */
  ended(error: unknown): void;
}

/** Starts a thread. */
export type OpenLink = (config: WorkerConfig, events: LinkEvents) => WorkerLink;
