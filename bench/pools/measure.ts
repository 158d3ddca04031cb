/**
 * Measures one pool: the same loops for every contender, on every runtime. A contender is a file beside this one that calls `measure`.
 *
 * - Round trip: one no-op after another; the median.
 * - Bulk: 50,000 no-ops at once, several times; the best wall time and the median CPU of the whole process, workers included.
 * - 1 MiB: a fresh buffer to the worker and its length back, copied and transferred; medians.
 * - Scaling: the time of 32 computations on one worker over that on two.
 *
 * @module
 */
import process from "node:process";

/** A pool under measurement, of so many workers. */
export interface Contender {
  /** A task that gives its argument back. */
  noop(value: number): Promise<unknown>;
  /** A task that gives the length of a buffer; copied or transferred. `null` where a pool cannot do that. */
  bytes: ((buffer: ArrayBuffer, isTransferred: boolean) => Promise<unknown>) | null;
  /** A task that computes for some ten milliseconds: the n-th Fibonacci number. */
  fibonacci(n: number): Promise<unknown>;
  /** Ends it. */
  close(): Promise<unknown> | void;
}

/** What was measured; microseconds, and tasks a second. */
export interface PoolFigures {
  readonly roundTripUs: number;
  readonly bulkPerSecond: number;
  readonly bulkCpuUs: number;
  readonly copyUs: number | null;
  readonly transferUs: number | null;
  readonly scaling: number;
}

const ROUND_TRIPS = 6_000;
const BULK = 50_000;
const BULK_ROUNDS = 5;
const MIB = 1 << 20;
const BUFFERS = 40;
const COMPUTATIONS = 32;
const FIBONACCI = 27;

function middle(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

async function timesUs(count: number, run: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await run(index);
    times.push((performance.now() - start) * 1000);
  }
  return times;
}

async function bulk(contender: Contender): Promise<{ perSecond: number; cpuUs: number }> {
  const rates: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < BULK_ROUNDS; round++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await Promise.all(Array.from({ length: BULK }, (_, index) => contender.noop(index)));
    rates.push(BULK / (performance.now() - start) * 1000);
    const { user, system } = process.cpuUsage(cpu);
    cpus.push((user + system) / BULK);
  }
  return { perSecond: Math.max(...rates), cpuUs: middle(cpus) };
}

async function large(contender: Contender, isTransferred: boolean): Promise<number | null> {
  const { bytes } = contender;
  if (bytes === null) return null;
  const buffers = Array.from({ length: BUFFERS }, () => new Uint8Array(MIB).fill(1).buffer);
  return middle(await timesUs(BUFFERS, (index) => bytes(buffers[index]!, isTransferred)));
}

async function computationMs(
  open: (workers: number) => Promise<Contender>,
  workers: number,
): Promise<number> {
  const contender = await open(workers);
  const all = () => Promise.all(Array.from({ length: COMPUTATIONS }, () => contender.fibonacci(FIBONACCI)));
  await all();
  const start = performance.now();
  await all();
  const ms = performance.now() - start;
  await contender.close();
  return ms;
}

/** Measures a contender and prints the figures as one JSON line. @param open makes one with so many workers */
export async function measure(open: (workers: number) => Promise<Contender>): Promise<void> {
  const contender = await open(2);
  await timesUs(ROUND_TRIPS / 2, (index) => contender.noop(index));
  const roundTripUs = middle(await timesUs(ROUND_TRIPS, (index) => contender.noop(index)));
  const { perSecond, cpuUs } = await bulk(contender);
  const copyUs = await large(contender, false);
  const transferUs = await large(contender, true);
  await contender.close();
  const scaling = await computationMs(open, 1) / await computationMs(open, 2);
  const figures: PoolFigures = {
    roundTripUs,
    bulkPerSecond: perSecond,
    bulkCpuUs: cpuUs,
    copyUs,
    transferUs,
    scaling,
  };
  console.log(JSON.stringify(figures));
  process.exit(0); // some pools keep the process
}
