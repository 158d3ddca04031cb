/**
 * Idle keep-alive connections in one run: what 100, 1,000, 5,000 and 10,000 of them cost each server.
 *
 * Each connection is opened, makes one plain GET, and is left alone. Memory per connection is the server's resident
 * memory at the step's end, less that of the warmed-up server without connections, over the connections; CPU per accept is
 * what opening and answering took. Servers, cores and load as in `fanout.ts`; what is not controlled there is not here.
 *
 * Run: `deno task bench connections [--readers 100,1000,5000,10000] [--seconds 2] [--servers sluice-native,deno] [--dry]`
 *
 * @module
 */
import { kibPerReader } from "./fanout.ts";
import { fixed, flags, versionLine } from "./support/command_line.ts";
import { compileReaders, type ReaderFigures, runReaders } from "./support/readers.ts";
import { table, writeSection } from "./support/report.ts";
import { chosen, type StreamServer, streamServers, V8_FLAGS } from "./support/stream_servers.ts";

/** The core of the load. */
const LOAD_CPU = 1;
/** Steps of connections, as the issue asks. */
const CONNECTIONS = "100,1000,5000,10000";

/** One server's steps. */
interface Result {
  readonly server: StreamServer;
  readonly figures: readonly ReaderFigures[];
}

/** The rows of one step, a line per server. */
function rowsOf(connections: number, results: readonly Result[]): string[][] {
  const rows: string[][] = [];
  for (const { server, figures } of results) {
    const step = figures.find(({ readers }) => readers === connections);
    if (step === undefined) continue;
    rows.push([
      rows.length === 0 ? connections.toLocaleString("en") : "",
      server.title,
      fixed(kibPerReader(step)),
      fixed((step.rssKiB - step.emptyRssKiB) / 1024),
      fixed(step.openCpuSeconds * 1e6 / step.openedNow),
      `${(step.cpuSeconds / step.seconds * 100).toFixed(2)} %`,
      String(step.gone),
    ]);
  }
  return rows;
}

const HEAD = [
  "connections",
  "server",
  "KiB/connection",
  "MiB in all",
  "CPU µs/accept + GET",
  "busy while idle",
  "closed by server",
];

/** Runs it all and writes the section. */
export async function benchConnections(args: readonly string[]): Promise<void> {
  const { readers, seconds, servers, dry } = flags(args, {
    readers: CONNECTIONS,
    seconds: "2",
    servers: "",
    dry: false,
  });
  const steps = readers.split(",").map(Number);
  const folder = await Deno.makeTempDir({ prefix: "sluice-connections-" });
  const results: Result[] = [];
  try {
    const program = await compileReaders(folder);
    for (const server of chosen(await streamServers(folder), servers)) {
      const measured = await server.start();
      if (measured === null) continue;
      try {
        const load = {
          mode: "idle",
          path: "/plain",
          publishPath: "-",
          seconds: Number(seconds),
          steps,
        } as const;
        const figures = await runReaders(program, measured, load, LOAD_CPU);
        results.push({ server, figures });
        for (const step of figures) {
          console.error(`${server.title}: ${step.readers} connections, ${fixed(kibPerReader(step))} KiB`);
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
    `${await versionLine()}\n\nEach connection made one GET and is idle since; ${seconds} s a step.\n` +
    `Deno runs with ${V8_FLAGS}.\n\n${table(HEAD, rows)}\n`;
  console.log(body);
  const isWhole = readers === CONNECTIONS && servers === "" && !dry;
  if (isWhole) await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "Idle connections", body);
}

if (import.meta.main) await benchConnections(Deno.args);
