/**
 * The global `error` event on Node and Bun, which tests of uncaught errors listen for as on Deno.
 *
 * Strategy: while somebody listens, an uncaught exception is told to them and not to the test runner's own handlers.
 *
 * @module
 */
import process from "node:process";

type Listener = (event: ErrorEvent) => void;

const listeners = new Map<Listener, readonly ((...args: unknown[]) => void)[]>();

/** Gives the global object `addEventListener` for `error` events, beside whatever it can already. */
export function installErrorEvents(): void {
  const own = globalThis as unknown as Record<
    string,
    ((type: string, listener: Listener) => void) | undefined
  >;
  const { addEventListener: add, removeEventListener: remove } = own;
  own["addEventListener"] = (type, listener) => type === "error" ? start(listener) : add?.(type, listener);
  own["removeEventListener"] = (type, listener) =>
    type === "error" ? stop(listener) : remove?.(type, listener);
}

function start(listener: Listener): void {
  const others = process.listeners("uncaughtException") as ((...args: unknown[]) => void)[];
  process.removeAllListeners("uncaughtException");
  const tell = (error: unknown): void => listener({ error, preventDefault() {} } as ErrorEvent);
  process.on("uncaughtException", tell);
  listeners.set(listener, others);
}

function stop(listener: Listener): void {
  const others = listeners.get(listener);
  if (others === undefined) return;
  listeners.delete(listener);
  process.removeAllListeners("uncaughtException");
  for (const other of others) process.on("uncaughtException", other);
}
