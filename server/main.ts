/**
 * `deno task serve`: the ready-made server in one process, with everything embedded.
 *
 * What it prints on standard output is for programs: one line `listening on http://…` when it is ready, one line when it
 * has stopped. Everything else goes to standard error. Exit codes: 0 after SIGINT or SIGTERM, 1 when it cannot listen,
 * 2 for a wrong command line.
 *
 * @module
 */
import { SluiceError } from "../io/errors.ts";
import { inheritedDescriptors } from "../io/inherited_descriptors.ts";
import { LoopLag } from "../io/loop_lag.ts";
import { openSelector, type SelectedSelector } from "../io/open_selector.ts";
import { type App, createApp } from "./app.ts";
import { cliHelp, type CliOptions, parseCli } from "./cli.ts";
import { type DemoStats, demoUpstream } from "./demo/demo_upstream.ts";
import { UpstreamError } from "./gateway/errors.ts";
import { Reply } from "./reply.ts";
import { serve, type Server } from "./serve.ts";
import { SlowReaderError } from "./sse/hub_errors.ts";

/** How long a stopping server waits for requests in progress: under the 30 s after which orchestrators kill. */
const GRACE_MS = 20_000;
/** How long event streams may take to say goodbye: they need one write. */
const STREAM_GRACE_MS = 2_000;
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
  readonly server: Server;
  readonly demo: Server | null;
  readonly lag: LoopLag;
}

/** Address as it stands in a URL. */
function urlOf(server: Server): string {
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

/** Starts everything; what cannot start is thrown. */
function start(options: CliOptions): Running {
  const selector = openSelector();
  const quiet = { selector, hostname: "127.0.0.1", port: 0, onListen() {} };
  let demo: Server | null = null;
  let demoStats: DemoStats | null = null;
  if (options.upstream === null) {
    const handler = demoUpstream(selector);
    demoStats = handler.stats;
    demo = serve(quiet, handler);
  }
  let server: Server | null = null;
  const lag = new LoopLag(selector.clock);
  const app = createApp({
    selector,
    upstream: options.upstream ?? urlOf(demo as Server),
    serverStats: () => server?.stats ?? null,
    ...(demoStats && { demoStats }),
    lag,
    onUpstreamError: (error) => console.error(`upstream: ${error.message}`),
  });
  server = serve({
    selector,
    ...(options.fd === null ? { hostname: options.hostname, port: options.port } : { fd: options.fd }),
    onListen() {},
    onError,
    shedding: { lagMs: SHED_LAG_MS, lag },
  }, app.handler);
  lag.start();
  return { selector, app, server, demo, lag };
}

/** Drains and closes everything in order: the listener first, then what requests in progress used. */
async function stop({ selector, app, server, demo, lag }: Running): Promise<void> {
  const [report, jobs] = await Promise.all([
    server.shutdown({ graceMs: GRACE_MS, streamGraceMs: STREAM_GRACE_MS }),
    app.jobs.shutdown({ graceMs: JOBS_GRACE_MS }),
  ]);
  await app.close();
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
    if (isStopping) Deno.exit(EXIT_INTERRUPTED);
    isStopping = true;
    stop(running).then(() => Deno.exit(0), (error) => {
      console.error(`cannot stop in order: ${error instanceof Error ? error.message : error}`);
      Deno.exit(1);
    });
  };
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
}

/** The program. */
function main(): void {
  const result = parseCli(Deno.args, inheritedDescriptors()[0] ?? null);
  if (!result.ok) {
    console.error(`error: ${result.message}`);
    Deno.exit(2);
  }
  if (result.options.help) {
    console.log(cliHelp());
    return;
  }
  let running: Running;
  try {
    running = start(result.options);
  } catch (error) {
    if (!(error instanceof SluiceError || error instanceof RangeError || error instanceof TypeError)) {
      throw error;
    }
    console.error(`error: ${error.message}`);
    Deno.exit(1);
  }
  stopOnSignals(running);
  const { selector, server, demo } = running;
  console.error(`selector ${selector.selection.kind}: ${selector.selection.reason}`);
  if (demo !== null) {
    console.error(`no --upstream: /v1/* goes to an embedded demo at ${urlOf(demo)}; no model is behind it`);
  }
  console.log(`listening on ${urlOf(server)}`);
}

if (import.meta.main) main();
