/** A worker from the pool's side: slots, taking back, what cannot be sent. */

import { assertEquals } from "@std/assert";
import { PoolWorker } from "../../pool/pool_worker.ts";
import {
  CANCEL,
  CREDIT,
  DONE,
  RUN,
  SKIPPED,
  STARTED,
  STOPPING,
  SUCCEEDED,
  TAKEN,
} from "../../pool/protocol.ts";
import type { LinkOptions } from "../../pool/protocol.ts";
import { fakeTask } from "../support/fake_task.ts";
import { FakeLink } from "../support/fake_worker.ts";

/** A worker with two slots. */
function open(isolation: "thread" | "process" = "thread") {
  const control = new Int32Array(new SharedArrayBuffer(8));
  const link = new FakeLink({ events: { message() {}, ended() {} } } as unknown as LinkOptions, isolation);
  const worker = new PoolWorker(1, link, control, 0);
  worker.state = "ready";
  return { control, link, worker };
}

Deno.test("calls get slots, outcomes give them back", () => {
  const { link, worker } = open();
  const [first, second] = [fakeTask({ label: "a", input: 1 }), fakeTask({ label: "b", credits: 3 })];
  worker.send([first.task, second.task], 10);
  assertEquals(link.sent, [[RUN, 0, "task", 0, 0, 1, 1, "task", 3, 0, undefined]]);
  assertEquals([worker.room, worker.inFlight, worker.tasks().length], [0, 2, 2]);
  worker.grant(second.task, 2);
  assertEquals(link.sent[1], [CREDIT, 1, 2]);
  const heard: unknown[] = [];
  worker.receive([DONE, 1, SUCCEEDED, "b", 5], 30, (_worker, task, kind, value, runMs, now) => {
    heard.push(task.call.label, kind, value, runMs, now);
  });
  assertEquals(heard, ["b", SUCCEEDED, "b", 5, 30]);
  assertEquals([worker.room, worker.inFlight, worker.finished, second.task.slot], [1, 1, 1, -1]);
  assertEquals(worker.stats(40), {
    id: 1,
    isolation: "thread",
    state: "busy",
    finished: 1,
    inFlight: 1,
    utilisation: 0.75,
  });
});

Deno.test("what has not begun is taken back; its slot is free when the worker says so", () => {
  const { control, worker } = open();
  const { task } = fakeTask();
  worker.send([task], 0);
  assertEquals([worker.takeBack(task), control[0], worker.room, worker.inFlight], [true, TAKEN, 1, 1]);
  assertEquals(worker.takeBack(task), false);
  worker.receive([DONE, 0, SKIPPED, undefined, 0], 1, () => {
    throw new RangeError("nobody's outcome");
  });
  assertEquals([worker.room, worker.inFlight, worker.finished], [2, 0, 0]);
});

Deno.test("what has begun is asked to stop", () => {
  const { control, link, worker } = open();
  const { task } = fakeTask();
  worker.send([task], 0);
  control[0] = STARTED;
  assertEquals(worker.takeBack(task), false);
  worker.requestStop(task);
  assertEquals([control[0], link.sent[1]], [STOPPING, [CANCEL, 0]]);
});

Deno.test("nothing can be taken back from a process", () => {
  const { worker } = open("process");
  const { task } = fakeTask();
  worker.send([task], 0);
  assertEquals(worker.takeBack(task), false);
});

Deno.test("what cannot be cloned fails by itself", () => {
  const { link, worker } = open();
  const [bad, good] = [fakeTask({ input: () => 1 }), fakeTask({ input: 2 })];
  worker.send([bad.task, good.task], 0);
  assertEquals(link.sent, [[RUN, 1, "task", 0, 0, 2]]);
  assertEquals([bad.seen[0], good.seen.length, worker.inFlight, worker.room], ["settled", 0, 1, 1]);
});

Deno.test("a stream that lags does not take a place until it is over", () => {
  const { worker } = open();
  const { task } = fakeTask({ credits: 1 });
  worker.send([task], 0);
  task.isLagging = true;
  worker.lagging++;
  worker.receive([DONE, 0, SUCCEEDED, undefined, 0], 1, () => {});
  assertEquals([worker.lagging, task.isLagging], [0, false]);
});

Deno.test("it keeps the process alive as told, and says so once", () => {
  const { link, worker } = open();
  worker.keepAlive(false);
  assertEquals(link.isKept, false);
  worker.send([fakeTask().task], 0);
  assertEquals(link.isKept, true);
  worker.stop("abandoned");
  assertEquals([worker.state, link.isStopped], ["abandoned", true]);
});

Deno.test("a call that gives a buffer away goes alone, so that no other can spoil it", () => {
  const { link, worker } = open();
  const bytes = new Uint8Array(10);
  const giving = fakeTask({ label: "a", input: bytes }, 0, undefined, [bytes.buffer]);
  const spoilt = fakeTask({ label: "b", input: () => 1 });
  assertEquals(worker.send([giving.task, spoilt.task], 0), 2);
  assertEquals([link.sent.length, bytes.length, giving.seen], [1, 0, []]);
  assertEquals([worker.inFlight, spoilt.task.isSettled], [1, true]);
});
