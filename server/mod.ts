/**
 * The server layer: HTTP, event streams and the gateway, as handlers of requests.
 *
 * `serve()` runs a handler; `gateway()`, `sse()`, `EventHub` and `Router` make handlers.
 *
 * @module
 */
export type { BodyProducer, BodyWriter, SharedBody } from "./body_writer.ts";
export type { BodyConsumer, BodyFlow, BodySource } from "./body_source.ts";
export { BodyTooLargeError } from "./collect_body.ts";
export type { ResolvedDeadlines, ServeDeadlines } from "./deadlines.ts";
export { SERVE_DEADLINES_DEFAULT } from "./deadlines.ts";
export { type AskUpstream, chatRunner, ChatUpstreamError } from "./demo/chat_runner.ts";
export type { DemoCounts } from "./demo/chat_answer.ts";
export { type DemoStats, type DemoUpstream, demoUpstream } from "./demo/demo_upstream.ts";
export type { DemoTime } from "./demo/token_stream.ts";
export type { DurationHistogram } from "./duration_counts.ts";
export * from "./gateway/errors.ts";
export { type Gateway, gateway, type GatewayInfo, type GatewayOptions } from "./gateway/gateway.ts";
export type { GatewayOutcome, GatewayStats } from "./gateway/gateway_stats.ts";
export type { PoolStats } from "./gateway/upstream_pool.ts";
export type { Handler, HijackedConnection, ServeInfo } from "./handler.ts";
export { Http1Error } from "./http1/errors.ts";
export type { Fields, Framing, MessageHead, MessageLimits, RequestHead } from "./http1/message.ts";
export * from "./jobs/errors.ts";
export { type JobRequest, Jobs, type JobsOptions } from "./jobs/jobs.ts";
export type { JobsShutdownOptions, JobsShutdownReport } from "./jobs/jobs.ts";
export type { JobContext, JobRunner } from "./jobs/job_runner.ts";
export type { AttemptOutcome, JobsStats, RunnerStats } from "./jobs/jobs_stats.ts";
export { jobsRouter, type JobsRouterOptions } from "./jobs/jobs_router.ts";
export {
  type ComputeMessage,
  type ComputeStream,
  streamRunner,
  type StreamRunnerOptions,
} from "./jobs/stream_runner.ts";
export type {
  JobClaim,
  JobFailure,
  JobPage,
  JobQuery,
  JobRecord,
  JobState,
  JobStore,
  NewJob,
} from "./jobs/job_store.ts";
export { MemoryJobStore, type MemoryJobStoreOptions } from "./jobs/memory_job_store.ts";
export type { ResolvedLimits, ServeLimits } from "./limits.ts";
export { SERVE_LIMITS_DEFAULT } from "./limits.ts";
export { type SheddingOptions, shedLoad } from "./load_shedding.ts";
export * from "./log/errors.ts";
export { checkEventKey, type EventId, formatEventId, parseEventId } from "./log/event_id.ts";
export type { EventLog, LogEntry, LogGap, LogPage, LogReadLimits, MaybePromise } from "./log/event_log.ts";
export { MemoryLog, type MemoryLogOptions, type MemoryLogStats } from "./log/memory_log.ts";
export type {
  Counter,
  CounterSeries,
  Gauge,
  GaugeSeries,
  Histogram,
  HistogramSeries,
  Metric,
} from "./metric.ts";
export { Metrics, type MetricsOptions } from "./metrics.ts";
export type { IncomingLike, ServerResponseLike, SocketLike } from "./node_http.ts";
export { type NodeListener, type NodeListenerOptions, toNodeListener } from "./node_listener.ts";
export { problem, type ProblemDetails } from "./problem.ts";
export { Reply } from "./reply.ts";
export type { ReplyBody } from "./reply_body.ts";
export { bodyOf, toRequest } from "./request.ts";
export * from "./response_errors.ts";
export { type LimitedHandler, ROUTE_LIMITS, type RouteLimits } from "./route_limits.ts";
export {
  type AddRoute,
  type ParamNames,
  type RouteHandler,
  type RouteOptions,
  Router,
  type RouterOptions,
} from "./router.ts";
export type { ProxyProtocolOptions } from "./proxy_prelude.ts";
export { type BudgetEntry, type BudgetMember, WriteBudget } from "./write_budget.ts";
export type { OnError } from "./error_handler.ts";
export * from "./serve.ts";
export type { ShutdownOptions, ShutdownReport } from "./shutdown.ts";
export type { DeadlineCounters, LimitCounters, ServerStats } from "./server_stats.ts";
export { WorkerCrashedError, WorkerStartError } from "./workers/errors.ts";
export type { WorkerServeOptions } from "./workers/protocol.ts";
export type { ServeWorkersOptions, WorkersServer } from "./workers/serve_workers.ts";
export type { WorkerCounts } from "./workers/worker_group.ts";
export type {
  CountTree,
  ServiceStats,
  WorkerContext,
  WorkerModule,
  WorkerService,
} from "./workers/worker_module.ts";
export * from "./sse/decode.ts";
export { encodeEvent, type SseEvent } from "./sse/encode.ts";
export * from "./sse/event_hub.ts";
export {
  HubClosedError,
  HubError,
  type HubLimit,
  HubLimitError,
  SlowReaderError,
  TopicNameError,
} from "./sse/hub_errors.ts";
export { lastEventIdOf } from "./sse/last_event_id.ts";
export { sse, type SseContext, type SseOptions, type SseSource } from "./sse/sse.ts";
