/** A thread as the pool sees it: it says that it is there, answers, and is gone when it says so. */

import { assertEquals } from "@std/assert";
import { DONE, type Message, READY, RUN, SUCCEEDED } from "../../pool/protocol.ts";
import { openThread } from "../../pool/worker_thread.ts";

Deno.test("a thread loads the module, runs a call, and ends", async () => {
  const messages: Message[] = [];
  let heard = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const link = openThread({
    config: {
      moduleUrl: new URL("../support/pool_tasks.ts", import.meta.url).href,
      control: new Int32Array(new SharedArrayBuffer(8)),
      slots: 2,
      concurrency: 1,
      stretchMsMax: 0,
      interrupts: false,
      graceMs: 0,
      transfers: true,
    },
    heapMibMax: 0,
    events: {
      message(message) {
        messages.push(message);
        heard.resolve();
      },
      ended: () => ended.resolve(),
    },
  });
  await heard.promise;
  heard = Promise.withResolvers<void>();
  link.post([RUN, 1, "increment", 0, 0, 41], []);
  await heard.promise;
  assertEquals([messages[0], messages[1]?.slice(0, 4)], [[READY], [DONE, 1, SUCCEEDED, 42]]);
  assertEquals(link.isolation, "thread");
  link.keepAlive(true);
  link.stop();
  await ended.promise;
});
