/**
 * Opens a worker as a child process: it can always be killed, and what it does to its heap is its own affair.
 *
 * It speaks the same protocol over the runtime's own channel for child processes. Messages are serialized here and not by the
 * channel, which tells of what cannot be cloned late, or on Deno not at all. Memory is not shared and nothing is transferred. The child ends when its parent does.
 *
 * @module
 */
import { fork } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { PoolUnsupportedError } from "./errors.ts";
import { INIT, type LinkOptions, type Message, type WorkerLink } from "./protocol.ts";

/** The worker's entry point, as a path. */
function entryPoint(): string {
  const { url } = import.meta;
  const entry = new URL(url.endsWith(".js") ? "./worker_main.js" : "./worker_main.ts", url);
  if (entry.protocol === "file:") return fileURLToPath(entry);
  throw new PoolUnsupportedError(
    "Cannot open a child process",
    `${entry.protocol} modules cannot be started as one; use a thread, or the package from a file`,
  );
}

/** How a child is told of a heap limit: a flag of V8's, which Deno's `fork` takes as Node's does. */
function heapFlags(heapMibMax: number): string[] {
  return heapMibMax === 0 ? [] : [`--max-old-space-size=${heapMibMax}`];
}

/**
 * Opens a child process.
 *
 * @param options what it is told, and who hears of it
 * @throws PoolUnsupportedError when this module was loaded from elsewhere than a file
 */
export function openProcess(options: LinkOptions): WorkerLink {
  const { config, events, heapMibMax } = options;
  const child = fork(entryPoint(), [], {
    serialization: "advanced",
    execArgv: [...ownFlags(), ...heapFlags(heapMibMax)],
  });
  let failure: unknown;
  let isOver = false;
  const end = (code: number | null): void => {
    if (isOver) return;
    isOver = true;
    events.ended(code, failure);
  };
  child.on("message", (message) => events.message(deserialize(message as Uint8Array) as Message));
  child.on("error", (error) => {
    failure ??= error;
    if (child.pid === undefined) end(null); // it never started
  });
  child.on("exit", (code, signal) => {
    if (signal !== null) failure ??= `it was ended by ${signal}`;
    end(code);
  });
  child.send(serialize([INIT, config]) as never);
  return {
    isolation: "process",
    post: (message) => void child.send(serialize(message) as never),
    stop: () => void child.kill("SIGKILL"),
    keepAlive(isKept) {
      if (isKept) child.ref();
      else child.unref();
      const { channel } = child; // Bun's cannot be asked
      if (isKept) channel?.ref?.();
      else channel?.unref?.();
    },
  };
}

/** Flags of this process that the child needs too; Node's, since Deno and Bun have no `execArgv` worth keeping. */
function ownFlags(): string[] {
  return "Deno" in globalThis
    ? []
    : process.execArgv.filter((flag) => !/^--(test|inspect|eval|print|input-type)|^-[ep]$/.test(flag));
}
