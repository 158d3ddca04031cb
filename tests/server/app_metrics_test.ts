import { assert, assertEquals, assertMatch } from "@std/assert";
import { registerMetrics } from "../../server/app_metrics.ts";
import { GatewayCounters } from "../../server/gateway/gateway_stats.ts";
import { Metrics } from "../../server/metrics.ts";
import { createServerStats } from "../../server/server_stats.ts";
import { EventHub } from "../../server/sse/event_hub.ts";

/** Samples by name with labels. */
function samplesOf(text: string): Map<string, number> {
  const rows = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(rows.map((row) => {
    const at = row.lastIndexOf(" ");
    return [row.slice(0, at), Number(row.slice(at + 1))];
  }));
}

Deno.test("numbers are read when they are asked for, and every one of them has a sample", async () => {
  const server = createServerStats();
  const gateway = new GatewayCounters(() => null);
  await using hub = new EventHub({ heartbeatMs: null });
  const demo = { requests: 0, tokens: 7, tokensForNobody: 3, abandoned: 1, active: 2 };
  const lag = { summary: () => ({ samples: 3, p50Ms: 1, p99Ms: 20, maxMs: 300 }), standingMs: 4 };
  const metrics = new Metrics();
  registerMetrics(metrics, { server: () => server, gateway: () => gateway, hub: hub.stats, demo, lag });

  server.connectionsOpen = 5;
  server.responsesByStatus[418] = 2;
  server.deadlinesPassed.writeStall = 4;
  server.peerErrors["SLUICE_HTTP_X"] = 6;
  gateway.firstByte.add(30);
  gateway.firstByte.add(3_000_000);
  await hub.publish("t", { data: "x" });

  const samples = samplesOf(metrics.render());
  const expected: [string, number][] = [
    ["sluice_connections_open", 5],
    ['sluice_responses_total{status="418"}', 2],
    ['sluice_deadlines_passed_total{deadline="writeStall"}', 4],
    ['sluice_requests_refused_total{code="SLUICE_HTTP_X"}', 6],
    ['sluice_gateway_first_byte_seconds_bucket{le="0.025"}', 0],
    ['sluice_gateway_first_byte_seconds_bucket{le="0.05"}', 1],
    ['sluice_gateway_first_byte_seconds_bucket{le="+Inf"}', 2],
    ["sluice_gateway_first_byte_seconds_count", 2],
    ["sluice_gateway_first_byte_seconds_sum", 3_000.03],
    ['sluice_hub_events_total{kind="published"}', 1],
    ["sluice_demo_tokens_total", 7],
    ["sluice_demo_tokens_wasted_total", 3],
    ['sluice_loop_lag_seconds{quantile="0.99"}', 0.02],
    ['sluice_loop_lag_seconds{quantile="1"}', 0.3],
    ["sluice_loop_lag_standing_seconds", 0.004],
  ];
  for (const [name, value] of expected) assertEquals(samples.get(name), value, name);
});

Deno.test("before there is a server, and without a demo, their metrics have no samples", async () => {
  await using hub = new EventHub({ heartbeatMs: null });
  const metrics = new Metrics();
  registerMetrics(metrics, {
    server: () => null,
    gateway: () => new GatewayCounters(() => null),
    hub: hub.stats,
    demo: null,
    lag: null,
  });
  const text = metrics.render();
  assertMatch(text, /^# TYPE sluice_responses_total counter$/m);
  assert(!text.includes("sluice_responses_total{"));
  assert(!text.includes("sluice_demo"));
  assert(!text.includes("sluice_loop_lag"));
});
