/**
 * A demo upstream that speaks enough of OpenAI's API for its clients, tests and the page of `deno task serve`. There is no
 * model behind it: what it says is made up from a list of words.
 *
 * | request | answer |
 * |---|---|
 * | `GET /v1/models`, `GET /v1/models/sluice-demo` | its only model |
 * | `POST /v1/chat/completions` | made-up text, streamed or whole, the same for the same messages |
 *
 * Under `sluice_demo` the request may set `tokens_per_second`, `tokens` and `fail_after` (see `DemoControls`). Errors have
 * OpenAI's shape. An answer stops being made when its reader leaves, and is counted.
 *
 * Known limit: the head of an answer that is not streamed is sent before its last token is made, so `fail_after` breaks
 * the connection in that case too, instead of becoming a status.
 *
 * @module
 */
import type { Selector } from "../../io/selector.ts";
import { Reply } from "../reply.ts";
import { type DemoCounts, StreamedAnswer, WholeAnswer } from "./chat_answer.ts";
import { type ChatError, DEMO_MODEL, parseChat } from "./chat_request.ts";
import type { DemoTime } from "./token_stream.ts";

/** Counters of a demo upstream. */
export interface DemoStats {
  /** Requests that came. */
  readonly requests: number;
  /** Answers being made now. */
  readonly active: number;
  /** Tokens made. */
  readonly tokens: number;
  /** Tokens of answers whose reader left before the end: made for nobody. */
  readonly tokensForNobody: number;
  /** Answers whose reader left before the end. */
  readonly abandoned: number;
}

/** A demo upstream: a handler with counters. */
export interface DemoUpstream {
  /** Answers a request. */
  (request: Request): Promise<Response>;
  /** Counters; a live view. */
  readonly stats: DemoStats;
}

/** When the demo model was made, as `created` of the models list: 2026-11-21. */
const MODEL_CREATED_S = 1_795_219_200;

/**
 * Makes a demo upstream.
 *
 * @param time a selector, for its clock and timers
 *
 * @example
 * ```ts
 * import { openSelector } from "@sluice/kit/io";
 * import { demoUpstream } from "@sluice/kit/server";
 *
 * await using selector = openSelector();
 * const demo = demoUpstream(selector);
 * const response = await demo(new Request("http://demo/v1/models"));
 * const { data } = await response.json();
 * console.assert(data[0].id === "sluice-demo");
 * ```
 */
export function demoUpstream(time: Pick<Selector, "clock" | "timers">): DemoUpstream {
  const stats = { requests: 0, tokens: 0, tokensForNobody: 0, abandoned: 0, active: 0 };
  const handler = async (request: Request): Promise<Response> => {
    stats.requests++;
    const path = pathOf(request.url);
    if (path === "/v1/chat/completions") {
      return request.method === "POST"
        ? answer(await request.text(), time, stats)
        : notAllowed(request, "POST");
    }
    if (path === "/v1/models" || path === `/v1/models/${DEMO_MODEL}`) {
      const isGet = request.method === "GET" || request.method === "HEAD";
      return isGet ? models(path === "/v1/models") : notAllowed(request, "GET");
    }
    return failure({
      status: 404,
      message: `Unknown request URL: ${path}.`,
      param: null,
      code: "unknown_url",
    });
  };
  return Object.assign(handler, { stats });
}

function answer(text: string, time: DemoTime, counts: DemoCounts): Response {
  const request = parseChat(text);
  if ("status" in request) return failure(request);
  if (!request.isStream) {
    return new Reply(new WholeAnswer(request, time, counts), {
      headers: [["content-type", "application/json"]],
    });
  }
  const headers: [string, string][] = [["content-type", "text/event-stream"], ["cache-control", "no-cache"]];
  return new Reply(new StreamedAnswer(request, time, counts), { headers });
}

function models(isList: boolean): Response {
  const model = {
    id: DEMO_MODEL,
    object: "model",
    created: MODEL_CREATED_S,
    owned_by: "sluice (a demo, no model)",
  };
  return Reply.json(isList ? { object: "list", data: [model] } : model);
}

function notAllowed(request: Request, allow: string): Response {
  const message = `Not allowed to ${request.method} here; use ${allow}.`;
  const response = failure({ status: 405, message, param: null, code: "method_not_supported" });
  response.headers.set("allow", allow);
  return response;
}

function failure({ status, message, param, code }: ChatError): Response {
  return Reply.json({ error: { message, type: "invalid_request_error", param, code } }, { status });
}

function pathOf(url: string): string {
  const { pathname } = new URL(url);
  return pathname;
}
