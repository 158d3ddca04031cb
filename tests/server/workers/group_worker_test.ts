import { assertEquals, assertRejects } from "@std/assert";
import { createServerStats } from "../../../server/server_stats.ts";
import { WorkerStartError } from "../../../server/workers/errors.ts";
import { GroupWorker } from "../../../server/workers/group_worker.ts";
import { fakeThreads, settle } from "./fake_link.ts";

const CONFIG = {
  index: 2,
  workers: 3,
  module: "file:///app.ts",
  data: null,
  selectorKind: null,
  serve: { port: 0, hostname: "127.0.0.1" },
};

/** A worker and its thread. */
function start() {
  const { threads, open } = fakeThreads();
  const worker = new GroupWorker(CONFIG, open);
  return { worker, thread: threads[0]! };
}

Deno.test("a worker is up from when it listens until it is gone", async () => {
  const { worker, thread } = start();
  assertEquals([worker.isUp, thread.config], [false, CONFIG]);
  thread.listens(4242);
  assertEquals([worker.isUp, (await worker.ready).port], [true, 4242]);
  thread.end();
  assertEquals([worker.isUp, await worker.ended], [false, { error: undefined, report: null }]);
});

Deno.test("one whose module fails is stopped, and says with which error", async () => {
  const { worker, thread } = start();
  thread.say({ type: "failed", error: { name: "SyntaxError", message: "what?", stack: "" } });
  const error = await assertRejects(
    () => worker.ready,
    WorkerStartError,
    "Cannot start worker 2: SyntaxError: what?",
  );
  assertEquals([(error.cause as Error).name, thread.stops], ["SyntaxError", 1]);
});

Deno.test("one that ends before it listens did not start, whatever ended it", async () => {
  const { worker, thread } = start();
  thread.end(new RangeError("no"));
  await assertRejects(() => worker.ready, WorkerStartError, "RangeError: no");
  assertEquals((await worker.ended).error, new RangeError("no"));
});

Deno.test("counters are asked for once at a time, and not waited for when it is gone", async () => {
  const { worker, thread } = start();
  await worker.refresh(); // it does not listen yet: nothing to ask
  thread.listens();
  const both = Promise.all([worker.refresh(), worker.refresh()]);
  assertEquals(thread.told, [{ type: "stats" }]);
  thread.say({ type: "stats", stats: { ...createServerStats(), requestsTotal: 7 }, service: null });
  await both;
  assertEquals(worker.stats.requestsTotal, 7);
  const last = worker.refresh();
  thread.end();
  await last;
  await worker.refresh();
  assertEquals(thread.told.length, 2);
});

Deno.test("a stop is told, its report kept, and the thread ended whatever its module left running", async () => {
  const { worker, thread } = start();
  thread.listens();
  worker.shutdown({ graceMs: 5 });
  assertEquals(thread.told, [{ type: "shutdown", options: { graceMs: 5 } }]);
  const report = { finished: 1, ended: 2, cut: 3, left: 4, idle: 5, elapsedMs: 6 };
  thread.say({
    type: "stopped",
    report,
    counters: { type: "stats", stats: createServerStats(), service: null },
  });
  assertEquals([await worker.ended, thread.stops], [{ error: undefined, report }, 1]);
});

Deno.test("one that does not listen yet is stopped at once", async () => {
  const { worker, thread } = start();
  worker.shutdown({});
  await assertRejects(() => worker.ready, WorkerStartError);
  assertEquals([thread.told, thread.stops], [[], 1]);
});

Deno.test("one that does not end is given up, and not heard any more", async () => {
  const { worker, thread } = start();
  thread.isObedient = false;
  thread.listens();
  worker.stop();
  worker.giveUp();
  assertEquals(await worker.ended, { error: undefined, report: null });
  thread.say({ type: "stats", stats: { ...createServerStats(), requestsTotal: 7 }, service: null });
  thread.end(new RangeError("late"));
  worker.keepAlive(true);
  worker.shutdown({});
  await settle();
  assertEquals([worker.stats.requestsTotal, thread.told, thread.isKept], [0, [], false]);
});
