import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectionClosedError, ConnectionResetError } from "../../io/errors.ts";
import { adoptStreams, StreamProtocol, type Streams } from "../../io/stream_protocol.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { FakeTransport } from "../support/fake_transport.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (read: Uint8Array) => new TextDecoder().decode(read);

function setUp() {
  const transport = new FakeTransport();
  let streams: Streams | null = null;
  const timers = new TimerWheel(new VirtualClock());
  const protocol = new StreamProtocol(timers, { limitBytes: 100 }, (opened) => streams = opened);
  protocol.opened(transport);
  const { reader, writer } = streams! as Streams;
  return { transport, protocol, timers, reader, writer };
}

Deno.test("opened() makes the streams with their options", () => {
  const { transport, reader, writer } = setUp();
  assertEquals(reader.limitBytes, 100);
  assertStrictEquals(writer.transport, transport);
});

Deno.test("the transport's bytes and end come out of the reader, and the write side stays open", async () => {
  const { protocol, reader } = setUp();
  const line = reader.readLine();
  const loan = bytes("one\ntwo");
  protocol.received(loan);
  loan.fill(0);
  assertEquals(text(await line), "one\n");
  assertEquals(protocol.ended(), true);
  assertEquals(text(await reader.read()), "two");
});

Deno.test("pauses hold drains back", async () => {
  const { protocol, writer } = setUp();
  protocol.pauseWriting();
  const drain = writer.drain();
  protocol.resumeWriting();
  await drain;
});

Deno.test("a loss reaches the read, the drain and the wait for the close, all with its reason", async () => {
  const { protocol, reader, writer } = setUp();
  protocol.pauseWriting();
  const waits = [reader.readExactly(5), writer.drain(), writer.waitClosed()].map((wait) =>
    assertRejects(() => wait)
  );
  const reset = new ConnectionResetError();
  protocol.received(bytes("abc"));
  protocol.closed(reset);
  for (const wait of waits) assertStrictEquals(await wait, reset);
  assertEquals(text(await reader.read(5)), "abc");
});

Deno.test("an orderly close ends the reader and the wait for the close, and fails drains", async () => {
  const { protocol, reader, writer } = setUp();
  protocol.pauseWriting();
  const all = reader.read();
  const drain = assertRejects(() => writer.drain(), ConnectionClosedError);
  const closed = writer.waitClosed();
  protocol.received(bytes("abc"));
  protocol.closed(null);
  assertEquals(text(await all), "abc");
  await Promise.all([drain, closed]);
  assert(reader.atEof());
});

Deno.test("adoptStreams() takes a connection over, with the bytes that came already first", async () => {
  const { timers } = setUp();
  const transport = new FakeTransport();
  const early = bytes("early ");
  const { reader, writer } = adoptStreams(transport, timers, { received: early });
  early.fill(0);
  transport.protocol!.received(bytes("and late"));
  transport.protocol!.ended();
  assertEquals(text(await reader.read()), "early and late");
  writer.writeText("answer");
  assertEquals(transport.calls, ["writeText answer"]);
});
