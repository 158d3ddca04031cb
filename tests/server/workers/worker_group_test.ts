import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import { createServerStats } from "../../../server/server_stats.ts";
import { WorkerCrashedError, WorkerStartError } from "../../../server/workers/errors.ts";
import { WorkerGroup } from "../../../server/workers/worker_group.ts";
import { type FakeThread, fakeThreads, settle } from "./fake_link.ts";

const CONFIG = {
  module: "file:///app.ts",
  data: { a: 1 },
  selectorKind: null,
  serve: { port: 0, hostname: "127.0.0.1" },
};
const NOTHING = { finished: 0, ended: 0, cut: 0, left: 0, idle: 0, elapsedMs: 0 };
/** Above what a `TimerWheel` may be late by. */
const LATE_MS = 50;

/** A group on a clock that is moved by hand; nothing is started. */
function makeGroup(size: number) {
  const clock = new VirtualClock();
  const { threads, open } = fakeThreads();
  const crashes: Error[] = [];
  const group = new WorkerGroup({
    size,
    config: CONFIG,
    open,
    timers: new TimerWheel(clock),
    now: () => clock.now(),
    onCrash: (error) => void crashes.push(error),
  });
  return { clock, threads, group, crashes };
}

/** A group of which all workers listen. */
async function startGroup(size: number) {
  const made = makeGroup(size);
  const started = made.group.start();
  made.threads[0]!.listens();
  await settle();
  for (const thread of made.threads.slice(1)) thread.listens();
  await started;
  return made;
}

/** Lets a thread answer that it stopped. */
function stops(thread: FakeThread, report = NOTHING): void {
  thread.say({
    type: "stopped",
    report,
    counters: { type: "stats", stats: createServerStats(), service: null },
  });
}

Deno.test("the first worker picks the port, the others share it, each told its number and the data", async () => {
  const { group, threads } = makeGroup(3);
  const started = group.start();
  assertEquals(threads.map(({ config }) => config.serve.port), [0]);
  threads[0]!.listens(4242);
  await settle();
  assertEquals(threads.map(({ config }) => config.serve.port), [0, 4242, 4242]);
  assertEquals(threads.map(({ config: { index, workers, data } }) => [index, workers, data]), [
    [0, 3, { a: 1 }],
    [1, 3, { a: 1 }],
    [2, 3, { a: 1 }],
  ]);
  for (const thread of threads.slice(1)) thread.listens(4242);
  await started;
  assertEquals(group.addr, { transport: "tcp", hostname: "127.0.0.1", port: 4242 });
  assertEquals(group.counts, { size: 3, up: 3, started: 3, crashed: 0, failedStarts: 0 });
});

Deno.test("when one does not come up at the start, none does, and its error is told", async () => {
  const { group, threads } = makeGroup(3);
  const started = group.start();
  threads[0]!.listens();
  await settle();
  threads[1]!.listens();
  threads[2]!.say({ type: "failed", error: { name: "RangeError", message: "no room", stack: "" } });
  const rejected = assertRejects(
    () => started,
    WorkerStartError,
    "Cannot start worker 2: RangeError: no room",
  );
  await settle();
  for (const thread of threads.slice(0, 2)) { // those that listen close what they hold
    assertEquals(thread.told, [{ type: "shutdown", options: { graceMs: 0 } }]);
    stops(thread);
  }
  await rejected;
  assertEquals(threads.map(({ stops }) => stops > 0), [true, true, true]);
});

Deno.test("a crash is counted, told and mended after a pause that doubles with each one in a row", async () => {
  const { group, threads, clock, crashes } = await startGroup(1);
  for (const pauseMs of [100, 200, 400]) {
    const { length } = threads;
    threads.at(-1)!.end(new TypeError("broken"));
    await settle();
    assertEquals(group.counts.up, 0);
    await clock.advance(pauseMs - 1);
    assertEquals(threads.length, length);
    await clock.advance(1 + LATE_MS);
    await settle();
    assertEquals(threads.length, length + 1);
    assertEquals(threads.at(-1)!.config, { ...threads[0]!.config, serve: { ...CONFIG.serve, port: 4711 } });
    threads.at(-1)!.listens();
    await settle();
  }
  assertEquals(group.counts, { size: 1, up: 1, started: 4, crashed: 3, failedStarts: 0 });
  assertEquals(crashes.map((error) => error instanceof WorkerCrashedError), [true, true, true]);
  await clock.advance(30_000); // long enough to be taken for settled
  threads.at(-1)!.end();
  await settle();
  await clock.advance(100 + LATE_MS);
  await settle();
  assertEquals(threads.length, 5);
});

Deno.test("a replacement that fails is tried again, more and more slowly, ten seconds apart at most", async () => {
  const { group, threads, clock, crashes } = await startGroup(1);
  threads[0]!.end();
  await settle();
  for (let i = 0; i < 10; i++) {
    await clock.advance(10_000 + LATE_MS);
    await settle();
    assertEquals(threads.length, i + 2);
    threads.at(-1)!.say({ type: "failed", error: { name: "Error", message: "still broken", stack: "" } });
    await settle();
  }
  assertEquals(group.counts, { size: 1, up: 0, started: 1, crashed: 1, failedStarts: 10 });
  assertInstanceOf(crashes.at(-1), WorkerStartError);
  await clock.advance(10_000 + LATE_MS);
  await settle();
  threads.at(-1)!.listens();
  await settle();
  assertEquals(group.counts.up, 1);
});

Deno.test("counters are summed, and what a crashed worker counted is not lost", async () => {
  const { group, threads } = await startGroup(2);
  const told = (requestsTotal: number) => ({
    type: "stats" as const,
    stats: { ...createServerStats(), requestsTotal, connectionsOpen: 1 },
    service: null,
  });
  const sum = group.stats();
  for (const [i, thread] of threads.entries()) {
    assertEquals(thread.told, [{ type: "stats" }]);
    thread.say(told(10 * (i + 1)));
  }
  assertEquals([(await sum).requestsTotal, (await sum).connectionsOpen], [30, 2]);
  threads[0]!.end();
  await settle();
  assertEquals([group.lastStats().requestsTotal, group.lastStats().connectionsOpen], [30, 1]);
});

Deno.test("what services count is summed, too: what rises stays when a worker is gone, what is there now does not", async () => {
  const { group, threads } = await startGroup(3);
  assertEquals(group.serviceStats(), { rising: {}, now: {} });
  for (const [i, thread] of threads.slice(0, 2).entries()) { // the third one's service does not count
    const service = { rising: { jobs: { done: i + 1 }, buckets: [1, i] }, now: { open: 10 } };
    thread.say({ type: "stats", stats: createServerStats(), service });
  }
  assertEquals(group.serviceStats(), { rising: { jobs: { done: 3 }, buckets: [2, 1] }, now: { open: 20 } });
  threads[1]!.end();
  await settle();
  assertEquals(group.serviceStats(), { rising: { jobs: { done: 3 }, buckets: [2, 1] }, now: { open: 10 } });
});

Deno.test("a worker too busy to tell its counters is not waited for longer than a second", async () => {
  const { group, threads, clock } = await startGroup(1);
  threads[0]!.say({ type: "stats", stats: { ...createServerStats(), requestsTotal: 5 }, service: null });
  const sum = group.stats();
  await clock.advance(1_000 + LATE_MS);
  assertEquals((await sum).requestsTotal, 5);
});

Deno.test("a stop is told to all, and their reports are added up", async () => {
  const { group, threads } = await startGroup(2);
  const report = group.shutdown({ graceMs: 100 });
  const again = group.shutdown({ graceMs: 50 });
  for (const thread of threads) {
    assertEquals(thread.told.map((message) => message.type === "shutdown" && message.options.graceMs), [
      100,
      50,
    ]);
    stops(thread, { ...NOTHING, finished: 2, ended: 1, elapsedMs: 3 });
  }
  assertEquals(await report, { ...NOTHING, finished: 4, ended: 2, elapsedMs: 3 });
  assertEquals(await again, await report);
});

Deno.test("what waits to be replaced when the stop comes is not", async () => {
  const { group, threads, clock } = await startGroup(2);
  threads[0]!.end();
  await settle();
  const report = group.shutdown({});
  stops(threads[1]!);
  await report;
  await clock.advance(60_000);
  assertEquals(threads.length, 2);
});

Deno.test("a replacement that is just starting when the stop comes is ended", async () => {
  const { group, threads, clock } = await startGroup(1);
  threads[0]!.end();
  await settle();
  await clock.advance(100 + LATE_MS);
  await settle();
  assertEquals(threads.length, 2);
  await group.shutdown({});
  assertEquals([threads[1]!.stops, threads[1]!.told], [1, []]);
});

Deno.test("a worker that does not answer is ended after its grace, then given up: what it had is cut", async () => {
  const { group, threads, clock } = await startGroup(2);
  const [deaf, good] = threads as [FakeThread, FakeThread];
  deaf.isObedient = false;
  deaf.say({ type: "stats", stats: { ...createServerStats(), requestsActive: 3 }, service: null });
  const report = group.shutdown({ graceMs: 1_000 });
  stops(good, { ...NOTHING, finished: 1 });
  await clock.advance(3_000 - 1);
  assertEquals(deaf.stops, 0);
  await clock.advance(1 + LATE_MS);
  assertEquals(deaf.stops, 1);
  await clock.advance(1_000 + LATE_MS);
  assertEquals(await report, { ...NOTHING, finished: 1, cut: 3 });
});

Deno.test("a second stop shortens the wait for one that does not answer, and cannot lengthen it", async () => {
  const { group, threads, clock } = await startGroup(1);
  group.shutdown({ graceMs: 10_000 });
  group.shutdown({ graceMs: 0 });
  const report = group.shutdown({ graceMs: 60_000 });
  await clock.advance(2_000 + LATE_MS);
  assertEquals([threads[0]!.stops, await report], [1, NOTHING]);
});

Deno.test("whether the process lives on is told to those that are there, and to their successors", async () => {
  const { group, threads, clock } = await startGroup(2);
  group.keepAlive(false);
  threads[0]!.end();
  await settle();
  await clock.advance(100 + LATE_MS);
  await settle();
  threads[2]!.listens();
  await settle();
  assertEquals(threads.map(({ isKept }) => isKept), [false, false, false]);
  group.keepAlive(true);
  assertEquals(threads.map(({ isKept }) => isKept), [false, true, true]); // the first one is gone
});
