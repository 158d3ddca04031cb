/**
 * What the runtime's own I/O gets beside a server that is never idle, in the same thread.
 *
 * The server answers plain GETs to `wrk` on 64 connections, as fast as it can. In its thread, one after the other: a byte
 * goes to another process and back over a `Deno.Conn`, a `fetch` gets two bytes, timers of 2 ms run out. Each is measured
 * without the load and under it; the ratio of the medians is what a program pays for sharing its thread with the server.
 * `Deno.serve` under the same load shows what the runtime's own server leaves of it.
 *
 * Server on one core; load and the probes' peer on the other, the peer with priority (where the user may give it), since
 * what it waits for `wrk` would be counted as the server's. Not controlled: whether that was permitted, and the kernel's
 * scheduling of the two, which is why the peer's part is in both figures of a ratio only if it is small.
 *
 * Run: `deno task bench fairness [--rounds 3] [--ms 1000] [--servers uring,epoll,native,deno] [--dry]`
 *
 * @module
 */
import type { Probes, Spread } from "./servers/fairness.ts";
import { fixed, flags, versionLine } from "./support/command_line.ts";
import { startServer } from "./support/processes.ts";
import { median, table, writeSection } from "./support/report.ts";
import { needProgram } from "./support/runtimes.ts";
import { wrk } from "./support/wrk.ts";

const SERVER_CPU = 0;
/** Of the load, and of whom the probes talk to. */
const LOAD_CPU = 1;
/** Connections of the load. */
const CONNECTIONS = 64;
/** Seconds that the load runs before and after the probes. */
const MARGIN_SECONDS = 1;
/** Milliseconds without measuring: what the runtime compiles meanwhile is not counted. */
const WARM_UP_MS = 300;

/** The probes, and what they are called. */
const PROBES: readonly (readonly [keyof Probes, string])[] = [
  ["echo", "Deno.Conn round trip"],
  ["fetch", "fetch"],
  ["timer", "timer, late by"],
];

/** One server's samples of a round. */
interface Sample {
  readonly idle: Probes;
  readonly loaded: Probes;
  readonly requestsPerSecond: number;
}

/** Measures one server once: without load, then under it. */
async function sample(server: string, peerPort: number, ms: number): Promise<Sample> {
  const isDeno = server === "deno";
  const program = new URL("servers/fairness.ts", import.meta.url).pathname;
  const run = [Deno.execPath(), "run", "--allow-all", program, isDeno ? "deno" : "sluice", String(peerPort)];
  const command = isDeno ? run : ["env", `SLUICE_SELECTOR=${server}`, ...run];
  const measured = await startServer(command, SERVER_CPU);
  const probes = async (probeMs: number): Promise<Probes> => {
    const response = await fetch(`http://127.0.0.1:${measured.port}/probe?ms=${probeMs}`);
    if (!response.ok) {
      throw new Error(`Cannot measure ${server}: ${response.status} ${await response.text()}`);
    }
    return await response.json() as Probes;
  };
  try {
    await wrk(measured.port, { path: "/plain", connections: CONNECTIONS }, MARGIN_SECONDS, LOAD_CPU);
    await probes(WARM_UP_MS);
    const idle = await probes(ms);
    const seconds = Math.ceil(PROBES.length * ms / 1000) + 2 * MARGIN_SECONDS;
    let isLoadOver = false;
    const load = wrk(measured.port, { path: "/plain", connections: CONNECTIONS }, seconds, LOAD_CPU);
    load.then(() => isLoadOver = true, () => isLoadOver = true);
    await new Promise((resolve) => setTimeout(resolve, MARGIN_SECONDS * 1000));
    const loaded = await probes(ms);
    if (isLoadOver) throw new Error(`Cannot measure ${server}: the load ended before the probes did`);
    const figures = await load;
    return { idle, loaded, requestsPerSecond: figures.requests / figures.seconds };
  } finally {
    await measured.stop();
  }
}

/** The rows of one server: a line per probe. */
function rowsOf(title: string, samples: readonly Sample[]): string[][] {
  const over = (pick: (sample: Sample) => number) => median(samples.map(pick));
  return PROBES.map(([name, words], i) => {
    const us = (which: "idle" | "loaded", field: keyof Spread) =>
      fixed(over((one) => one[which][name][field]) * 1000);
    const ratio = over((one) => one.loaded[name].p50 / one.idle[name].p50);
    return [
      i === 0 ? title : "",
      words,
      us("idle", "p50"),
      us("loaded", "p50"),
      name === "timer" ? "–" : fixed(ratio),
      us("idle", "p99"),
      us("loaded", "p99"),
      us("loaded", "max"),
      i === 0 ? Math.round(over((one) => one.requestsPerSecond)).toLocaleString("en") : "",
    ];
  });
}

const HEAD = [
  "server",
  "beside it",
  "p50 µs alone",
  "p50 µs under load",
  "ratio",
  "p99 µs alone",
  "p99 µs under load",
  "at most µs",
  "requests/s meanwhile",
];

/** Runs it all and writes the section. */
export async function benchFairness(args: readonly string[]): Promise<void> {
  const { rounds, ms, servers, dry } = flags(args, {
    rounds: "3",
    ms: "1000",
    servers: "uring,epoll,native,deno",
    dry: false,
  });
  await needProgram("wrk", "wrk");
  const peer = await startServer([
    ...["nice", "-n", "-20", Deno.execPath(), "run", "--allow-all"],
    new URL("servers/fairness_peer.ts", import.meta.url).pathname,
  ], LOAD_CPU);
  const samples = new Map<string, Sample[]>(servers.split(",").map((name) => [name, []]));
  try {
    for (let round = 0; round < Number(rounds); round++) {
      for (const [server, list] of samples) list.push(await sample(server, peer.port, Number(ms)));
    }
  } finally {
    await peer.stop();
  }
  const rows = [...samples].flatMap(([server, list]) =>
    rowsOf(server === "deno" ? "Deno.serve" : `Sluice, ${server}`, list)
  );
  const body = `${await versionLine()}

64 connections ask as fast as they can; in the server's thread the runtime's own sockets, \`fetch\` and timers of 2 ms are
used meanwhile. ${rounds} rounds of ${ms} ms a probe, medians.

${table(HEAD, rows)}`;
  console.log(`\n${body}`);
  if (!dry) await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "Fairness", body);
}
