import { assertEquals } from "@std/assert";
import { GatewayCounters } from "../../../server/gateway/gateway_stats.ts";
import { addGatewayCounts, gatewayCounts } from "../../../server/workers/gateway_counts.ts";
import { sumServices } from "../../../server/workers/sum_stats.ts";

/** A gateway that has forwarded `requests` requests, each with its first byte after 30 ms. */
function gatewayAfter(requests: number): GatewayCounters {
  const pool = { open: requests, idle: 1, connecting: 0, queued: 0, opened: requests, reused: 2 };
  const counters = new GatewayCounters(() => pool);
  counters.requests = requests;
  counters.active = 1;
  counters.outcomes.completed = requests - 1;
  counters.upstreamErrors.closed = 2;
  for (let i = 0; i < requests; i++) counters.firstByte.add(30);
  return counters;
}

Deno.test("one gateway's counters and those of others are told as one gateway's", () => {
  const own = gatewayAfter(3);
  const others = sumServices([gatewayCounts(gatewayAfter(4)), gatewayCounts(gatewayAfter(5))]);
  const sum = addGatewayCounts(own, structuredClone(others));
  assertEquals([sum.requests, sum.active, sum.outcomes.completed, sum.upstreamErrors.closed], [12, 3, 9, 6]);
  assertEquals(sum.pool, { open: 12, idle: 3, connecting: 0, queued: 0, opened: 12, reused: 6 });
  assertEquals(sum.firstByte.boundsMs, own.firstByte.boundsMs);
  assertEquals([sum.firstByte.count, sum.firstByte.sumMs], [12, 360]);
  assertEquals(Math.max(...sum.firstByte.counts), 12);
});

Deno.test("with no others it is the gateway's own", () => {
  const own = gatewayAfter(2);
  const sum = addGatewayCounts(own, { rising: {}, now: {} });
  assertEquals(gatewayCounts(sum), gatewayCounts(own));
});
