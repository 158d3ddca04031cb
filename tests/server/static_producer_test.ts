import { assertEquals } from "@std/assert";
import { StaticProducer } from "../../server/static_producer.ts";
import { RecordingWriter } from "../support/recording_writer.ts";

/** Bytes of one piece, as many as one send takes. */
const PIECE = 256 * 1024;

const text = (length: number) => Array.from({ length }, (_, i) => String.fromCharCode(97 + i % 26)).join("");
const producerOf = (body: string) => new StaticProducer(new TextEncoder().encode(body));

Deno.test("bytes are written whole and in order, whatever their number", () => {
  for (const length of [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE]) {
    const body = text(length);
    const writer = new RecordingWriter();
    const producer = producerOf(body);
    assertEquals([producer.length, producer.kind], [length, "body"]);
    producer.start(writer);
    assertEquals(writer.calls.pop(), "end");
    assertEquals(writer.calls.join("") === body, true, `${length} bytes`);
    assertEquals(writer.calls.length, Math.ceil(length / PIECE));
  }
});

Deno.test("while the reader takes nothing one piece waits, and each time it has taken all the next is written", () => {
  const body = text(2 * PIECE + 5);
  const writer = new RecordingWriter();
  writer.onWrite = () => writer.isPaused = true;
  const producer = producerOf(body);
  producer.start(writer);
  assertEquals(writer.calls.length, 1);
  producer.onDrain(); // Not drained in truth.
  assertEquals(writer.calls.length, 1);
  for (let pieces = 2; pieces <= 3; pieces++) {
    writer.isPaused = false;
    producer.onDrain();
    assertEquals(writer.calls.filter((call) => call !== "end").length, pieces);
  }
  writer.isPaused = false;
  if (!writer.isClosed) producer.onDrain();
  assertEquals(writer.calls.slice(0, 3).join("") === body, true);
  assertEquals(writer.calls.filter((call) => call === "end").length, 1);
});

Deno.test("a writer that closes meanwhile gets no more, and no end", () => {
  const writer = new RecordingWriter();
  writer.onWrite = () => writer.isClosed = true;
  producerOf(text(2 * PIECE)).start(writer);
  assertEquals(writer.calls.length, 1);
});
