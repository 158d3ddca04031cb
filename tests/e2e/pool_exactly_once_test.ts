/** A hundred thousand calls, some of which fail, are cancelled or lose their worker: each settles exactly once. */

import { assertEquals } from "@std/assert";
import {
  createPool,
  type Pool,
  TaskCancelledError,
  TaskDeadlineError,
  TaskFailedError,
  WorkerLostError,
} from "../../pool/mod.ts";
import { seededRandom } from "../vectors/seeded_random.ts";

type Tasks = typeof import("../support/pool_tasks.ts");

const CALLS = 100_000;

/** What a call came to: whether it is what that call may come to. */
interface Expectation {
  readonly call: Promise<unknown>;
  readonly isRight: (value: unknown, error: unknown) => boolean;
}

/** One call of many kinds. */
function callOne(pool: Pool<Tasks>, index: number, random: (below: number) => number): Expectation {
  const tag = `tenant ${random(5)}`;
  const isLost = (error: unknown) => error instanceof WorkerLostError;
  if (random(10_000) === 0) {
    return {
      call: pool.run("exit", 1, { tag }),
      isRight: (_, error) => isLost(error),
    };
  }
  const kind = random(1_000);
  if (kind < 300) {
    const fails = index % 7 === 0 || index % 11 === 0;
    return {
      call: pool.run("failSometimes", index, { tag, priority: random(3) }),
      isRight: (value, error) =>
        (fails ? error instanceof TaskFailedError : value === index) || isLost(error),
    };
  }
  if (kind < 400) {
    const abort = new AbortController();
    const call = pool.run("increment", index, { tag, signal: abort.signal });
    if (random(2) === 0) abort.abort();
    else setTimeout(() => abort.abort(), random(20));
    return {
      call,
      isRight: (value, error) => value === index + 1 || error instanceof TaskCancelledError || isLost(error),
    };
  }
  if (kind < 450) {
    const call = pool.run("increment", index, { tag, deadlineMs: 1 + random(1_000) });
    return {
      call,
      isRight: (value, error) => value === index + 1 || error instanceof TaskDeadlineError || isLost(error),
    };
  }
  return {
    call: pool.run("increment", index, { tag }),
    isRight: (value, error) => value === index + 1 || isLost(error),
  };
}

Deno.test("100,000 calls settle exactly once each, as they may", async () => {
  const random = seededRandom(11);
  const pool = createPool<Tasks>(new URL("../support/pool_tasks.ts", import.meta.url), {
    workersMax: 2,
    queueMax: CALLS,
    graceMs: 60_000,
  });
  const settlements = new Uint8Array(CALLS);
  let wrong = 0;
  const all: Promise<void>[] = [];
  for (let index = 0; index < CALLS; index++) {
    const { call, isRight } = callOne(pool, index, random);
    all.push(call.then(
      (value) => {
        settlements[index]! += 1;
        if (!isRight(value, undefined)) wrong++;
      },
      (error) => {
        settlements[index]! += 1;
        if (!isRight(undefined, error)) wrong++;
      },
    ));
    if (index % 5_000 === 0) await pool.run("nothing");
  }
  await Promise.all(all);
  const { tasks } = pool.stats;
  await pool.close();
  assertEquals([settlements.every((count) => count === 1), wrong], [true, 0]);
  assertEquals([tasks.inFlight, tasks.queued, tasks.succeeded + tasks.failed], [0, 0, tasks.accepted]);
});
