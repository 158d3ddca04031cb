import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectionAbortedError, ConnectionClosedError, ConnectionResetError } from "../../io/errors.ts";
import { SharedChunk } from "../../io/shared_chunk.ts";
import { StreamWriter } from "../../io/stream_writer.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { WriteGate } from "../../io/write_gate.ts";
import { FakeTransport } from "../support/fake_transport.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function setUp() {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const transport = new FakeTransport();
  const gate = new WriteGate(timers);
  return { clock, timers, transport, gate, writer: new StreamWriter(transport, gate) };
}

Deno.test("what is written goes to the transport, in order and as it is", () => {
  const { transport, writer } = setUp();
  writer.write(bytes("a"));
  writer.writeText("ü");
  writer.writeLines([bytes("b\n"), "c\n"]);
  writer.writeShared(new SharedChunk(bytes("d")));
  writer.closeWrite();
  writer.close();
  assertEquals(transport.calls, [
    "write a",
    "writeText ü",
    "write b\n",
    "writeText c\n",
    "writeShared d",
    "closeWrite",
    "close",
  ]);
  assert(writer.isClosing && writer.canCloseWrite);
  assertStrictEquals(writer.localAddr, transport.localAddr);
  assertStrictEquals(writer.remoteAddr, transport.remoteAddr);
});

Deno.test("drain() waits while writing is paused", async () => {
  const { gate, writer } = setUp();
  await writer.drain();
  gate.pause();
  let drained = false;
  const drain = writer.drain().then(() => drained = true);
  await null;
  assert(!drained);
  gate.resume();
  await drain;
});

Deno.test("drain() on a connection that is closing waits for the close and fails", async () => {
  const { gate, writer } = setUp();
  writer.close();
  const drain = assertRejects(() => writer.drain(), ConnectionClosedError);
  gate.close(null);
  await drain;
});

Deno.test("waitClosed() fails with the reason, but not after the writer's own abort", async () => {
  const lost = setUp();
  const reason = new ConnectionResetError();
  const waiting = assertRejects(() => lost.writer.waitClosed());
  lost.gate.close(reason);
  assertStrictEquals(await waiting, reason);
  lost.writer.abort(); // too late to be the reason
  assertStrictEquals(await assertRejects(() => lost.writer.waitClosed()), reason);

  const aborted = setUp();
  const why = new ConnectionAbortedError("the test wants it");
  aborted.writer.abort(why);
  assertEquals(aborted.transport.calls, [`abort ${why.message}`]);
  const closed = aborted.writer.waitClosed();
  aborted.gate.close(why);
  await closed;
  assertStrictEquals(await assertRejects(() => aborted.writer.drain()), why);
});

Deno.test("closeWithin() closes, and aborts when the peer does not take the rest in time", async () => {
  const willing = setUp();
  const closed = willing.writer.closeWithin(100);
  assertEquals(willing.transport.calls, ["close"]);
  willing.gate.close(null);
  assertEquals(await closed, true);
  assertEquals(willing.timers.armedCount, 0);

  const stalled = setUp();
  const cut = stalled.writer.closeWithin(100);
  await stalled.clock.advance(100);
  assertEquals(stalled.transport.calls, ["close", "abort Cannot wait for the close: not done within 100 ms"]);
  stalled.gate.close(new ConnectionAbortedError());
  assertEquals(await cut, false);

  const lost = setUp();
  const failed = lost.writer.closeWithin(100);
  lost.gate.close(new ConnectionResetError());
  assertEquals(await failed, false);
});

Deno.test("writable writes, holds back while paused, ends and aborts the writing half", async () => {
  const { gate, transport, writer } = setUp();
  const { writable } = writer;
  assertStrictEquals(writer.writable, writable);
  const stream = writable.getWriter();
  await stream.write(bytes("a"));
  gate.pause();
  let written = false;
  const second = stream.write(bytes("b")).then(() => written = true);
  for (let hop = 0; hop < 20; hop++) await null;
  assertEquals([written, stream.desiredSize], [false, 0]);
  gate.resume();
  await second;
  await stream.close();
  assertEquals(transport.calls, ["write a", "write b", "closeWrite"]);
  gate.close(null);

  const other = setUp();
  const reason = new Error("changed my mind");
  await other.writer.writable.abort(reason);
  assertEquals(other.transport.calls, ["abort changed my mind"]);
  other.gate.close(reason);

  const vague = setUp();
  await vague.writer.writable.abort("not even an error");
  assertEquals(vague.transport.calls, [
    "abort Cannot go on with the connection: its writable stream was aborted",
  ]);
  vague.gate.close(reason);
});

Deno.test("writable errors as soon as the connection is gone", async () => {
  const lost = setUp();
  const reason = new ConnectionResetError();
  const closed = assertRejects(() => lost.writer.writable.getWriter().closed);
  lost.gate.close(reason);
  assertStrictEquals(await closed, reason);

  const ended = setUp();
  const stream = ended.writer.writable.getWriter();
  const over = assertRejects(() => stream.closed, ConnectionClosedError);
  ended.gate.close(null);
  await over;
  await assertRejects(() => stream.write(bytes("late")), ConnectionClosedError);
});
