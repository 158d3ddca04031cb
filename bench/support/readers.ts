/**
 * Compiles and runs `readers.c`, the load of the fan-out and connection benchmarks, and reads its figures.
 *
 * @module
 */
import type { Measured } from "./processes.ts";
import { needProgram, output } from "./runtimes.ts";

/** One step's figures, as `readers.c` prints them. */
export interface ReaderFigures {
  /** Connections open. */
  readonly readers: number;
  /** Length of the measured time, up to the last delivery. */
  readonly seconds: number;
  /** Events published in it. */
  readonly published: number;
  /** Events that readers got in it. */
  readonly deliveries: number;
  /** Events that readers did not get. */
  readonly lost: number;
  /** Events that came twice or late. */
  readonly disordered: number;
  /** Connections that the server closed. */
  readonly gone: number;
  /** Publications that were not answered by 2xx. */
  readonly refused: number;
  /** CPU the server used, user and system, seconds. */
  readonly cpuSeconds: number;
  /** User time of it, in steps of 10 ms. */
  readonly userSeconds: number;
  /** System time of it, likewise. */
  readonly systemSeconds: number;
  /** CPU the load used, seconds. */
  readonly loadSeconds: number;
  /** The server's resident memory at the end, KiB. */
  readonly rssKiB: number;
  /** The same before the first connection, after a warm-up. */
  readonly emptyRssKiB: number;
  /** Median time from publication to receipt, microseconds. */
  readonly p50Us: number;
  /** 99th percentile, microseconds. */
  readonly p99Us: number;
  /** The longest, microseconds. */
  readonly maxUs: number;
  /** Connections opened for this step. */
  readonly openedNow: number;
  /** CPU the server used for that, seconds. */
  readonly openCpuSeconds: number;
}

/** What to do. */
export interface ReaderLoad {
  /** Whether event streams are read; else each connection makes one request and is idle then. */
  readonly mode: "sse" | "idle";
  /** Path of the streams, or of the one request. */
  readonly path: string;
  /** Where events are POSTed. */
  readonly publishPath: string;
  /** How long each step is measured. */
  readonly seconds: number;
  /** Connections of each step, rising. */
  readonly steps: readonly number[];
}

/**
 * Compiles the load; returns the path of its executable, in a folder of its own that the caller removes.
 *
 * @param folder where to put it
 */
export async function compileReaders(folder: string): Promise<string> {
  await needProgram("gcc", "gcc libc6-dev");
  const program = `${folder}/readers`;
  await output("gcc", ["-O2", "-o", program, new URL("readers.c", import.meta.url).pathname]);
  return program;
}

/**
 * Loads a server step by step.
 *
 * @param program what `compileReaders` returned
 * @param server what to load
 * @param load how
 * @param cpu core to pin the load to
 */
export async function runReaders(
  program: string,
  server: Measured,
  load: ReaderLoad,
  cpu: number,
): Promise<ReaderFigures[]> {
  const { mode, path, publishPath, seconds, steps } = load;
  const args = [mode, server.port, server.pid, path, publishPath, seconds, ...steps].map(String);
  const child = await new Deno.Command("taskset", {
    args: ["-c", String(cpu), program, ...args],
    stdin: "null",
    stderr: "inherit",
  }).output();
  const figures = new TextDecoder().decode(child.stdout).split("\n").filter(Boolean)
    .map((line) => JSON.parse(line) as ReaderFigures);
  if (!child.success) console.error(`bench: the load gave up after ${figures.length} steps`);
  return figures;
}
