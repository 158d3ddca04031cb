import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { VirtualClock } from "../../../io/testing/mod.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import type { BodyWriter } from "../../../server/body_writer.ts";
import {
  type DemoCounts,
  DemoFailureError,
  StreamedAnswer,
  WholeAnswer,
} from "../../../server/demo/chat_answer.ts";
import { type ChatRequest, parseChat } from "../../../server/demo/chat_request.ts";
import { demoTokens } from "../../../server/demo/demo_text.ts";

/** Keeps what is written. */
class Writer implements BodyWriter {
  text = "";
  isPaused = false;
  bufferedBytes = 0;
  isClosed = false;
  end_ = false;
  reason: Error | null = null;
  write(): void {}
  writeText(text: string) {
    this.text += text;
  }
  writeShared() {}
  drain() {
    return Promise.resolve();
  }
  end() {
    this.end_ = true;
  }
  abort(reason: Error) {
    this.reason = reason;
  }
}

function requestOf(body: Record<string, unknown>): ChatRequest {
  const messages = [{ role: "user", content: "one two" }];
  return parseChat(JSON.stringify({ model: "sluice-demo", messages, ...body })) as ChatRequest;
}

function stage(Answer: typeof StreamedAnswer | typeof WholeAnswer, body: Record<string, unknown>) {
  const clock = new VirtualClock({ wallMs: 1_700_000_000_500 });
  const counts: DemoCounts = { tokens: 0, tokensForNobody: 0, abandoned: 0, active: 0 };
  const request = requestOf(body);
  const answer = new Answer(request, { clock, timers: new TimerWheel(clock) }, counts);
  return { clock, counts, request, answer, writer: new Writer() };
}

/** The events of a stream's text, but for the last, which must be `[DONE]`. */
// deno-lint-ignore no-explicit-any -- the shape is OpenAI's, and every member used is asserted
function chunksOf(text: string): any[] {
  const events = text.split("\n\n");
  assertEquals(events.slice(-2), ["data: [DONE]", ""]);
  return events.slice(0, -2).map((event) => {
    assert(event.startsWith("data: "));
    return JSON.parse(event.slice(6));
  });
}

Deno.test("a streamed answer is a role, one chunk a token, a reason and [DONE]", async () => {
  const { clock, counts, request, answer, writer } = stage(StreamedAnswer, { sluice_demo: { tokens: 3 } });
  answer.start(writer);
  assertEquals(counts.active, 1);
  await clock.advance(1_000);
  const chunks = chunksOf(writer.text);
  for (const chunk of chunks) {
    assertEquals([chunk.object, chunk.model, chunk.created], [
      "chat.completion.chunk",
      "sluice-demo",
      1_700_000_000,
    ]);
    assertEquals(chunk.id, chunks[0].id);
  }
  assertEquals(chunks.map((chunk) => chunk.choices[0].delta), [
    { role: "assistant", content: "" },
    ...demoTokens(request.seed, 3).map((content) => ({ content })),
    {},
  ]);
  assertEquals(chunks.map((chunk) => chunk.choices[0].finish_reason), [null, null, null, null, "stop"]);
  assert(writer.end_);
  assertEquals(counts, { tokens: 3, tokensForNobody: 0, abandoned: 0, active: 0 });
});

Deno.test("usage comes in a chunk of its own, when asked for", async () => {
  const { clock, answer, writer } = stage(StreamedAnswer, {
    stream_options: { include_usage: true },
    sluice_demo: { tokens: 3 },
    max_tokens: 2,
  });
  answer.start(writer);
  await clock.advance(1_000);
  const chunks = chunksOf(writer.text);
  assertEquals(chunks.at(-1).choices, []);
  assertEquals(chunks.at(-1).usage, { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 });
  assertEquals(chunks.at(-2).choices[0].finish_reason, "length");
});

Deno.test("a whole answer is one object with the text and the usage", async () => {
  const { clock, request, answer, writer } = stage(WholeAnswer, { sluice_demo: { tokens: 4 } });
  answer.start(writer);
  assertEquals(writer.text, "");
  await clock.advance(1_000);
  const body = JSON.parse(writer.text);
  assertEquals(body.object, "chat.completion");
  assertEquals(body.choices[0].message.content, demoTokens(request.seed, 4).join(""));
  assertEquals(body.choices[0].finish_reason, "stop");
  assertEquals(body.usage, { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 });
  assert(writer.end_);
});

Deno.test("an answer whose reader left is made no further, and what was made is counted as made for nobody", async () => {
  const { clock, counts, answer, writer } = stage(StreamedAnswer, { sluice_demo: { tokens: 100 } });
  answer.start(writer);
  await clock.advance(105);
  answer.onClosed();
  answer.onClosed();
  const { tokens } = counts;
  assert(tokens > 1);
  assertEquals(counts, { tokens, tokensForNobody: tokens, abandoned: 1, active: 0 });
  await clock.advance(10_000);
  assertEquals(counts.tokens, tokens);
  assertEquals([clock.pendingCount, writer.end_], [0, false]);
});

Deno.test("an answer that nobody began to read is counted nowhere", () => {
  const { counts, answer } = stage(StreamedAnswer, {});
  answer.onClosed();
  assertEquals(counts, { tokens: 0, tokensForNobody: 0, abandoned: 0, active: 0 });
});

Deno.test("an answer that was asked to fail aborts the connection", async () => {
  const { clock, counts, answer, writer } = stage(StreamedAnswer, {
    sluice_demo: { tokens: 9, fail_after: 2 },
  });
  answer.start(writer);
  await clock.advance(1_000);
  assertInstanceOf(writer.reason, DemoFailureError);
  assertEquals([writer.end_, counts.tokens, counts.active], [false, 2, 0]);
  answer.onClosed(); // as writers do after an abort
  assertEquals(counts.abandoned, 0);
});

Deno.test("a reader that is slow holds the answer up", async () => {
  const { clock, counts, answer, writer } = stage(StreamedAnswer, {
    sluice_demo: { tokens: 9, tokens_per_second: null },
  });
  writer.isPaused = true;
  answer.start(writer);
  await clock.advance(1_000);
  assertEquals(counts.tokens, 1);
  writer.isPaused = false;
  answer.onDrain();
  await clock.advance(1_000);
  assertEquals(counts.tokens, 9);
  assert(writer.end_);
});

Deno.test("a reader that is gone by the time of a write stops the answer there", async () => {
  const { clock, counts, answer, writer } = stage(StreamedAnswer, {
    sluice_demo: { tokens: 9, tokens_per_second: null },
  });
  writer.writeText = () => answer.onClosed();
  answer.start(writer);
  await clock.advance(1_000);
  assertEquals([counts.abandoned, counts.active], [1, 0]);
  assert(counts.tokens <= 1);
});
