/**
 * When a turn ends (see io/selector.ts): a function queued by `process.nextTick` from a microtask runs when all microtasks
 * of the present callback are done, on Deno, Node and Bun alike.
 *
 * @module
 */
import process from "node:process";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";

/** Where microtasks are queued: `queueMicrotask` makes an object for tracing of each on Node, and checks what it was given on Deno. */
const SETTLED = Promise.resolve();

/** Runs a function once, when the present turn ends. */
export function afterTurn(run: () => void): void {
  void SETTLED.then(() => process.nextTick(run));
}

/**
 * Runs a function once after some time, unless the process has ended by then: the timer does not keep it alive.
 *
 * @param delayMs how long from now, milliseconds
 * @param run what to run
 * @returns cancels it
 */
export function setUnrefTimer(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}

/**
 * `setImmediate`, where the runtime looks at all its sockets between two immediates; `null` where it does not (Deno; see
 * `afterLoop`).
 */
export function fairImmediate(): ((run: () => void) => void) | null {
  return process.versions["bun"] === undefined ? null : (run) => void setImmediate(run);
}

/**
 * Runs a function when the runtime has been through its loop once, and has found none of our descriptors ready in it.
 *
 * Deno remembers that a descriptor was ready until a read of it finds nothing, and looks at no other one meanwhile: what is
 * made ready again within the same turn would go before everything else, sixty times in a row.
 */
export function afterLoop(run: () => void): void {
  setImmediate(() => setImmediate(run));
}
