/**
 * What `deno task serve` serves, as one handler: the gateway at `/v1/*`, topics at `/events/:topic`, jobs at `/jobs`,
 * health, metrics and the page.
 *
 * | request | answer |
 * |---|---|
 * | any `/v1/*` | forwarded to the upstream |
 * | `GET /events/:topic` | the topic's event stream, resumable by `Last-Event-ID` |
 * | `POST /events/:topic` | publishes; a JSON object `{ event?, data, id? }`, or the body's text as data; 201 with the id |
 * | `POST /jobs`, `GET /jobs`, `GET /jobs/:id`, `GET /jobs/:id/events`, `DELETE /jobs/:id` | see `jobsRouter` |
 * | `GET /healthz` | 200, or 503 once the server is stopping |
 * | `GET /metrics` | Prometheus text |
 * | `GET /` | the page |
 *
 * A browser's cross-site request may not publish: anybody's page could otherwise post to a server on the visitor's own
 * machine. Other clients do not send `Sec-Fetch-Site` and are not affected.
 *
 * @module
 */
import type { LoopLag } from "../io/loop_lag.ts";
import type { Selector } from "../io/selector.ts";
import { registerJobMetrics } from "./app_job_metrics.ts";
import { registerMetrics } from "./app_metrics.ts";
import { type PoolCounts, registerPoolMetrics } from "./app_pool_metrics.ts";
import { chatRunner } from "./demo/chat_runner.ts";
import type { DemoStats } from "./demo/demo_upstream.ts";
import { DurationCounts } from "./duration_counts.ts";
import { gateway } from "./gateway/gateway.ts";
import type { GatewayStats } from "./gateway/gateway_stats.ts";
import type { Handler, ServeInfo } from "./handler.ts";
import type { JobRunner } from "./jobs/job_runner.ts";
import { Jobs } from "./jobs/jobs.ts";
import { jobsRouter } from "./jobs/jobs_router.ts";
import { MemoryJobStore } from "./jobs/memory_job_store.ts";
import { Metrics } from "./metrics.ts";
import { PAGE_CSP, PAGE_HTML } from "./page/page.ts";
import { problem } from "./problem.ts";
import { Reply } from "./reply.ts";
import { Router } from "./router.ts";
import type { ServerStats } from "./server_stats.ts";
import { LogEntryTooLargeError, LogKeyTakenError } from "./log/errors.ts";
import { EventHub, type HubEvent } from "./sse/event_hub.ts";
import { HubError } from "./sse/hub_errors.ts";

/** What the app is made of. */
export interface AppOptions {
  /** What connects to the upstream and keeps time. */
  readonly selector: Selector;
  /** Where `/v1/*` goes. */
  readonly upstream: string;
  /** The counters of the server that serves the app, once there is one. */
  readonly serverStats: () => ServerStats | null;
  /** The embedded demo's counters, when it is the upstream. */
  readonly demoStats?: DemoStats;
  /** Who measures the event loop's lag, for the metrics. */
  readonly lag?: LoopLag;
  /** Runners of jobs, beside `chat`, which streams from the upstream. */
  readonly runners?: Readonly<Record<string, JobRunner>>;
  /** The numbers of the pool that some of them compute on, for the metrics. */
  readonly poolStats?: () => PoolCounts;
  /** The gateway's counters, when it is others that forward; default: those of the app's own. */
  readonly gatewayStats?: (own: GatewayStats) => GatewayStats;
  /** Awaited before metrics are rendered, to get hold of what is counted elsewhere. */
  readonly refresh?: () => Promise<unknown>;
  /** Hears of the upstream's failures; default: nobody. */
  readonly onUpstreamError?: (error: Error) => void;
}

/** The app: a handler, and what there is to close. */
export interface App {
  /** Answers requests. */
  readonly handler: Handler;
  /** The jobs; to be shut down with the server. */
  readonly jobs: Jobs;
  /** Ends every event stream, telling its client to come back. */
  endStreams(): Promise<void>;
  /** Closes the jobs, the gateway and the hub; after the server has been shut down. */
  close(): Promise<void>;
}

/** Bytes of an event that is POSTed: the hub's own bound of 64 KiB, and room for JSON's escapes. */
const PUBLISH_BYTES_MAX = 256 * 1024;

/**
 * Makes the app.
 *
 * @param options selector, upstream and counters
 */
export function createApp(options: AppOptions): App {
  const { selector, upstream, gatewayStats, refresh, onUpstreamError } = options;
  const proxy = gateway({ upstream, selector, ...(onUpstreamError && { onError: onUpstreamError }) });
  const hub = new EventHub({ timers: selector.timers });
  const store = new MemoryJobStore({ clock: selector.clock });
  const runners = { chat: chatRunner(proxy), ...options.runners };
  const jobs = new Jobs({ runners, store, time: selector });
  const metrics = new Metrics();
  registerMetrics(metrics, {
    server: options.serverStats,
    gateway: () => gatewayStats?.(proxy.stats) ?? proxy.stats,
    hub: hub.stats,
    demo: options.demoStats ?? null,
    lag: options.lag ?? null,
  });
  const { boundsMs } = new DurationCounts();
  registerJobMetrics(metrics, { stats: () => jobs.stats, counts: () => store.counts(), boundsMs });
  if (options.poolStats !== undefined) registerPoolMetrics(metrics, options.poolStats);
  const router = new Router()
    .get("/", page)
    .get("/healthz", health)
    .get("/metrics", async () => {
      await refresh?.();
      return metrics.handler();
    })
    .get("/events/:topic", (request, info) => hub.subscribe(request, topicOf(info), info))
    .post(
      "/events/:topic",
      { bodyBytesMax: PUBLISH_BYTES_MAX },
      (request, info) => publish(hub, request, info),
    )
    .mount("/jobs", jobsRouter(jobs))
    .all("/v1/*", proxy);
  return {
    handler: router.handler,
    jobs,
    endStreams: () => hub.close(),
    async close() {
      await jobs.shutdown({ graceMs: 0 });
      await store.close();
      await hub.close();
      await proxy.close();
    },
  };
}

/** The page. */
function page(): Response {
  return new Reply(PAGE_HTML, {
    headers: [
      ["content-type", "text/html;charset=UTF-8"],
      ["content-security-policy", PAGE_CSP],
      ["x-content-type-options", "nosniff"],
    ],
  });
}

/** Healthy, unless stopping: then balancers should look elsewhere. */
export function health(_request: Request, info: ServeInfo): Response {
  return info.draining.aborted
    ? Reply.json({ status: "draining" }, { status: 503 })
    : Reply.json({ status: "ok" });
}

/** The route guarantees the parameter. */
function topicOf(info: ServeInfo): string {
  return info.params["topic"] ?? "";
}

/** Publishes what was POSTed. */
async function publish(hub: EventHub, request: Request, info: ServeInfo): Promise<Response> {
  if (request.headers.get("sec-fetch-site") === "cross-site") {
    return problem(403, {
      code: "SLUICE_CROSS_SITE",
      detail: "Cannot publish: the request is another site's",
    });
  }
  const event = await eventOf(request);
  if (typeof event === "string") return problem(400, { code: "SLUICE_BAD_EVENT", detail: event });
  try {
    const id = await hub.publish(topicOf(info), event);
    return Reply.json({ id }, { status: 201 });
  } catch (error) {
    return publishFailure(error);
  }
}

/** What a publisher is told; what is not his doing goes on to `onError`. */
function publishFailure(error: unknown): Response {
  if (error instanceof HubError) return problem(error.status, { code: error.code, detail: error.message });
  if (error instanceof LogKeyTakenError) return problem(409, { code: error.code, detail: error.message });
  if (error instanceof LogEntryTooLargeError) {
    return problem(413, { code: error.code, detail: error.message });
  }
  if (error instanceof TypeError) return problem(400, { code: "SLUICE_BAD_EVENT", detail: error.message });
  throw error;
}

/** The event in a request's body, or what is wrong with it. */
async function eventOf(request: Request): Promise<HubEvent | string> {
  const text = await request.text();
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) return { data: text };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `Cannot publish: the body is no JSON: ${(error as Error).message}`;
  }
  if (typeof value !== "object" || value === null || !("data" in value)) {
    return 'Cannot publish: the body must be an object with "data", and may have "event" and "id"';
  }
  const { data, event, id } = value as Record<string, unknown>;
  if (!isTextOrMissing(event) || !isTextOrMissing(id)) {
    return 'Cannot publish: "event" and "id" must be strings';
  }
  return { data, ...(event !== undefined && { event }), ...(id !== undefined && { id }) };
}

/** Whether a JSON member is a string or not there. */
function isTextOrMissing(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}
