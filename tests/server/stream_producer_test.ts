import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { IterableProducer, StreamProducer } from "../../server/stream_producer.ts";
import { RecordingWriter } from "../support/recording_writer.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const unreported = (error: unknown): never => {
  throw error;
};

function producerOf(stream: ReadableStream<Uint8Array>, report: (error: unknown) => void = unreported) {
  return new StreamProducer(stream, "body", report);
}

/** A stream whose chunks are given by hand, and what was cancelled of it. */
function manual() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const cancelled: unknown[] = [];
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: (reason) => void cancelled.push(reason),
  });
  return { stream, controller, cancelled };
}

Deno.test("a body that is all there is seen as whole: text, bytes, empty, and through a transform", async () => {
  const through = new Response("abc").body!.pipeThrough(new TransformStream());
  const bodies: [ReadableStream<Uint8Array>, string][] = [
    [new Response("text").body!, "text"],
    [new Response(bytes("bytes")).body!, "bytes"],
    [new Response("").body!, ""],
    [ReadableStream.from([]), ""],
  ];
  for (const [stream, expected] of bodies) {
    const whole = await producerOf(stream).peek();
    assert(whole !== null, `${expected} is not seen as whole`);
    assertEquals(new TextDecoder().decode(whole), expected);
  }
  const producer = producerOf(through);
  const whole = await producer.peek();
  if (whole === null) { // The transform took more microtasks than are waited for: then it is streamed, and nothing is lost.
    const writer = new RecordingWriter();
    await producer.start(writer);
    assertEquals(writer.calls, ["abc", "end"]);
  } else assertEquals(new TextDecoder().decode(whole), "abc");
});

Deno.test("what peek has read is not lost: none, one or two chunks, then the rest in order", async () => {
  for (const early of [0, 1, 2, 3]) {
    const { stream, controller } = manual();
    const chunks = ["a", "b", "c", "d"];
    for (const chunk of chunks.slice(0, early)) controller.enqueue(bytes(chunk));
    const producer = producerOf(stream);
    assertEquals(await producer.peek(), null);
    const writer = new RecordingWriter();
    const started = producer.start(writer);
    for (const chunk of chunks.slice(early)) {
      await turn();
      controller.enqueue(bytes(chunk));
    }
    controller.close();
    await started;
    assertEquals(writer.calls, [...chunks, "end"], `${early} chunks early`);
  }
});

Deno.test("peek does not wait for a stream that is slow", async () => {
  const { stream } = manual();
  const producer = producerOf(stream);
  assertEquals(await producer.peek(), null); // It would never settle otherwise.
  producer.onClosed(null);
});

Deno.test("a stream that fails while it is looked at rejects the peek; one that fails later rejects the start", async () => {
  const boom = new Error("boom");
  const early = manual();
  early.controller.error(boom);
  assertStrictEquals(await assertRejects(() => producerOf(early.stream).peek()), boom);
  const late = manual();
  const producer = producerOf(late.stream);
  const started = producer.start(new RecordingWriter());
  late.controller.error(boom);
  assertStrictEquals(await assertRejects(() => started), boom);
  producer.onClosed(boom); // There is nothing left to cancel.
});

Deno.test("a stream is read no further than the reader takes", async () => {
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes(`${++pulls}`)),
  }, { highWaterMark: 0 });
  const writer = new RecordingWriter();
  writer.onWrite = () => writer.isPaused = true;
  const producer = producerOf(stream);
  const started = producer.start(writer);
  for (const expected of [1, 2, 3]) {
    await turn();
    assertEquals([pulls, writer.calls.length], [expected, expected]);
    writer.release();
  }
  await turn();
  writer.isClosed = true;
  producer.onClosed(null);
  writer.release();
  await started;
});

Deno.test("the end of a stream is not held up by a reader who has taken nothing of its last chunk", async () => {
  const { stream, controller } = manual();
  const writer = new RecordingWriter();
  writer.onWrite = () => writer.isPaused = true;
  const started = producerOf(stream).start(writer);
  await turn();
  controller.enqueue(bytes("last"));
  controller.close();
  await started;
  assertEquals([writer.calls, writer.isPaused], [["last", "end"], true]);
});

Deno.test("a reader that leaves cancels the stream once, with the reason, also while a chunk is awaited", async () => {
  const gone = new Error("gone");
  const { stream, cancelled } = manual();
  const producer = producerOf(stream);
  await producer.peek();
  const writer = new RecordingWriter();
  const started = producer.start(writer);
  writer.isClosed = true;
  producer.onClosed(gone);
  producer.onClosed(gone);
  await started;
  assertEquals([cancelled, writer.calls], [[gone], []]);
});

Deno.test("a stream that has ended is not cancelled, and one that fails to be cancelled is reported", async () => {
  const over = manual();
  over.controller.close();
  const producer = producerOf(over.stream);
  await producer.peek();
  producer.onClosed(new Error("gone"));
  assertEquals(over.cancelled, []);
  const reports: unknown[] = [];
  const boom = new Error("boom");
  const stubborn = new ReadableStream<Uint8Array>({ cancel: () => Promise.reject(boom) });
  producerOf(stubborn, (error) => reports.push(error)).onClosed(null);
  await turn();
  assertEquals(reports, [boom]);
});

Deno.test("a stream that was read before is refused, and pieces that are no bytes fail the body", async () => {
  const used = new Response("x").body!;
  used.getReader();
  assertThrows(() => producerOf(used), TypeError);
  const texts = () => ReadableStream.from(["text"]) as unknown as ReadableStream<Uint8Array>;
  await assertRejects(() => producerOf(texts()).start(new RecordingWriter()), TypeError, "not string");
});

Deno.test("an iterable's text and bytes are written in order, no faster than they are taken", async () => {
  let made = 0;
  async function* words() {
    for (const word of ["a", bytes("b"), "ä"]) {
      made++;
      yield word;
      await null;
    }
  }
  const writer = new RecordingWriter();
  writer.onWrite = () => writer.isPaused = true;
  const started = new IterableProducer(words(), "body", unreported).start(writer);
  for (const expected of [1, 2, 3]) {
    await turn();
    assertEquals(made, expected);
    writer.release();
  }
  await started;
  assertEquals(writer.calls, ["a", "b", "ä", "end"]);
});

Deno.test("a generator whose reader leaves runs its finally, and what that throws is reported", async () => {
  const boom = new Error("boom");
  const go = Promise.withResolvers<void>();
  let isOver = false;
  async function* words() {
    try {
      yield "a";
      await go.promise;
      yield "b";
    } finally {
      isOver = true;
      // deno-lint-ignore no-unsafe-finally
      throw boom;
    }
  }
  const reports: unknown[] = [];
  const writer = new RecordingWriter();
  const producer = new IterableProducer(words(), "stream", (error) => reports.push(error));
  const started = producer.start(writer);
  await turn();
  writer.isClosed = true;
  producer.onClosed();
  assertEquals(isOver, false, "it is waiting, and cannot be stopped there");
  go.resolve();
  await started;
  await turn();
  assertEquals([isOver, reports, writer.calls], [true, [boom], ["a"]]);
});

Deno.test("an iterable that was never started, or has no return(), is let go of quietly", async () => {
  const never = new IterableProducer((async function* () {})(), "body", unreported);
  never.onClosed();
  const bare = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: false, value: "x" }) }),
  };
  const writer = new RecordingWriter();
  writer.onWrite = () => writer.isClosed = true;
  const producer = new IterableProducer(bare as AsyncIterable<string>, "body", unreported);
  const started = producer.start(writer);
  await turn();
  producer.onClosed();
  await started;
  assertEquals(writer.calls, ["x"]);
});

Deno.test("what fails because the reader left is no news: a stream's cancel, a generator's return", async () => {
  const left = new Error("the client left");
  const reports: unknown[] = [];
  const report = (error: unknown) => reports.push(error);
  const stream = new ReadableStream<Uint8Array>({
    cancel: () => Promise.reject(new Error("no upload to cancel", { cause: left })),
  });
  new StreamProducer(stream, "body", report).onClosed(left);
  async function* passingOn() {
    try {
      yield "a";
    } finally {
      await Promise.reject(left); // As the iterator of an upload that failed does.
    }
  }
  const writer = new RecordingWriter();
  writer.isPaused = true;
  const producer = new IterableProducer(passingOn(), "body", report);
  producer.start(writer).catch(() => {});
  await turn();
  producer.onClosed(left);
  await turn();
  assertEquals([reports, writer.calls], [[], ["a"]]);
});
