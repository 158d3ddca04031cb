/** A server answers every request while, in its process, a pool's tasks break their workers in every way there is. */

import { assert, assertEquals } from "@std/assert";
import { spawnChild } from "../support/spawn_child.ts";

Deno.test("requests are served through everything a task can do to its worker", async () => {
  const program = new URL("../support/serve_through_crashes.ts", import.meta.url).pathname;
  // A process of its own: test runners take a worker's errors for the test's.
  await using child = spawnChild("deno", ["run", "--allow-all", program]);
  const { code } = await child.status;
  await child.stdout.ended;
  assertEquals(code, 0, child.stderr.text);
  const { outcomes, answered, failed, stats } = JSON.parse(child.stdout.text);
  assertEquals(outcomes, {
    fail: "TaskFailedError: Cannot finish fail: RangeError: no",
    failOddly: "TaskFailedError: Cannot finish failOddly: string: just a text",
    returnFunction: "TaskCloneError",
    rejectUnheard: "TaskFailedError: Cannot finish rejectUnheard: RangeError: nobody hears",
    throwUncaught: "TaskFailedError: Cannot finish throwUncaught: RangeError: nobody catches",
    exit: "WorkerLostError",
    spinForever: "TaskDeadlineError",
    exhaustHeap: "Bun" in globalThis ? "PoolUnsupportedError" : "WorkerLostError",
    broken: "PoolFailedError",
    afterwards: "43",
  });
  assert(answered > 10, `${answered} requests were answered`);
  assertEquals([failed, stats.inFlight, stats.queued], [0, 0, 0]);
});
