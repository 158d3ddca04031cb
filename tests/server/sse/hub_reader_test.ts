import { assertEquals } from "@std/assert";
import { MemoryLog } from "../../../server/log/memory_log.ts";
import { FROM_NOW, type HubCore, HubReader } from "../../../server/sse/hub_reader.ts";
import { createSharedBody } from "../../../server/sse/shared_body.ts";
import { FakeWriter } from "./support/fake_writer.ts";

/** A hub that notes what its readers say, and a reader of it. */
function setUp(isFull = false) {
  const calls: string[] = [];
  const topic = {
    name: "t",
    open: () => void calls.push("open"),
    feed: () => void calls.push("feed"),
  };
  const core: HubCore = {
    log: new MemoryLog(),
    counters: {
      readers: 0,
      topics: 0,
      published: 0,
      delivered: 0,
      replayed: 0,
      gaps: 0,
      cutSlow: 0,
      caughtUp: 0,
      logFailures: 0,
      bytes: 0,
    },
    readerBufferBytesMax: 1,
    readerLagBytesMax: 1,
    preamble: "",
    drainRetryMs: () => 1234,
    join: (reader) => {
      calls.push("join");
      if (!isFull) reader.topic = topic;
      return !isFull;
    },
    leave: (reader) => {
      calls.push("leave");
      reader.topic = null;
    },
  };
  const reader = new HubReader(core, "t", FROM_NOW, null);
  return { calls, reader, writer: new FakeWriter(reader, { takesAll: false, highBytes: 10 }) };
}

Deno.test("a reader joins when its stream starts, is fed when it drains, and leaves when it is closed", () => {
  const { calls, reader, writer } = setUp();
  assertEquals(calls, []);
  reader.start(writer);
  writer.writeText("x".repeat(20));
  writer.take(20);
  writer.leave();
  assertEquals(calls, ["join", "open", "feed", "leave"]);
  reader.onDrain(); // late, and nobody's any more
  assertEquals(calls.length, 4);
});

Deno.test("a reader whose server stops is told when to come back, and ends", () => {
  const { calls, reader, writer } = setUp();
  reader.start(writer);
  reader.onDraining();
  writer.take(Infinity);
  assertEquals([writer.ended, writer.retries, calls.at(-1)], ["end", [1234], "leave"]);
});

Deno.test("a reader for whom there is no room any more is told when to come back, and ends", () => {
  const { calls, reader, writer } = setUp(true);
  reader.start(writer);
  writer.take(Infinity);
  assertEquals([writer.ended, writer.retries, calls], ["end", [1234], ["join", "leave"]]);
});

Deno.test("a heartbeat is sent unless something waits for the reader", () => {
  const { reader, writer } = setUp();
  reader.start(writer);
  const heartbeat = createSharedBody(":\n\n", new Uint8Array(0), "");
  reader.beat(heartbeat);
  writer.writeText(": something long\n\n");
  reader.beat(heartbeat);
  writer.take(Infinity);
  reader.beat(heartbeat);
  writer.take(Infinity);
  assertEquals(writer.comments, ["", " something long", ""]);
});
