import { assert, assertEquals } from "@std/assert";
import { TurnQueue } from "../../../io/testing/turn_queue.ts";

/** A queue that writes down what happens. */
function recordingQueue() {
  const log: string[] = [];
  const queue = new TurnQueue(() => log.push("end"));
  return { log, queue };
}

Deno.test("each dispatch is a turn: its microtasks run, then the turn ends, then the next one", async () => {
  const { log, queue } = recordingQueue();
  for (const name of ["a", "b"]) {
    queue.post(() => {
      log.push(name);
      Promise.resolve().then(() => Promise.resolve()).then(() => log.push(`${name}'s microtask`));
    });
  }
  assertEquals(log, [], "nothing runs inside post");
  await queue.runUntilIdle();
  assertEquals(log, ["a", "a's microtask", "end", "b", "b's microtask", "end"]);
  assertEquals([queue.turns, queue.isIdle], [2, true]);
});

Deno.test("a dispatch that is to wait lets others pass, and is not forgotten when nothing else happens", async () => {
  const { log, queue } = recordingQueue();
  queue.post(() => log.push("late"), 5);
  for (const name of ["a", "b"]) queue.post(() => log.push(name));
  await queue.runUntilIdle();
  assertEquals(log.filter((entry) => entry !== "end"), ["a", "b", "late"]);
});

Deno.test("dispatches of one turn keep the order in which they were posted", async () => {
  const { log, queue } = recordingQueue();
  for (const name of ["a", "b", "c"]) queue.post(() => log.push(name), 3);
  await queue.runUntilIdle();
  assertEquals(log.filter((entry) => entry !== "end"), ["a", "b", "c"]);
});

Deno.test("a turn's end can be asked for with nothing to dispatch", async () => {
  const { log, queue } = recordingQueue();
  queue.wantEndTurn();
  await queue.runUntilIdle();
  assertEquals(log, ["end"]);
  await queue.runUntilIdle();
});

Deno.test("a queue that never goes idle lets timers through", async () => {
  const { queue } = recordingQueue();
  let isOver = false;
  const again = () => {
    if (!isOver) queue.post(again);
  };
  queue.post(again);
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
  isOver = true;
  await queue.runUntilIdle();
  assert(queue.turns >= 1_000);
});
