/** The pool's contract: generators. */

import { assert, assertEquals } from "@std/assert";
import { type Isolation, TaskCancelledError, TaskCloneError, TaskFailedError } from "../../../pool/mod.ts";
import { sharedWords, wordSet } from "../../support/pool_words.ts";
import { poolTest, rejection } from "./harness.ts";

/** Registers the tests. */
export function pooledStreams(isolation: Isolation): void {
  for (const name of ["count", "countSlowly"] as const) {
    for (const credits of [1, 2, 16]) {
      poolTest(isolation, `${name} streams in order with ${credits} credits`, async (pool) => {
        const items = await Array.fromAsync(pool.stream(name, 100, { credits }));
        assertEquals(items, Array.from({ length: 100 }, (_, index) => index));
        assertEquals(await Array.fromAsync(pool.stream(name, 0, { credits })), []);
      });
    }
  }

  poolTest(isolation, "what a generator throws comes after its items, once", async (pool) => {
    const stream = pool.stream("failLater");
    assertEquals(await stream.next(), { done: false, value: "one" });
    const error = await rejection(stream.next(), TaskFailedError);
    assertEquals(error.remote.message, "after one");
    assertEquals(await stream.next(), { done: true, value: undefined });
    // @ts-expect-error a plain function is for run()
    await rejection(Array.fromAsync(pool.stream("increment", 1)), TaskFailedError);
  });

  poolTest(isolation, "an item that cannot be cloned ends its stream", async (pool) => {
    const error = await rejection(Array.fromAsync(pool.stream("yieldFunction")), TaskCloneError);
    assertEquals(error.code, "SLUICE_TASK_CLONE");
    assertEquals(await pool.run("increment", 1), 2);
  });

  poolTest(isolation, "a stream whose reader lags gives its place to others", async (pool) => {
    const stream = pool.stream("count", 10, { credits: 2 });
    assertEquals(await stream.next(), { done: false, value: 0 });
    assertEquals(await pool.run("increment", 1), 2, "the only worker has room for it");
    assertEquals(await Array.fromAsync(stream), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  poolTest(isolation, "an aborted signal ends a stream", async (pool) => {
    const abort = new AbortController();
    const stream = pool.stream("count", 1_000_000, { signal: abort.signal });
    await stream.next();
    abort.abort(new RangeError("enough"));
    const error = await rejection(Array.fromAsync(stream), TaskCancelledError);
    assert(error.cause instanceof RangeError);
    assertEquals(error.how, "obeyed");
  });

  poolTest(isolation, "many streams at once, each in order", async (pool) => {
    const streams = Array.from(
      { length: 8 },
      () => Array.fromAsync(pool.stream("countSlowly", 50, { credits: 4 })),
    );
    for (const items of await Promise.all(streams)) assertEquals(items.length, 50);
  }, { workersMax: 2, concurrency: 3 });

  if (isolation === "process") return;

  poolTest(isolation, "leaving the loop ends the generator", async (pool) => {
    const words = sharedWords();
    for await (const value of pool.stream("endless", words)) if (value === 20) break;
    await wordSet(words, 1);
    assertEquals(pool.stats.stopped.obeyed, 1);
    assertEquals(pool.stats.tasks.inFlight, 0);
  });

  poolTest(isolation, "a generator is never more than its credits ahead", async (pool) => {
    const words = sharedWords();
    let read = 0;
    for await (const chunk of pool.stream("chunks", { words, count: 200, bytes: 100_000 }, { credits: 4 })) {
      read++;
      assertEquals([chunk.length, chunk[0]], [100_000, read & 255]);
      const made = Atomics.load(words, 0);
      assert(made <= read + 4, `${made} were made when ${read} had been read`);
    }
    assertEquals(read, 200);
  });
}
