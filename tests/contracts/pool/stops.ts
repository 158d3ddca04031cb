/** The pool's contract: cancelling and deadlines, and what they say. */

import { assert, assertEquals } from "@std/assert";
import {
  type Isolation,
  PoolSaturatedError,
  TaskCancelledError,
  TaskDeadlineError,
} from "../../../pool/mod.ts";
import { setWord, sharedWords, wordSet } from "../../support/pool_words.ts";
import { allReturned, isDeno, poolTest, rejection } from "./harness.ts";

/** Registers the tests. */
export function pooledStops(isolation: Isolation): void {
  poolTest(isolation, "an aborted signal cancels before anything is begun", async (pool) => {
    const error = await rejection(
      pool.run("increment", 1, { signal: AbortSignal.abort(new RangeError("never mind")) }),
      TaskCancelledError,
    );
    assertEquals([error.code, error.how], ["SLUICE_TASK_CANCELLED", "before start"]);
    assert(error.cause instanceof RangeError);
  });

  poolTest(isolation, "a call that waits is cancelled before it starts", async (pool) => {
    const first = new AbortController();
    const blocking = pool.run("waitForSignal", null, { signal: first.signal });
    const second = new AbortController();
    const waiting = pool.run("increment", 1, { signal: second.signal });
    second.abort();
    assertEquals((await rejection(waiting, TaskCancelledError)).how, "before start");
    first.abort();
    await rejection(blocking, TaskCancelledError);
    assertEquals(await pool.run("increment", 1), 2);
  });

  poolTest(isolation, "a deadline counts the waiting", async (pool) => {
    const abort = new AbortController();
    const blocking = pool.run("waitForSignal", null, { signal: abort.signal });
    // Until it is sent, the one with a deadline would go before it.
    while (pool.stats.tasks.inFlight === 0) await new Promise((resolve) => setTimeout(resolve));
    const error = await rejection(pool.run("increment", 1, { deadlineMs: 30 }), TaskDeadlineError);
    assertEquals([error.code, error.how, error.deadlineMs], ["SLUICE_TASK_DEADLINE", "before start", 30]);
    abort.abort();
    await rejection(blocking, TaskCancelledError);
    assertEquals(pool.stats.deadlinesPassed, 1);
  });

  poolTest(isolation, "a task that waits hears of its deadline", async (pool) => {
    await pool.run("nothing"); // the worker is there
    const error = await rejection(pool.run("waitForSignal", null, { deadlineMs: 300 }), TaskDeadlineError);
    assertEquals(error.how, "obeyed");
    assertEquals(pool.stats.workers.started, 1, "the worker goes on");
  });

  poolTest(isolation, "a task can ask how much time it has", async (pool) => {
    assertEquals(await pool.run("remaining", null), Infinity);
    const left = await pool.run("remaining", null, { deadlineMs: 60_000 });
    assert(left > 0 && left <= 60_000);
  });

  poolTest(
    isolation,
    "a task that computes for ever is stopped at its deadline, and says how",
    async (pool) => {
      await pool.run("nothing");
      const error = await rejection(
        pool.run("spinForever", undefined, { deadlineMs: 300 }),
        TaskDeadlineError,
      );
      assertEquals(error.how, isolation === "process" ? "killed" : isDeno() ? "interrupted" : "terminated");
      assertEquals(await pool.run("increment", 1), 2, "and the pool goes on");
      assertEquals(pool.stats.workers.abandoned, 0);
    },
    { graceMs: 20 },
  );

  poolTest(
    isolation,
    "a stream that computes for ever is stopped with its reader's leaving",
    async (pool) => {
      const words = isolation === "thread" ? sharedWords() : null;
      const stream = pool.stream("startThenSpin", words);
      assertEquals(await stream.next(), { done: false, value: "started" });
      if (words !== null) await wordSet(words, 0);
      assertEquals(await stream.return(), { done: true, value: undefined });
      const how = isolation === "process" ? "killed" : isDeno() ? "abandoned" : "terminated";
      assertEquals(pool.stats.stopped[how], 1);
      if (words !== null) setWord(words, 1);
      await allReturned(pool);
    },
    { graceMs: 20 },
  );

  poolTest(isolation, "stopping one task loses none that has not begun", async (pool) => {
    const calls = Array.from({ length: 50 }, (_, value) => pool.run("increment", value));
    const spin = rejection(pool.run("spinForever", undefined, { deadlineMs: 300 }), TaskDeadlineError);
    const more = Array.from({ length: 50 }, (_, value) => pool.run("increment", value));
    assertEquals((await Promise.all(calls)).length + (await Promise.all(more)).length, 100);
    await spin;
  }, { graceMs: 20 });

  if (isolation === "thread") threadStops(isolation);
}

function threadStops(isolation: Isolation): void {
  poolTest(isolation, "a loop that looks at the flag stops at once", async (pool) => {
    const words = sharedWords();
    const abort = new AbortController();
    const call = pool.run("spinUntilCancelled", words, { signal: abort.signal });
    await wordSet(words, 0);
    abort.abort();
    assertEquals((await rejection(call, TaskCancelledError)).how, "obeyed");
    assertEquals(pool.stats.workers.started, 1);
  });

  poolTest(
    isolation,
    "what was sent in the same message and has not begun is cancelled before it starts",
    async (pool) => {
      for (let value = 0; value < 10; value++) await pool.run("increment", value); // now it is known to be small
      const words = sharedWords();
      const abort = new AbortController();
      const blocking = pool.run("block", words);
      const calls = Array.from(
        { length: 20 },
        (_, value) => pool.run("increment", value, { signal: abort.signal }),
      );
      const settled = Promise.allSettled(calls);
      await wordSet(words, 0);
      abort.abort();
      for (const result of await settled) {
        assert(result.status === "rejected" && result.reason.how === "before start");
      }
      setWord(words, 1);
      assertEquals(await blocking, 1);
      assertEquals(await pool.run("increment", 1), 2);
    },
  );

  poolTest(
    isolation,
    "a thread that does not listen is stopped, or counted until it ends, and limited",
    async (pool) => {
      const words = sharedWords();
      const abort = new AbortController();
      const call = pool.run("spinStubbornly", words, { signal: abort.signal });
      await wordSet(words, 0);
      abort.abort();
      const { how } = await rejection(call, TaskCancelledError);
      assertEquals(how, isDeno() ? "abandoned" : "terminated");
      if (isDeno()) {
        assertEquals(pool.stats.workers.abandoned, 1);
        const error = await rejection(pool.run("increment", 1), PoolSaturatedError);
        assertEquals([error.code, error.abandoned], ["SLUICE_POOL_SATURATED", 1]);
        assertEquals(pool.stats.refused.saturated, 1);
        setWord(words, 1);
        await allReturned(pool); // it really ends
      }
      assertEquals(await pool.run("increment", 1), 2);
    },
    { abandonedMax: 0, graceMs: 20 },
  );

  poolTest(isolation, "a stretch that is too long is interrupted", async (pool) => {
    const error = await rejection(pool.run("spinForever"), TaskCancelledError);
    assertEquals(error.how, "interrupted");
    assert(error.cause instanceof RangeError);
    assertEquals(await pool.run("increment", 1), 2);
    assertEquals(pool.stats.workers.started, 1, "the worker goes on");
  }, { stretchMsMax: 50 });
}
