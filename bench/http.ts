/**
 * HTTP/1.1 in one run: Sluice (on the native selector and, on Linux, on epoll and io_uring) against Deno.serve, node:http and Bun.serve.
 *
 * Every server answers the same routes (`servers/`), runs alone on core 0 while `wrk` loads it from core 1, and all of
 * them take turns scenario by scenario, round by round; figures are medians over rounds. CPU per request is the
 * server process's user + system time over the responses counted by wrk, so it holds whatever speed the load runs at.
 *
 * Not controlled: other guests of the machine (hence turns, medians and ratios), the processor's clock, and for
 * throughput wrk itself: where it is the bottleneck the table's CPU column still tells, requests per second do not.
 *
 * Run: `deno task bench http [--rounds 5] [--seconds 3] [--only plain] [--servers "Sluice;Deno.serve"]`
 *
 * @module
 */
import { versionLine } from "./support/command_line.ts";
import { type Measured, startServer } from "./support/processes.ts";
import { installRuntimes, needProgram } from "./support/runtimes.ts";
import { type Figures, type Load, wrk } from "./support/wrk.ts";
import { median, table, writeSection } from "./support/report.ts";

/** One line of the result: a load under a name. */
interface Scenario extends Load {
  readonly name: string;
}

const MIB = 1 << 20;

/** What is measured: plain requests at three widths, pipelining, JSON, large bodies both ways (up as one array and as a stream), a stream. */
const SCENARIOS: readonly Scenario[] = [
  { name: "plain GET, 1 connection", path: "/plain", connections: 1 },
  { name: "plain GET, 64 connections", path: "/plain", connections: 64 },
  { name: "plain GET, 256 connections", path: "/plain", connections: 256 },
  { name: "plain GET, 64 connections, 16 pipelined", path: "/plain", connections: 64, pipeline: 16 },
  { name: "JSON, 64 connections", path: "/json", connections: 64 },
  { name: "1 MiB down, 16 connections", path: "/big", connections: 16 },
  { name: "1 MiB up, taken whole, 16 connections", path: "/whole", connections: 16, uploadBytes: MIB },
  { name: "1 MiB up, piece by piece, 16 connections", path: "/up", connections: 16, uploadBytes: MIB },
  { name: "64 KiB streamed in 16 chunks, 64 connections", path: "/stream", connections: 64 },
];

/** One measurement. */
interface Sample extends Figures {
  readonly cpuUs: number;
}

/** The core the measured server gets, and the load's. */
const SERVER_CPU = 0;
/** See `SERVER_CPU`. */
const LOAD_CPU = 1;

/** Options from the command line. */
interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: string;
  /** Names of the servers to run, all if empty. */
  readonly servers: readonly string[];
}

/** Reads `--name value` pairs. */
function options(args: readonly string[]): Options {
  const value = (name: string, fallback: string) => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? fallback : args[at + 1] ?? fallback;
  };
  return {
    rounds: Number(value("rounds", "5")),
    seconds: Number(value("seconds", "3")),
    only: value("only", ""),
    servers: value("servers", "").split(";").filter((name) => name !== ""),
  };
}

/** Starts the servers named (all if none is), Sluice on three selectors; returns them by name. */
async function startAll(names: readonly string[]): Promise<Map<string, Measured>> {
  const runtimes = await installRuntimes();
  const folder = new URL("servers/", import.meta.url).pathname;
  const denoRun = [runtimes.deno, "run", "--allow-net", "--allow-env=SLUICE_SELECTOR"];
  const servers = new Map<string, Measured>();
  const start = async (name: string, command: string[]) => {
    if (names.length > 0 && !names.includes(name)) return;
    servers.set(name, await startServer(command, SERVER_CPU));
  };
  await start("Sluice", ["env", "SLUICE_SELECTOR=native", ...denoRun, `${folder}sluice.ts`]);
  if (Deno.build.os === "linux") {
    for (const kind of ["epoll", "uring"]) {
      const command = ["env", `SLUICE_SELECTOR=${kind}`, ...denoRun, "--allow-ffi", `${folder}sluice.ts`];
      await start(`Sluice, ${kind}`, command);
    }
  }
  await start("Deno.serve", [...denoRun, `${folder}deno_serve.ts`]);
  await start("Bun.serve", [runtimes.bun, `${folder}bun_serve.ts`]);
  await start("node:http", [runtimes.node, "--no-warnings", `${folder}node_http.ts`]);
  return servers;
}

/** Measures one server once. */
async function measure(server: Measured, scenario: Scenario, seconds: number): Promise<Sample> {
  const before = server.cpuSeconds();
  const figures = await wrk(server.port, scenario, seconds, LOAD_CPU);
  const cpuUs = (server.cpuSeconds() - before) * 1e6 / figures.requests;
  return { ...figures, cpuUs };
}

/** The rows of one scenario: a line per server, with the ratio to Deno.serve. */
function rowsOf(scenario: Scenario, samples: ReadonlyMap<string, Sample[]>): string[][] {
  const of = (name: string, pick: (sample: Sample) => number) => median((samples.get(name) ?? []).map(pick));
  const base = of("Deno.serve", (sample) => sample.cpuUs);
  return [...samples.keys()].map((name, index) => {
    const cpu = of(name, (sample) => sample.cpuUs);
    return [
      index === 0 ? scenario.name : "",
      name,
      cpu.toFixed(cpu < 100 ? 2 : 0),
      (cpu / base).toFixed(2),
      Math.round(of(name, (sample) => sample.requests / sample.seconds)).toLocaleString("en"),
      Math.round(of(name, (sample) => sample.p50Us)).toLocaleString("en"),
      Math.round(of(name, (sample) => sample.p99Us)).toLocaleString("en"),
      String(samples.get(name)?.reduce((sum, sample) => sum + sample.errors, 0)),
    ];
  });
}

/** Runs it all and writes the section. */
export async function benchHttp(args: readonly string[]): Promise<void> {
  const { rounds, seconds, only, servers: names } = options(args);
  await needProgram("wrk", "wrk");
  await needProgram("taskset", "util-linux");
  const scenarios = SCENARIOS.filter((scenario) => scenario.name.includes(only));
  const servers = await startAll(names);
  const samples = new Map(
    scenarios.map((
      scenario,
    ) => [scenario, new Map([...servers.keys()].map((name) => [name, [] as Sample[]]))]),
  );
  try {
    for (const server of servers.values()) {
      for (const scenario of scenarios) await measure(server, scenario, 1); // warm-up: the JIT compiles here
    }
    for (let round = 1; round <= rounds; round++) {
      for (const scenario of scenarios) {
        for (const [name, server] of servers) {
          const sample = await measure(server, scenario, seconds);
          samples.get(scenario)?.get(name)?.push(sample);
          console.error(`${round}/${rounds} ${scenario.name}: ${name} ${sample.cpuUs.toFixed(2)} µs`);
        }
      }
    }
    const head = [
      "load",
      "server",
      "CPU µs/request",
      "÷ Deno.serve",
      "requests/s",
      "p50 µs",
      "p99 µs",
      "errors",
    ];
    const rows = scenarios.flatMap((scenario) => rowsOf(scenario, samples.get(scenario) ?? new Map()));
    const peaks = [...servers].map(([name, server]) => `${name} ${Math.round(server.peakMiB())}`).join(" · ");
    const versions = await versionLine();
    const body =
      `${versions}\n\n${rounds} rounds of ${seconds} s, medians; server on one core, wrk on the other. ` +
      `Where wrk is the bottleneck only the CPU columns tell.\n\n${table(head, rows)}\n\n` +
      `Peak resident memory over the whole run, MiB: ${peaks}.\n`;
    console.log(body);
    if (only === "" && names.length === 0) {
      await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "HTTP/1.1", body);
    }
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

if (import.meta.main) await benchHttp(Deno.args);
