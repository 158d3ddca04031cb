import { assertEquals } from "@std/assert";
import { DurationCounts } from "../../../server/duration_counts.ts";
import { GatewayCounters } from "../../../server/gateway/gateway_stats.ts";

Deno.test("a duration falls into the first bucket whose bound it does not exceed", () => {
  const counts = new DurationCounts();
  for (const ms of [0, 1, 1.01, 60_000, 60_001, 1e9]) counts.add(ms);
  assertEquals(counts.counts.length, counts.boundsMs.length + 1);
  assertEquals([counts.counts[0], counts.counts[1], counts.counts.at(-2), counts.counts.at(-1)], [
    2,
    1,
    1,
    2,
  ]);
  assertEquals(counts.count, 6);
  assertEquals(counts.sumMs, 0 + 1 + 1.01 + 60_000 + 60_001 + 1e9);
});

Deno.test("the bounds rise", () => {
  const { boundsMs } = new DurationCounts();
  assertEquals(boundsMs, boundsMs.toSorted((a, b) => a - b));
});

Deno.test("the pool's gauges are zero before there is a pool, and live afterwards", () => {
  let pool: GatewayCounters["pool"] | null = null;
  const counters = new GatewayCounters(() => pool);
  assertEquals(counters.pool, { open: 0, idle: 0, connecting: 0, queued: 0, opened: 0, reused: 0 });
  pool = { open: 1, idle: 1, connecting: 0, queued: 0, opened: 5, reused: 4 };
  assertEquals(counters.pool.opened, 5);
});
