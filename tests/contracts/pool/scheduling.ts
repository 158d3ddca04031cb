/** The pool's contract: who is next, how much may wait, which worker gets what. */

import { assert, assertEquals } from "@std/assert";
import {
  type Isolation,
  type Pool,
  QueueFullError,
  TaskCancelledError,
  TaskDeadlineError,
  TaskDroppedError,
} from "../../../pool/mod.ts";
import { setWord, sharedWords, wordSet } from "../../support/pool_words.ts";
import { poolTest, rejection, type Tasks } from "./harness.ts";

/** Keeps the only worker busy until `run` has made its calls; the order in which they end. */
async function orderOf(pool: Pool<Tasks>, calls: (call: (name: string, options: object) => void) => void) {
  const abort = new AbortController();
  const blocking = pool.run("waitForSignal", null, { signal: abort.signal });
  const order: string[] = [];
  const pending: Promise<unknown>[] = [];
  calls((name, options) => {
    pending.push(pool.run("echo", name, options).then(() => order.push(name)));
  });
  abort.abort();
  await rejection(blocking, TaskCancelledError);
  await Promise.all(pending);
  return order;
}

/** Registers the tests. */
export function pooledScheduling(isolation: Isolation): void {
  poolTest(
    isolation,
    "priorities go first, the earliest deadline before them within its own",
    async (pool) => {
      const order = await orderOf(pool, (call) => {
        call("plain", {});
        call("late", { deadlineMs: 60_000 });
        call("low", { priority: -5 });
        call("soon", { deadlineMs: 5_000 });
        call("sooner", { deadlineMs: 4_000 });
        call("high", { priority: 20 });
        call("plain too", {});
      });
      assertEquals(order, ["high", "sooner", "soon", "plain", "late", "plain too", "low"]);
    },
  );

  poolTest(isolation, "one tag's flood does not starve another's call", async (pool) => {
    const order = await orderOf(pool, (call) => {
      for (let index = 0; index < 50; index++) call(`flood ${index}`, { tag: "a" });
      call("guest", { tag: "b" });
    });
    assert(order.indexOf("guest") <= 2, `it came as number ${order.indexOf("guest")}`);
  });

  poolTest(isolation, "a full queue refuses", async (pool) => {
    const abort = new AbortController();
    const { signal } = abort;
    const all = Array.from({ length: 4 }, () => pool.run("waitForSignal", null, { signal }));
    const error = await rejection(all[3]!, QueueFullError);
    assertEquals([error.code, error.queueMax, pool.stats.refused.queueFull], ["SLUICE_QUEUE_FULL", 3, 1]);
    abort.abort();
    await Promise.allSettled(all);
  }, { queueMax: 3 });

  poolTest(isolation, "a full queue drops the oldest where that is the policy", async (pool) => {
    const first = pool.run("echo", 1);
    const second = pool.run("echo", 2);
    const third = pool.run("echo", 3);
    const error = await rejection(first, TaskDroppedError);
    assertEquals([error.code, pool.stats.refused.dropped], ["SLUICE_TASK_DROPPED", 1]);
    assertEquals([await second, await third], [2, 3]);
  }, { queueMax: 2, queuePolicy: "drop-oldest" });

  poolTest(
    isolation,
    "a full queue lets calls wait where that is the policy, as many again",
    async (pool) => {
      const calls = Array.from({ length: 5 }, (_, value) => pool.run("echo", value));
      assertEquals([pool.stats.tasks.queued, pool.stats.tasks.parked], [2, 2]);
      await rejection(calls[4]!, QueueFullError);
      assertEquals(await Promise.all(calls.slice(0, 4)), [0, 1, 2, 3]);
    },
    { queueMax: 2, queuePolicy: "wait" },
  );

  poolTest(isolation, "ready resolves when the queue has room", async (pool) => {
    await pool.ready();
    const calls = Array.from({ length: 4 }, (_, value) => pool.run("echo", value));
    let isReady = false;
    const ready = pool.ready().then(() => isReady = true);
    await null;
    assertEquals(isReady, false);
    await ready;
    await pool.run("echo", 5);
    await Promise.all(calls);
  }, { queueMax: 4 });

  poolTest(isolation, "what cannot be done in time is refused at once", async (pool) => {
    await pool.run("fibonacci", 27);
    const { meanMs } = { meanMs: pool.stats.byTask["fibonacci"]!.runMs.p50 };
    const error = await rejection(pool.run("fibonacci", 27, { deadlineMs: meanMs / 10 }), TaskDeadlineError);
    assertEquals([error.how, pool.stats.refused.hopeless], ["refused", 1]);
  });

  poolTest(isolation, "tasks that wait share a worker, as many as concurrency says", async (pool) => {
    const abort = new AbortController();
    const calls = Array.from({ length: 10 }, () => pool.run("waitForSignal", null, { signal: abort.signal }));
    const settled = Promise.allSettled(calls);
    assertEquals(await pool.run("echo", 1), 1, "there is room for one more");
    abort.abort();
    for (const { status } of await settled) assertEquals(status, "rejected");
    assertEquals(pool.stats.workers.started, 1);
  }, { concurrency: 11 });

  poolTest(isolation, "workers are reused, and idle ones end", async (pool) => {
    for (let value = 0; value < 20; value++) await pool.run("increment", value);
    assertEquals([pool.stats.workers.started, pool.stats.workers.now], [1, 1]);
    while (pool.stats.workers.now > 0) await new Promise((resolve) => setTimeout(resolve));
    assertEquals(await pool.run("increment", 1), 2);
    assertEquals([pool.stats.workers.started, pool.stats.workers.crashed], [2, 0]);
  }, { idleTimeoutMs: 60 });

  poolTest(isolation, "the least number of workers is there without a call", async (pool) => {
    assertEquals(pool.stats.workers.started, 2);
    await Promise.all([pool.run("increment", 1), pool.run("increment", 2)]);
  }, { workersMin: 2, workersMax: 3 });

  poolTest(isolation, "it counts what it did", async (pool) => {
    await Promise.allSettled([pool.run("increment", 1), pool.run("fail", "no"), pool.run("increment", 2)]);
    const { tasks, byTask, runMs, totalMs, waitMs, byWorker, messages, tasksSent } = pool.stats;
    assertEquals(tasks, { queued: 0, parked: 0, inFlight: 0, accepted: 3, succeeded: 2, failed: 1 });
    assertEquals([byTask["increment"]?.succeeded, byTask["fail"]?.failed], [2, 1]);
    assertEquals([runMs.count, totalMs.count, waitMs.count, tasksSent], [3, 3, 3, 3]);
    assert(messages >= 1 && totalMs.max >= runMs.max);
    assertEquals([byWorker.length, byWorker[0]?.finished, byWorker[0]?.state], [1, 3, "idle"]);
  });

  if (isolation === "thread") threadScheduling(isolation);
}

function threadScheduling(isolation: Isolation): void {
  poolTest(isolation, "small tasks share messages when many wait", async (pool) => {
    await pool.run("increment", 0);
    const { messages } = pool.stats;
    await Promise.all(Array.from({ length: 5_000 }, (_, value) => pool.run("increment", value)));
    const sent = pool.stats.messages - messages;
    assert(sent < 500, `${sent} messages for 5,000 tasks`);
  });

  poolTest(isolation, "an idle worker takes what a busy one has not begun", async (pool) => {
    await Promise.all(Array.from({ length: 100 }, (_, value) => pool.run("increment", value)));
    const words = [sharedWords(), sharedWords()];
    const blocking = words.map((pair) => pool.run("block", pair));
    const calls = Promise.all(Array.from({ length: 100 }, (_, value) => pool.run("increment", value)));
    await Promise.all(words.map((pair) => wordSet(pair, 0))); // both workers are busy, the calls in their inboxes
    setWord(words[0]!, 1); // and now one of them is not
    assertEquals((await calls).length, 100);
    setWord(words[1]!, 1);
    await Promise.all(blocking);
  }, { workersMin: 2, workersMax: 2 });

  poolTest(isolation, "large buffers are given away unless told otherwise", async (pool) => {
    const given = new Uint8Array(1 << 20);
    assertEquals(await pool.run("byteLength", given), 1 << 20);
    assertEquals(given.byteLength, 0);
    const copied = new Uint8Array(1 << 20);
    assertEquals(await pool.run("byteLength", copied, { transfer: "copy" }), 1 << 20);
    assertEquals(copied.byteLength, 1 << 20);
    const small = new Uint8Array(100);
    assertEquals(await pool.run("byteLength", small), 100);
    assertEquals(small.byteLength, 100);
    assertEquals(await pool.run("byteLength", small, { transfer: [small.buffer] }), 100);
    assertEquals(small.byteLength, 0);
    assertEquals((await pool.run("makeBytes", 1 << 20)).length, 1 << 20);
  });

  poolTest(isolation, "a task can ask for a process of its own", async (pool) => {
    const [inThread, inProcess] = await Promise.all([
      pool.run("processId"),
      pool.run("processId", undefined, { isolation: "process" }),
    ]);
    assert(inThread !== inProcess);
    assertEquals(pool.stats.byWorker.map(({ isolation }) => isolation).sort(), ["process", "thread"]);
  });
}
