/** The pool's contract: what goes in, what comes out, what a failure looks like. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  InputTooLargeError,
  type Isolation,
  PoolClosedError,
  TaskCloneError,
  TaskFailedError,
} from "../../../pool/mod.ts";
import { sharedWords, wordSet } from "../../support/pool_words.ts";
import { allReturned, poolTest, rejection } from "./harness.ts";

/** Registers the tests. */
export function pooledCalls(isolation: Isolation): void {
  poolTest(isolation, "sync and async tasks give their results", async (pool) => {
    assertEquals(await pool.run("increment", 41), 42);
    assertEquals(await pool.run("echo", "text"), "text");
    assertEquals(await pool.run("nothing"), undefined);
    assertEquals(await pool.run("greet"), "hello you");
    assertEquals(await pool.run("greet", "me"), "hello me");
    const value = {
      map: new Map([[1, new Date(0)]]),
      big: 7n,
      bytes: new Uint8Array([1, 2]),
      none: undefined,
    };
    assertEquals(await pool.run("echo", value), value);
  });

  poolTest(isolation, "a function is run by its source", async (pool) => {
    assertEquals(await pool.exec((a: number, b: number) => a * b, [6, 7]), 42);
    assertEquals(await pool.exec(async (text: string) => await Promise.resolve(text.length), ["abc"]), 3);
    await rejection(pool.exec(Math.max, [1, 2]), TypeError);
    const { remote } = await rejection(pool.exec(() => TASK_NOT_THERE, []), TaskFailedError);
    assertEquals(remote.name, "ReferenceError");
  });

  poolTest(
    isolation,
    "what a task throws is told with name, code, cause and the remote stack",
    async (pool) => {
      const error = await rejection(pool.run("fail", "no good"), TaskFailedError);
      assertEquals(error.code, "SLUICE_TASK_FAILED");
      assertEquals([error.task, error.remote.name, error.remote.message], ["fail", "RangeError", "no good"]);
      assertEquals([error.remote.code, error.remote.cause?.message], ["E_FAIL", "the cause"]);
      assertMatch(error.remote.stack, /pool_tasks\.ts/);
      assertMatch(error.stack ?? "", /in the worker: [\s\S]*pool_tasks\.ts/);
      const odd = await rejection(pool.run("failOddly"), TaskFailedError);
      assertEquals([odd.remote.name, odd.remote.message], ["string", "just a text"]);
      assertEquals(await pool.run("increment", 1), 2, "the worker goes on");
      assertEquals(pool.stats.workers.started, 1);
    },
  );

  poolTest(isolation, "a name that the module does not export fails the call only", async (pool) => {
    // @ts-expect-error no such task
    const error = await rejection(pool.run("absent"), TaskFailedError);
    assertMatch(error.message, /exports no function "absent"/);
    // @ts-expect-error the input is a number
    assertEquals(await pool.run("increment", "1"), "11");
    // @ts-expect-error a generator is for stream()
    assertMatch((await rejection(pool.run("count", 1), TaskFailedError)).message, /call stream\(\)/);
  });

  poolTest(isolation, "what cannot be cloned fails its own call, either way", async (pool) => {
    const calls = [
      pool.run("echo", 1),
      pool.run("echo", () => 1),
      pool.run("echo", 2),
      pool.run("returnFunction"),
      pool.run("echo", 3),
    ];
    const settled = await Promise.allSettled(calls);
    assertEquals(settled.map(({ status }) => status === "fulfilled"), [true, false, true, false, true]);
    for (const at of [1, 3]) await rejection(calls[at]!, TaskCloneError);
  });

  poolTest(isolation, "an input too large to be copied is refused", async (pool) => {
    const error = await rejection(pool.run("echo", new Uint8Array(2_000)), InputTooLargeError);
    assertEquals([error.code, error.bytes, error.copyBytesMax], ["SLUICE_INPUT_TOO_LARGE", 2_000, 1_000]);
    await rejection(pool.run("echo", "x".repeat(501)), InputTooLargeError);
    assertEquals(await pool.run("byteLength", new Uint8Array(1_000)), 1_000);
    assertEquals(pool.stats.refused.tooLarge, 2);
  }, { copyBytesMax: 1_000 });

  poolTest(isolation, "map gives results in order, and takes inputs as they are read", async (pool) => {
    let taken = 0;
    function* inputs() {
      for (let value = 0; value < 100; value++) {
        taken++;
        yield value;
      }
    }
    const results: number[] = [];
    for await (const result of pool.map("increment", inputs(), { lookAhead: 5 })) {
      results.push(result);
      assert(taken <= results.length + 5, `${taken} taken, ${results.length} read`);
    }
    assertEquals(results, Array.from({ length: 100 }, (_, index) => index + 1));
  });

  poolTest(isolation, "map ends its source when the reader leaves or a task fails", async (pool) => {
    let ended = 0;
    async function* inputs() {
      try {
        for (let value = 1;; value++) yield await Promise.resolve(value);
      } finally {
        ended++;
      }
    }
    for await (const result of pool.map("increment", inputs())) if (result > 10) break;
    assertEquals(ended, 1);
    await rejection(Array.fromAsync(pool.map("failSometimes", inputs())), TaskFailedError);
    assertEquals(ended, 2);
    assertEquals(pool.stats.tasks.inFlight + pool.stats.tasks.queued, 0);
  });

  poolTest(isolation, "close finishes what it has, and takes no more", async (pool) => {
    const results = Array.from({ length: 20 }, (_, value) => pool.run("increment", value));
    const closed = pool.close();
    const error = await rejection(pool.run("increment", 1), PoolClosedError);
    assertEquals(error.code, "SLUICE_POOL_CLOSED");
    await rejection(pool.ready(), PoolClosedError);
    assertEquals((await Promise.all(results)).at(-1), 20);
    await closed;
    assertEquals(pool.stats.workers.now, 0);
  });

  poolTest(isolation, "destroy rejects what it has", async (pool) => {
    const results = Array.from({ length: 20 }, () => pool.run("waitForSignal", null));
    const settled = Promise.allSettled(results);
    await pool.destroy();
    for (const result of await settled) {
      assert(result.status === "rejected" && result.reason instanceof PoolClosedError);
    }
    assertEquals(pool.stats.workers.now, 0);
    assertEquals(pool.stats.tasks, {
      queued: 0,
      parked: 0,
      inFlight: 0,
      accepted: 20,
      succeeded: 0,
      failed: 20,
    });
  });

  if (isolation === "process") return;

  poolTest(
    isolation,
    "destroy stops what computes and listens, and leaves nothing in the queue",
    async (pool) => {
      await Promise.all(Array.from({ length: 50 }, (_, n) => pool.run("increment", n))); // known to be small
      const words = sharedWords();
      const results = [pool.run("spinUntilCancelled", words)];
      await wordSet(words, 0);
      for (let n = 0; n < 10; n++) results.push(pool.run("increment", n) as Promise<never>);
      await null; // they are sent, and wait in the worker
      const settled = Promise.allSettled(results);
      await pool.destroy();
      assertEquals((await settled).filter(({ status }) => status === "fulfilled"), []);
      await allReturned(pool); // never, if it were not told
      const { tasks, workers } = pool.stats;
      assertEquals([tasks.queued, tasks.inFlight, workers.now], [0, 0, 0]);
    },
  );
}

/** Not there in any worker. */
declare const TASK_NOT_THERE: unknown;
