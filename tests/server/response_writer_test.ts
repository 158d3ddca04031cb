import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { SharedChunk } from "../../io/shared_chunk.ts";
import type { BodyProducer } from "../../server/body_writer.ts";
import type { Framing } from "../../server/http1/message.ts";
import { LocalProtocolError } from "../../server/http1/errors.ts";
import { BodyLengthError } from "../../server/response_errors.ts";
import { ResponseWriter } from "../../server/response_writer.ts";
import { FakeTransport } from "../support/fake_transport.ts";

const CHUNKED: Framing = { kind: "chunked" };
const UNTIL_CLOSE: Framing = { kind: "close" };
const lengthOf = (length: number): Framing => ({ kind: "length", length });
const bytes = (text: string) => new TextEncoder().encode(text);

/** A writer, what it wrote, and what its owner and its producer heard. */
function open(framing: Framing, producer: Partial<BodyProducer> = {}) {
  const transport = new FakeTransport();
  const heard: string[] = [];
  const failures: unknown[] = [];
  const reports: unknown[] = [];
  let wroteBytes = 0;
  const owner = {
    isWritePaused: false,
    wrote: (count: number): void => {
      wroteBytes += count;
    },
    wroteEnd: (count: number): void => {
      wroteBytes += count;
    },
    bodyFinished: () => void heard.push("finished"),
    bodyFailed: (_writer: ResponseWriter, reason: unknown) => {
      heard.push("failed");
      failures.push(reason);
    },
    report: (error: unknown) => void reports.push(error),
  };
  const full: BodyProducer = {
    start: () => {},
    onClosed: (reason) => void heard.push(`closed ${reason?.message ?? null}`),
    ...producer,
  };
  const writer = new ResponseWriter(transport, owner, full, framing);
  const wire = () => transport.calls.map((call) => call.slice(call.indexOf(" ") + 1)).join("");
  return { writer, owner, transport, heard, failures, reports, wire, wroteBytes: () => wroteBytes };
}

Deno.test("each way of writing is framed in chunks, and all bytes are counted", () => {
  const { writer, wire, wroteBytes, heard } = open(CHUNKED);
  const plain = new SharedChunk(bytes("shared"));
  const chunked = new SharedChunk(bytes("6\r\nshared\r\n"));
  writer.write(bytes("bytes"));
  writer.writeText("text");
  writer.writeShared({ plain, chunked });
  writer.end();
  const expected = "5\r\nbytes\r\n4\r\ntext\r\n6\r\nshared\r\n0\r\n\r\n";
  assertEquals([wire(), wroteBytes(), heard], [expected, expected.length, ["finished"]]);
});

Deno.test("text is counted in bytes, not in characters", () => {
  for (const text of ["ä", "\u{1f30d}", "x".repeat(2_000), "ä".repeat(2_000), "\0", "\x7f", "\x80"]) {
    const { length } = bytes(text);
    const chunked = open(CHUNKED);
    chunked.writer.writeText(text);
    assert(chunked.wire().startsWith(`${length.toString(16)}\r\n`), JSON.stringify(text.slice(0, 5)));
    const sized = open(lengthOf(length));
    sized.writer.writeText(text);
    sized.writer.end();
    assertEquals([sized.heard, sized.wroteBytes()], [["finished"], length]);
  }
});

Deno.test("an empty write is no chunk, for an empty chunk would be the last", () => {
  const { writer, wire } = open(CHUNKED);
  writer.write(new Uint8Array(0));
  writer.writeText("");
  const empty = new SharedChunk(new Uint8Array(0));
  writer.writeShared({ plain: empty, chunked: empty });
  assertEquals(wire(), "");
  writer.end();
  assertEquals(wire(), "0\r\n\r\n");
});

Deno.test("trailers are sent where the framing can, and those that may not be fail the body", () => {
  const good = open(CHUNKED);
  good.writer.end([["X-Sum", "42"]]);
  assertEquals(good.wire().toLowerCase(), "0\r\nx-sum: 42\r\n\r\n");
  const sized = open(lengthOf(0));
  sized.writer.end([["X-Sum", "42"]]);
  assertEquals([sized.wire(), sized.heard], ["", ["finished"]]);
  const bad = open(CHUNKED);
  bad.writer.end([["Content-Length", "1"]]);
  assertEquals([bad.wire(), bad.heard.at(-1)], ["", "failed"]);
  assertInstanceOf(bad.failures[0], LocalProtocolError);
});

Deno.test("more than the promised length fails the body, and the excess is not written", () => {
  const { writer, wire, heard, failures } = open(lengthOf(3));
  writer.write(bytes("ab"));
  writer.write(bytes("cd"));
  writer.end();
  assertEquals([wire(), heard.length, heard[1]], ["ab", 2, "failed"]);
  const [error] = failures;
  assertInstanceOf(error, BodyLengthError);
  assertEquals([error.expected, error.actual], [3, 4]);
});

Deno.test("less than the promised length fails the body at its end", () => {
  const { writer, heard, failures } = open(lengthOf(3));
  writer.write(bytes("ab"));
  writer.end();
  assertEquals(heard[1], "failed");
  assertEquals((failures[0] as BodyLengthError).actual, 2);
});

Deno.test("a body up to the connection's end is written as it is", () => {
  const { writer, wire, heard } = open(UNTIL_CLOSE);
  writer.write(bytes("a"));
  writer.writeText("b");
  writer.end();
  assertEquals([wire(), heard], ["ab", ["finished"]]);
});

Deno.test("after the end nothing is written and nobody is told again", () => {
  const { writer, wire, heard, transport } = open(CHUNKED);
  writer.end();
  const before = transport.calls.length;
  writer.write(bytes("x"));
  writer.writeText("x");
  writer.end();
  writer.abort(new Error("too late"));
  writer.cut(new Error("too late"));
  writer.drained();
  writer.draining();
  assertEquals([wire(), transport.calls.length, heard], ["0\r\n\r\n", before, ["finished"]]);
  assertEquals([writer.isClosed, writer.isPaused], [true, false]);
});

Deno.test("a producer that throws or rejects fails its body once, with what it threw", async () => {
  const boom = new Error("boom");
  const throwing = open(CHUNKED, {
    start: () => {
      throw boom;
    },
  });
  throwing.writer.start();
  const rejecting = open(CHUNKED, { start: () => Promise.reject(boom) });
  rejecting.writer.start();
  await null;
  await null;
  for (const { heard, failures, writer } of [throwing, rejecting]) {
    assertEquals(heard, ["closed boom", "failed"]);
    assertStrictEquals(failures[0], boom);
    assert(writer.isClosed);
  }
});

Deno.test("what is thrown and no error still fails the body", () => {
  const { writer, heard, failures } = open(CHUNKED, {
    start: () => {
      throw "a string";
    },
  });
  writer.start();
  assertEquals([heard, failures], [["closed Cannot complete the response: a string", "failed"], [
    "a string",
  ]]);
});

Deno.test("a producer that throws in onDrain or onDraining fails its body, in onClosed it is reported", () => {
  const boom = () => {
    throw new Error("boom");
  };
  const drain = open(CHUNKED, { onDrain: boom });
  drain.writer.drained();
  const draining = open(CHUNKED, { onDraining: boom });
  draining.writer.draining();
  for (const { heard } of [drain, draining]) assertEquals(heard, ["closed boom", "failed"]);
  const closed = open(CHUNKED, { onClosed: boom });
  closed.writer.cut(new Error("gone"));
  assertEquals([closed.heard, closed.reports.length], [[], 1]);
});

Deno.test("drain waits for the low mark, wakes everybody who waits, and does not wait when nothing is full", async () => {
  const { writer, owner } = open(CHUNKED);
  await writer.drain();
  owner.isWritePaused = true;
  assert(writer.isPaused);
  let woken = 0;
  const waits = [1, 2, 3].map(() => writer.drain().then(() => woken++));
  await null;
  assertEquals(woken, 0);
  owner.isWritePaused = false;
  writer.drained();
  await Promise.all(waits);
  assertEquals(woken, 3);
});

Deno.test("who waits to drain is woken by the end, and rejected when the client is gone", async () => {
  const ended = open(CHUNKED);
  ended.owner.isWritePaused = true;
  const wait = ended.writer.drain();
  ended.writer.end();
  await wait;
  const cut = open(CHUNKED);
  cut.owner.isWritePaused = true;
  const gone = cut.writer.drain();
  cut.writer.cut(new Error("gone"));
  await assertRejects(() => gone, Error, "gone");
  await assertRejects(() => cut.writer.drain(), Error, "gone");
  await assertRejects(() => ended.writer.drain(), Error, "Cannot drain");
  assertEquals(cut.heard, ["closed gone"], "the owner that cuts is not called");
});

Deno.test("a cut from within the last write leaves the body unfinished", () => {
  const { writer, owner, heard } = open(CHUNKED);
  owner.wroteEnd = () => writer.cut(new Error("too much"));
  writer.end();
  assertEquals(heard, ["closed too much"]);
});

Deno.test("a shared chunk is written in the form its framing needs", () => {
  for (
    const [framing, expected] of [[CHUNKED, "1\r\nx\r\n"], [lengthOf(1), "x"], [UNTIL_CLOSE, "x"]] as const
  ) {
    const { writer, wire } = open(framing);
    writer.writeShared({ plain: new SharedChunk(bytes("x")), chunked: new SharedChunk(bytes("1\r\nx\r\n")) });
    assertEquals(wire(), expected);
  }
});
