/**
 * What the pool itself needs of the runtime: timers, and whether threads can be stopped.
 *
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";

/**
 * Starts a timer.
 *
 * @param ms milliseconds
 * @param ring called once
 * @returns stops it
 */
export function startTimer(ms: number, ring: () => void): () => void {
  const timer = setTimeout(ring, ms);
  return () => clearTimeout(timer);
}

/** Starts a timer that the process does not wait for; otherwise as `startTimer`. */
export function startChoreTimer(ms: number, ring: () => void): () => void {
  const timer = setTimeout(ring, ms);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Whether a thread that computes can be stopped from outside: on Deno it cannot (denoland/deno, measured on 2.9). */
export function stopsBusyThreads(): boolean {
  return !("Deno" in globalThis);
}

/** Whether a heap limit is kept: Bun takes the option and does not go by it. */
export function keepsHeapLimits(): boolean {
  return !("Bun" in globalThis);
}
