/**
 * How late the main loop is while a pool computes on every core and requests are answered; prints one JSON line.
 *
 * The client is in the same process, so that the loop has work of its own.
 *
 * @module
 */
import process from "node:process";
import { createPool, LoopLag, Reply, serve, SystemClock, type TcpAddr } from "../../mod.ts";

/** How long it runs. */
const RUN_MS = 8_000;

const pool = createPool<typeof import("./tasks.ts")>(new URL("./tasks.ts", import.meta.url), {
  queueMax: 100_000,
});
const server = serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Reply("fine"));
const url = `http://127.0.0.1:${(server.addr as TcpAddr).port}/`;
const lag = new LoopLag(new SystemClock(), { intervalMs: 5, samplesMax: RUN_MS });
let isOver = false;
let requests = 0;
let tasks = 0;

/** Computes without a pause: tasks of some milliseconds. */
async function compute(): Promise<void> {
  for (; !isOver; tasks++) await pool.run("fibonacci", 24);
}

/** Asks every two milliseconds or so. */
async function ask(): Promise<void> {
  for (; !isOver; requests++) {
    await (await fetch(url)).text();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const all = [ask(), ...Array.from({ length: 64 }, compute)];
await new Promise((resolve) => setTimeout(resolve, RUN_MS / 4));
lag.start();
await new Promise((resolve) => setTimeout(resolve, RUN_MS));
const { p50Ms, p99Ms, maxMs } = lag.summary();
lag.stop();
isOver = true;
await Promise.all(all);
const { utilisation } = pool.stats;
await server.shutdown();
await pool.close();
console.log(JSON.stringify({ p50Ms, p99Ms, maxMs, requests, tasks, utilisation }));
process.exit(0);
