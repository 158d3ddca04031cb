import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AddressInUseError } from "../../../io/errors.ts";
import { serve } from "../../../server/serve.ts";
import { serveWorkers, type ServeWorkersOptions } from "../../../server/workers/serve_workers.ts";
import { WorkerStartError } from "../../../server/workers/errors.ts";
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

Deno.test("workers and a handler exclude each other", () => {
  const both = serve as unknown as (options: unknown, handler: unknown) => unknown;
  assertThrows(() => both(OPTIONS, () => new Response()), TypeError, "name the module");
});
