/**
 * Opens a worker as a thread: `node:worker_threads`, on all three runtimes.
 *
 * Why not the web's `Worker`: Node has none; on Deno and Bun its messages take longer (49 against 36 µs there and back, 23
 * against 16), and `Deno.exit` in it goes unnoticed. Here a worker that exits says so.
 *
 * When a thread is really gone is told on Deno by a message port that it holds: the port closes with it. Deno's own `exit` event
 * comes at once when a busy thread is told to terminate, which it then does not do before it stops computing.
 *
 * @module
 */
import { MessageChannel, Worker } from "node:worker_threads";
import type { LinkOptions, WorkerLink } from "./protocol.ts";
import { stopsBusyThreads } from "./worker_runtime.ts";

/** The worker's entry point, in TypeScript or, in the npm package, in JavaScript. */
function entryPoint(): URL {
  const { url } = import.meta;
  return new URL(url.endsWith(".js") ? "./worker_main.js" : "./worker_main.ts", url);
}

/** What `Worker` is given for a URL: it loads files only, so a remote module is imported by a few bytes of `data:`. */
function loadable(url: URL): URL {
  if (url.protocol === "file:") return url;
  return new URL(`data:text/javascript,${encodeURIComponent(`await import(${JSON.stringify(url.href)});`)}`);
}

/**
 * Opens a thread.
 *
 * @param options what it is told, and who hears of it
 */
export function openThread(options: LinkOptions): WorkerLink {
  const { config, events } = options;
  const { port1: life, port2: held } = new MessageChannel();
  const worker = new Worker(loadable(entryPoint()), { workerData: { config, held }, transferList: [held] });
  let failure: unknown;
  let exitCode: number | null = null;
  let hasExited = false;
  let isGone = stopsBusyThreads(); // then the exit is the end
  const end = (): void => {
    if (!hasExited || !isGone) return;
    life.close();
    events.ended(exitCode, failure);
  };
  worker.on("message", (message) => events.message(message));
  worker.on("messageerror", (error) => {
    failure ??= error; // what was in the message is lost, and with it whose outcome it was
    void worker.terminate();
  });
  worker.on("error", (error) => failure ??= error);
  worker.on("exit", (code) => {
    exitCode = code;
    hasExited = true;
    end();
  });
  life.on("close", () => {
    if (isGone) return;
    isGone = true;
    end();
  });
  life.start();
  return {
    isolation: "thread",
    post: (message, transfer) => worker.postMessage(message, transfer as never),
    stop: () => void worker.terminate(),
    keepAlive(isKept) {
      for (const one of [worker, life]) isKept ? one.ref() : one.unref();
    },
  };
}
