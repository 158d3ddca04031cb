import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  ConcurrentReadError,
  ConnectionResetError,
  DeadlineExceededError,
  IncompleteReadError,
  LimitOverrunError,
} from "../../io/errors.ts";
import { StreamReader } from "../../io/stream_reader.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { FakeTransport } from "../support/fake_transport.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (read: Uint8Array) => new TextDecoder().decode(read);

function setUp(limitBytes?: number) {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const transport = new FakeTransport();
  const reader = new StreamReader(timers, transport, { limitBytes });
  const feed = (piece: string) => reader.feed(bytes(piece));
  return { clock, timers, transport, reader, feed };
}

Deno.test("read(n) gives what is there, at most n, and waits only when there is nothing", async () => {
  const { reader, feed } = setUp();
  feed("abcdef");
  assertEquals(text(await reader.read(4)), "abcd");
  assertEquals(text(await reader.read(4)), "ef");
  assertEquals((await reader.read(0)).length, 0);
  const waiting = reader.read(4);
  feed("ghijkl");
  assertEquals(text(await waiting), "ghij");
  assertEquals(reader.bufferedBytes, 2);
  reader.feedEnd();
  assert(!reader.atEof());
  assertEquals(text(await reader.read(100)), "kl");
  assert(reader.atEof());
  assertEquals((await reader.read(100)).length, 0);
});

Deno.test("read() waits for the end and gives all", async () => {
  const { reader, feed } = setUp(16);
  feed("x".repeat(100));
  const all = reader.read();
  for (let times = 0; times < 10; times++) feed("y".repeat(100));
  reader.feedEnd();
  assertEquals(text(await all), "x".repeat(100) + "y".repeat(1000));
  assertEquals((await reader.read(-1)).length, 0);
});

Deno.test("read() to the end is bounded, and what came stays in the reader", async () => {
  const { reader, feed } = setUp();
  const all = assertRejects(
    () => reader.read(-1, { maxBytes: 10 }),
    LimitOverrunError,
    "Cannot read to the end",
  );
  feed("0123456789");
  feed("a");
  const error = await all;
  assertEquals([error.code, error.consumed, error.limit], ["SLUICE_LIMIT_OVERRUN", 11, 10]);
  reader.feedEnd();
  await assertRejects(() => reader.read(-1, { maxBytes: 10 }), LimitOverrunError);
  assertEquals(text(await reader.read(-1, { maxBytes: 11 })), "0123456789a");
});

Deno.test("readExactly(n) gives n bytes, or the partial ones when the stream ends", async () => {
  const { reader, feed } = setUp();
  assertEquals((await reader.readExactly(0)).length, 0);
  const five = reader.readExactly(5);
  feed("ab");
  feed("cdefgh");
  assertEquals(text(await five), "abcde");
  const four = assertRejects(() => reader.readExactly(4), IncompleteReadError, "Cannot read 4 bytes");
  reader.feedEnd();
  const error = await four;
  assertEquals([error.code, text(error.partial), error.expected], ["SLUICE_INCOMPLETE_READ", "fgh", 4]);
  assert(reader.atEof());
});

Deno.test("readUntil() gives all up to the separator that is over first, found across pieces", async () => {
  const { reader, feed } = setUp();
  const first = reader.readUntil("\r\n\r\n");
  for (const piece of ["a\r\nb\r", "\n\r", "\nrest;more,"]) feed(piece);
  assertEquals(text(await first), "a\r\nb\r\n\r\n");
  assertEquals(text(await reader.readUntil([",", bytes(";")])), "rest;");
  assertEquals(text(await reader.readUntil([";", ","])), "more,");
  const last = assertRejects(() => reader.readUntil("|"), IncompleteReadError, "up to the delimiter");
  feed("tail");
  reader.feedEnd();
  const error = await last;
  assertEquals([text(error.partial), error.expected], ["tail", null]);
  assert(reader.atEof());
});

Deno.test("readUntil() heeds the limit, tells how much can be skipped, and leaves the bytes", async () => {
  const { reader, feed } = setUp(8);
  const notFound = assertRejects(() => reader.readUntil("--"), LimitOverrunError, "limit of 8 bytes");
  feed("12345678");
  feed("9-");
  assertEquals((await notFound).consumed, 9);
  feed("-");
  const tooLong = await assertRejects(() => reader.readUntil("--"), LimitOverrunError);
  assertEquals(tooLong.consumed, 9);
  assertEquals(text(await reader.readExactly(tooLong.consumed)), "123456789");
  assertEquals(text(await reader.readUntil("--")), "--");
  feed("12345678--");
  assertEquals(text(await reader.readUntil("--")), "12345678--", "as long as the limit is not too long");
});

Deno.test("readLine() gives lines, the last without its end, then nothing", async () => {
  const { reader, feed } = setUp();
  const first = reader.readLine();
  feed("one\ntwo\n\nthr");
  assertEquals(text(await first), "one\n");
  assertEquals(text(await reader.readLine()), "two\n");
  assertEquals(text(await reader.readLine()), "\n");
  const third = reader.readLine();
  feed("ee");
  reader.feedEnd();
  assertEquals(text(await third), "three");
  assertEquals((await reader.readLine()).length, 0);
});

Deno.test("readLine() drops a line that is too long, as asyncio does, and goes on after it", async () => {
  const { reader, feed } = setUp(4);
  feed("12345\nabcd\n");
  const complete = await assertRejects(() => reader.readLine(), LimitOverrunError);
  assertEquals(complete.consumed, 5);
  assertEquals(text(await reader.readLine()), "abcd\n");
  const partial = assertRejects(() => reader.readLine(), LimitOverrunError);
  feed("67");
  feed("890");
  await partial;
  feed("x\n");
  assertEquals(
    text(await reader.readLine()),
    "x\n",
    "what came of the long line is gone, its rest is a line",
  );
});

Deno.test("for await gives the lines", async () => {
  const { reader, feed } = setUp();
  feed("a\nb\nc\nlast");
  const lines: string[] = [];
  for await (const line of reader) {
    lines.push(text(line));
    if (lines.length === 2) break;
  }
  assertEquals(lines, ["a\n", "b\n"]);
  reader.feedEnd();
  for await (const line of reader) lines.push(text(line));
  assertEquals(lines, ["a\n", "b\n", "c\n", "last"]);
});

Deno.test("a reset fails the read that waits and later ones, but what came before it can be read", async () => {
  const { reader, feed } = setUp();
  const reset = new ConnectionResetError("Cannot read");
  const waiting = assertRejects(() => reader.readExactly(13));
  feed("partial\nrest");
  reader.feedError(reset);
  assertStrictEquals(await waiting, reset);
  assertStrictEquals(reader.error, reset);
  assertEquals(text(await reader.readLine()), "partial\n");
  assertStrictEquals(await assertRejects(() => reader.readLine()), reset);
  assertStrictEquals(await assertRejects(() => reader.readUntil("#")), reset);
  assertStrictEquals(await assertRejects(() => reader.read()), reset);
  assert(!reader.atEof());
  assertEquals(text(await reader.read(100)), "rest");
  for (let times = 0; times < 2; times++) {
    assertStrictEquals(await assertRejects(() => reader.read(1)), reset);
  }
});

Deno.test("after the end no error comes any more, and no bytes", async () => {
  const { reader, feed } = setUp();
  feed("all");
  reader.feedEnd();
  reader.feedError(new ConnectionResetError());
  feed("not expected");
  assertEquals(text(await reader.read()), "all");
  assert(reader.atEof() && reader.error === null);
});

Deno.test("a second read while one waits is refused, whatever it wants, and the first goes on", async () => {
  const { reader, feed } = setUp();
  feed("12");
  const first = reader.readExactly(4);
  const seconds = [
    () => reader.read(1),
    () => reader.read(),
    () => reader.readExactly(1),
    () => reader.readLine(),
    () => reader.readUntil("x"),
  ];
  for (const second of seconds) await assertRejects(second, ConcurrentReadError, "another read");
  feed("345");
  assertEquals(text(await first), "1234");
  assertEquals(text(await reader.read(9)), "5");
});

Deno.test("a read that was given up has taken nothing, and the next one gets every byte", async () => {
  const { clock, timers, reader, feed } = setUp();
  const controller = new AbortController();
  const reads = [
    (options: { signal?: AbortSignal; timeoutMs?: number }) => reader.readExactly(100, options),
    (options: { signal?: AbortSignal; timeoutMs?: number }) => reader.readLine(options),
    (options: { signal?: AbortSignal; timeoutMs?: number }) => reader.readUntil("##", options),
    (options: { signal?: AbortSignal; timeoutMs?: number }) => reader.read(-1, options),
  ];
  for (const read of reads) {
    const wait = assertRejects(() => read({ timeoutMs: 100 }), DeadlineExceededError, "Cannot read");
    feed("a");
    await clock.advance(100);
    await wait;
    const cancelled = new AbortController();
    const reason = new Error("cancelled");
    const aborted = assertRejects(() => read({ signal: cancelled.signal, timeoutMs: 100 }));
    feed("b");
    cancelled.abort(reason);
    assertStrictEquals(await aborted, reason);
    assertStrictEquals(
      await assertRejects(() => read({ signal: cancelled.signal })),
      reason,
      "aborted before",
    );
  }
  assertEquals(text(await reader.read(100, { signal: controller.signal, timeoutMs: 100 })), "abababab");
  const waiting = reader.read(100, { signal: controller.signal, timeoutMs: 100 });
  feed("c");
  assertEquals(timers.armedCount, 0);
  controller.abort();
  assertEquals(text(await waiting), "c", "it had its bytes before the signal");
  assertEquals(timers.armedCount, 0);
});

Deno.test("with more than twice the limit unread the transport is paused, and resumed at the limit", async () => {
  const { transport, reader, feed } = setUp(10);
  feed("x".repeat(20));
  assertEquals(transport.calls, []);
  feed("x");
  assertEquals(transport.calls, ["pauseReading"]);
  await reader.read(10);
  assertEquals(transport.calls, ["pauseReading"], "11 are left, one more than the limit");
  await reader.read(1);
  assertEquals(transport.calls, ["pauseReading", "resumeReading"]);
});

Deno.test("a read that needs more than is buffered resumes the transport, and giving it up pauses it again", async () => {
  const { clock, transport, reader, feed } = setUp(10);
  feed("x".repeat(21));
  const waiting = assertRejects(() => reader.readExactly(50, { timeoutMs: 20 }), DeadlineExceededError);
  assertEquals(transport.calls, ["pauseReading", "resumeReading"]);
  feed("x".repeat(21));
  assert(transport.isReading, "no pause while a read needs more");
  await clock.advance(20);
  await waiting;
  assert(!transport.isReading);
  const all = reader.readExactly(50);
  assert(transport.isReading);
  feed("x".repeat(50));
  assertEquals((await all).length, 50);
  assert(!transport.isReading, "42 are left");
});

Deno.test("a delivery that answers the read and leaves too much pauses the transport", async () => {
  const { transport, reader, feed } = setUp(10);
  const line = reader.readLine();
  feed("x\n" + "y".repeat(21));
  await line;
  assert(!transport.isReading);
});

Deno.test("wrong arguments are refused and disturb nothing", async () => {
  const { reader, feed } = setUp();
  for (const limitBytes of [0, -1, 1.5, NaN]) assertThrows(() => setUp(limitBytes), RangeError, "limitBytes");
  await assertRejects(() => reader.read(1.5), RangeError);
  await assertRejects(() => reader.read(NaN), RangeError);
  await assertRejects(() => reader.read(-1, { maxBytes: -1 }), RangeError);
  await assertRejects(() => reader.readExactly(-1), RangeError);
  await assertRejects(() => reader.readUntil(""), RangeError, "empty");
  await assertRejects(() => reader.readUntil(["a", ""]), RangeError, "empty");
  await assertRejects(() => reader.readUntil([]), RangeError, "none");
  feed("a");
  assertEquals(text(await reader.read(5)), "a");
});

Deno.test("a reader without a transport just collects", async () => {
  const reader = new StreamReader(new TimerWheel(new VirtualClock()), null, { limitBytes: 1 });
  for (let times = 0; times < 10; times++) reader.feed(bytes("abc"));
  reader.feedEnd();
  assertEquals((await reader.read()).length, 30);
});

Deno.test("readable gives the same bytes as a web stream, asking for no more than is read from it", async () => {
  const { transport, reader, feed } = setUp(4);
  feed("line\n");
  const { readable } = reader;
  assertStrictEquals(reader.readable, readable);
  assertEquals(text(await reader.readLine()), "line\n", "making it takes nothing");
  feed("0123456789");
  assert(!transport.isReading);
  const stream = readable.getReader();
  assertEquals(text((await stream.read()).value!), "0123456789");
  assert(transport.isReading);
  stream.releaseLock();
  feed("next\n");
  assertEquals(text(await reader.readLine()), "next\n", "reads go on after the lock is released");
  const rest = readable.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>);
  feed("the ");
  feed("end");
  reader.feedEnd();
  assertEquals((await Array.fromAsync(rest)).join(""), "the end");
});

Deno.test("readable fills a caller's own buffer", async () => {
  const { reader, feed } = setUp();
  const stream = reader.readable.getReader({ mode: "byob" });
  feed("abcdefgh");
  const first = await stream.read(new Uint8Array(5));
  assertEquals([text(first.value!), first.done], ["abcde", false]);
  const second = await stream.read(new Uint8Array(5));
  assertEquals(text(second.value!), "fgh");
  const last = stream.read(new Uint8Array(5));
  reader.feedEnd();
  assertEquals((await last).done, true);
});

Deno.test("readable fails with the connection's error, after the bytes that came before it", async () => {
  const { reader, feed } = setUp();
  const reset = new ConnectionResetError();
  feed("before");
  reader.feedError(reset);
  const stream = reader.readable.getReader();
  assertEquals(text((await stream.read()).value!), "before");
  assertStrictEquals(await assertRejects(() => stream.read()), reset);
});

Deno.test("cancelling readable drops what is unread, holds the peer back and ends the reader", async () => {
  const { transport, reader, feed } = setUp();
  const stream = reader.readable.getReader();
  const waiting = stream.read();
  await stream.cancel("enough");
  assertEquals((await waiting).done, true);
  assert(!transport.isReading);
  feed("unwanted");
  assert(reader.atEof());
  assertEquals((await reader.read(10)).length, 0);
});
