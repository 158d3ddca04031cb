/** Timers, and what is known of the runtimes. */

import { assertEquals } from "@std/assert";
import { keepsHeapLimits, startChoreTimer, startTimer, stopsBusyThreads } from "../../pool/worker_runtime.ts";

Deno.test("timers ring, unless they are stopped", async () => {
  const rung: string[] = [];
  startTimer(0, () => rung.push("stopped"))();
  startChoreTimer(0, () => rung.push("stopped chore"))();
  await new Promise<void>((resolve) => startTimer(1, resolve));
  assertEquals(rung, []);
});

Deno.test("Deno's threads cannot be stopped while they compute, and Bun keeps to no heap limit", () => {
  assertEquals(stopsBusyThreads(), !("Deno" in globalThis));
  assertEquals(keepsHeapLimits(), !("Bun" in globalThis));
});
