/**
 * The demo's job that waits: streams the answer of a chat from an upstream that speaks OpenAI's API, token by token, each of
 * them an event of the job.
 *
 * Cancelling the job aborts its request, which reaches the upstream through the gateway. An answer that breaks off fails the job;
 * it is not repeated, since its tokens were told already.
 *
 * @module
 */
import { BodyTooLargeError } from "../collect_body.ts";
import { SluiceError } from "../../io/errors.ts";
import { JobRejectedError } from "../jobs/errors.ts";
import type { JobContext, JobRunner } from "../jobs/job_runner.ts";
import { SseDecoder, type SseMessage } from "../sse/decode.ts";

/** What asks the upstream: a gateway, or any function like it. */
export type AskUpstream = (request: Request) => Promise<Response>;

/** The upstream did not answer as it should. */
export class ChatUpstreamError extends SluiceError {
  /** Makes the error. @param why what it did */
  constructor(why: string) {
    super("SLUICE_CHAT_UPSTREAM", `Cannot finish the chat: ${why}`);
  }
}

/** Where the request seems to go: the gateway replaces it. */
const ORIGIN = "http://jobs.localhost";
/** Bytes of an error's or a list of models' answer that are read: some times those of real ones. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** Jobs at once: as many streams as the gateway has connections. */
const CONCURRENCY_MAX = 10_000;

type Json = Readonly<Record<string, unknown>>;

/**
 * Makes the runner. A job's input is `{ prompt, model? }`, or a request of the chat API with `messages`; without a model
 * it takes the first of the upstream's.
 *
 * @param ask the upstream
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openSelector } from "@sluice/kit/io";
 * import { demoUpstream, Jobs } from "@sluice/kit/server";
 * import { chatRunner } from "./chat_runner.ts";
 *
 * await using selector = openSelector();
 * await using jobs = new Jobs({ runners: { chat: chatRunner(demoUpstream(selector)) } });
 * const input = { prompt: "hello", sluice_demo: { tokens: 3, tokens_per_second: null } };
 * const { job } = await jobs.enqueue({ runner: "chat", input });
 * const story = await (await jobs.subscribe(new Request("http://localhost/"), job.id)).text();
 * assertEquals(story.match(/^event: output$/gm)?.length, 3);
 * ```
 */
export function chatRunner(ask: AskUpstream): JobRunner {
  return {
    concurrencyMax: CONCURRENCY_MAX,
    check: checkChat,
    run: (input, context) => chat(ask, input as Json, context),
  };
}

/** Checks an input. @throws TypeError with what is wrong */
function checkChat(input: unknown): void {
  const isObject = typeof input === "object" && input !== null;
  const { prompt, messages, model } = (isObject ? input : {}) as Json;
  const isAsked = typeof prompt === "string" ? prompt !== "" : Array.isArray(messages) && messages.length > 0;
  if (isAsked && (model === undefined || typeof model === "string")) return;
  throw new TypeError('Cannot run chat: its input is { "prompt": text, "model"?: name }, or has "messages"');
}

async function chat(ask: AskUpstream, input: Json, context: JobContext): Promise<unknown> {
  const { prompt, ...rest } = input;
  const { signal } = context;
  const messages = typeof prompt === "string" ? [{ role: "user", content: prompt }] : rest["messages"];
  const model = rest["model"] ?? await firstModel(ask, signal);
  const request = new Request(`${ORIGIN}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...rest, model, messages, stream: true }),
    signal,
  });
  const response = await ask(request);
  if (!response.ok) throw await refusalOf(response);
  let tokens = 0;
  let isComplete = false;
  for await (const data of eventData(response, signal)) {
    if (data === "[DONE]") isComplete = true;
    const token = isComplete ? "" : tokenOf(data);
    if (token === "") continue;
    tokens++;
    await context.output(token);
  }
  if (!isComplete) throw new ChatUpstreamError(`the answer broke off after ${tokens} tokens`);
  return { model, tokens };
}

/** The data of an answer's events, until it ends or the signal aborts, which is thrown. */
async function* eventData(response: Response, signal: AbortSignal): AsyncGenerator<string, void, void> {
  const messages: SseMessage[] = []; // of one chunk of the body: bounded by the chunk's size
  const decoder = new SseDecoder({ event: (message) => void messages.push(message) });
  const reader = response.body!.getReader();
  // A read that waits ends with it. What cancelling fails with is the body's failure, which the read has told.
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", onAbort);
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      decoder.feed(value!);
      for (const { data } of messages.splice(0)) yield data;
      signal.throwIfAborted();
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", onAbort);
    onAbort();
  }
}

/** The text of a chunk; empty when it has none. */
function tokenOf(data: string): string {
  let chunk: { choices?: { delta?: { content?: unknown } }[] };
  try {
    chunk = JSON.parse(data);
  } catch (error) {
    throw new ChatUpstreamError(`a chunk is no JSON: ${(error as Error).message}`);
  }
  const content = chunk?.choices?.[0]?.delta?.content;
  return typeof content === "string" ? content : "";
}

async function firstModel(ask: AskUpstream, signal: AbortSignal): Promise<string> {
  const response = await ask(new Request(`${ORIGIN}/v1/models`, { signal }));
  if (!response.ok) throw await refusalOf(response);
  const id: unknown = parsed(await boundedText(response))?.["data"]?.[0]?.id;
  if (typeof id !== "string") throw new ChatUpstreamError("the upstream names no model");
  return id;
}

/** What a refused request fails its job with: for good, if the request was wrong. */
async function refusalOf(response: Response): Promise<Error> {
  const text = await boundedText(response);
  const body = parsed(text);
  const said = body?.["error"]?.message ?? body?.["detail"] ?? text.slice(0, 500);
  const why = `the upstream answered ${response.status}: ${said}`;
  return response.status < 500 ? new JobRejectedError(why) : new ChatUpstreamError(why);
}

// deno-lint-ignore no-explicit-any -- another program's JSON: every member is asked for with care
function parsed(text: string): Record<string, any> | null {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null; // The text itself is shown then.
    throw error;
  }
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) throw new BodyTooLargeError(ANSWER_BYTES_MAX);
  }
  return text + decoder.decode();
}
