/** A call settles exactly once. */

import { assertEquals } from "@std/assert";
import { fakeTask } from "../support/fake_task.ts";

Deno.test("the first outcome counts", () => {
  const { task, seen } = fakeTask();
  task.items([1]);
  assertEquals([task.succeed("result"), task.fail("error"), task.succeed("again")], [true, false, false]);
  task.items([2]);
  assertEquals(seen, ["items 1", "settled", "succeeded result"]);
  assertEquals([task.isSettled, task.hasSucceeded], [true, true]);
});

Deno.test("its owner hears of it before its caller", () => {
  const { task, seen } = fakeTask();
  assertEquals(task.fail("error"), true);
  assertEquals(seen, ["settled", "failed error"]);
  assertEquals([task.isSettled, task.hasSucceeded], [true, false]);
});
