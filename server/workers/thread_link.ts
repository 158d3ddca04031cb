/**
 * Opens a worker as a thread: `node:worker_threads`, which Deno, Node and Bun all have.
 *
 * Why not the web's `Worker`: Node has none, and on Deno an uncaught error in one ends the whole process.
 *
 * When a thread is really gone is told by a message port that it holds, which closes with it: Deno's own `exit` event
 * comes at once when a thread is told to stop, although one that computes goes on.
 *
 * @module
 */
import { MessageChannel, Worker } from "node:worker_threads";
import type { LinkEvents, WorkerConfig, WorkerLink } from "./protocol.ts";

/** The worker's entry point, in TypeScript or, in the npm package, in JavaScript. */
function entryPoint(): URL {
  const { url } = import.meta;
  return new URL(url.endsWith(".js") ? "./thread_main.js" : "./thread_main.ts", url);
}

/** What `Worker` takes for a URL: it loads files only, so a remote module is imported by a few bytes of `data:`. */
function loadable(url: URL): URL {
  if (url.protocol === "file:") return url;
  return new URL(`data:text/javascript,${encodeURIComponent(`await import(${JSON.stringify(url.href)});`)}`);
}

/**
 * Opens a thread.
 *
 * @param config what it is started with; must be cloneable
 * @param events who hears of it
 * @throws DataCloneError for what cannot be cloned; on Deno, NotCapable without permission to read the entry point
 */
export function openThread(config: WorkerConfig, events: LinkEvents): WorkerLink {
  const { port1: life, port2: held } = new MessageChannel();
  let worker: Worker;
  try {
    worker = new Worker(loadable(entryPoint()), { workerData: { config, held }, transferList: [held] });
  } catch (error) {
    life.close();
    throw error;
  }
  let failure: unknown;
  let hasExited = false;
  let isGone = false;
  const end = (): void => {
    if (hasExited && isGone) events.ended(failure);
  };
  worker.on("message", (message) => events.message(message));
  worker.on("messageerror", (error) => {
    failure ??= error; // What was in the message is lost, and with it what the worker is at.
    void worker.terminate();
  });
  worker.on("error", (error) => failure ??= error);
  worker.on("exit", () => {
    hasExited = true;
    end();
  });
  life.on("close", () => {
    isGone = true;
    end();
  });
  life.on("message", () => {}); // None will come, but only a port that waits for one keeps the process alive.
  return {
    post: (message) => worker.postMessage(message),
    stop: () => void worker.terminate(),
    keepAlive(isKept) {
      for (const handle of [worker, life]) isKept ? handle.ref() : handle.unref();
    },
  };
}
