/**
 * A program: serves requests, asks itself without a pause, and meanwhile runs in a pool whatever breaks a worker. Prints what came of it.
 *
 * @module
 */
import { createPool, type Pool, type PoolOptions } from "../../pool/mod.ts";
import { Reply, serve, type TcpAddr } from "../../mod.ts";

type Tasks = typeof import("./pool_tasks.ts");

const TASKS = new URL("./pool_tasks.ts", import.meta.url);

/** What a promise came to, in a word; errors of failed tasks with their message. */
async function outcome(start: () => Promise<unknown>): Promise<string> {
  try {
    return String(await start());
  } catch (error) {
    if (!(error instanceof Error)) return "no error";
    return error.name === "TaskFailedError" ? `${error.name}: ${error.message}` : error.name;
  }
}

/** Runs something with a pool of its own. */
async function withPool(url: URL, options: PoolOptions, run: (pool: Pool<Tasks>) => Promise<unknown>) {
  const pool = createPool<Tasks>(url, options);
  try {
    return await run(pool);
  } finally {
    await pool.close();
  }
}

/** Breaks workers in every way, one after the other. */
async function breakAll(pool: Pool<Tasks>): Promise<Record<string, string>> {
  return {
    fail: await outcome(() => pool.run("fail", "no")),
    failOddly: await outcome(() => pool.run("failOddly")),
    returnFunction: await outcome(() => pool.run("returnFunction")),
    rejectUnheard: await outcome(() => pool.run("rejectUnheard")),
    throwUncaught: await outcome(() => pool.run("throwUncaught")),
    exit: await outcome(() => pool.run("exit", 3)),
    spinForever: await outcome(() => pool.run("spinForever", undefined, { deadlineMs: 200 })),
    exhaustHeap: await outcome(() =>
      withPool(TASKS, { heapMibMax: 48 }, (limited) => limited.run("exhaustHeap"))
    ),
    broken: await outcome(() =>
      withPool(
        new URL("./broken_tasks.ts", import.meta.url),
        { startAttemptsMax: 1 },
        (broken) => broken.run("greet"),
      )
    ),
    afterwards: await outcome(() => pool.run("increment", 42)),
  };
}

const pool = createPool<Tasks>(TASKS, { workersMax: 2, graceMs: 50 });
const server = serve(
  { port: 0, hostname: "127.0.0.1", onListen() {} },
  async () => new Reply(String(await pool.run("increment", 1))),
);
const url = `http://127.0.0.1:${(server.addr as TcpAddr).port}/`;
let answered = 0;
let failed = 0;
let isOver = false;

/** Asks until it is over. */
async function ask(): Promise<void> {
  while (!isOver) {
    const response = await fetch(url);
    if (response.status === 200 && await response.text() === "2") answered++;
    else failed++;
  }
}

const asking = ask();
const outcomes = await breakAll(pool);
isOver = true;
await asking;
await server.shutdown();
const { inFlight, queued } = pool.stats.tasks;
await pool.close();
console.log(JSON.stringify({ outcomes, answered, failed, stats: { inFlight, queued } }));
