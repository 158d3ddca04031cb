import { assertEquals, assertThrows } from "@std/assert";
import { openThread } from "../../../server/workers/thread_link.ts";
import type { FromWorker, ListeningMessage, WorkerConfig } from "../../../server/workers/protocol.ts";

/** A real thread, what it says, and its end. */
function start(config: Partial<WorkerConfig>) {
  const heard: FromWorker[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  let wake = () => {};
  const link = openThread({
    index: 0,
    workers: 1,
    module: new URL("./default_module.ts", import.meta.url).href,
    data: null,
    selectorKind: "native",
    serve: { port: 0, hostname: "127.0.0.1" },
    ...config,
  }, {
    message: (message) => {
      heard.push(message);
      wake();
    },
    ended: resolve,
  });
  /** Waits for a message. */
  const until = async (type: FromWorker["type"]): Promise<FromWorker> => {
    for (;;) {
      const found = heard.find((message) => message.type === type);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
  return { link, heard, until, ended };
}

Deno.test("a thread serves, tells its counters when asked, stops when told, and is gone when it was ended", async () => {
  const { link, until, ended } = start({});
  const { hostname, port } = await until("listening") as ListeningMessage;
  const response = await fetch(`http://${hostname}:${port}/x`);
  assertEquals(await response.text(), "you asked for /x");
  link.post({ type: "stats" });
  const told = await until("stats");
  assertEquals(told.type === "stats" && told.stats.requestsTotal, 1);
  link.post({ type: "shutdown", options: {} });
  const stopped = await until("stopped");
  assertEquals(stopped.type === "stopped" && stopped.report.cut, 0);
  link.stop();
  assertEquals(await ended, undefined);
});

Deno.test("what cannot be copied to a thread is refused, and no thread is left", () => {
  assertThrows(() => start({ data: () => {} }), Error);
});

Deno.test("a thread that is stopped at work is gone all the same", async () => {
  const { link, until, ended } = start({});
  await until("listening");
  link.stop();
  assertEquals(await ended, undefined);
});
