/** A module for `serve({ workers, module })`: tells its worker's number, streams, crashes, hangs and closes as tests like. */

import process from "node:process";
import { EventHub } from "../../../server/sse/event_hub.ts";
import type { WorkerContext, WorkerService } from "../../../server/workers/worker_module.ts";
import { Reply } from "../../../server/reply.ts";

/** What tests give it. */
export interface ServiceData {
  /** Set to 1 by a worker's `close`, at its index. */
  readonly closed?: Int32Array;
  /** Number of the worker that fails to start, if this is 1 then. */
  readonly fails?: Int32Array;
}

/** Makes the service of one worker. */
export function createService({ selector, index, workers, data }: WorkerContext): WorkerService {
  const { closed, fails } = (data ?? {}) as ServiceData;
  if (fails !== undefined && Atomics.load(fails, index) === 1) {
    throw new RangeError(`worker ${index} is told to fail`);
  }
  const hub = new EventHub({ timers: selector.timers });
  return {
    async fetch(request, info) {
      switch (new URL(request.url).pathname) {
        case "/events":
          return hub.subscribe(request, "topic", info);
        case "/crash":
          setTimeout(() => {
            throw new RangeError("told to crash");
          }, 0);
          return await new Promise<Response>(() => {});
        case "/reject":
          Promise.reject(new RangeError("told to reject"));
          return await new Promise<Response>(() => {});
        case "/exit":
          process.exit(3);
          break;
        case "/hang":
          for (;;);
        case "/throw":
          throw new RangeError("told to throw");
        default:
          return Reply.json({ index, workers });
      }
    },
    onError: (error) => new Reply(`worker ${index}: ${(error as Error).message}`, { status: 500 }),
    async close() {
      await hub.close();
      if (closed !== undefined) Atomics.store(closed, index, 1);
    },
  };
}
