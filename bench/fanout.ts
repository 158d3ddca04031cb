/**
 * Event streams in one run: one topic fanned out to 100, 1,000, 5,000 and 10,000 readers at 10 events a second.
 *
 * Each server runs alone on core 0 and is loaded from core 1 by `support/readers.c`, which publishes by POST, reads
 * every stream, and checks for each reader that every event came, once and in order. Its readers rise step by step on one
 * and the same server. CPU per delivery is the server process's user + system time over the deliveries; memory per
 * reader is its resident memory at the step's end, less that of the warmed-up server without readers, over the readers.
 *
 * That the load is not the bottleneck is not assumed: its busy share stands in the table. It shares no core with the
 * server, so below 100 % it has waited for the server and not the other way round.
 *
 * Not controlled: other guests of the machine (hence one run for all, and ratios), the processor's clock, and when a
 * garbage collector gives memory back. The kernel's socket buffers are in nobody's resident memory. A server that is
 * above 100 % of its core falls behind; its latency is then that of its queue.
 *
 * Run: `deno task bench fanout [--readers 100,1000,5000,10000] [--seconds 3] [--servers sluice-native,deno] [--dry]`.
 * Results are written down when nothing is left out and `--dry` is not given. Exits 1 when Sluice lost an event.
 *
 * @module
 */
import { fixed, flags, versionLine } from "./support/command_line.ts";
import { compileReaders, type ReaderFigures, runReaders } from "./support/readers.ts";
import { table, writeSection } from "./support/report.ts";
import { chosen, type StreamServer, streamServers, V8_FLAGS } from "./support/stream_servers.ts";

/** The core of the load. */
const LOAD_CPU = 1;
/** Steps of readers, as the issue asks. */
const READERS = "100,1000,5000,10000";
/** What ratios are against. */
const BASE = "deno";

/** One server's steps. */
interface Result {
  readonly server: StreamServer;
  readonly figures: readonly ReaderFigures[];
}

/** CPU of the server per delivery, microseconds. */
function cpuUs({ cpuSeconds, deliveries }: ReaderFigures): number {
  return cpuSeconds * 1e6 / deliveries;
}

/** Resident memory per connection, KiB. */
export function kibPerReader({ rssKiB, emptyRssKiB, readers }: ReaderFigures): number {
  return (rssKiB - emptyRssKiB) / readers;
}

/** Part of the CPU time that was spent in the kernel. */
function systemShare({ userSeconds, systemSeconds }: ReaderFigures): number {
  return systemSeconds / (userSeconds + systemSeconds);
}

/** The rows of one step, a line per server. */
function rowsOf(readers: number, results: readonly Result[]): string[][] {
  const at = (result: Result | undefined) => result?.figures.find((figures) => figures.readers === readers);
  const base = at(results.find(({ server }) => server.name === BASE));
  const rows: string[][] = [];
  for (const result of results) {
    const figures = at(result);
    if (figures === undefined) continue;
    const { published, seconds, loadSeconds, cpuSeconds, p50Us, p99Us, lost, disordered } = figures;
    rows.push([
      rows.length === 0 ? readers.toLocaleString("en") : "",
      result.server.title,
      fixed(cpuUs(figures)),
      fixed(cpuUs(figures) * (1 - systemShare(figures))),
      base === undefined ? "–" : (cpuUs(figures) / cpuUs(base)).toFixed(2),
      fixed(kibPerReader(figures)),
      fixed(p50Us / 1000),
      fixed(p99Us / 1000),
      `${Math.round(cpuSeconds / seconds * 100)} %`,
      `${Math.round(loadSeconds / seconds * 100)} %`,
      `${lost} of ${(published * readers).toLocaleString("en")}`,
      String(disordered),
    ]);
  }
  return rows;
}

/** How the cost of a delivery changes from 1,000 readers to 10,000. */
function slopes(results: readonly Result[]): string {
  const parts = results.flatMap(({ server, figures }) => {
    const few = figures.find(({ readers }) => readers === 1_000);
    const many = figures.find(({ readers }) => readers === 10_000);
    return few === undefined || many === undefined
      ? []
      : [`${server.title} ${(cpuUs(many) / cpuUs(few)).toFixed(2)}`];
  });
  return parts.length === 0
    ? ""
    : `\nCPU per delivery at 10,000 readers over that at 1,000: ${parts.join(" · ")}.\n`;
}

const HEAD = [
  "readers",
  "server",
  "CPU µs/delivery",
  "of it user",
  "÷ Deno.serve",
  "KiB/reader",
  "p50 ms",
  "p99 ms",
  "server busy",
  "load busy",
  "lost",
  "disordered",
];

/** Runs it all and writes the section. */
export async function benchFanout(args: readonly string[]): Promise<void> {
  const { readers, seconds, servers, dry } = flags(args, {
    readers: READERS,
    seconds: "3",
    servers: "",
    dry: false,
  });
  const steps = readers.split(",").map(Number);
  const folder = await Deno.makeTempDir({ prefix: "sluice-fanout-" });
  const results: Result[] = [];
  try {
    const program = await compileReaders(folder);
    for (const server of chosen(await streamServers(folder), servers)) {
      const { path, publishPath, title } = server;
      const measured = await server.start();
      if (measured === null) continue;
      try {
        const load = { mode: "sse", path, publishPath, seconds: Number(seconds), steps } as const;
        const figures = await runReaders(program, measured, load, LOAD_CPU);
        results.push({ server, figures });
        for (const step of figures) {
          console.error(
            `${title}: ${step.readers} readers, ${fixed(cpuUs(step))} µs, ${fixed(kibPerReader(step))} KiB`,
          );
        }
      } finally {
        await measured.stop();
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const rows = steps.flatMap((step) => rowsOf(step, results));
  const body =
    `${await versionLine()}\n\n10 events of 100 bytes a second to every reader, ${seconds} s a step; ` +
    `server on one core, load on the other. Deno runs with ${V8_FLAGS}.\n\n${table(HEAD, rows)}\n${
      slopes(results)
    }`;
  console.log(body);
  const isWhole = readers === READERS && servers === "" && !dry;
  if (isWhole) await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "SSE fan-out", body);
  const isAtFault = ({ server, figures }: Result) =>
    server.name.startsWith("sluice") &&
    (figures.length < steps.length ||
      figures.some(({ lost, disordered, gone }) => lost + disordered + gone > 0));
  if (results.some(isAtFault)) Deno.exit(1);
}

if (import.meta.main) await benchFanout(Deno.args);
