/**
 * How much a process holds, told from what only waits for the garbage collector.
 *
 * V8 lets garbage lie: how much depends on the machine, its load and its memory (a young generation grows to 100 MiB if
 * the collector finds no time), so a process's size alone says little of what it keeps. A child that runs with
 * `HEAP_FLAGS` has little room for garbage, dies if it hoards, and can say what it holds.
 */

/**
 * Flags for a child whose memory is measured: a collector to call, a young generation of 2 MiB a half, however large the
 * machine, and a heap in which nobody hoards 96 MiB and lives.
 */
export const HEAP_FLAGS = "--v8-flags=--expose-gc,--max-semi-space-size=2,--max-old-space-size=96";

/** What this process holds: objects, strings, and buffers outside of the heap. It must run with `HEAP_FLAGS`. */
export function heldBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new TypeError("Cannot tell what is held: the process runs without HEAP_FLAGS");
  gc();
  gc(); // what was only kept by a finalizer goes the second time
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
