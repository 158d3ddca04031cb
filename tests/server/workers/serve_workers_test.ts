import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { AddressInUseError } from "../../../io/errors.ts";
import { openSelector } from "../../../io/open_selector.ts";
import { serve } from "../../../server/serve.ts";
import { createServerStats } from "../../../server/server_stats.ts";
import { EventHub } from "../../../server/sse/event_hub.ts";
import { serveWorkers, type ServeWorkersOptions } from "../../../server/workers/serve_workers.ts";
import { WorkerStartError } from "../../../server/workers/errors.ts";
import { RawClient } from "../../support/raw_client.ts";
import { fakeThreads, settle } from "./fake_link.ts";

const MODULE = new URL("./service_module.ts", import.meta.url);
const OPTIONS = { workers: 2, module: MODULE, port: 0, hostname: "127.0.0.1" };

/** A server of fake threads that listen. */
async function startFakes(options: Partial<ServeWorkersOptions> = {}) {
  const { threads, open } = fakeThreads();
  const serving = serveWorkers({ ...OPTIONS, ...options }, open);
  for (let i = 0; i < 2; i++) {
    while (threads.length <= i) await settle();
    threads[i]!.listens();
  }
  return { server: await serving, threads };
}

Deno.test("workers share one port, and each answers some of the requests", async () => {
  await using server = await serve(OPTIONS);
  const seen = new Set<number>();
  while (seen.size < 2) { // each connection is dealt out anew
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, {
      headers: { connection: "close" },
    });
    seen.add((await response.json()).index);
  }
  assertEquals(server.workers, { size: 2, up: 2, started: 2, crashed: 0, failedStarts: 0 });
  const { connectionsTotal, requestsTotal } = await server.stats();
  assertEquals(connectionsTotal, requestsTotal);
  const report = await server.shutdown();
  assertEquals(report.cut, 0);
  await server.finished;
  assertEquals((await server.stats()).requestsTotal, requestsTotal);
});

Deno.test("the options go to every worker as they are", async () => {
  const { server, threads } = await startFakes({
    data: [1],
    backlog: 7,
    limits: { connectionsMax: 5 },
    deadlines: { headMs: null },
    allowHalfClose: true,
    proxyProtocol: { trusted: ["127.0.0.1"] },
    shedding: { lagMs: 9 },
    selectorKind: "native",
  });
  const serve = {
    port: 0,
    hostname: "127.0.0.1",
    backlog: 7,
    limits: { connectionsMax: 5 },
    deadlines: { headMs: null },
    allowHalfClose: true,
    proxyProtocol: { trusted: ["127.0.0.1"] },
    shedding: { lagMs: 9 },
  };
  const config = { module: MODULE.href, data: [1], selectorKind: "native" as const, workers: 2 };
  assertEquals(threads.map((thread) => thread.config), [
    { ...config, serve, index: 0 },
    { ...config, serve: { ...serve, port: 4711 }, index: 1 },
  ]);
  const stopped = server.shutdown({ graceMs: 0 });
  for (const thread of threads) thread.end();
  await stopped;
});

Deno.test("the address is told before the promise resolves, and a signal stops it at once", async () => {
  const stop = new AbortController();
  const told: unknown[] = [];
  const { server, threads } = await startFakes({
    signal: stop.signal,
    onListen: (addr) => void told.push(addr),
  });
  assertEquals(told, [server.addr]);
  stop.abort();
  assertEquals(threads.map((thread) => thread.told), [
    [{ type: "shutdown", options: { graceMs: 0, streamGraceMs: 0 } }],
    [{ type: "shutdown", options: { graceMs: 0, streamGraceMs: 0 } }],
  ]);
  for (const thread of threads) thread.end();
  await server.finished;
});

Deno.test("a crash is told to onCrash", async () => {
  const crash = Promise.withResolvers<Error>();
  const { server, threads } = await startFakes({ onCrash: crash.resolve });
  threads[0]!.end(new RangeError("broken"));
  assertEquals((await crash.promise).message, "Cannot go on with worker 0: RangeError: broken");
  assertEquals(server.workers.crashed, 1);
  const stopped = server.shutdown({ graceMs: 0 });
  threads[1]!.end();
  await stopped;
});

Deno.test("a module that does not come up fails the call, and leaves nothing that listens", async () => {
  const fails = new Int32Array(new SharedArrayBuffer(8));
  fails[1] = 1;
  const ports: number[] = [];
  const error = await assertRejects(
    () => serve({ ...OPTIONS, data: { fails }, onListen: ({ port }) => void ports.push(port) }),
    WorkerStartError,
    "Cannot start worker 1: RangeError: worker 1 is told to fail",
  );
  assertEquals([(error.cause as Error).name, ports], ["RangeError", []]);
});

Deno.test("a port that somebody listens on is refused, even if it is shared; unless that is wanted", async () => {
  await using other = serve({ port: 0, hostname: "127.0.0.1", reusePort: true }, () => new Response("other"));
  const { port } = other.addr;
  await assertRejects(() => serve({ ...OPTIONS, port }), AddressInUseError);
  await using server = await serve({ ...OPTIONS, port, reusePort: true, workers: 1 });
  assertEquals(server.addr.port, port);
});

const REFUSED: readonly [Partial<Record<string, unknown>>, string][] = [
  [{ workers: 0 }, "a whole number from 1 to 256"],
  [{ workers: 257 }, "a whole number from 1 to 256"],
  [{ workers: 1.5 }, "a whole number from 1 to 256"],
  [{ module: "./app.ts" }, "an absolute URL"],
  [{ path: "/tmp/socket" }, "a Unix socket cannot be shared"],
  [{ fd: 3 }, "a socket that was handed over"],
  [{ selector: {} }, "each worker opens its own"],
  [{ onError() {} }, "the module's service may have an onError"],
  [{ handler() {} }, "name the module that exports it"],
  [{ shedding: { lagMs: 1, lag: null } }, "shedding.lag"],
  [{ limits: { connectionsMax: -1 } }, "connectionsMax"],
  [{ deadlines: { headMs: -1 } }, "headMs"],
];

for (const [wrong, why] of REFUSED) {
  Deno.test(`bad options are refused before anything starts: ${JSON.stringify(wrong)} ${Object.keys(wrong)}`, async () => {
    const { threads, open } = fakeThreads();
    await assertRejects(() => serveWorkers({ ...OPTIONS, ...wrong }, open), Error, why);
    assertEquals(threads, []);
  });
}

Deno.test("event streams of the main thread that a stop ends are reported as ended, not as finished", async () => {
  await using selector = openSelector();
  const hub = new EventHub({ timers: selector.timers });
  const quiet = { selector, port: 0, hostname: "127.0.0.1", onListen() {} };
  await using home = serve(quiet, (request, info) => hub.subscribe(request, "topic", info));
  const url = `http://127.0.0.1:${home.addr.port}`;
  await using server = await serve({
    ...OPTIONS,
    workers: 1,
    module: new URL("../../../server/workers/thread_app.ts", import.meta.url),
    data: { upstream: url, home: url },
  });
  using idle = await RawClient.connect(server.addr);
  await idle.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals((await idle.readResponse()).status, 200);
  // A topic is the main thread's, which stops with its workers; an upstream goes on, and its answer is awaited.
  const paths = ["/events/topic", "/events/topic", "/v1/answer"];
  const readers = await Promise.all(paths.map(() => RawClient.connect(server.addr)));
  for (const [at, reader] of readers.entries()) {
    await reader.send(`GET ${paths[at]} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await reader.readUntil("id: ");
  }
  const stopped = server.shutdown({ graceMs: 60_000, streamGraceMs: 60_000 });
  await idle.expectClosed(); // The worker has heard of it.
  await hub.close();
  const { finished, ended, cut, left } = await stopped;
  assertEquals({ finished, ended, cut, left }, { finished: 1, ended: 2, cut: 0, left: 0 });
  for (const reader of readers) {
    assertMatch(await reader.readToEnd(), /retry: \d+\n[^]*\r\n0\r\n\r\n$/);
    reader.close();
  }
});

Deno.test("workers that stop are asked for their counters until they have: who answers has heard of the stop", async () => {
  const { server, threads } = await startFakes();
  const stopped = server.shutdown();
  const counted = server.stats();
  const types = threads.map(({ told }) => told.map(({ type }) => type));
  assertEquals(types, [["shutdown", "stats"], ["shutdown", "stats"]]);
  for (const thread of threads) {
    thread.say({ type: "stats", stats: { ...createServerStats(), requestsTotal: 2 }, service: null });
  }
  assertEquals((await counted).requestsTotal, 4);
  for (const thread of threads) thread.end();
  await stopped;
  assertEquals((await server.stats()).requestsTotal, 4);
  assertEquals(threads.map(({ told }) => told.length), [2, 2], "nobody is asked any more");
});

Deno.test("workers and a handler exclude each other", () => {
  const both = serve as unknown as (options: unknown, handler: unknown) => unknown;
  assertThrows(() => both(OPTIONS, () => new Response()), TypeError, "name the module");
});
