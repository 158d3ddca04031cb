import { assertEquals } from "@std/assert";
import { DurationCounts } from "../../server/duration_counts.ts";

Deno.test("a duration is counted in the first bucket whose bound it does not pass, or in the last", () => {
  const counts = new DurationCounts();
  const { boundsMs } = counts;
  for (const ms of [0, boundsMs[0]!, boundsMs[0]! + 0.1, boundsMs.at(-1)!, boundsMs.at(-1)! + 1, 1e9]) {
    counts.add(ms);
  }
  assertEquals([counts.count, counts.counts.length], [6, boundsMs.length + 1]);
  assertEquals([counts.counts[0], counts.counts[1], counts.counts.at(-2), counts.counts.at(-1)], [
    2,
    1,
    1,
    2,
  ]);
  assertEquals(counts.sumMs, 2 * boundsMs[0]! + 0.1 + 2 * boundsMs.at(-1)! + 1 + 1e9);
});
