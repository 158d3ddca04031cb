/** The pool's contract: what breaks a worker harms the task that did it, and nobody else. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  createPool,
  type Isolation,
  PoolFailedError,
  PoolUnsupportedError,
  TaskFailedError,
  WorkerLostError,
} from "../../../pool/mod.ts";
import { isBun, open, poolTest, rejection, TASKS, type Tasks, title } from "./harness.ts";

/** Registers the tests. */
export function pooledCrashes(isolation: Isolation): void {
  poolTest(isolation, "a task that exits loses its worker, and nothing else", async (pool) => {
    const before = pool.run("increment", 1);
    const exit = pool.run("exit", 7);
    const after = Array.from({ length: 20 }, (_, value) => pool.run("increment", value));
    const error = await rejection(exit, WorkerLostError);
    assertEquals([error.code, error.task, error.exitCode], ["SLUICE_WORKER_LOST", "exit", 7]);
    assertEquals([await before, (await Promise.all(after)).length], [2, 20]);
    assertEquals(pool.stats.workers.crashed, 1);
  });

  poolTest(isolation, "a rejection that nobody handles is the running task's", async (pool) => {
    const error = await rejection(pool.run("rejectUnheard"), TaskFailedError);
    assertEquals([error.task, error.remote.message], ["rejectUnheard", "nobody hears"]);
    assertMatch(error.remote.stack, /pool_tasks\.ts/);
    assertEquals(await pool.run("increment", 1), 2);
    assertEquals(pool.stats.workers.started, 2, "its worker is replaced");
  });

  poolTest(isolation, "so is an error that nobody catches", async (pool) => {
    const error = await rejection(pool.run("throwUncaught"), TaskFailedError);
    assertEquals([error.task, error.remote.message], ["throwUncaught", "nobody catches"]);
    assertEquals(await pool.run("increment", 1), 2);
  });

  Deno.test(`pool of ${title(isolation)}: an error behind a task that has ended is told`, async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    await using pool = open(isolation, { onStrayError: resolve });
    assertEquals(await pool.run("rejectBehind"), "done");
    const error = await promise;
    assert(error instanceof TaskFailedError);
    assertEquals(error.remote.message, "nobody hears");
    assertEquals(pool.stats.strayErrors, 1);
    assertEquals(await pool.run("increment", 1), 2);
  });

  Deno.test(`pool of ${title(isolation)}: a module that does not load fails the pool, not the process`, async () => {
    const url = new URL("../../support/broken_tasks.ts", import.meta.url);
    await using pool = createPool<{ increment(value: number): number }>(url, {
      isolation,
      startAttemptsMax: 2,
    });
    const calls = await Promise.allSettled([pool.run("increment", 1), pool.run("increment", 2)]);
    for (const call of calls) assert(call.status === "rejected" && call.reason instanceof PoolFailedError);
    const error = await rejection(pool.run("increment", 3), PoolFailedError);
    assertEquals(error.code, "SLUICE_POOL_FAILED");
    assertMatch(error.message, /this module does not load/);
    await rejection(pool.ready(), PoolFailedError);
    const absent = createPool<{ run(): void }>(new URL("./absent.ts", import.meta.url), {
      isolation,
      startAttemptsMax: 1,
    });
    await rejection(absent.run("run"), PoolFailedError);
    await absent.close();
  });

  if (isolation === "process") heapLimits();
}

function heapLimits(): void {
  Deno.test("pool of processes: a heap that is full costs its task and worker", async () => {
    const options = { heapMibMax: 48, workersMax: 1 };
    if (isBun()) {
      const error = await rejection(Promise.try(() => createPool(TASKS, options)), PoolUnsupportedError);
      assertEquals(error.code, "SLUICE_POOL_UNSUPPORTED");
      return;
    }
    await using pool = createPool<Tasks>(TASKS, options); // of processes: a thread's limit does not protect ours
    const exhausting = pool.run("exhaustHeap");
    const after = pool.run("increment", 1);
    await rejection(exhausting, WorkerLostError);
    assertEquals(await after, 2);
    assertEquals(pool.stats.workers.crashed, 1);
    await rejection(pool.run("increment", 1, { isolation: "thread" }), PoolUnsupportedError);
  });
}
