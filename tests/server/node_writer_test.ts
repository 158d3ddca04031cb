/** Bodies written to a response of `node:http`, played by a recorder. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SharedChunk } from "../../io/shared_chunk.ts";
import type { BodyProducer, BodyWriter } from "../../server/body_writer.ts";
import type { ServerResponseLike } from "../../server/node_http.ts";
import { breakOff, NodeWriter } from "../../server/node_writer.ts";

/** Takes what it is given; says that it is full once it holds more than 10 bytes. */
class Recorder {
  readonly calls: string[] = [];
  readonly #taken: (() => void)[] = [];
  writableLength = 0;
  drain = () => {};

  on(_event: string, listener: () => void): void {
    this.drain = listener;
  }
  write(chunk: Uint8Array, taken?: () => void): boolean {
    this.calls.push(new TextDecoder().decode(chunk));
    this.writableLength += chunk.length;
    if (taken !== undefined) this.#taken.push(taken);
    return this.writableLength <= 10;
  }
  addTrailers(pairs: [string, string][]): void {
    this.calls.push(`trailers ${pairs}`);
  }
  end(): void {
    this.calls.push("end");
  }
  destroy(): void {
    this.calls.push("destroy");
  }
  take(): void {
    this.writableLength = 0;
    for (const taken of this.#taken.splice(0)) taken();
    this.drain();
  }
}

function write(start: (writer: BodyWriter) => void | Promise<void>, rest: Partial<BodyProducer> = {}) {
  const recorder = new Recorder();
  const settled: (string | null)[] = [];
  const closed: string[] = [];
  const reported: unknown[] = [];
  const producer: BodyProducer = { start, onClosed: (reason) => void closed.push(`${reason}`), ...rest };
  const writer = new NodeWriter(
    recorder as unknown as ServerResponseLike,
    producer,
    producer.length ?? null,
    {
      settled: (failure) => void settled.push(failure === null ? null : failure.message),
      report: (error) => void reported.push(error),
    },
  );
  writer.start();
  return { recorder, settled, closed, reported, writer };
}

Deno.test("text, bytes and shared bytes are written, copied where they must be, and ended once", () => {
  const bytes = new TextEncoder().encode("b");
  const chunk = new SharedChunk(new TextEncoder().encode("c"));
  const { recorder, settled, closed, writer } = write((writer) => {
    writer.writeText("a");
    writer.write(bytes);
    writer.writeShared({ plain: chunk, chunked: chunk });
    writer.writeText("");
    writer.end([["x", "1"]]);
    writer.writeText("late");
    writer.end();
  });
  recorder.take();
  chunk.release(); // the last reference: the writer has released its own
  assertEquals(recorder.calls, ["a", "b", "c", "trailers x,1", "end"]);
  assertEquals([settled, closed, writer.isClosed], [[null], [], true]);
});

Deno.test("a full response pauses the writer until it drains", async () => {
  let drains = 0;
  const { recorder, writer } = write((writer) => writer.writeText("more than ten"), {
    onDrain: () => void drains++,
  });
  assert(writer.isPaused && writer.bufferedBytes === 13);
  const drained = writer.drain();
  recorder.take();
  await drained;
  assertEquals([writer.isPaused, drains], [false, 1]);
});

Deno.test("a producer that does not pause is cut", () => {
  const { settled, closed } = write((writer) => {
    while (!writer.isClosed) writer.write(new Uint8Array(100_000));
  });
  assertEquals([settled.length, closed.length], [1, 1]);
  assert(settled[0]!.includes("wait for a slow reader"));
});

Deno.test("too few and too many bytes fail the body", () => {
  const short = write((writer) => (writer.writeText("a"), writer.end()), { length: 2 });
  assertEquals(short.settled.length, 1);
  const long = write((writer) => writer.writeText("abc"), { length: 2 });
  assertEquals([long.settled.length, long.recorder.calls], [1, []]);
});

Deno.test("a client that left is told to the producer and to who waits, and not to the owner", async () => {
  const { recorder, settled, closed, writer } = write((writer) => writer.writeText("more than ten"));
  const drained = writer.drain();
  writer.cut(new TypeError("left"));
  await assertRejects(() => drained, TypeError, "left");
  await assertRejects(() => writer.drain(), TypeError, "left");
  recorder.take();
  assertEquals([settled, closed], [[], ["TypeError: left"]]);
});

Deno.test("a rejection of `start` fails the body, and an abort does", async () => {
  const failed = write(() => Promise.reject(new TypeError("on purpose")));
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(failed.settled, ["on purpose"]);
  const aborted = write((writer) => writer.abort(new TypeError("given up")));
  assertEquals([aborted.settled, aborted.closed], [["given up"], ["TypeError: given up"]]);
});

Deno.test("breaking off resets where the socket can", () => {
  const recorder = new Recorder();
  breakOff(recorder as unknown as ServerResponseLike, {
    resetAndDestroy: () => void recorder.calls.push("reset"),
  });
  assertEquals(recorder.calls, ["reset", "destroy"]);
});
