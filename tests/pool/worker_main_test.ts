/** The entry point of workers: imported where it is no worker, it waits for a parent and does nothing. */

import { assertEquals } from "@std/assert";

Deno.test("the entry point exports nothing", async () => {
  assertEquals(Object.keys(await import("../../pool/worker_main.ts")), []);
});
