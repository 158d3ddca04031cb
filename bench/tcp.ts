/**
 * TCP in one run: Sluice's streams on Deno, Node and Bun against each runtime's own sockets and Python's asyncio.
 *
 * 64 connections with one message of 64 bytes outstanding on each: `echo` answers what came, `line` answers LF-terminated
 * lines. Every server runs alone on core 0 while `support/tcp_load.ts` loads it from core 1; all take turns round by
 * round, and figures are medians over rounds. CPU per round trip is the server process's user + system time over the
 * answers; its ratio is to the plain loop on the same runtime's own sockets (for Python: a Protocol on the same loop).
 * `node:net` also runs on Deno, because Sluice's native selector stands on it there.
 *
 * The load must not be what is waited for, else a server that idles in between is woken for less at a time and looks
 * dearer than it is. So the busy share of both is shown: a server near 100 % was the bottleneck, as it should be.
 *
 * Not controlled: other guests of the machine (hence turns, medians and ratios) and the processor's clock. Of a round
 * trip's CPU about 6 µs are the kernel's on the machine this was written on: no server can be below that.
 *
 * Run: `deno task bench tcp [--rounds 5] [--seconds 3] [--only line] [--servers Bun] [--dry]`. Results are written
 * down unless `--only`, `--servers` or `--dry` is given.
 *
 * @module
 */
import { type Measured, startServer } from "./support/processes.ts";
import { needPython, type Python } from "./support/python.ts";
import { installRuntimes, needProgram, output, type Runtimes } from "./support/runtimes.ts";
import { machine, median, table, writeSection } from "./support/report.ts";
import type { TcpFigures } from "./support/tcp_load.ts";

/** What servers answer to: whatever came, or lines. */
const MODES = ["echo", "line"] as const;

/** See `MODES`. */
type Mode = typeof MODES[number];

/** A server to measure. */
interface Contender {
  readonly name: string;
  /** Name of the one it is compared with. */
  readonly base: string;
  /** Starts it; a mode is appended. */
  readonly command: (mode: Mode) => string[];
}

/** Connections, as the issue asks. */
const CONNECTIONS = 64;
/** The core the measured server gets, and the load's. */
const SERVER_CPU = 0;
/** See `SERVER_CPU`. */
const LOAD_CPU = 1;

/** Options from the command line. */
interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: string;
  /** Only servers whose name has this in it, and those they are compared with. */
  readonly servers: string;
  readonly dry: boolean;
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
    servers: value("servers", ""),
    dry: args.includes("--dry"),
  };
}

/** All servers, in the order of the table. */
function contenders(runtimes: Runtimes, python: Python): Contender[] {
  const folder = new URL("servers/", import.meta.url).pathname;
  const deno = [runtimes.deno, "run", "--allow-net"];
  const node = [runtimes.node, "--no-warnings"];
  // io_uring's rings need all of FFI, and the choice of a selector is read from the environment.
  const withFfi = [...deno, "--allow-ffi", "--allow-env=SLUICE_SELECTOR"];
  const on = (selector: string, run: readonly string[]) => ["env", `SLUICE_SELECTOR=${selector}`, ...run];
  const of = (name: string, base: string, run: readonly string[], file: string): Contender => ({
    name,
    base,
    command: (mode) => [...run, `${folder}${file}`, mode],
  });
  const py = (name: string, base: string, api: string, loop: string): Contender => ({
    name,
    base,
    command: (mode) => [python.path, `${folder}asyncio_tcp.py`, mode, api, loop],
  });
  return [
    of("Sluice streams, Deno native", "Deno.listen", deno, "sluice_tcp.ts"),
    of("Sluice streams, Deno epoll", "Deno.listen", on("epoll", withFfi), "sluice_tcp.ts"),
    of("Sluice streams, Deno uring", "Deno.listen", on("uring", withFfi), "sluice_tcp.ts"),
    of("Deno.listen", "Deno.listen", deno, "deno_tcp.ts"),
    of("node:net, Deno", "Deno.listen", deno, "node_tcp.ts"),
    of("Sluice streams, Node", "node:net", node, "sluice_tcp.ts"),
    of("node:net", "node:net", node, "node_tcp.ts"),
    of("Sluice streams, Bun native", "Bun.listen", on("native", [runtimes.bun]), "sluice_tcp.ts"),
    of("Sluice streams, Bun epoll", "Bun.listen", on("epoll", [runtimes.bun]), "sluice_tcp.ts"),
    of("Sluice streams, Bun uring", "Bun.listen", on("uring", [runtimes.bun]), "sluice_tcp.ts"),
    of("Bun.listen", "Bun.listen", [runtimes.bun], "bun_tcp.ts"),
    py("asyncio streams", "asyncio Protocol", "streams", "asyncio"),
    py("asyncio Protocol", "asyncio Protocol", "protocol", "asyncio"),
    py("asyncio streams, uvloop", "asyncio Protocol, uvloop", "streams", "uvloop"),
    py("asyncio Protocol, uvloop", "asyncio Protocol, uvloop", "protocol", "uvloop"),
  ];
}

/** Measures one server once. */
async function measure(server: Measured, seconds: number): Promise<TcpFigures> {
  const program = new URL("support/tcp_load.ts", import.meta.url).pathname;
  const numbers = [server.port, server.pid, CONNECTIONS, seconds].map(String);
  // Everything is allowed because of FFI, and of `/proc`, which Deno guards by nothing less.
  const load = [Deno.execPath(), "run", "--allow-all", program, ...numbers];
  return JSON.parse(await output("taskset", ["-c", String(LOAD_CPU), ...load])) as TcpFigures;
}

/** CPU of the server per round trip, microseconds. */
const cpuUs = (figures: TcpFigures) => figures.serverSeconds * 1e6 / figures.roundTrips;

/** Measures all servers in one mode, in turns; returns the samples by name, and the peaks of resident memory. */
async function measureMode(
  mode: Mode,
  all: readonly Contender[],
  { rounds, seconds }: Options,
): Promise<{ samples: Map<string, TcpFigures[]>; peaks: string }> {
  const servers = new Map<string, Measured>();
  const samples = new Map<string, TcpFigures[]>();
  try {
    for (const { name, command } of all) {
      const server = await startServer(command(mode), SERVER_CPU);
      servers.set(name, server);
      samples.set(name, []);
      await measure(server, Math.min(1, seconds)); // warm-up: the JIT compiles here
    }
    for (let round = 1; round <= rounds; round++) {
      for (const [name, server] of servers) {
        const figures = await measure(server, seconds);
        samples.get(name)?.push(figures);
        console.error(`${round}/${rounds} ${mode}: ${name} ${cpuUs(figures).toFixed(2)} µs`);
      }
    }
    const peaks = [...servers].map(([name, server]) => `${name} ${Math.round(server.peakMiB())}`).join(" · ");
    return { samples, peaks };
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

/** The rows of one mode: a line per server. */
function rowsOf(
  mode: Mode,
  all: readonly Contender[],
  samples: ReadonlyMap<string, readonly TcpFigures[]>,
): string[][] {
  const of = (name: string, pick: (figures: TcpFigures) => number) =>
    median((samples.get(name) ?? []).map(pick));
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const count = (value: number) => Math.round(value).toLocaleString("en");
  return all.map(({ name, base }, index) => [
    index === 0 ? mode : "",
    name,
    of(name, cpuUs).toFixed(2),
    (of(name, cpuUs) / of(base, cpuUs)).toFixed(2),
    count(of(name, (figures) => figures.roundTrips / figures.seconds)),
    count(of(name, (figures) => figures.p50Us)),
    count(of(name, (figures) => figures.p99Us)),
    percent(of(name, (figures) => figures.serverSeconds / figures.seconds)),
    percent(of(name, (figures) => figures.loadSeconds / figures.seconds)),
  ]);
}

/** Date, versions and machine in one line. */
async function versionLine(runtimes: Runtimes, python: Python): Promise<string> {
  const nodeVersion = (await output(runtimes.node, ["--version"])).trim();
  const bunVersion = (await output(runtimes.bun, ["--version"])).trim();
  const date = new Date().toISOString().slice(0, 10);
  return `${date}; Deno ${Deno.version.deno}, Node ${nodeVersion}, Bun ${bunVersion}, Python ${python.version} with ` +
    `uvloop ${python.uvloopVersion}; ${machine()}.`;
}

/** Runs it all and writes the section. */
export async function benchTcp(args: readonly string[]): Promise<void> {
  const chosen = options(args);
  const { rounds, seconds, only, servers, dry } = chosen;
  await needProgram("taskset", "util-linux");
  const runtimes = await installRuntimes();
  const python = await needPython();
  const everyone = contenders(runtimes, python);
  const wanted = everyone.filter(({ name }) => name.includes(servers));
  const all = everyone.filter(({ name }) => wanted.some((one) => one.name === name || one.base === name));
  const rows: string[][] = [];
  const memory: string[] = [];
  for (const mode of MODES) {
    if (!mode.includes(only)) continue;
    const { samples, peaks } = await measureMode(mode, all, chosen);
    rows.push(...rowsOf(mode, all, samples));
    memory.push(`Peak resident memory, ${mode}, MiB: ${peaks}.`);
  }
  const head = [
    "mode",
    "server",
    "CPU µs/round trip",
    "÷ own loop",
    "round trips/s",
    "p50 µs",
    "p99 µs",
    "server busy",
    "load busy",
  ];
  const body = `${await versionLine(runtimes, python)}\n\n` +
    `${CONNECTIONS} connections, one message of 64 bytes outstanding on each; ${rounds} rounds of ${seconds} s, ` +
    `medians; server on one core, load on the other. "÷ own loop" is the CPU against the same runtime's own sockets, ` +
    `for Python against a Protocol on the same loop. Where the server was not busy all the time it was not what was ` +
    `waited for, but the load or another process on its core: there only the CPU columns tell.\n\n${
      table(head, rows)
    }\n\n${memory.join("\n\n")}\n`;
  console.log(body);
  if (only === "" && servers === "" && !dry) {
    await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "TCP", body);
  }
}

if (import.meta.main) await benchTcp(Deno.args);
