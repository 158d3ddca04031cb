/**
 * `deno task serve`: the ready-made server in one process, with everything embedded. Node and Bun run this file as it is.
 *
 * What it prints on standard output is for programs: one line `listening on http://…` when it is ready, one line when it
 * has stopped. Everything else goes to standard error. Exit codes: 0 after SIGINT or SIGTERM, 1 when it cannot listen,
 * 2 for a wrong command line.
 *
 * @module
 */
import process from "node:process";
import { SluiceError, UnsupportedError } from "../io/errors.ts";
import { inheritedDescriptors } from "../io/inherited_descriptors.ts";
import { LoopLag } from "../io/loop_lag.ts";
import { openSelector, type SelectedSelector } from "../io/open_selector.ts";
import { createPool, type Pool } from "../pool/mod.ts";
import { type App, createApp } from "./app.ts";
import { cliHelp, type CliOptions, parseCli } from "./cli.ts";
import { type DemoStats, demoUpstream } from "./demo/demo_upstream.ts";
import { checkPrimes, type PrimesInput } from "./demo/primes.ts";
import { UpstreamError } from "./gateway/errors.ts";
import type { JobRunner } from "./jobs/job_runner.ts";
import { streamRunner } from "./jobs/stream_runner.ts";
import { Reply } from "./reply.ts";
import { serve, type Server } from "./serve.ts";
import type { ServerStats } from "./server_stats.ts";
import { SlowReaderError } from "./sse/hub_errors.ts";
import type { ShutdownReport } from "./shutdown.ts";
import { addGatewayCounts } from "./workers/gateway_counts.ts";
import type { WorkersServer } from "./workers/serve_workers.ts";
import type { ThreadAppData } from "./workers/thread_app.ts";

/** How long a stopping server waits for requests in progress: under the 30 s after which orchestrators kill. */
const GRACE_MS = 20_000;
/** How long event streams may take to say goodbye: they need one write. */
const STREAM_GRACE_MS = 2_000;
/** The same with workers, whose streams are ended from another thread, once all have answered or a second has passed. */
const FORWARDED_STREAM_GRACE_MS = 5_000;
/** How long jobs at work may go on: what is lost then is begun again by hand, in memory as they are. */
const JOBS_GRACE_MS = 10_000;
/** Requests are refused while the event loop is late by more than this: a client that waits longer mostly asks again. */
const SHED_LAG_MS = 500;
/** The exit code of a process that a second SIGINT ends at once: 128 + 2, as a shell reports it. */
const EXIT_INTERRUPTED = 130;

/** What is running. */
interface Running {
  readonly selector: SelectedSelector;
  readonly app: App;
  /** What answers requests; with workers, those that they do not answer themselves. */
  readonly server: Server;
  readonly workers: WorkersServer | null;
  readonly demo: Server | null;
  readonly lag: LoopLag;
  readonly pool: ComputePool;
}

/** The pool that computes: its module is the demo's. */
type ComputePool = Pool<typeof import("./demo/primes.ts")>;

/** Address as it stands in a URL. */
function urlOf(server: Pick<Server, "addr">): string {
  const { addr } = server;
  if (addr.transport === "unix") return `unix:${addr.path}`; // A socket that was handed over may be one.
  const { hostname, port } = addr;
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Says what went wrong while answering; the gateway has told of its upstream, and the hub counts slow readers. */
function onError(error: unknown): Response {
  if (!(error instanceof UpstreamError || error instanceof SlowReaderError)) console.error(error);
  return new Reply("Internal Server Error", { status: 500 });
}

/** Whether this is an executable made by `deno compile`. */
function isCompiled(): boolean {
  const { Deno: deno } = globalThis as unknown as { readonly Deno?: { build: { standalone?: boolean } } };
  return deno?.build.standalone === true;
}

/** Starts the workers, if any are asked for: they listen, and forward to `home` what needs the main thread. */
async function startWorkers(options: CliOptions, upstream: string, home: string): Promise<WorkersServer> {
  const { hostname, port, workers } = options;
  if (isCompiled()) {
    throw new UnsupportedError(
      "Cannot serve with workers",
      "threads are loaded from files, and a compiled executable has none",
    );
  }
  const data: ThreadAppData = { upstream, home };
  return await serve({
    workers,
    module: new URL("./workers/thread_app.ts", import.meta.url),
    data,
    hostname,
    port,
    shedding: { lagMs: SHED_LAG_MS },
  });
}

/** Jobs that compute, as many at once as there are processors: the pool starts its threads with the first of them. */
function computing(pool: ComputePool, slots: number): Record<string, JobRunner> {
  const primes = streamRunner((input, options) => pool.stream("primes", input as PrimesInput, options), {
    slots,
    check: checkPrimes,
  });
  return { primes };
}

/** Starts everything; what cannot start is thrown. */
async function start(options: CliOptions): Promise<Running> {
  const selector = openSelector();
  const quiet = { selector, hostname: "127.0.0.1", port: 0, onListen() {} };
  let demo: Server | null = null;
  let demoStats: DemoStats | null = null;
  if (options.upstream === null) {
    const handler = demoUpstream(selector);
    demoStats = handler.stats;
    demo = serve(quiet, handler);
  }
  const upstream = options.upstream ?? urlOf(demo as Server);
  let server: Server | null = null;
  let workers: WorkersServer | null = null;
  let workerStats: ServerStats | null = null;
  const lag = new LoopLag(selector.clock);
  const slots = navigator.hardwareConcurrency;
  const pool: ComputePool = createPool(new URL("./demo/primes.ts", import.meta.url), { workersMax: slots });
  const app = createApp({
    selector,
    upstream,
    serverStats: () => workers === null ? server?.stats ?? null : workerStats,
    gatewayStats: (own) => workers === null ? own : addGatewayCounts(own, workers.serviceStats()),
    refresh: async () => workerStats = await workers?.stats() ?? null,
    runners: computing(pool, slots),
    poolStats: () => pool.stats,
    ...(demoStats && { demoStats }),
    lag,
    onUpstreamError: (error) => console.error(`upstream: ${error.message}`),
  });
  const { hostname, port, fd } = options;
  const where = options.workers > 1 ? {} : fd === null ? { hostname, port } : { fd };
  server = serve({ ...quiet, ...where, onError, shedding: { lagMs: SHED_LAG_MS, lag } }, app.handler);
  lag.start();
  if (options.workers > 1) workers = await startWorkers(options, upstream, urlOf(server));
  return { selector, app, server, workers, demo, lag, pool };
}

/** Stops the workers; the event streams that they forward are this thread's to end. */
async function stopWorkers(workers: WorkersServer, app: App): Promise<ShutdownReport> {
  const report = workers.shutdown({ graceMs: GRACE_MS, streamGraceMs: FORWARDED_STREAM_GRACE_MS });
  await workers.stats(); // Who answers has heard of the stop before: a stream that ends from now on is in its report.
  await app.endStreams();
  return await report;
}

/** Drains and closes everything in order: the listener first, then what requests in progress used. */
async function stop({ selector, app, server, workers, demo, lag, pool }: Running): Promise<void> {
  const [report, jobs] = await Promise.all([
    workers === null
      ? server.shutdown({ graceMs: GRACE_MS, streamGraceMs: STREAM_GRACE_MS })
      : stopWorkers(workers, app),
    app.jobs.shutdown({ graceMs: JOBS_GRACE_MS }),
  ]);
  if (workers !== null) await server.shutdown({ graceMs: 0 });
  await app.close();
  await pool.destroy();
  await demo?.shutdown({ graceMs: 0, streamGraceMs: 0 });
  lag.stop();
  await selector.close();
  if (jobs.finished + jobs.waiting > 0) {
    console.error(
      `jobs: ${jobs.finished} finished, ${jobs.released} broken off, ${jobs.waiting} lost with the process`,
    );
  }
  console.log(`stopped: ${report.finished} finished, ${report.ended} streams ended, ${report.cut} cut`);
}

/** Stops on the first signal, exits at once on the second. */
function stopOnSignals(running: Running): void {
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) process.exit(EXIT_INTERRUPTED);
    isStopping = true;
    stop(running).then(() => process.exit(0), (error) => {
      console.error(`cannot stop in order: ${error instanceof Error ? error.message : error}`);
      process.exit(1);
    });
  };
  process.on("SIGINT", onSignal);
  if (process.platform !== "win32") process.on("SIGTERM", onSignal);
}

/** The program. */
async function main(): Promise<void> {
  const result = parseCli(process.argv.slice(2), inheritedDescriptors()[0] ?? null);
  if (!result.ok) {
    console.error(`error: ${result.message}`);
    process.exit(2);
  }
  if (result.options.help) {
    console.log(cliHelp());
    return;
  }
  let running: Running;
  try {
    running = await start(result.options);
  } catch (error) {
    if (!(error instanceof SluiceError || error instanceof RangeError || error instanceof TypeError)) {
      throw error;
    }
    console.error(`error: ${error.message}`);
    process.exit(1);
  }
  stopOnSignals(running);
  const { selector, server, workers, demo } = running;
  const { kind, reason } = (workers ?? selector).selection;
  console.error(`selector ${kind}: ${reason}`);
  if (workers !== null) {
    console.error(
      `${workers.workers.size} workers; topics and metrics are the main thread's, at ${urlOf(server)}`,
    );
  }
  if (demo !== null) {
    console.error(`no --upstream: /v1/* goes to an embedded demo at ${urlOf(demo)}; no model is behind it`);
  }
  console.log(`listening on ${urlOf(workers ?? server)}`);
}

if (import.meta.main) await main();
