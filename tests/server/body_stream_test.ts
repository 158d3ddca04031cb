import { assert, assertEquals, assertRejects } from "@std/assert";
import { bodyStream } from "../../server/body_stream.ts";
import { IncomingBody } from "../../server/incoming_body.ts";
import { RecordingOwner, utf8 } from "../support/incoming_request.ts";

function streamOf(highBytes = 64 * 1024) {
  const owner = new RecordingOwner();
  const body = new IncomingBody(owner, null, { highBytes });
  return { owner, body, stream: bodyStream(body) };
}

/** A stream pulls in a microtask of its own at first: the first read asks the source after it. */
async function wanted(owner: RecordingOwner): Promise<void> {
  while (!owner.calls.includes("wanted")) await null;
}

function text(result: ReadableStreamReadResult<Uint8Array>): string | undefined {
  return result.value && new TextDecoder().decode(result.value);
}

Deno.test("the source is not touched before the first read", () => {
  const { owner, body } = streamOf();
  assertEquals([owner.calls, body.isUsed], [[], false]);
});

Deno.test("each read takes what has come, and the next waits for more", async () => {
  const { owner, body, stream } = streamOf();
  const reader = stream.getReader();
  const first = reader.read();
  await wanted(owner);
  body.push(utf8("o"));
  body.push(utf8("ne")); // In the same turn.
  assertEquals(text(await first), "one");
  body.push(utf8("two "));
  body.push(utf8("three"));
  body.end(null);
  assertEquals(text(await reader.read()), "two three");
  assert((await reader.read()).done);
});

Deno.test("several reads may wait at once", async () => {
  const { owner, body, stream } = streamOf();
  const reader = stream.getReader();
  const reads = [reader.read(), reader.read(), reader.read()];
  await wanted(owner);
  body.push(utf8("a"));
  await reads[0];
  body.push(utf8("b"));
  body.end(null);
  assertEquals((await Promise.all(reads)).map(text), ["a", "b", undefined]);
});

Deno.test("the stream's chunk is a copy: the loaned bytes may change", async () => {
  const { body, stream } = streamOf();
  const read = stream.getReader().read();
  const loan = utf8("abc");
  body.push(loan);
  loan.fill(0);
  assertEquals(text(await read), "abc");
});

Deno.test("a stream that nobody reads on pauses the connection at the high mark", async () => {
  const { owner, body, stream } = streamOf(8);
  const reader = stream.getReader();
  const read = reader.read();
  body.push(utf8("0"));
  await read;
  body.push(utf8("12345678"));
  assertEquals(owner.calls, ["wanted", "paused"]);
  await reader.read();
  assertEquals(owner.calls, ["wanted", "paused", "resumed"]);
});

Deno.test("large chunks are queued in the stream up to two receives, the rest waits in the source", async () => {
  const { owner, body, stream } = streamOf();
  const reader = stream.getReader();
  const first = reader.read();
  await wanted(owner);
  const chunk = new Uint8Array(64 * 1024);
  for (let i = 1; i <= 4; i++) body.push(chunk.fill(i));
  assertEquals([body.bufferedBytes, owner.calls], [64 * 1024, ["wanted", "paused"]]);
  const seen = [await first];
  for (let i = 2; i <= 4; i++) seen.push(await reader.read());
  assertEquals(
    seen.map(({ value }) => [value![0], value!.at(-1), value!.length]),
    [1, 2, 3, 4].map((i) => [i, i, 65536]),
  );
  assertEquals([body.bufferedBytes, owner.calls], [0, ["wanted", "paused", "resumed"]]);
});

Deno.test("small chunks do not queue up one by one", async () => {
  const { owner, body, stream } = streamOf();
  const reader = stream.getReader();
  const first = reader.read();
  await wanted(owner);
  body.push(utf8("x"));
  assertEquals((await first).value!.length, 1);
  for (let i = 0; i < 4_999; i++) body.push(utf8("x"));
  assertEquals(body.bufferedBytes, 4_999);
  assertEquals((await reader.read()).value!.length, 4_999);
});

Deno.test("between reads with buffers of their own the connection is stopped, so that nothing is copied to wait", async () => {
  const { owner, body, stream } = streamOf();
  const reader = stream.getReader({ mode: "byob" });
  const read = () => reader.read(new Uint8Array(4)) as Promise<ReadableStreamReadResult<Uint8Array>>;
  const first = read();
  await wanted(owner);
  body.push(utf8("1111"));
  assertEquals([text(await first), owner.calls], ["1111", ["wanted", "paused"]]);
  const second = read();
  while (!owner.calls.includes("resumed")) await null;
  const third = read();
  body.push(utf8("2222"));
  assertEquals(
    [text(await second), owner.calls.slice(2)],
    ["2222", ["resumed", "paused", "resumed"]],
    "another waits",
  );
  body.push(utf8("3333"));
  assertEquals([text(await third), owner.calls.slice(5)], ["3333", ["paused"]]);
  body.end(null);
  assert((await read()).done);
  assertEquals(owner.calls.length, 6, "nothing more is to come, so nothing is resumed");
});

Deno.test("a read with a buffer of its own fills it, and what does not fit comes with the next", async () => {
  const { body, stream } = streamOf();
  const reader = stream.getReader({ mode: "byob" });
  const first = reader.read(new Uint8Array(4));
  body.push(utf8("abcdef"));
  assertEquals(text(await first as ReadableStreamReadResult<Uint8Array>), "abcd");
  assertEquals(text(await reader.read(new Uint8Array(4)) as ReadableStreamReadResult<Uint8Array>), "ef");
  const last = reader.read(new Uint8Array(4));
  body.end(null);
  assert((await last).done);
});

Deno.test("a body that fails makes reads reject with its error, and never ends", async () => {
  const { body, stream } = streamOf();
  const reader = stream.getReader();
  const first = reader.read();
  body.push(utf8("part"));
  assertEquals(text(await first), "part");
  const reason = new Error("reset by peer");
  const second = reader.read();
  body.fail(reason);
  await assertRejects(() => second, Error, "reset by peer");
  await assertRejects(() => reader.read(), Error, "reset by peer");
});

Deno.test("what waited is not delivered after a failure", async () => {
  const { body, stream } = streamOf();
  body.push(utf8("part"));
  body.fail(new Error("reset by peer"));
  await assertRejects(() => new Response(stream).text(), Error, "reset by peer");
});

Deno.test("cancelling tells the connection, with the reason, before a read and after one", async () => {
  const before = streamOf();
  await before.stream.cancel(new Error("no use"));
  assertEquals(before.owner.calls, ["cancelled Error: no use"]);

  const after = streamOf();
  const reader = after.stream.getReader();
  const read = reader.read();
  after.body.push(utf8("a"));
  await read;
  await reader.cancel("a word");
  after.body.push(utf8("b"));
  assertEquals(after.owner.calls, ["wanted", "cancelled null"]);
});

Deno.test("a source without cancel is consumed and given up", async () => {
  const calls: string[] = [];
  const stream = bodyStream({
    length: null,
    isUsed: false,
    consume: (consumer) => {
      consumer.chunk(utf8("dropped"));
      return { pause: () => {}, resume: () => {}, cancel: (reason) => calls.push(`${reason}`) };
    },
  });
  await stream.cancel(new Error("no use"));
  assertEquals(calls, ["Error: no use"]);
});

Deno.test("a body that somebody else consumes makes the first read a TypeError", async () => {
  const { body, stream } = streamOf();
  body.consume({ chunk: () => {}, end: () => {}, failed: () => {} });
  await assertRejects(() => stream.getReader().read(), TypeError, "Cannot read the body");
});

Deno.test("both branches of a tee get every byte", async () => {
  const { body, stream } = streamOf();
  const [left, right] = stream.tee();
  const texts = Promise.all([new Response(left).text(), new Response(right).text()]);
  for (const word of ["a", "bc", "def"]) body.push(utf8(word));
  body.end(null);
  assertEquals(await texts, ["abcdef", "abcdef"]);
});
