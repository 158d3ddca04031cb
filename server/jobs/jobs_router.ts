/**
 * A jobs service over HTTP, as a router that is mounted anywhere: `new Router().mount("/jobs", jobsRouter(jobs))`.
 *
 * | request | answer |
 * |---|---|
 * | `POST /` | enqueues `{ runner, input?, priority?, delayMs? }`; 202, the job, and its `Location`; an `Idempotency-Key` is obeyed |
 * | `GET /` | `{ runners, jobs, next }`: names of runners, and jobs, the newest first; `?state=`, `?runner=`, `?limit=` up to 100, `?cursor=` as the `Link` to the next page has it |
 * | `GET /:id` | the job |
 * | `GET /:id/events` | its story as an event stream, resumable by `Last-Event-ID`, which ends with the job |
 * | `DELETE /:id` | cancels: 200 and the cancelled job, or 202 while its runner is being told; 409 when it is over |
 *
 * What is refused is a problem document (RFC 9457) with a stable `code`; a full queue is 503 with `Retry-After`. The key is
 * that of draft-ietf-httpapi-idempotency-key-header: reused for another job it is 422. A browser's cross-site request may
 * neither enqueue nor cancel.
 *
 * @module
 */
import { BodyTooLargeError, collectBody } from "../collect_body.ts";
import type { ServeInfo } from "../handler.ts";
import { problem } from "../problem.ts";
import { Reply } from "../reply.ts";
import { bodyOf, pathOf } from "../request.ts";
import { Router } from "../router.ts";
import { JobError } from "./errors.ts";
import { noSuchJob } from "./job_story_reply.ts";
import type { JobQuery, JobRecord, JobState } from "./job_store.ts";
import type { JobRequest, Jobs } from "./jobs.ts";

/** Options of `jobsRouter`. */
export interface JobsRouterOptions {
  /** Bytes of a request to enqueue. Default 80 KiB: the default store's bound on an input, and room around it. */
  readonly bodyBytesMax?: number;
  /** What `Retry-After` says when the queue is full, seconds. Default 5. */
  readonly retryAfterSeconds?: number;
}

/** Default of `JobsRouterOptions.bodyBytesMax`. */
const BODY_BYTES_MAX = 80 * 1024;
/** Default of `JobsRouterOptions.retryAfterSeconds`: a queue that is full is seldom empty in a second. */
const RETRY_AFTER_SECONDS = 5;
/** Jobs on a page unless asked for otherwise: a screen's worth. */
const PAGE_DEFAULT = 20;
/** Jobs on a page at most: with inputs of the largest size, a few megabytes. */
const PAGE_MAX = 100;
/** Members of a request to enqueue; another one is likely a misspelt one of these. */
const MEMBERS: ReadonlySet<string> = new Set(["runner", "input", "priority", "delayMs"]);
/** Where a job can be. */
const STATES: ReadonlySet<string> = new Set<JobState>(["queued", "running", "done", "failed", "cancelled"]);

/**
 * Makes the router.
 *
 * @param jobs the service
 * @param options bounds
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Jobs, jobsRouter, Router } from "@sluice/kit/server";
 *
 * await using jobs = new Jobs({ runners: { double: { run: (input) => Promise.resolve(2 * Number(input)) } } });
 * const { handler } = new Router().mount("/jobs", jobsRouter(jobs));
 *
 * const body = JSON.stringify({ runner: "double", input: 21 });
 * const info = {} as Parameters<typeof handler>[1]; // what the server tells
 * const response = await handler(new Request("http://localhost/jobs", { method: "POST", body }), info);
 * assertEquals(response.status, 202);
 * const story = await handler(new Request(`http://localhost${response.headers.get("location")}/events`), info);
 * assertEquals(/^event: done\ndata: \{"result":42,/m.test(await story.text()), true);
 * ```
 */
export function jobsRouter(jobs: Jobs, options: JobsRouterOptions = {}): Router {
  const { bodyBytesMax = BODY_BYTES_MAX, retryAfterSeconds = RETRY_AFTER_SECONDS } = options;
  const answer = (act: (request: Request, info: ServeInfo) => Promise<Response>) =>
  async (
    request: Request,
    info: ServeInfo,
  ): Promise<Response> => {
    try {
      return await act(request, info);
    } catch (error) {
      return refusal(error, retryAfterSeconds);
    }
  };
  return new Router()
    .post("/", { bodyBytesMax }, answer((request) => enqueue(jobs, request, bodyBytesMax)))
    .get("/", answer((request) => list(jobs, request)))
    .get("/:id", answer((_request, info) => show(jobs, idOf(info))))
    .get("/:id/events", answer((request, info) => jobs.subscribe(request, idOf(info), info)))
    .delete("/:id", answer((request, info) => cancel(jobs, request, idOf(info))));
}

/** The route guarantees the parameter. */
function idOf(info: ServeInfo): string {
  return info.params["id"] ?? "";
}

async function enqueue(jobs: Jobs, request: Request, bodyBytesMax: number): Promise<Response> {
  const refused = crossSite(request);
  if (refused !== null) return refused;
  const parsed = requestOf(await textOf(request, bodyBytesMax));
  const key = request.headers.get("idempotency-key");
  const { job, isNew } = await jobs.enqueue({ ...parsed, key });
  const path = pathOf(request);
  const location = `${path.endsWith("/") ? path : `${path}/`}${job.id}`;
  const headers: [string, string][] = [["location", location]];
  if (!isNew) headers.push(["idempotency-replayed", "true"]);
  return Reply.json(viewOf(job), { status: 202, headers });
}

async function list(jobs: Jobs, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const { jobs: page, next } = await jobs.list(queryOf(searchParams));
  const headers: [string, string][] = [];
  if (next !== null) {
    searchParams.set("cursor", next);
    headers.push(["link", `<${pathname}?${searchParams}>; rel="next"`]);
  }
  return Reply.json({ runners: jobs.runnerNames, jobs: page.map(viewOf), next }, { headers });
}

async function show(jobs: Jobs, id: string): Promise<Response> {
  const job = await jobs.get(id);
  return job === null ? noSuchJob(id) : Reply.json(viewOf(job));
}

async function cancel(jobs: Jobs, request: Request, id: string): Promise<Response> {
  const refused = crossSite(request);
  if (refused !== null) return refused;
  const job = await jobs.cancel(id);
  if (job === null) return noSuchJob(id);
  if (job.state === "cancelled") return Reply.json(viewOf(job));
  if (job.state === "running") return Reply.json(viewOf(job), { status: 202 });
  return problem(409, {
    code: "SLUICE_JOB_OVER",
    detail: `Cannot cancel the job ${id}: it is ${job.state}`,
    job: viewOf(job),
  });
}

/** A job as clients see it: JSON where the store has text, dates where it has numbers. */
function viewOf(job: JobRecord): Record<string, unknown> {
  const date = (ms: number | null) => ms === null ? null : new Date(ms).toISOString();
  const json = (text: string | null) => text === null ? null : JSON.parse(text);
  return {
    id: job.id,
    runner: job.runner,
    state: job.state,
    input: json(job.input),
    priority: job.priority,
    attempt: job.attempt,
    attemptsMax: job.attemptsMax,
    isCancelRequested: job.isCancelRequested,
    createdAt: date(job.createdAtMs),
    dueAt: date(job.dueAtMs),
    startedAt: date(job.startedAtMs),
    finishedAt: date(job.finishedAtMs),
    progress: json(job.progress),
    result: json(job.result),
    failure: job.failure,
  };
}

/** What a body asks to enqueue. @throws TypeError with what is wrong */
function requestOf(text: string): JobRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TypeError(`Cannot enqueue: the body is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || !("runner" in value)) {
    throw new TypeError('Cannot enqueue: the body must be an object with "runner", and may have "input"');
  }
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) {
    const shown = JSON.stringify(unknown.slice(0, 50));
    throw new TypeError(`Cannot enqueue: there is no member ${shown}, but: ${[...MEMBERS].join(", ")}`);
  }
  return value as JobRequest;
}

/** What a list's parameters ask for. @throws TypeError with what is wrong */
function queryOf(params: URLSearchParams): JobQuery {
  const [state, runner, cursor] = ["state", "runner", "cursor"].map((name) => params.get(name));
  if (typeof state === "string" && !STATES.has(state)) {
    throw new TypeError(`Cannot list jobs: a state is one of ${[...STATES].join(", ")}`);
  }
  const text = params.get("limit") ?? String(PAGE_DEFAULT);
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > PAGE_MAX) {
    throw new TypeError(`Cannot list jobs: the limit is a whole number from 1 to ${PAGE_MAX}`);
  }
  return {
    limit,
    ...(typeof state === "string" && { state: state as JobState }),
    ...(typeof runner === "string" && { runner }),
    ...(typeof cursor === "string" && { cursor }),
  };
}

/** The refusal of another site's request; `null` for any other. */
function crossSite(request: Request): Response | null {
  if (request.headers.get("sec-fetch-site") !== "cross-site") return null;
  return problem(403, {
    code: "SLUICE_CROSS_SITE",
    detail: "Cannot change jobs: the request is another site's",
  });
}

/** What a client is told; what is not his doing goes on to `onError`. */
function refusal(error: unknown, retryAfterSeconds: number): Response {
  if (error instanceof JobError) {
    const headers = error.status === 503 ? { "retry-after": String(retryAfterSeconds) } : {};
    return problem(error.status, { code: error.code, detail: error.message, headers });
  }
  if (error instanceof BodyTooLargeError) {
    return problem(error.status, { code: error.code, detail: error.message });
  }
  if (error instanceof TypeError || error instanceof RangeError) {
    return problem(400, { code: "SLUICE_JOB_BAD_INPUT", detail: error.message });
  }
  throw error;
}

/** A body as text, bounded under any server. */
async function textOf(request: Request, bytesMax: number): Promise<string> {
  const source = bodyOf(request);
  if (source === undefined) return await foreignText(request, bytesMax);
  return source === null ? "" : new TextDecoder().decode(await collectBody(source, bytesMax));
}

async function foreignText(request: Request, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BodyTooLargeError(bytesMax); // Leaving the loop cancels the stream.
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
