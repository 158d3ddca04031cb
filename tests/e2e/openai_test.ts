/** The `openai` package, as people use it, through the gateway under a real server. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import OpenAI from "npm:openai@7.55.0";
import { demoTokens, seedOf } from "../../server/demo/demo_text.ts";
import { freePort } from "../support/free_port.ts";
import { openaiClient, stageDemo } from "./support/demo_stage.ts";
import { stageGateway } from "./support/gateway_stage.ts";
import { RawUpstream } from "./support/raw_upstream.ts";

/** The package's own type for the request, plus what only the demo knows. */
type Params = OpenAI.ChatCompletionCreateParamsStreaming & { sluice_demo?: Record<string, number | null> };

function chat(content: string, sluice_demo: Record<string, number | null> = {}): Params {
  return { model: "sluice-demo", messages: [{ role: "user", content }], stream: true, sluice_demo };
}

/** Reads a stream to its end. */
async function textOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  return text;
}

/** One event of a streamed answer. */
function event(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return `data: ${
    JSON.stringify({ id: "x", object: "chat.completion.chunk", created: 1, model: "m", choices })
  }\n\n`;
}

Deno.test("a streamed answer arrives word for word", async () => {
  await using stage = stageDemo();
  const stream = await stage.client.chat.completions.create(
    chat("word for word", { tokens: 500, tokens_per_second: null }),
  );
  assertEquals(await textOf(stream), demoTokens(seedOf("word for word"), 500).join(""));
  assertEquals([stage.proxy.stats.outcomes.completed, stage.demo.stats.tokens], [1, 500]);
});

Deno.test("an answer that is not streamed arrives with its usage", async () => {
  await using stage = stageDemo();
  const { messages, model } = chat("whole");
  const sluice_demo = { tokens: 20, tokens_per_second: null };
  const params = { model, messages, sluice_demo } as OpenAI.ChatCompletionCreateParamsNonStreaming;
  const answer = await stage.client.chat.completions.create(params);
  assertEquals(answer.choices[0]?.message.content, demoTokens(seedOf("whole"), 20).join(""));
  assertEquals([answer.choices[0]?.finish_reason, answer.usage?.completion_tokens], ["stop", 20]);
});

Deno.test("usage comes at the end of a stream, when asked for", async () => {
  await using stage = stageDemo();
  const stream = await stage.client.chat.completions.create({
    ...chat("usage", { tokens: 3, tokens_per_second: null }),
    stream_options: { include_usage: true },
  });
  const usages: unknown[] = [];
  for await (const chunk of stream) usages.push(chunk.usage?.completion_tokens ?? null);
  assertEquals(usages.at(-1), 3);
});

Deno.test("the models are listed", async () => {
  await using stage = stageDemo();
  const models = await stage.client.models.list();
  assertEquals(models.data.map((model) => model.id), ["sluice-demo"]);
});

Deno.test("the first token is seen before the upstream has sent the second", async () => {
  const isSeen = Promise.withResolvers<void>();
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk(event("first"));
    await isSeen.promise;
    await connection.chunk(event(" second"));
    await connection.chunk("data: [DONE]\n\n");
    await connection.send("0\r\n\r\n");
  });
  await using stage = stageGateway(upstream.url);
  const stream = await openaiClient(stage.url).chat.completions.create(chat("x"));
  const seen: string[] = [];
  for await (const chunk of stream) {
    seen.push(chunk.choices[0]?.delta.content ?? "");
    isSeen.resolve();
  }
  assertEquals(seen, ["first", " second"]);
});

Deno.test("200 streams at once are each word for word", async () => {
  await using stage = stageDemo();
  const prompts = Array.from({ length: 200 }, (_, i) => `prompt number ${i}`);
  const texts = await Promise.all(prompts.map(async (prompt) => {
    const stream = await stage.client.chat.completions.create(
      chat(prompt, { tokens: 40, tokens_per_second: 200 }),
    );
    return await textOf(stream);
  }));
  assertEquals(texts, prompts.map((prompt) => demoTokens(seedOf(prompt), 40).join("")));
  assertEquals([stage.proxy.stats.outcomes.completed, stage.proxy.stats.active], [200, 0]);
  assertEquals([stage.demo.stats.tokens, stage.demo.stats.tokensForNobody], [8_000, 0]);
});

Deno.test("a client that stops after two chunks stops the upstream", async () => {
  const end = Promise.withResolvers<string>();
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk(event("one"));
    await connection.chunk(event("two"));
    end.resolve(await connection.ended);
  });
  await using stage = stageGateway(upstream.url);
  const stream = await openaiClient(stage.url).chat.completions.create(chat("x"));
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 2) break;
  assertEquals(await end.promise, "reset");
  assertEquals([stage.proxy.stats.upstreamCancels, stage.proxy.stats.outcomes.cancelled], [1, 1]);
});

Deno.test("an abort by the client's own controller stops the demo, which counts what it made for nobody", async () => {
  await using stage = stageDemo();
  const stream = await stage.client.chat.completions.create(
    chat("x", { tokens: 1_000_000, tokens_per_second: 1_000 }),
  );
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 2) stream.controller.abort();
  while (stage.demo.stats.active > 0) await new Promise((resolve) => setImmediate(resolve));
  assertEquals([stage.demo.stats.abandoned, stage.proxy.stats.upstreamCancels], [1, 1]);
  assert(stage.demo.stats.tokensForNobody === stage.demo.stats.tokens);
});

Deno.test("an upstream that is cut in mid-stream is an error, never the end of the text", async () => {
  await using stage = stageDemo();
  const stream = await stage.client.chat.completions.create(
    chat("x", { tokens: 100, fail_after: 5, tokens_per_second: 50 }),
  );
  const seen: string[] = [];
  await assertRejects(async () => {
    for await (const chunk of stream) seen.push(chunk.choices[0]?.delta.content ?? "");
  });
  assert(seen.length <= 6); // a client that was not scheduled in time loses to the reset what it had not read
  assertEquals([stage.proxy.stats.outcomes.cut, stage.proxy.stats.outcomes.completed], [1, 0]);
});

Deno.test("an upstream that closes in order but in mid-stream is an error too", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk(event("half of it"));
    connection.end();
  });
  await using stage = stageGateway(upstream.url);
  await assertRejects(async () => {
    await textOf(await openaiClient(stage.url).chat.completions.create(chat("x")));
  });
  assertEquals(stage.proxy.stats.outcomes.completed, 0);
});

Deno.test("characters of several bytes survive packets of one byte", async () => {
  const pieces = ["流れ", "🌊🚰", "👩‍💻 und Öl", "\u{10FFFF}", "é"];
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    for (const text of pieces.map(event)) {
      const length = new TextEncoder().encode(text).length;
      await connection.sendBytewise(`${length.toString(16)}\r\n${text}\r\n`);
    }
    await connection.send("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"); // in one: after it the client may leave at once
  });
  await using stage = stageGateway(upstream.url);
  assertEquals(
    await textOf(await openaiClient(stage.url).chat.completions.create(chat("x"))),
    pieces.join(""),
  );
});

Deno.test("the upstream's own errors keep their status and words", async () => {
  await using stage = stageDemo();
  const error = await assertRejects(
    () => stage.client.chat.completions.create({ ...chat("x"), model: "gpt-4o" }),
    OpenAI.NotFoundError,
  );
  assertEquals([error.status, error.code], [404, "model_not_found"]);
});

Deno.test("no upstream is a 502 to the client", async () => {
  await using stage = stageGateway(`http://127.0.0.1:${freePort()}`);
  const error = await assertRejects(
    () => openaiClient(stage.url).chat.completions.create(chat("x")),
    OpenAI.APIError,
  );
  assertInstanceOf(error, OpenAI.InternalServerError);
  assertEquals(error.status, 502);
});

Deno.test("an upstream that does not answer is a 504 to the client", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.ended;
  });
  await using stage = stageGateway(upstream.url, { headTimeoutMs: 50 });
  const error = await assertRejects(
    () => openaiClient(stage.url).chat.completions.create(chat("x")),
    OpenAI.APIError,
  );
  assertEquals(error.status, 504);
});
