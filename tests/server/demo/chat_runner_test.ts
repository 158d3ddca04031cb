import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openSelector } from "../../../io/open_selector.ts";
import { type AskUpstream, chatRunner } from "../../../server/demo/chat_runner.ts";
import { demoUpstream } from "../../../server/demo/demo_upstream.ts";
import { gateway } from "../../../server/gateway/gateway.ts";
import { Jobs } from "../../../server/jobs/jobs.ts";
import { problem } from "../../../server/problem.ts";
import { serve } from "../../../server/serve.ts";
import { decodeEvents } from "../../../server/sse/decode.ts";
import { HeldRunner, JobsStage, settle } from "../jobs/support/jobs_stage.ts";

const FAST = { tokens: 5, tokens_per_second: null };

/** A stage with a chat runner on a demo upstream that shares its clock. */
function setUp(ask?: AskUpstream) {
  let upstream = ask;
  const late: AskUpstream = (request) => upstream!(request);
  const stage = new JobsStage(new HeldRunner(), { runners: { chat: chatRunner(late) } });
  const demo = demoUpstream(stage);
  upstream ??= demo;
  const chat = async (input: unknown) => (await stage.jobs.enqueue({ runner: "chat", input })).job.id;
  return { stage, demo, chat, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

Deno.test("each token of the answer is output of the job, and the result says how many", async () => {
  await using set = setUp();
  const id = await set.chat({ prompt: "hello", sluice_demo: FAST });
  for (let turn = 0; turn < 20; turn++) await set.stage.advance(10);
  const story = await set.stage.story(id);
  assertEquals([story.length, story.at(-1)], [5 + 3, "done"]);
  assertEquals((await set.stage.jobs.get(id))?.result, '{"model":"sluice-demo","tokens":5}');
});

Deno.test("what the upstream refuses is rejected for good; what breaks off has failed", async () => {
  await using set = setUp();
  const ids = [
    await set.chat({ messages: [{ role: "user", content: "x" }], model: "no such model" }),
    await set.chat({ prompt: "x", sluice_demo: { ...FAST, fail_after: 2 } }),
  ];
  for (let turn = 0; turn < 20; turn++) await set.stage.advance(10);
  const failures = [];
  for (const id of ids) failures.push((await set.stage.jobs.get(id))!.failure!);
  assertEquals(failures[0]!.code, "SLUICE_JOB_REJECTED");
  assertStringIncludes(failures[0]!.message, "answered 404: The model `no such model`");
  assertEquals(await set.stage.state(ids[1]!), "failed");
});

Deno.test("an upstream that fails, or answers what is no chat, fails the job and says why", async () => {
  const sse = (text: string) => new Response(text, { headers: { "content-type": "text/event-stream" } });
  const answers: [() => Response, string][] = [
    [() => problem(502, { detail: "nobody listens" }), "answered 502: nobody listens"],
    [() => new Response("down", { status: 503 }), "answered 503: down"],
    [() => sse("data: {\n\n"), "no JSON"],
    [() => sse('data: {"choices":[{"delta":{"content":"a"}}]}\n\n'), "broke off after 1 tokens"],
    [() => new Response("x".repeat(100_000), { status: 500 }), "more than 65536 bytes"],
  ];
  for (const [answer, why] of answers) {
    await using set = setUp(() => Promise.resolve(answer()));
    const id = await set.chat({ prompt: "x", model: "m" });
    for (let turn = 0; turn < 5; turn++) await settle();
    const job = await set.stage.jobs.get(id);
    assertEquals(job?.state, "failed");
    assertStringIncludes(job!.failure!.message, why);
  }
  await using set = setUp(() => Promise.resolve(Response.json({ data: [] })));
  const id = await set.chat({ prompt: "x" });
  for (let turn = 0; turn < 5; turn++) await settle();
  assertStringIncludes((await set.stage.jobs.get(id))!.failure!.message, "names no model");
});

Deno.test("an input that asks nothing is refused before it is enqueued", async () => {
  await using set = setUp();
  for (const input of [null, 7, {}, { prompt: "" }, { messages: [] }, { prompt: "x", model: 7 }]) {
    const error = await set.chat(input).catch((error) => error);
    assert(error instanceof TypeError, JSON.stringify(input));
  }
});

Deno.test("cancelling a chat reaches the upstream through the gateway", async () => {
  await using selector = openSelector();
  const demo = demoUpstream(selector);
  await using server = serve({ selector, port: 0, hostname: "127.0.0.1" }, demo);
  assert(server.addr.transport === "tcp");
  await using proxy = gateway({ upstream: `http://127.0.0.1:${server.addr.port}`, selector });
  await using jobs = new Jobs({ runners: { chat: chatRunner(proxy) } });
  const { job } = await jobs.enqueue({
    runner: "chat",
    input: { prompt: "x", sluice_demo: { tokens: 1_000_000, tokens_per_second: 100 } },
  });
  const story = await jobs.subscribe(new Request("http://a/"), job.id);
  let how = "";
  let outputs = 0;
  for await (const { event, data } of decodeEvents(story.body!)) {
    if (event === "output" && ++outputs === 3) await jobs.cancel(job.id);
    if (event === "cancelled") how = JSON.parse(data).how;
  }
  assertEquals(how, "stopped");
  while (demo.stats.abandoned === 0) await settle();
  assertEquals([demo.stats.active, proxy.stats.upstreamCancels, proxy.stats.active], [0, 1, 0]);
});
