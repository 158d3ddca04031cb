/**
 * When a turn ends (see io/selector.ts): a function queued by `process.nextTick` from a microtask runs when all microtasks
 * of the present callback are done, on Deno, Node and Bun alike.
 *
 * @module
 */
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";

/** Runs a function once, when the present turn ends. */
export function afterTurn(run: () => void): void {
  queueMicrotask(() => process.nextTick(run));
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
