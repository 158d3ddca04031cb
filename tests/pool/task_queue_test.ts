/** Who is next: due time, priorities with aging, turns of tags; and what is left of what was forgotten. */

import { assert, assertEquals } from "@std/assert";
import type { Task } from "../../pool/task.ts";
import { TaskQueue } from "../../pool/task_queue.ts";
import { fakeTask } from "../support/fake_task.ts";
import { randomShares } from "../support/random_shares.ts";

const open = (costMs = 1): TaskQueue => new TaskQueue(1_000, () => costMs);

/** Adds a call named so, and returns it. */
function push(queue: TaskQueue, label: string, call: object = {}, calledAt = 0): Task {
  const { task } = fakeTask({ label, ...call }, calledAt);
  queue.push(task);
  return task;
}

/** Takes all. */
function drain(queue: TaskQueue): string[] {
  const labels: string[] = [];
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    assertEquals(queue.pop(), next);
    labels.push(next.call.label);
  }
  assertEquals([queue.size, queue.pop()], [0, undefined]);
  return labels;
}

Deno.test("what is alike comes in the order of coming", () => {
  const queue = open();
  for (const label of ["a", "b", "c"]) push(queue, label);
  assertEquals(drain(queue), ["a", "b", "c"]);
});

Deno.test("deadlines first, the earliest of them; without one it is as if in ten seconds", () => {
  const queue = open();
  push(queue, "none");
  push(queue, "in 20 s", { deadlineMs: 20_000 });
  push(queue, "in 5 s", { deadlineMs: 5_000 });
  push(queue, "in 3 s", { deadlineMs: 3_000 });
  // 20 s are later than ten; who came first decides between equals
  assertEquals(drain(queue), ["in 3 s", "in 5 s", "none", "in 20 s"]);
});

Deno.test("a step of priority is worth a second of waiting, so that nothing starves", () => {
  const queue = open();
  push(queue, "old", {}, 0);
  push(queue, "urgent, half a second later", { priority: 1 }, 500);
  push(queue, "urgent, two seconds later", { priority: 1 }, 2_000);
  assertEquals(drain(queue), ["urgent, half a second later", "old", "urgent, two seconds later"]);
});

Deno.test("tags take turns by the work they had", () => {
  const costs: Record<string, number> = { heavy: 3, light: 1 };
  const queue = new TaskQueue(1_000, (task) => costs[task.call.tag]!);
  for (let index = 0; index < 40; index++) push(queue, "H", { tag: "heavy" });
  for (let index = 0; index < 40; index++) push(queue, "L", { tag: "light" });
  const first = drain(queue).slice(0, 40);
  const heavy = first.filter((label) => label === "H").length;
  assert(heavy >= 9 && heavy <= 11, `${heavy} heavy calls of 40, where a quarter is fair`);
});

Deno.test("a tag that was idle has no credit for the past", () => {
  const queue = open();
  for (let index = 0; index < 100; index++) push(queue, "busy", { tag: "busy" });
  for (let index = 0; index < 50; index++) queue.pop();
  for (let index = 0; index < 10; index++) push(queue, "new", { tag: "new" });
  const next = Array.from({ length: 10 }, () => queue.pop()!.call.label);
  assertEquals(next.filter((label) => label === "new").length, 5);
});

Deno.test("what was forgotten does not come, and what was put back keeps its place", () => {
  const queue = open();
  const tasks = ["a", "b", "c", "d"].map((label) => push(queue, label));
  queue.forget(tasks[1]!);
  queue.forget(tasks[1]!);
  assertEquals(queue.size, 3);
  const first = queue.pop()!;
  assertEquals(queue.pop()?.call.label, "c");
  queue.putBack(first);
  assertEquals(drain(queue), ["a", "d"]);
  assertEquals(queue.isLast(tasks[3]!), false);
});

Deno.test("the last of one tag is known", () => {
  const queue = open();
  const first = push(queue, "a");
  const second = push(queue, "b");
  assertEquals([queue.isLast(first), queue.isLast(second)], [false, true]);
  push(queue, "c", { tag: "other" });
  assertEquals(queue.isLast(second), false);
});

Deno.test("the oldest of the largest tag is taken", () => {
  const queue = open();
  push(queue, "small", { tag: "small" });
  push(queue, "first", { tag: "large" });
  push(queue, "urgent", { tag: "large", priority: 9 });
  assertEquals(queue.takeOldest()?.call.label, "first");
  assertEquals(queue.size, 2);
  assertEquals(open().takeOldest(), undefined);
});

Deno.test("random calls: taken by due time within a tag, none twice, none lost", () => {
  const random = randomShares(3);
  const queue = open();
  const waiting = new Set<Task>();
  for (let step = 0; step < 20_000; step++) {
    const choice = random();
    if (choice < 0.5) {
      const deadlineMs = random() < 0.5 ? Infinity : 1 + random() * 20_000;
      const call = { deadlineMs, priority: Math.floor(random() * 5), tag: random() < 0.5 ? "a" : "b" };
      waiting.add(push(queue, "x", call, step));
    } else if (choice < 0.9) {
      const task = queue.pop();
      assertEquals(task === undefined, waiting.size === 0);
      if (task === undefined) continue;
      assert(waiting.delete(task));
      for (const other of waiting) if (other.call.tag === task.call.tag) assert(task.due <= other.due);
    } else {
      const [task] = waiting;
      if (task === undefined) continue;
      waiting.delete(task);
      queue.forget(task);
    }
    assertEquals(queue.size, waiting.size);
  }
});
