/** No pool: a message to a thread and one back, round-robin. What any pool costs comes on top of this. */

import { Worker } from "node:worker_threads";
import { measure } from "./measure.ts";

await measure((workers) => {
  const threads = Array.from(
    { length: workers },
    () => new Worker(new URL("./raw_worker.ts", import.meta.url)),
  );
  const waiting = new Map<number, (value: unknown) => void>();
  for (const thread of threads) {
    thread.on("message", ([id, value]) => {
      waiting.get(id)!(value);
      waiting.delete(id);
    });
  }
  let last = 0;
  const call = (name: string, input: unknown, transfer: ArrayBuffer[] = []) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      threads[last % workers]!.postMessage([last, name, input], transfer);
    });
  return Promise.resolve({
    noop: (value) => call("noop", value),
    bytes: (buffer, isTransferred) => call("bytes", buffer, isTransferred ? [buffer] : []),
    fibonacci: (n) => call("fibonacci", n),
    close: async () => {
      for (const thread of threads) await thread.terminate();
    },
  });
});
