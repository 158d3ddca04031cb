import { assert, assertEquals, assertRejects } from "@std/assert";
import { SharedChunk } from "../../io/shared_chunk.ts";
import type { BodyProducer, BodyWriter } from "../../server/body_writer.ts";
import { producerStream } from "../../server/producer_stream.ts";
import { utf8 } from "../support/incoming_request.ts";

/** A producer that records what it hears, and gives its writer to the test. */
class Recording implements BodyProducer {
  readonly heard: string[] = [];
  writer: BodyWriter | null = null;
  start(writer: BodyWriter): void {
    this.heard.push("start");
    this.writer = writer;
  }
  onDrain(): void {
    this.heard.push("drain");
  }
  onClosed(reason: Error | null): void {
    this.heard.push(`closed ${reason?.message}`);
  }
}

/** A producer whose stream is being read. */
async function started() {
  const producer = new Recording();
  const reader = producerStream(producer).getReader();
  const first = reader.read();
  while (producer.writer === null) await null;
  return { producer, reader, first, writer: producer.writer };
}

const KIB = 1024;

function text(result: ReadableStreamReadResult<Uint8Array>): string | undefined {
  return result.value && new TextDecoder().decode(result.value);
}

Deno.test("the producer starts at the first read, and what it writes comes in order", async () => {
  const { producer, reader, first, writer } = await started();
  assertEquals(producer.heard, ["start"]);
  writer.writeText("h\u00e9");
  writer.write(utf8("llo"));
  const plain = new SharedChunk(utf8(" all"));
  writer.writeShared({ plain, chunked: plain });
  writer.end();
  assertEquals([text(await first), text(await reader.read()), text(await reader.read())], [
    "h\u00e9",
    "llo",
    " all",
  ]);
  assert((await reader.read()).done);
  assertEquals(producer.heard, ["start"]);
  assertEquals([writer.isClosed, plain.refs], [true, 1]);
});

Deno.test("what is written is copied: neither side can change the other's bytes", async () => {
  const { first, writer } = await started();
  const bytes = utf8("abc");
  writer.write(bytes);
  bytes.fill(0);
  assertEquals(text(await first), "abc");
});

Deno.test("a producer that need not wait may write all of its body in start", async () => {
  const stream = producerStream({
    start(writer) {
      writer.writeText("one ");
      writer.writeText("");
      writer.write(utf8("two"));
      writer.end();
      writer.writeText("late");
    },
  });
  assertEquals(await new Response(stream).text(), "one two");
});

Deno.test("above 64 KiB the writer is paused; when the reader has all, drain resolves and onDrain is called once", async () => {
  const { producer, reader, first, writer } = await started();
  writer.write(new Uint8Array(1));
  await first;
  for (let i = 0; i < 4; i++) writer.write(new Uint8Array(16 * KIB));
  assertEquals([writer.bufferedBytes, writer.isPaused], [64 * KIB, false]);
  writer.write(new Uint8Array(1));
  assertEquals([writer.bufferedBytes, writer.isPaused], [64 * KIB + 1, true]);
  let drained = 0;
  const drains = [writer.drain(), writer.drain()].map((drain) => drain.then(() => drained++));
  for (let i = 0; i < 5; i++) {
    await reader.read();
    assertEquals([drained, writer.isPaused], [0, true]);
  }
  const next = reader.read();
  await Promise.all(drains);
  assertEquals([producer.heard, writer.isPaused], [["start", "drain"], false]);
  await writer.drain();
  writer.end();
  assert((await next).done);
});

Deno.test("a reader that cancels is told to the producer and to who waits", async () => {
  const { producer, reader, first, writer } = await started();
  writer.write(new Uint8Array(64 * KIB + 1));
  await first;
  writer.write(new Uint8Array(64 * KIB + 1));
  const drain = writer.drain();
  const told = assertRejects(() => drain, Error, "left");
  await reader.cancel(new Error("left"));
  await told;
  assertEquals(producer.heard, ["start", "closed left"]);
  writer.writeText("late");
  writer.end();
  await assertRejects(() => writer.drain(), Error, "left");
  assertEquals([writer.isClosed, writer.isPaused, writer.bufferedBytes], [true, false, 0]);
});

Deno.test("a stream that is cancelled before it was read never starts its producer, and tells it", async () => {
  const producer = new Recording();
  await producerStream(producer).cancel();
  assertEquals(producer.heard.length, 1);
  assert(producer.heard[0]?.startsWith("closed "));
});

Deno.test("a body that is aborted fails the reader, and never ends", async () => {
  const { producer, reader, first, writer } = await started();
  writer.writeText("part");
  await first;
  writer.abort(new Error("upstream died"));
  await assertRejects(() => reader.read(), Error, "upstream died");
  assertEquals(producer.heard, ["start", "closed upstream died"]);
  writer.end();
});

Deno.test("a producer that throws or rejects, in start or later, fails the reader", async () => {
  const throwing = producerStream({
    start() {
      throw new Error("bug");
    },
  });
  await assertRejects(() => new Response(throwing).text(), Error, "bug");
  const rejecting = producerStream({ start: () => Promise.reject(new Error("bug")) });
  await assertRejects(() => new Response(rejecting).text(), Error, "bug");
  const odd = producerStream({ start: () => Promise.reject("a word") });
  assertEquals(await new Response(odd).text().catch((error) => error), "a word");
});

Deno.test("an end lets go of who waits", async () => {
  const { first, writer } = await started();
  writer.write(new Uint8Array(1));
  await first;
  writer.write(new Uint8Array(64 * KIB + 1));
  const drain = writer.drain();
  writer.end();
  await drain;
  assert(writer.isClosed);
});
