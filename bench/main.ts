/**
 * `deno task bench [name] [options]`: runs one benchmark by name, or all of them.
 *
 * @module
 */
import { benchConnections } from "./connections.ts";
import { benchFanout } from "./fanout.ts";
import { benchFairness } from "./fairness.ts";
import { benchHttp } from "./http.ts";
import { benchMemory } from "./memory.ts";
import { benchPool } from "./pool.ts";
import { benchTcp } from "./tcp.ts";

/** The benchmarks, by name. */
const BENCHMARKS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  http: benchHttp,
  tcp: benchTcp,
  fanout: benchFanout,
  connections: benchConnections,
  fairness: benchFairness,
  memory: benchMemory,
  pool: benchPool,
};

const [name, ...rest] = Deno.args;
if (name === undefined) {
  for (const bench of Object.values(BENCHMARKS)) await bench([]);
} else if (Object.hasOwn(BENCHMARKS, name)) {
  await BENCHMARKS[name]?.(rest);
} else {
  console.error(`unknown benchmark "${name}"; accepted: ${Object.keys(BENCHMARKS).join(", ")}`);
  Deno.exit(2);
}
