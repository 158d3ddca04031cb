/** What a task hears of its being cancelled. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { HostedTask } from "../../pool/hosted_task.ts";
import { STARTED, STOPPING } from "../../pool/protocol.ts";

/** A task in slot 1 of 2. */
function open(deadlineMs = 0) {
  const control = new Int32Array([STARTED, STARTED]);
  return { control, task: new HostedTask(1, control, 0, deadlineMs, performance.now()) };
}

Deno.test("the word in shared memory is heard by the flag, and by the signal that is asked for later", () => {
  const { control, task } = open();
  assertEquals([task.isCancelled, task.remainingMs], [false, Infinity]);
  task.throwIfCancelled();
  Atomics.store(control, 0, STOPPING); // another's
  assertEquals(task.isCancelled, false);
  Atomics.store(control, 1, STOPPING);
  assertEquals([task.isCancelled, task.signal.aborted], [true, true]);
  assertThrows(() => task.throwIfCancelled(), DOMException);
});

Deno.test("cancel aborts the signal that is there", () => {
  const { task } = open();
  const { signal } = task;
  let woken = 0;
  task.wake = () => woken++;
  task.cancel();
  assertEquals([signal.aborted, task.isCancelled, woken], [true, true, 1]);
});

Deno.test("a deadline cancels by itself", () => {
  const { task } = open(0.000001);
  assertEquals([task.isCancelled, task.remainingMs], [true, 0]);
  const { task: later } = open(60_000);
  assertEquals(later.isCancelled, false);
  assert(later.remainingMs > 0 && later.remainingMs <= 60_000);
});

Deno.test("once it is over, its slot is another's", () => {
  const { control, task } = open();
  task.isOver = true;
  Atomics.store(control, 1, STOPPING);
  assertEquals(task.isCancelled, false);
});
