/**
 * What runs in a worker thread that serves: loads the module, listens, counts, stops when told.
 *
 * It is an entry point, started by `openThread`; it exports nothing. An uncaught error ends the thread, as it would a
 * process: its group hears of it and starts another one. But a thread's end frees less than a process's: the sockets of a
 * selector on FFI are the process's own, and a listener that nobody serves would go on being dealt its share of the
 * connections. So everything is closed first.
 *
 * Known limit: a thread that has no time for that (its heap is exhausted, its module calls `process.exit`) may leave such
 * sockets behind until the process ends.
 *
 * @module
 */
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { openSelector, type SelectedSelector } from "../../io/open_selector.ts";
import { serve, type Server } from "../serve.ts";
import type { TcpAddr } from "../../io/selector.ts";
import { describeError } from "./errors.ts";
import type { FromWorker, StatsMessage, ToWorker, WorkerConfig } from "./protocol.ts";
import { serviceOf, type WorkerService } from "./worker_module.ts";

/** How often counters are told unasked, so that little of them is lost with a thread that crashes. */
const TELL_EVERY_MS = 1_000;

/** What closing everything may take after a crash: it waits for nobody, so more is not to be expected. */
const CLOSE_MS_MAX = 1_000;

/** A worker at work. */
interface Running {
  readonly selector: SelectedSelector;
  readonly service: WorkerService;
  readonly server: Server<TcpAddr>;
}

/** Starts to serve. */
async function start({ module, selectorKind, serve: options, ...rest }: WorkerConfig): Promise<Running> {
  const { index, workers, data } = rest;
  const exported: Readonly<Record<string, unknown>> = await import(module);
  const selector = openSelector(selectorKind === null ? {} : { kind: selectorKind });
  closeWithThread(selector);
  try {
    const service = await serviceOf(exported, { selector, index, workers, data }, module);
    const { fetch, onError } = service;
    const server = serve(
      { ...options, selector, reusePort: true, onListen() {}, ...(onError && { onError }) },
      fetch,
    );
    return { selector, service, server };
  } catch (error) {
    await selector.close();
    throw error;
  }
}

/** What was counted up to now. */
function countersOf({ server, service }: Running): StatsMessage {
  return { type: "stats", stats: { ...server.stats }, service: service.stats?.() ?? null };
}

/**
 * Closes the sockets before an error that nobody caught ends the thread. The runtime closes its own with the thread, but knows
 * nothing of those that a selector on FFI made: their clients would wait for ever, and the system would go on to queue new ones.
 */
function closeWithThread(selector: SelectedSelector): void {
  const close = (event: Event): void => {
    if (!event.defaultPrevented) void selector.close(); // What is open is reset within this call.
  };
  for (const type of ["error", "unhandledrejection"]) globalThis.addEventListener?.(type, close);
}

/** Tells the counters now and then, when they have changed. */
function tellStats(running: Running, tell: (message: FromWorker) => void): void {
  const { selector, server } = running;
  let told = -1;
  const timer = selector.timers.idle(() => {
    const { bytesReceived, connectionsTotal } = server.stats;
    if (bytesReceived + connectionsTotal !== told) tell(countersOf(running));
    told = bytesReceived + connectionsTotal;
    timer.reset(TELL_EVERY_MS);
  });
  timer.reset(TELL_EVERY_MS);
  server.finished.then(() => timer.cancel(), () => timer.cancel());
}

/** Closes everything at once. */
async function closeAll({ selector, server }: Running): Promise<void> {
  await server.shutdown({ graceMs: 0 });
  await selector.close();
}

/** Ends the thread for what nobody caught: closes everything, then says why, upon which it is ended. */
function endOnError(running: () => Running | null, tell: (message: FromWorker) => void): void {
  let isEnding = false;
  const end = (error: unknown) => {
    if (isEnding) return;
    isEnding = true;
    const told = () => tell({ type: "failed", error: describeError(error) });
    const present = running();
    if (present === null) return told();
    const late = setTimeout(told, CLOSE_MS_MAX);
    const over = () => {
      clearTimeout(late);
      told();
    };
    closeAll(present).then(over, over);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
  process.on("exit", () => void running()?.selector.close()); // Of a module that calls `process.exit`.
}

/** Runs a worker from its start to its end. */
async function main(config: WorkerConfig, port: MessagePort): Promise<void> {
  const tell = (message: FromWorker) => port.postMessage(message);
  let present: Running | null = null;
  endOnError(() => present, tell);
  let running: Running;
  try {
    running = present = await start(config);
  } catch (error) {
    tell({ type: "failed", error: describeError(error) });
    return;
  }
  const { selector, service, server } = running;
  let isStopping = false;
  port.on("message", (message: ToWorker) => {
    if (message.type === "stats") return tell(countersOf(running));
    const report = server.shutdown(message.options);
    if (isStopping) return;
    isStopping = true;
    const stop = async () => {
      const done = await report;
      const counters = countersOf(running);
      await service.close?.();
      await selector.close();
      tell({ type: "stopped", report: done, counters });
    };
    stop(); // What the module's own `close` throws is nobody's to catch: the thread ends with it.
  });
  tellStats(running, tell);
  const { hostname, port: bound } = server.addr;
  tell({ type: "listening", hostname, port: bound, selection: selector.selection });
}

if (parentPort !== null) await main((workerData as { config: WorkerConfig }).config, parentPort);
