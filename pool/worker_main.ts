/**
 * What runs in a worker: loads the task module and joins the host to the runtime, as a thread or as a child process.
 *
 * It is an entry point, started by `openThread` and `openProcess`; it exports nothing. An uncaught error does not end the
 * worker: the host puts it down to its task, and the pool replaces the worker when that is settled.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import { deserialize, serialize } from "node:v8";
import { Script } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { INIT, LOAD_FAILED, type Message, READY, type WorkerConfig } from "./protocol.ts";
import { describeError } from "./remote_error.ts";
import { type HostRuntime, INTERRUPTION, TaskHost } from "./task_host.ts";

/** What `vm` throws when the time is up (Node's documentation of `vm`). */
const TIMEOUT_CODE = "ERR_SCRIPT_EXECUTION_TIMEOUT";

/** Makes `HostRuntime.interrupt`: the only way to break off what computes that works everywhere is a script's time limit. */
function makeInterrupt(): HostRuntime["interrupt"] {
  const hook = Symbol("stretch");
  const box: { run: () => unknown } = { run: () => undefined };
  Object.defineProperty(globalThis, "__sluiceStretch", {
    value: (): unknown => box.run(),
    enumerable: false,
  });
  const script = new Script("__sluiceStretch()");
  return (run, timeout) => {
    let isOwn = false; // whether the task ended by itself, with whatever
    box.run = () => {
      try {
        return run();
      } finally {
        isOwn = true; // not reached when the script is broken off
      }
    };
    try {
      return script.runInThisContext({ timeout });
    } catch (error) {
      if (!isOwn && (error as { code?: unknown }).code === TIMEOUT_CODE) return INTERRUPTION;
      throw error;
    } finally {
      box.run = () => hook;
    }
  };
}

/** Loads the module and runs its tasks. */
async function main(
  config: WorkerConfig,
  post: HostRuntime["post"],
  listen: (receive: (message: Message) => void) => void,
): Promise<void> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(config.moduleUrl);
  } catch (error) {
    post([LOAD_FAILED, describeError(error)], []);
    return;
  }
  const soon = (run: () => void): void => void setImmediate(run);
  const host = new TaskHost(module, config, { post, soon, interrupt: makeInterrupt() });
  process.on("uncaughtException", (error) => host.strike(error));
  process.on("unhandledRejection", (error) => host.strike(error));
  listen((message) => host.receive(message));
  post([READY], []);
}

if (parentPort !== null) {
  const port = parentPort;
  await main(
    (workerData as { config: WorkerConfig }).config,
    (message, transfer) => port.postMessage(message, transfer as never),
    (receive) => void port.on("message", receive),
  );
} else {
  process.once("message", (bytes) => {
    const [kind, config] = deserialize(bytes as Uint8Array) as Message;
    if (kind !== INIT) throw new TypeError("Cannot start: the first message must be INIT");
    process.on("disconnect", () => process.exit(0)); // the parent is gone, and so is whoever wanted results
    main(
      config as WorkerConfig,
      (message) => void process.send?.(serialize(message)),
      (receive) => void process.on("message", (next) => receive(deserialize(next as Uint8Array) as Message)),
    ).catch((error) => {
      throw error;
    });
  });
}
