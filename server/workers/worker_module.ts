/**
 * The module that makes a worker's handler, and how its handler is found in it.
 *
 * @module
 */
import type { Selector } from "../../io/selector.ts";
import type { OnError } from "../error_handler.ts";
import type { Handler } from "../handler.ts";

/** Numbers under names, and tables of such. */
export interface CountTree {
  /** A number, one for each of something, or a table. */
  readonly [name: string]: number | CountTree | readonly number[];
}

/** What a service counts, to be added up over all workers. */
export interface ServiceStats {
  /** What only rises: it stays when the worker is gone. */
  readonly rising: CountTree;
  /** What is there now: it goes with the worker. */
  readonly now: CountTree;
}

/** What a worker serves: an object as `deno serve` takes it, and what Sluice adds. */
export interface WorkerService {
  /** Answers requests. */
  readonly fetch: Handler;
  /** As in `ServeOptions`. */
  readonly onError?: OnError;
  /** What it counts; asked now and then. */
  stats?(): ServiceStats;
  /** Releases what the handler used; called when the worker's server has stopped. */
  close?(): void | Promise<void>;
}

/** What `createService` is told. */
export interface WorkerContext {
  /** The worker's own selector, on which it serves. */
  readonly selector: Selector;
  /** The worker's number, from 0 on. */
  readonly index: number;
  /** How many workers there are. */
  readonly workers: number;
  /** `data` of the options, copied. */
  readonly data: unknown;
}

/**
 * A module for `serve({ workers, module })`: either exports `createService`, or its default export is a service or a
 * handler.
 */
export interface WorkerModule {
  /** Makes the service; called once in each worker. It goes before the default export. */
  readonly createService?: (
    context: WorkerContext,
  ) => WorkerService | Handler | Promise<WorkerService | Handler>;
  /** The service: `export default { fetch }`, as for `deno serve`, or a handler. */
  readonly default?: WorkerService | Handler;
}

/**
 * Finds the service of a module.
 *
 * @param module what `import()` gave
 * @param context for `createService`
 * @param url the module's, for the error
 * @throws TypeError when there is none; what `createService` throws
 */
export async function serviceOf(
  module: Readonly<Record<string, unknown>>,
  context: WorkerContext,
  url: string,
): Promise<WorkerService> {
  const { createService, default: preset } = module as WorkerModule;
  const found: unknown = typeof createService === "function" ? await createService(context) : preset;
  if (typeof found === "function") return { fetch: found as Handler };
  if (typeof found === "object" && found !== null && typeof (found as WorkerService).fetch === "function") {
    const service = found as WorkerService;
    return {
      fetch: (request, info) => service.fetch(request, info),
      ...(service.onError === undefined ? {} : { onError: (error) => service.onError!(error) }),
      ...(service.stats === undefined ? {} : { stats: () => service.stats!() }),
      close: () => service.close?.(),
    };
  }
  throw new TypeError(
    `Cannot serve ${url}: it exports no createService, and its default export is neither a handler nor has a fetch`,
  );
}
