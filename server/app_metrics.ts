/**
 * The ready-made server's metrics: names and help for the numbers that its parts count.
 *
 * Nothing is counted here. When somebody asks, the live `stats` objects are read and rendered.
 *
 * @module
 */
import type { LoopLag } from "../io/loop_lag.ts";
import type { DemoStats } from "./demo/demo_upstream.ts";
import type { GatewayStats } from "./gateway/gateway_stats.ts";
import type { Metrics } from "./metrics.ts";
import type { ServerStats } from "./server_stats.ts";
import type { HubStats } from "./sse/event_hub.ts";

/** Whose numbers are rendered. */
export interface MetricSources {
  /** The server's, once there is one. */
  readonly server: () => ServerStats | null;
  /** The gateway's, or the sum of several. */
  readonly gateway: () => GatewayStats;
  /** The hub's. */
  readonly hub: HubStats;
  /** The embedded demo's, when there is one. */
  readonly demo: DemoStats | null;
  /** The event loop's lag, when it is measured. */
  readonly lag: Pick<LoopLag, "summary" | "standingMs"> | null;
}

/**
 * Registers every metric of the ready-made server.
 *
 * @param metrics where
 * @param sources whose numbers
 */
export function registerMetrics(metrics: Metrics, sources: MetricSources): void {
  registerServer(metrics, sources.server);
  registerGateway(metrics, sources.gateway);
  registerHub(metrics, sources.hub);
  if (sources.demo !== null) registerDemo(metrics, sources.demo);
  if (sources.lag !== null) registerLag(metrics, sources.lag);
}

/** Connections, requests, streams, bytes, limits and deadlines. */
function registerServer(metrics: Metrics, read: () => ServerStats | null): void {
  const gauges = {
    connections: metrics.gauge("sluice_connections_open", "Connections open now."),
    requests: metrics.gauge("sluice_requests_active", "Requests whose response is not complete."),
    streams: metrics.gauge("sluice_streams_open", "Streamed response bodies being written now."),
  };
  const connections = metrics.counter("sluice_connections_total", "Connections by what became of them.", [
    "result",
  ]);
  const responses = metrics.counter("sluice_responses_total", "Responses by status.", ["status"]);
  const bytes = metrics.counter("sluice_bytes_total", "Bytes on the wire, framing included.", ["direction"]);
  const ends = metrics.counter("sluice_requests_broken_total", "Requests that did not end well.", ["cause"]);
  const peer = metrics.counter("sluice_requests_refused_total", "Requests refused by grammar or limit.", [
    "code",
  ]);
  const limits = metrics.counter("sluice_limits_reached_total", "How often each limit was reached.", [
    "limit",
  ]);
  const deadlines = metrics.counter("sluice_deadlines_passed_total", "How often each deadline passed.", [
    "deadline",
  ]);
  metrics.collect(() => {
    const stats = read();
    if (stats === null) return;
    gauges.connections.set(stats.connectionsOpen);
    gauges.requests.set(stats.requestsActive);
    gauges.streams.set(stats.streamsOpen);
    connections.labels("opened").setTotal(stats.connectionsTotal);
    connections.labels("refused").setTotal(stats.connectionsRefused);
    connections.labels("refused_by_address").setTotal(stats.connectionsRefusedByAddress);
    connections.labels("bad_proxy_header").setTotal(stats.proxyHeaderErrors);
    connections.labels("hijacked").setTotal(stats.hijacked);
    for (const [status, count] of stats.responsesByStatus.entries()) {
      if (count > 0) responses.labels(status).setTotal(count);
    }
    bytes.labels("received").setTotal(stats.bytesReceived);
    bytes.labels("sent").setTotal(stats.bytesSent);
    ends.labels("client_gone").setTotal(stats.disconnects);
    ends.labels("handler_error").setTotal(stats.handlerErrors);
    ends.labels("aborted").setTotal(stats.responsesAborted);
    for (const [code, count] of Object.entries(stats.peerErrors)) peer.labels(code).setTotal(count);
    for (const [limit, count] of Object.entries(stats.limitsReached)) limits.labels(limit).setTotal(count);
    for (const [name, count] of Object.entries(stats.deadlinesPassed)) deadlines.labels(name).setTotal(count);
  });
}

/** Forwarded requests, the upstream's failures, cancels, and the time to the first byte. */
function registerGateway(metrics: Metrics, read: () => GatewayStats): void {
  const active = metrics.gauge("sluice_gateway_requests_active", "Forwarded requests not complete yet.");
  const pool = metrics.gauge("sluice_gateway_connections", "Connections to the upstream.", ["state"]);
  const outcomes = metrics.counter("sluice_gateway_requests_total", "Forwarded requests by how they ended.", [
    "outcome",
  ]);
  const errors = metrics.counter("sluice_gateway_upstream_errors_total", "Failures of the upstream.", [
    "kind",
  ]);
  const bytes = metrics.counter("sluice_gateway_bytes_total", "Body bytes forwarded.", ["direction"]);
  const cancels = metrics.counter(
    "sluice_gateway_upstream_cancels_total",
    "Upstream requests given up because the client left.",
  );
  const retries = metrics.counter(
    "sluice_gateway_retries_total",
    "Requests sent again on a fresh connection.",
  );
  const hints = metrics.counter(
    "sluice_gateway_hints_dropped_total",
    "Early hints that could not be sent on.",
  );
  const firstByte = metrics.histogram(
    "sluice_gateway_first_byte_seconds",
    "From a request's arrival to the first byte of its response's body.",
    read().firstByte.boundsMs.map((ms) => ms / 1_000),
  );
  metrics.collect(() => {
    const stats = read();
    active.set(stats.active);
    for (const state of ["open", "idle", "connecting", "queued"] as const) {
      pool.labels(state).set(stats.pool[state]);
    }
    for (const [outcome, count] of Object.entries(stats.outcomes)) outcomes.labels(outcome).setTotal(count);
    for (const [kind, count] of Object.entries(stats.upstreamErrors)) errors.labels(kind).setTotal(count);
    bytes.labels("request").setTotal(stats.requestBytes);
    bytes.labels("response").setTotal(stats.responseBytes);
    cancels.setTotal(stats.upstreamCancels);
    retries.setTotal(stats.retries);
    hints.setTotal(stats.hintsDropped);
    const series = firstByte.labels();
    series.counts.set(stats.firstByte.counts);
    series.count = stats.firstByte.count;
    series.sum = stats.firstByte.sumMs / 1_000;
  });
}

/** Readers, topics and events. */
function registerHub(metrics: Metrics, stats: HubStats): void {
  const readers = metrics.gauge("sluice_hub_readers", "Event streams open now.");
  const topics = metrics.gauge("sluice_hub_topics", "Topics that have readers.");
  const events = metrics.counter("sluice_hub_events_total", "Events by what was done with them.", ["kind"]);
  const cut = metrics.counter("sluice_hub_slow_readers_total", "Readers too slow for their topic.", [
    "answer",
  ]);
  const bytes = metrics.counter("sluice_hub_bytes_total", "Bytes of events written to readers.");
  metrics.collect(() => {
    readers.set(stats.readers);
    topics.set(stats.topics);
    events.labels("published").setTotal(stats.published);
    events.labels("delivered").setTotal(stats.delivered);
    events.labels("replayed").setTotal(stats.replayed);
    events.labels("gap").setTotal(stats.gaps);
    events.labels("log_failure").setTotal(stats.logFailures);
    cut.labels("cut").setTotal(stats.cutSlow);
    cut.labels("caught_up").setTotal(stats.caughtUp);
    bytes.setTotal(stats.bytes);
  });
}

/** What the demo made, and made for nobody. */
function registerDemo(metrics: Metrics, stats: DemoStats): void {
  const active = metrics.gauge("sluice_demo_answers_active", "Answers the demo upstream is making now.");
  const tokens = metrics.counter("sluice_demo_tokens_total", "Tokens the demo upstream made.");
  const wasted = metrics.counter("sluice_demo_tokens_wasted_total", "Those of answers whose reader left.");
  const abandoned = metrics.counter("sluice_demo_answers_abandoned_total", "Answers whose reader left.");
  metrics.collect(() => {
    active.set(stats.active);
    tokens.setTotal(stats.tokens);
    wasted.setTotal(stats.tokensForNobody);
    abandoned.setTotal(stats.abandoned);
  });
}

/** How late the event loop is. */
function registerLag(metrics: Metrics, lag: Pick<LoopLag, "summary" | "standingMs">): void {
  const quantiles = metrics.gauge(
    "sluice_loop_lag_seconds",
    "How late the event loop was in the last ten seconds; the quantile 1 is the worst.",
    ["quantile"],
  );
  const standing = metrics.gauge(
    "sluice_loop_lag_standing_seconds",
    "By how much every one of the last wake-ups was late; above the limit, requests are answered 503.",
  );
  metrics.collect(() => {
    const { p50Ms, p99Ms, maxMs } = lag.summary();
    quantiles.labels("0.5").set(p50Ms / 1_000);
    quantiles.labels("0.99").set(p99Ms / 1_000);
    quantiles.labels("1").set(maxMs / 1_000);
    standing.set(lag.standingMs / 1_000);
  });
}
