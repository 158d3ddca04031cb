import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { GroupWorker } from "../../../server/workers/group_worker.ts";
import { RawClient } from "../../support/raw_client.ts";
import { openThread } from "../../../server/workers/thread_link.ts";
import type { WorkerConfig } from "../../../server/workers/protocol.ts";

/** A worker with a real thread. */
function start(config: Partial<WorkerConfig>): GroupWorker {
  return new GroupWorker({
    index: 0,
    workers: 1,
    module: new URL("./service_module.ts", import.meta.url).href,
    data: null,
    selectorKind: null,
    serve: { port: 0, hostname: "127.0.0.1" },
    ...config,
  }, openThread);
}

Deno.test("the module's service answers, its onError too, and its close is awaited before the stop is told", async () => {
  const closed = new Int32Array(new SharedArrayBuffer(8));
  const worker = start({ index: 1, workers: 2, data: { closed } });
  const { port, selection } = await worker.ready;
  const url = `http://127.0.0.1:${port}`;
  assertEquals(await (await fetch(url)).json(), { index: 1, workers: 2 });
  const failed = await fetch(`${url}/throw`);
  assertEquals([failed.status, await failed.text()], [500, "worker 1: told to throw"]);
  assertMatch(selection.kind, /^\w+$/);
  worker.shutdown({});
  const { error, report } = await worker.ended;
  assertEquals([error, report?.cut, closed[1]], [undefined, 0, 1]);
});

Deno.test("counters are told unasked", async () => {
  const worker = start({});
  const { port } = await worker.ready;
  for (let sent = 1; worker.stats.requestsTotal === 0; sent++) {
    await (await fetch(`http://127.0.0.1:${port}/`)).text();
  }
  worker.shutdown({ graceMs: 0 });
  await worker.ended;
});

Deno.test("a module that cannot be loaded, or makes no service, fails the start with its own error", async () => {
  const causeOf = async (config: Partial<WorkerConfig>) => {
    const worker = start(config);
    const error = await worker.ready.then(() => null, (error) => error);
    await worker.ended;
    return error.cause as Error;
  };
  const missing = await causeOf({ module: new URL("./no_such_module.ts", import.meta.url).href });
  assertStringIncludes(missing.message, "no_such_module.ts");
  const told = await causeOf({ data: { fails: new Int32Array(new SharedArrayBuffer(4)).fill(1) } });
  assertEquals([told.name, told.message], ["RangeError", "worker 0 is told to fail"]);
  const empty = await causeOf({ module: "data:text/javascript,export const a = 1;" });
  assertStringIncludes(empty.message, "exports no createService");
});

/**
 * Ways to end a thread, and what is told of each; `null` where that depends on who runs it. A thread that exits at once has
 * no time to close what the process owns, so only on the runtime's own sockets nothing of it is left.
 */
const ENDS = [["/crash", "told to crash"], ["/reject", "told to reject"], ["/exit", null]] as const;

for (const [path, why] of ENDS) {
  Deno.test(`what nobody catches ends the thread, and only the thread, with all that it held open: ${path}`, async () => {
    const worker = start(path === "/exit" ? { selectorKind: "native" } : {});
    const { port } = await worker.ready;
    using idle = await RawClient.connect({ port });
    const request = fetch(`http://127.0.0.1:${port}${path}`).then(() => "answered", () => "broken off");
    const { error, report } = await worker.ended;
    if (why !== null) assertEquals((error as Error).message, why);
    assertEquals(report, null);
    assertEquals(await request, "broken off");
    await idle.waitEnd();
    await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
  });
}
