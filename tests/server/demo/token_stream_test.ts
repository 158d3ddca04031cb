import { assert, assertEquals } from "@std/assert";
import { VirtualClock } from "../../../io/testing/mod.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import type { ChatRequest } from "../../../server/demo/chat_request.ts";
import { demoTokens } from "../../../server/demo/demo_text.ts";
import { type TokenSink, TokenStream } from "../../../server/demo/token_stream.ts";

const REQUEST: ChatRequest = {
  tokensPerSecond: 10,
  tokens: 5,
  failAfter: null,
  isStream: true,
  includesUsage: false,
  isCut: false,
  seed: 7,
  promptTokens: 1,
};

/** Writes down what it gets, and takes no more than it is told to. */
class Sink implements TokenSink {
  readonly log: string[] = [];
  takes = Infinity;
  token(text: string) {
    this.log.push(text);
    return this.log.length < this.takes;
  }
  done() {
    this.log.push("done");
  }
  broke() {
    this.log.push("broke");
  }
}

function stage(request: Partial<ChatRequest>) {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const sink = new Sink();
  const stream = new TokenStream({ ...REQUEST, ...request }, { clock, timers }, sink);
  return { clock, timers, sink, stream };
}

Deno.test("the first token comes at once, the others at the rate, then the end", async () => {
  const { clock, sink, stream } = stage({});
  stream.start();
  assertEquals(sink.log.length, 1);
  await clock.advance(90);
  assertEquals(sink.log.length, 1);
  await clock.advance(20);
  assertEquals(sink.log.length, 2);
  await clock.advance(310);
  assertEquals(sink.log, demoTokens(7, 5));
  await clock.advance(200);
  assertEquals(sink.log, [...demoTokens(7, 5), "done"]);
  assertEquals(stream.made, 5);
  assertEquals(clock.pendingCount, 0);
});

Deno.test("a late timer makes all that is due, so that the rate holds", async () => {
  const { clock, sink, stream } = stage({ tokens: 1_000 });
  stream.start();
  await clock.jumpTo(5_000);
  assert(sink.log.length >= 50 && sink.log.length <= 52, String(sink.log.length));
  stream.stop();
});

Deno.test("without a rate, all tokens are made as fast as they are taken", async () => {
  const { clock, sink, stream } = stage({ tokensPerSecond: null, tokens: 1_000 });
  stream.start();
  await clock.advance(100);
  assertEquals(sink.log.length, 1_001);
  assertEquals(sink.log.at(-1), "done");
});

Deno.test("a sink that is full gets no more before it says so", async () => {
  const { clock, sink, stream } = stage({ tokensPerSecond: null });
  sink.takes = 2;
  stream.start();
  await clock.advance(1_000);
  assertEquals(sink.log.length, 2);
  sink.takes = Infinity;
  stream.resume();
  stream.resume();
  await clock.advance(1_000);
  assertEquals(sink.log, [...demoTokens(7, 5), "done"]);
});

Deno.test("a stream that was stopped makes nothing and leaves no timer", async () => {
  const { clock, sink, stream } = stage({});
  stream.start();
  stream.stop();
  assertEquals(clock.pendingCount, 0);
  stream.resume();
  await clock.advance(10_000);
  assertEquals(sink.log.length, 1);
});

Deno.test("a stream breaks off after as many tokens as it was told", async () => {
  const { clock, sink, stream } = stage({ failAfter: 2 });
  stream.start();
  await clock.advance(10_000);
  assertEquals(sink.log, [...demoTokens(7, 2), "broke"]);
  assertEquals(clock.pendingCount, 0);
});

Deno.test("an answer of no tokens ends at once", () => {
  const { sink, stream } = stage({ tokens: 0 });
  stream.start();
  assertEquals(sink.log, ["done"]);
});
