/** What is counted, and what a mean follows. */

import { assert, assertEquals } from "@std/assert";
import { Ledger } from "../../pool/ledger.ts";

Deno.test("times go to the task's own record and to all", () => {
  const ledger = new Ledger();
  ledger.ran(ledger.record("a"), 10, 4);
  ledger.ran(ledger.record("b"), 3, 3);
  const { waitMs, runMs, totalMs, byTask } = ledger.snapshot();
  assertEquals([waitMs.count, waitMs.sum, runMs.sum, totalMs.sum], [2, 6, 7, 13]);
  assertEquals([byTask["a"]?.runMs.max, byTask["b"]?.runMs.max], [4, 3]);
});

Deno.test("the mean is the first run's, then follows the latest; 0 is for what has not run", () => {
  const record = new Ledger().record("a");
  assertEquals(record.meanMs, 0);
  record.ran(0);
  assert(record.meanMs > 0, "a run of no time is a run");
  for (let run = 0; run < 100; run++) record.ran(10);
  assert(Math.abs(record.meanMs - 10) < 0.01);
});

Deno.test("names without end share one record", () => {
  const ledger = new Ledger();
  for (let index = 0; index < 5_000; index++) ledger.record(`name ${index}`).failed++;
  const { byTask } = ledger.snapshot();
  assertEquals(Object.keys(byTask).length, 1_001);
  assertEquals(byTask["(others)"]?.failed, 4_000);
});
