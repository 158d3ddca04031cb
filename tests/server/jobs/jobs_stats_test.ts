import { assertEquals } from "@std/assert";
import { RunnerCounters } from "../../../server/jobs/jobs_stats.ts";

Deno.test("a runner is free while fewer are at work than may be", () => {
  const counters = new RunnerCounters(2);
  const seen: boolean[] = [];
  for (; counters.running < 4; counters.running++) seen.push(counters.isFree);
  assertEquals(seen, [true, true, false, false]);
});
