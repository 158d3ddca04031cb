import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import type { BodyProducer } from "../../../server/body_writer.ts";
import type { Handler, ServeInfo } from "../../../server/handler.ts";
import { rawReply } from "../../../server/reply.ts";
import { decodeEvents } from "../../../server/sse/decode.ts";
import type { SseEvent } from "../../../server/sse/encode.ts";
import { sse, type SseContext, type SseOptions, type SseSource } from "../../../server/sse/sse.ts";
import { FakeWriter, type FakeWriterOptions } from "./support/fake_writer.ts";

const INFO = {} as ServeInfo;

interface Running {
  readonly writer: FakeWriter;
  readonly producer: BodyProducer;
  /** How `start` went: `null` when it resolved, else the error. */
  readonly outcome: Promise<unknown>;
}

/** A stream that has begun. */
function run(source: SseSource, options: SseOptions = {}, client: FakeWriterOptions = {}): Running {
  const handler = sse(source, { heartbeatMs: null, ...options });
  const response = handler(new Request("http://localhost/"), INFO) as Response;
  const producer = rawReply(response)!.body as BodyProducer;
  const writer = new FakeWriter(producer, client);
  const outcome = Promise.resolve(producer.start(writer)).then(() => null, (error) => error);
  return { writer, producer, outcome };
}

const data = (writer: FakeWriter) => writer.messages.map((message) => message.data);

/** Lets everything run that can. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A promise that settles with a signal: what a source waits on. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

Deno.test("what a generator yields is sent as events, and its end ends the stream", async () => {
  const { writer, outcome } = run(async function* () {
    yield { event: "a", data: "1" };
    await settle();
    yield { data: { n: 2 }, id: "x" };
  });
  assertEquals(await outcome, null);
  assertEquals(writer.messages, [
    { event: "a", data: "1", lastEventId: "" },
    { event: "message", data: '{"n":2}', lastEventId: "x" },
  ]);
  assertEquals(writer.ended, "end");
});

Deno.test("any iterable of events will do, and one that says nothing is not sent", async () => {
  const { writer, outcome } = run(() => [{ data: "1" }, {}, { comment: "c" }, { data: "2" }]);
  assertEquals([await outcome, writer.text], [null, "data: 1\n\n: c\n\ndata: 2\n\n"]);
});

Deno.test("a source is told its request, its info and where the client was", async () => {
  const seen: unknown[] = [];
  const request = new Request("http://localhost/", { headers: { "last-event-id": "7" } });
  const response = await sse((...all) => {
    seen.push(all[0] === request, all[1] === INFO, all[2].lastEventId);
    return [];
  })(request, INFO);
  assertEquals(await response.text(), "");
  assertEquals(seen, [true, true, "7"]);
});

Deno.test("a source is not called before its stream begins: not for a HEAD request", async () => {
  let calls = 0;
  const handler: Handler = sse(() => {
    calls++;
    return [];
  });
  const producer = rawReply(await handler(new Request("http://localhost/", { method: "HEAD" }), INFO))!
    .body as BodyProducer;
  producer.onClosed!(null);
  assertEquals(calls, 0);
});

Deno.test("a generator is not advanced while the client is slow", async () => {
  let yielded = 0;
  const { writer, outcome } = run(
    async function* () {
      for (; yielded < 100; yielded++) yield { data: "x".repeat(1_000) };
    },
    {},
    { takesAll: false, highBytes: 10_000 },
  );
  await settle();
  assertEquals(yielded, 9); // the tenth is written and its successor not asked for
  assert(writer.bufferedBytes <= 11_000);
  writer.take(3_000);
  await settle();
  assertEquals(yielded, 9); // above the low-water mark still
  while (writer.bufferedBytes > 0) {
    writer.take(5_000);
    await settle();
    assert(writer.bufferedBytes <= 11_000);
  }
  assertEquals([await outcome, writer.messages.length], [null, 100]);
});

Deno.test("when the client leaves, the generator's cleanup runs at once if it is at a yield", async () => {
  let isCleaned = false;
  const { writer, outcome } = run(
    async function* () {
      try {
        for (;;) yield { data: "x".repeat(1_000) };
      } finally {
        isCleaned = true;
      }
    },
    {},
    { takesAll: false, highBytes: 10_000 },
  );
  await settle();
  assert(!isCleaned);
  writer.leave();
  await settle();
  assert(isCleaned);
  assertInstanceOf(await outcome, DOMException); // why it stopped, for whoever asks
});

Deno.test("when the client leaves, a generator that waits is told by the signal, and cleans up", async () => {
  const steps: string[] = [];
  const { writer, outcome } = run(async function* (_request, _info, { signal }) {
    try {
      yield { data: "1" };
      await aborted(signal);
    } finally {
      steps.push(`cleaned, signal aborted: ${signal.aborted}`);
    }
  });
  await settle();
  assertEquals([data(writer), steps], [["1"], []]);
  writer.leave();
  await outcome;
  assertEquals(steps, ["cleaned, signal aborted: true"]);
});

Deno.test("a signal that is asked for late is aborted already, and there is none otherwise", async () => {
  let context: SseContext | undefined;
  const { writer, outcome } = run((_request, _info, stream) => {
    context = stream;
    return [{ data: "1" }];
  });
  await outcome;
  assert(!context!.signal.aborted, "a stream that ended by itself aborts nothing");
  assertEquals(writer.ended, "end");
  const left = run((_request, _info, stream) => {
    context = stream;
    return (async function* () {
      await settle();
      yield { data: "1" };
    })();
  });
  left.writer.leave();
  assert(context!.signal.aborted);
  assertEquals(context!.signal.reason, left.writer.reason);
  await left.outcome;
});

Deno.test("a generator that throws fails the stream: its error comes out of start, and nothing ends in order", async () => {
  const { writer, outcome } = run(async function* () {
    yield { data: "1" };
    await settle();
    throw new RangeError("broken");
  });
  assertInstanceOf(await outcome, RangeError);
  assertEquals([data(writer), writer.ended], [["1"], null]);
});

Deno.test("so does a source that throws, one that returns no iterable, and an event that cannot be encoded", async () => {
  const sources: SseSource[] = [
    () => {
      throw new RangeError("broken");
    },
    () => 7 as unknown as SseEvent[],
    () => [{ event: "a\nb" }],
  ];
  for (const source of sources) {
    const { writer, outcome } = run(source);
    assertInstanceOf(await outcome, Error);
    assertEquals([writer.ended, writer.text], [null, ""]);
  }
});

Deno.test("a cleanup that fails comes out of start", async () => {
  const { writer, outcome } = run(async function* () {
    try {
      yield { data: "1" };
      await settle();
      yield { data: "2" };
    } finally {
      // deno-lint-ignore no-unsafe-finally
      throw new RangeError("cleanup failed");
    }
  });
  writer.leave();
  assertInstanceOf(await outcome, RangeError);
});

Deno.test("when the server stops, the client is told when to come back, the stream ends and the source is told", async () => {
  const steps: string[] = [];
  const { writer, producer, outcome } = run(async function* (_request, _info, { signal }) {
    try {
      yield { data: "1" };
      await aborted(signal);
    } finally {
      steps.push("cleaned");
    }
  }, { drainRetryMs: 1_000 });
  await settle();
  producer.onDraining!();
  assertEquals([writer.ended, data(writer), writer.retries.length], ["end", ["1"], 1]);
  assert(writer.retries[0]! >= 1_000 && writer.retries[0]! <= 2_000);
  producer.onDraining!();
  await outcome;
  assertEquals(steps, ["cleaned"]);
});

Deno.test("when the server stops, a stream that is to finish goes on to its end", async () => {
  const { writer, producer, outcome } = run(async function* (_request, _info, { signal }) {
    yield { data: "1" };
    await settle();
    yield { data: `aborted: ${signal.aborted}` };
  }, { draining: "finish" });
  producer.onDraining!();
  assertEquals(await outcome, null);
  assertEquals([writer.ended, data(writer), writer.retries], ["end", ["1", "aborted: false"], []]);
  assertEquals([producer.kind, run(() => []).producer.kind], ["body", "stream"]);
});

Deno.test("a slow client that is ended while the generator waits for it leaves nothing behind", async () => {
  let isCleaned = false;
  const { writer, producer, outcome } = run(
    async function* () {
      try {
        for (;;) yield { data: "x".repeat(1_000) };
      } finally {
        isCleaned = true;
      }
    },
    {},
    { takesAll: false, highBytes: 10_000 },
  );
  await settle();
  producer.onDraining!();
  assertEquals(await outcome, null);
  assert(isCleaned);
  writer.take(Infinity);
  assertEquals(writer.retries.length, 1);
});

Deno.test("heartbeats come while the generator is quiet, and stop with the stream", async () => {
  const clock = new VirtualClock();
  const { writer, outcome } = run(async function* (_request, _info, { signal }) {
    yield { data: "1" };
    await aborted(signal);
  }, { heartbeatMs: 1_000, retryMs: 250, timers: new TimerWheel(clock) });
  await clock.advance(2_200);
  assertEquals([writer.comments.length, writer.retries, data(writer)], [3, [250], ["1"]]); // after 64, 1088, 2112 ms
  writer.leave();
  await outcome;
  assertEquals(clock.pendingCount, 0);
});

Deno.test("options that make no sense are refused when the handler is made", () => {
  assertThrows(() => sse(() => [], { heartbeatMs: 0 }), RangeError);
  assertThrows(() => sse(() => [], { drainRetryMs: -1 }), RangeError);
  assertThrows(() => sse(() => [], { retryMs: 1.5 }), TypeError);
  assertThrows(() => sse(() => [], { headers: { "a b": "c" } }), TypeError);
});

Deno.test("a foreign server streams it, cleans up when the client leaves, and breaks it off when it fails", async () => {
  const cleaned = Promise.withResolvers<void>();
  const handlers: Record<string, Handler> = {
    "/endless": sse(async function* () {
      try {
        for (let n = 0;; n++) {
          yield { data: n };
          await settle();
        }
      } finally {
        cleaned.resolve();
      }
    }),
    "/broken": sse(async function* () {
      yield { data: "1" };
      await settle();
      throw new RangeError("broken");
    }),
    "/whole": sse(() => [{ data: "1" }, { data: "2" }]),
  };
  await using server = Deno.serve(
    { port: 0, onListen: () => {} },
    (request) => handlers[new URL(request.url).pathname]!(request, INFO),
  );
  const get = (path: string) => fetch(`http://localhost:${server.addr.port}${path}`);

  assertEquals(await (await get("/whole")).text(), "data: 1\n\ndata: 2\n\n");
  const broken = await get("/broken");
  await assertRejects(() => broken.text(), Error);
  for await (const { data } of decodeEvents((await get("/endless")).body!)) if (data === "3") break;
  await cleaned.promise;
});
