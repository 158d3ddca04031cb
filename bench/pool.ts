/**
 * Compute pools in one run: Sluice's on Deno, Bun and Node against piscina and tinypool (Node), poolifier-web-worker (Deno, Bun),
 * Python's ProcessPoolExecutor, and a raw `postMessage` there and back, all with two workers.
 *
 * Each contender is a process of its own (`pools/`) that measures itself by the same loops (`pools/measure.ts`); contenders of a
 * runtime take turns, round by round, and the figures are medians over rounds. CPU is user + system time of the process, its
 * threads included, per no-op of the bulk, so it holds when others use the machine; wall times then do not.
 *
 * Run: `deno task bench pool [--rounds 3] [--only deno]`
 *
 * @module
 */
import type { PoolFigures } from "./pools/measure.ts";
import { needPython } from "./support/python.ts";
import { machine, median, table, writeSection } from "./support/report.ts";
import { installRuntimes, output, type Runtimes } from "./support/runtimes.ts";

/** A contender on a runtime. */
interface Entry {
  readonly runtime: string;
  readonly name: string;
  readonly command: readonly string[];
}

/** Where pools are installed, and which. */
const PACKAGES = ["piscina@5.3.0", "tinypool@2.2.0", "poolifier-web-worker@0.5.15"];

/** Installs the other pools, once. */
async function installPools(): Promise<string> {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  const folder = `${home}/sluice-bench/pools`;
  const list = `${folder}/installed.txt`;
  await Deno.mkdir(folder, { recursive: true });
  const installed = await Deno.readTextFile(list).catch(() => "");
  if (installed !== PACKAGES.join()) {
    await Deno.writeTextFile(`${folder}/package.json`, '{"private":true,"type":"module"}');
    await output("npm", ["install", "--no-audit", "--no-fund", ...PACKAGES], folder);
    await Deno.writeTextFile(list, PACKAGES.join());
  }
  return folder;
}

/** All contenders. */
function entries(runtimes: Runtimes, python: string, packages: string): Entry[] {
  const folder = new URL("pools/", import.meta.url).pathname;
  const commands: Readonly<Record<string, readonly string[]>> = {
    Deno: [runtimes.deno, "run", "--no-config", "--allow-all"],
    Bun: [runtimes.bun],
    Node: [runtimes.node, "--no-warnings"],
  };
  const on = (runtime: string, names: readonly string[]): Entry[] =>
    names.map((name) => ({
      runtime,
      name,
      command: [...commands[runtime]!, `${folder}${name}.ts`, packages],
    }));
  return [
    ...on("Deno", ["sluice", "raw", "poolifier"]),
    ...on("Bun", ["sluice", "raw", "poolifier"]),
    ...on("Node", ["sluice", "raw", "piscina", "tinypool"]),
    { runtime: "Python", name: "process_pool", command: [python, `${folder}process_pool.py`] },
  ];
}

/** How the contenders are called in the table. */
const TITLES: Readonly<Record<string, string>> = {
  sluice: "**Sluice**",
  raw: "raw postMessage",
  poolifier: "poolifier-web-worker",
  process_pool: "ProcessPoolExecutor",
};

/** Measures a contender once. */
async function measure(entry: Entry): Promise<PoolFigures> {
  const [program = "", ...args] = entry.command;
  const printed = await output(program, args);
  return JSON.parse(printed.trim().split("\n").at(-1) ?? "");
}

/** One line of the table. */
function row(entry: Entry, figures: readonly PoolFigures[]): string[] {
  const of = (pick: (one: PoolFigures) => number | null): string => {
    const values = figures.map(pick).filter((value) => value !== null);
    if (values.length === 0) return "–";
    const value = median(values);
    return value < 100 ? value.toFixed(value < 10 ? 2 : 1) : Math.round(value).toLocaleString("en");
  };
  return [
    entry.runtime,
    TITLES[entry.name] ?? entry.name,
    of(({ roundTripUs }) => roundTripUs),
    of(({ bulkPerSecond }) => bulkPerSecond),
    of(({ bulkCpuUs }) => bulkCpuUs),
    of(({ copyUs }) => copyUs),
    of(({ transferUs }) => transferUs),
    of(({ scaling }) => scaling),
  ];
}

/** What `pools/loop_lag.ts` prints. */
interface LagFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly utilisation: number;
}

/** Measures the main loop's lag while a pool computes on every core. */
async function lagLines(all: readonly Entry[]): Promise<string> {
  const rows: string[][] = [];
  for (const { runtime, name, command } of all) {
    if (name !== "sluice") continue;
    const [program = "", ...args] = command.map((part) => part.replace(/sluice\.ts$/, "loop_lag.ts"));
    const printed = await output(program, args);
    const { p50Ms, p99Ms, maxMs, utilisation }: LagFigures = JSON.parse(
      printed.trim().split("\n").at(-1) ?? "",
    );
    console.error(`${runtime} loop lag: ${printed.trim()}`);
    rows.push([
      runtime,
      ...[p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(1)),
      `${Math.round(utilisation * 100)} %`,
    ]);
  }
  return table(["main loop", "late by p50 ms", "p99 ms", "at most ms", "workers busy"], rows);
}

/** Runs it all and writes the section. */
export async function benchPool(args: readonly string[]): Promise<void> {
  const value = (name: string, fallback: string): string => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? fallback : args[at + 1] ?? fallback;
  };
  const rounds = Number(value("rounds", "3"));
  const only = value("only", "");
  const runtimes = await installRuntimes();
  const python = await needPython();
  const all = entries(runtimes, python.path, await installPools())
    .filter(({ runtime }) => runtime.toLowerCase().includes(only.toLowerCase()));
  const samples = new Map(all.map((entry) => [entry, [] as PoolFigures[]]));
  for (let round = 1; round <= rounds; round++) {
    for (const entry of all) {
      const figures = await measure(entry);
      samples.get(entry)!.push(figures);
      console.error(`${round}/${rounds} ${entry.runtime} ${entry.name}: ${JSON.stringify(figures)}`);
    }
  }
  const head = [
    "runtime",
    "pool",
    "round trip µs",
    "no-ops/s",
    "CPU µs/no-op",
    "1 MiB copied µs",
    "transferred µs",
    "speed-up on 2",
  ];
  const rows = all.map((entry) => row(entry, samples.get(entry)!));
  const load = Deno.loadavg()[0] ?? NaN;
  const node = (await output(runtimes.node, ["--version"])).trim();
  const bun = (await output(runtimes.bun, ["--version"])).trim();
  const date = new Date().toISOString().slice(0, 10);
  const body =
    `${date}; Deno ${Deno.version.deno}, Bun ${bun}, Node ${node}, Python ${python.version}; ${machine()}.

Two workers; ${rounds} rounds, medians. No-ops a second: 50,000 at once, the best of five in a round. CPU is that of the process with
its threads (for Python without its children), per no-op. Speed-up: the time of 32 computations on one worker over that on two.
Load average ${
      load.toFixed(1)
    } on ${navigator.hardwareConcurrency} cores: where it is far above the number of cores, others computed too, and of
copies, speed-ups and lag only the orders of magnitude tell.

${table(head, rows)}

How late the main loop is while workers compute on every core, and it answers requests to itself:

${await lagLines(all)}
`;
  console.log(body);
  if (only === "") await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "Compute pool", body);
}

if (import.meta.main) await benchPool(Deno.args);
