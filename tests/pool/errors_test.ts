/** The errors: their codes, data and words. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import * as errors from "../../pool/errors.ts";

/** One of each, with its code. */
const ALL: readonly [errors.PoolError, string][] = [
  [new errors.TaskFailedError("hash", { name: "TypeError", message: "no", stack: "there" }), "TASK_FAILED"],
  [new errors.TaskCancelledError("hash", "obeyed", { cause: 1 }), "TASK_CANCELLED"],
  [new errors.TaskDeadlineError("hash", 5, "refused"), "TASK_DEADLINE"],
  [new errors.TaskCloneError("hash", "input", "it is a function"), "TASK_CLONE"],
  [new errors.InputTooLargeError("hash", 9, 5), "INPUT_TOO_LARGE"],
  [new errors.WorkerLostError("hash", "it exited", 1), "WORKER_LOST"],
  [new errors.QueueFullError("hash", 3), "QUEUE_FULL"],
  [new errors.TaskDroppedError("hash"), "TASK_DROPPED"],
  [new errors.PoolSaturatedError("hash", 2), "POOL_SATURATED"],
  [new errors.PoolClosedError("Cannot run hash"), "POOL_CLOSED"],
  [new errors.PoolFailedError("Cannot run hash", "no module", { cause: 1 }), "POOL_FAILED"],
  [new errors.PoolUnsupportedError("Cannot run hash", "not here"), "POOL_UNSUPPORTED"],
];

for (const [error, code] of ALL) {
  Deno.test(`${error.name} has its code and says what could not be done`, () => {
    assertEquals(error.code, `SLUICE_${code}`);
    assert(error instanceof errors.PoolError && error instanceof Error);
    assertMatch(error.message, /^Cannot .+: .+/);
    assertEquals(error.name, error.constructor.name);
  });
}

Deno.test("the remote stack is part of the stack", () => {
  assertMatch(ALL[0]![0].stack ?? "", /in the worker: there/);
});
