import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import type { BodyConsumer } from "../../../server/body_source.ts";
import { StreamSource, UploadFailedError, UploadLengthError } from "../../../server/gateway/stream_source.ts";

/** Writes down what it hears. */
class Consumer implements BodyConsumer {
  readonly log: string[] = [];
  failure: Error | null = null;
  readonly over: Promise<void>;
  readonly #over = Promise.withResolvers<void>();
  onChunk: () => void = () => {};

  constructor() {
    this.over = this.#over.promise;
  }
  chunk(bytes: Uint8Array) {
    this.log.push(new TextDecoder().decode(bytes));
    this.onChunk();
  }
  end() {
    this.log.push("end");
    this.#over.resolve();
  }
  failed(reason: Error) {
    this.failure = reason;
    this.log.push("failed");
    this.#over.resolve();
  }
}

function streamOf(...pieces: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)));
}

/** Lets everything that is ready happen. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("a stream's pieces are passed on in order, empty ones left out", async () => {
  const consumer = new Consumer();
  const source = new StreamSource(streamOf("a", "", "b"), null);
  assert(!source.isUsed);
  source.consume(consumer);
  assert(source.isUsed);
  await consumer.over;
  assertEquals(consumer.log, ["a", "b", "end"]);
});

Deno.test("nothing is read while the consumer is paused", async () => {
  const consumer = new Consumer();
  let pulled = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (++pulled > 4) controller.close();
      else controller.enqueue(Uint8Array.of(0x60 + pulled));
    },
  }, { highWaterMark: 0 });
  const flow = new StreamSource(stream, null).consume(consumer);
  consumer.onChunk = () => flow.pause();
  await settle();
  assertEquals([consumer.log, pulled], [["a"], 1]);
  flow.resume();
  await settle();
  assertEquals([consumer.log, pulled], [["a", "b"], 2]);
  consumer.onChunk = () => {};
  flow.resume();
  await consumer.over;
  assertEquals(consumer.log, ["a", "b", "c", "d", "end"]);
});

Deno.test("pause and resume within one call read on", async () => {
  const consumer = new Consumer();
  const flow = new StreamSource(streamOf("a", "b"), null).consume(consumer);
  consumer.onChunk = () => {
    flow.pause();
    flow.resume();
  };
  await consumer.over;
  assertEquals(consumer.log, ["a", "b", "end"]);
});

Deno.test("cancel reaches whoever fills the stream, and the consumer hears nothing more", async () => {
  const consumer = new Consumer();
  const cancelled = Promise.withResolvers<unknown>();
  const stream = new ReadableStream<Uint8Array>({ cancel: (reason) => cancelled.resolve(reason) });
  const flow = new StreamSource(stream, null).consume(consumer);
  const reason = new Error("enough");
  flow.cancel(reason);
  assertStrictEquals(await cancelled.promise, reason);
  await settle();
  assertEquals(consumer.log, []);
});

Deno.test("a stream that fails is a body that fails, with the stream's own error", async () => {
  const consumer = new Consumer();
  const error = new Error("disk");
  new StreamSource(new ReadableStream({ start: (controller) => controller.error(error) }), null).consume(
    consumer,
  );
  await consumer.over;
  assertStrictEquals(consumer.failure, error);
});

Deno.test("a failure that is no Error becomes one", async () => {
  const consumer = new Consumer();
  new StreamSource(new ReadableStream({ start: (controller) => controller.error("no") }), null).consume(
    consumer,
  );
  await consumer.over;
  assertInstanceOf(consumer.failure, UploadFailedError);
  assertEquals(consumer.failure.cause, "no");
});

for (const [pieces, declared] of [[["ab"], 3], [["ab", "cd"], 3]] as const) {
  Deno.test(`${pieces.join("").length} bytes where ${declared} were declared are a failure`, async () => {
    const consumer = new Consumer();
    new StreamSource(streamOf(...pieces), declared).consume(consumer);
    await consumer.over;
    assertInstanceOf(consumer.failure, UploadLengthError);
    assert(!consumer.log.includes("end"));
  });
}

Deno.test("as many bytes as were declared are the whole body", async () => {
  const consumer = new Consumer();
  const source = new StreamSource(streamOf("ab", "c"), 3);
  assertEquals(source.length, 3);
  source.consume(consumer);
  await consumer.over;
  assertEquals(consumer.log, ["ab", "c", "end"]);
});

Deno.test("a body is read once", async () => {
  const consumer = new Consumer();
  const source = new StreamSource(streamOf("a"), null);
  source.consume(consumer);
  assertThrows(() => source.consume(new Consumer()), TypeError, "being read already");
  await consumer.over;
});
