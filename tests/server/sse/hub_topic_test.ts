import { assert, assertEquals, assertGreater, assertInstanceOf, assertThrows } from "@std/assert";
import { ContractError } from "../../../io/errors.ts";
import { LogClosedError } from "../../../server/log/errors.ts";
import { formatEventId } from "../../../server/log/event_id.ts";
import type { EventLog, LogEntry } from "../../../server/log/event_log.ts";
import { MemoryLog } from "../../../server/log/memory_log.ts";
import { encodeFields } from "../../../server/sse/encode.ts";
import { SlowReaderError } from "../../../server/sse/hub_errors.ts";
import { FROM_NOW, type HubCore, HubReader } from "../../../server/sse/hub_reader.ts";
import { HubTopic } from "../../../server/sse/hub_topic.ts";
import { createSharedBody, releaseSharedBody } from "../../../server/sse/shared_body.ts";
import { DeferredLog } from "../../contracts/event_log_contract.ts";
import { FakeWriter, type FakeWriterOptions } from "./support/fake_writer.ts";
import { seededRandom } from "./support/random.ts";

const NAME = "t";
const encoder = new TextEncoder();

/** A topic with a log behind, and just enough of a hub around it. */
class Bench implements HubCore {
  readonly log: EventLog;
  readonly counters = {
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
  };
  readonly readerBufferBytesMax: number;
  readonly readerLagBytesMax: number;
  readonly preamble = "";
  readonly topic: HubTopic;
  readonly published: string[] = [];

  constructor(log: EventLog, readerBufferBytesMax = 1024 * 1024, readerLagBytesMax = 64 * 1024 * 1024) {
    this.log = log;
    this.readerBufferBytesMax = readerBufferBytesMax;
    this.readerLagBytesMax = readerLagBytesMax;
    this.topic = new HubTopic(this, NAME);
  }

  drainRetryMs(): number {
    return 1234;
  }

  join(reader: HubReader): boolean {
    this.topic.add(reader);
    return true;
  }

  leave(reader: HubReader): void {
    if (reader.topic !== null) this.topic.remove(reader);
  }

  /** Appends and delivers; with a log that answers later, delivers when it does. */
  publish(data = `${this.published.length}`): void {
    const appended = this.log.append(NAME, encoder.encode(encodeFields({ data })));
    this.published.push(data);
    if (appended instanceof Promise) appended.then((entry) => this.deliver(entry));
    else this.deliver(appended);
  }

  deliver({ offset, bytes }: LogEntry): void {
    const body = createSharedBody(`id: ${formatEventId(this.log.epoch, offset)}\n`, bytes, "\n");
    this.topic.deliver(offset, body);
    releaseSharedBody(body);
  }

  connect(position: string | null | typeof FROM_NOW = FROM_NOW, options: FakeWriterOptions = {}): FakeWriter {
    const reader = new HubReader(this, NAME, position, null);
    const writer = new FakeWriter(reader, options);
    reader.start(writer);
    return writer;
  }
}

const data = (writer: FakeWriter) => writer.messages.map((message) => message.data);

Deno.test("an event goes to every live reader, as the same bytes, and nothing holds them afterwards", () => {
  const bench = new Bench(new MemoryLog());
  const writers = Array.from({ length: 5 }, () => bench.connect());
  bench.publish("a");
  bench.publish("b");
  for (const writer of writers) assertEquals(data(writer), ["a", "b"]);
  assertEquals(new Set(writers.map(({ shared }) => shared[0])).size, 1);
  assertEquals([writers[0]!.shared[0]!.plain.refs, writers[0]!.shared[0]!.chunked.refs], [0, 0]);
  assertEquals([bench.counters.delivered, bench.counters.replayed], [10, 0]);
  assertGreater(bench.counters.bytes, 0);
});

Deno.test("a new reader is told its position at once, and gets only what comes", () => {
  const bench = new Bench(new MemoryLog());
  bench.publish("before");
  const writer = bench.connect();
  assertEquals(writer.text, `id: ${bench.log.epoch}.1\n\n`);
  assertEquals(writer.lastEventId, `${bench.log.epoch}.1`);
  bench.publish("after");
  assertEquals(data(writer), ["after"]);
});

Deno.test("a reader from the start gets everything and goes live", () => {
  const bench = new Bench(new MemoryLog());
  for (let n = 0; n < 1_000; n++) bench.publish();
  const writer = bench.connect(null);
  bench.publish();
  assertEquals(data(writer), bench.published);
  assertEquals([bench.counters.replayed, bench.counters.delivered], [1_000, 1]);
});

Deno.test("a reader that comes back gets what it missed, no faster than it takes it", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 10_000, topicBytesMax: 64 * 1024 * 1024 }));
  const id = bench.connect().lastEventId;
  for (let n = 0; n < 2_000; n++) bench.publish(`${n} ${"x".repeat(1_000)}`);
  const writer = bench.connect(id, { takesAll: false });
  let most = 0;
  while (writer.messages.length < 2_000) {
    most = Math.max(most, writer.bufferedBytes);
    const before = writer.messages.length;
    writer.take(10_000);
    assertGreater(writer.messages.length + writer.bufferedBytes, before);
  }
  assertEquals(data(writer), bench.published);
  assert(most <= 3 * 64 * 1024, `${most} bytes waited`);
});

Deno.test("what is published while a reader is fed from the log comes after it, once", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 10_000 }));
  for (let n = 0; n < 500; n++) bench.publish();
  const writer = bench.connect(null, { takesAll: false, highBytes: 100 });
  for (let n = 0; n < 500; n++) {
    bench.publish();
    writer.take(50);
  }
  while (writer.bufferedBytes > 0) writer.take(1_000);
  bench.publish();
  writer.take(Infinity);
  assertEquals(data(writer), bench.published);
});

Deno.test("a gap is an event with its reason, before everything that is kept, and its id is no gap again", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 3 }));
  const { lastEventId } = bench.connect();
  for (let n = 0; n < 5; n++) bench.publish();
  for (
    const [position, reason] of [[lastEventId, "trimmed"], ["00000000.1", "restart"], ["what?", "unknown"]]
  ) {
    const writer = bench.connect(position!);
    assertEquals(writer.messages.map((message) => [message.event, message.data]), [
      ["gap", JSON.stringify({ reason })],
      ["message", "2"],
      ["message", "3"],
      ["message", "4"],
    ]);
    const again = bench.connect(writer.messages[0]!.lastEventId);
    assertEquals(data(again), ["2", "3", "4"]);
  }
  assertEquals(bench.counters.gaps, 3);
});

Deno.test("a gap with nothing behind it is told all the same", () => {
  const bench = new Bench(new MemoryLog());
  const writer = bench.connect("elsewhere~00000000.1");
  assertEquals(writer.messages, [{
    event: "gap",
    data: '{"reason":"wrong_node"}',
    lastEventId: `${bench.log.epoch}.0`,
  }]);
  bench.publish("a");
  assertEquals(data(writer).at(-1), "a");
});

Deno.test("a reader for whom too much waits goes on from the log, and gets everything", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 1_000 }), 5_000);
  const slow = bench.connect(FROM_NOW, { takesAll: false, highBytes: 4_000 });
  let most = 0;
  for (let n = 0; n < 500; n++) {
    bench.publish(`${n} ${"x".repeat(100)}`);
    most = Math.max(most, slow.bufferedBytes);
  }
  assert(most < 6_000, `${most} bytes waited`);
  while (slow.bufferedBytes > 0) slow.take(Infinity);
  bench.publish("last");
  slow.take(Infinity);
  assertEquals(data(slow), bench.published);
  assertEquals([bench.counters.caughtUp, bench.counters.cutSlow], [1, 0]);
});

Deno.test("a burst that is more than may wait harms no reader that takes it", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 1_000 }), 10_000, 100_000);
  const writers = Array.from(
    { length: 5 },
    () => bench.connect(FROM_NOW, { takesAll: false, highBytes: 10_000 }),
  );
  for (let n = 0; n < 500; n++) bench.publish(`${n} ${"x".repeat(100)}`); // in one turn: nobody could take anything
  for (const writer of writers) {
    while (writer.bufferedBytes > 0) writer.take(Infinity);
    assertEquals(data(writer), bench.published);
  }
  assertEquals([bench.counters.caughtUp, bench.counters.cutSlow], [5, 0]);
});

Deno.test("a reader that does not take what waits while too much is published is cut, and the others get everything", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 1_000 }), 5_000, 10_000);
  const stalled = bench.connect(FROM_NOW, { takesAll: false, highBytes: 5_000 });
  const stalledEarly = bench.connect(null, { takesAll: false, highBytes: 5_000 });
  const fast = bench.connect();
  let most = 0;
  for (let n = 0; n < 200; n++) {
    bench.publish(`${n} ${"x".repeat(100)}`);
    most = Math.max(most, stalled.bufferedBytes);
  }
  for (const writer of [stalled, stalledEarly]) {
    assertEquals(writer.ended, "abort");
    assertInstanceOf(writer.reason, SlowReaderError);
    assert(writer.reason.lagBytes > 10_000 && writer.reason.lagBytes < 10_200);
  }
  assert(most < 6_000, `${most} bytes waited`);
  assertEquals([fast.ended, data(fast)], [null, bench.published]);
  assertEquals([bench.counters.cutSlow, bench.topic.size], [2, 1]);
});

Deno.test("a reader that is slow but takes what waits in time is not cut", () => {
  const log = new MemoryLog({ eventsMax: 10_000, topicBytesMax: 64 * 1024 * 1024 });
  const bench = new Bench(log, 5_000, 150_000);
  const slow = bench.connect(FROM_NOW, { takesAll: false, highBytes: 5_000 });
  for (let n = 0; n < 3_000; n++) {
    bench.publish(`${n} ${"x".repeat(100)}`);
    slow.take(70);
  }
  while (slow.bufferedBytes > 0) slow.take(Infinity);
  assertEquals([slow.ended, data(slow).length], [null, 3_000]);
  assertEquals(data(slow).map((text) => parseInt(text)), bench.published.map((_, n) => n));
  assertEquals([bench.counters.caughtUp, bench.counters.cutSlow], [1, 0]);
});

Deno.test("a slow reader that falls behind the log is told of the gap", () => {
  const bench = new Bench(new MemoryLog({ eventsMax: 10 }), 1_000);
  const slow = bench.connect(FROM_NOW, { takesAll: false, highBytes: 1_000 });
  for (let n = 0; n < 100; n++) bench.publish(`${n} ${"x".repeat(100)}`);
  while (slow.bufferedBytes > 0) slow.take(Infinity);
  const gap = slow.messages.findIndex(({ event }) => event === "gap");
  assertGreater(gap, 0);
  assertEquals(data(slow).slice(0, gap), bench.published.slice(0, gap));
  assertEquals(data(slow).slice(gap + 1), bench.published.slice(-10));
});

Deno.test("readers that leave or join while an event is handed out confuse nobody", () => {
  const random = seededRandom(4);
  for (let round = 0; round < 50; round++) {
    const bench = new Bench(new MemoryLog());
    const writers = Array.from({ length: 12 }, () => bench.connect());
    const joined: FakeWriter[] = [];
    for (const writer of writers) {
      writer.onWrite = () => {
        for (let left = random.int(3); left > 0; left--) writers[random.int(writers.length)]!.leave();
        if (random.int(3) === 0) joined.push(bench.connect());
      };
    }
    for (let n = 0; n < 5; n++) bench.publish();
    for (const writer of [...writers, ...joined]) {
      const seen = data(writer);
      if (writer.ended === null) {
        assertEquals(seen, bench.published.slice(bench.published.length - seen.length));
      } else assertEquals(seen, bench.published.slice(0, seen.length));
      if (writer.ended === null && writers.includes(writer)) assertEquals(seen.length, 5);
    }
    assertEquals(bench.topic.size, [...writers, ...joined].filter(({ ended }) => ended === null).length);
  }
});

Deno.test("a log that fails aborts the stream, because it is not complete", async () => {
  const log = new MemoryLog();
  const bench = new Bench(log);
  for (let n = 0; n < 300; n++) bench.publish(); // more than a page
  const writer = bench.connect(null, { takesAll: false, highBytes: 1 });
  await log.close();
  writer.take(Infinity);
  assertEquals([writer.ended, data(writer)], ["abort", bench.published.slice(0, 256)]);
  assertEquals([bench.counters.logFailures, bench.topic.size], [1, 0]);
  assertEquals(bench.connect().ended, "abort");
});

Deno.test("a log that answers out of order is caught", () => {
  const bench = new Bench(new MemoryLog());
  bench.connect();
  const first = bench.log.append(NAME, encoder.encode("data: 1\n")) as LogEntry;
  const second = bench.log.append(NAME, encoder.encode("data: 2\n")) as LogEntry;
  bench.deliver(second);
  assertThrows(() => bench.deliver(first), ContractError);
});

Deno.test("with a log that answers later, a reader misses nothing that is published before the answer", async () => {
  const log = new DeferredLog(new MemoryLog());
  const bench = new Bench(log);
  const writer = bench.connect();
  bench.publish("a"); // after the question where the end is, before its answer
  await log.answerAppend();
  await log.answerRead();
  bench.publish("b"); // the same with the first page
  await log.answerAppend();
  assertEquals(data(writer), []);
  await log.answerRead();
  assertEquals(data(writer), ["a", "b"]);
  assertEquals(writer.shared.map(({ plain }) => plain.refs), [0]);
  bench.publish("c");
  assertEquals(data(writer), ["a", "b"]);
  await log.answerAll();
  assertEquals(data(writer), ["a", "b", "c"]);
});

Deno.test("with a log that answers later, more than is kept meanwhile is read from the log again", async () => {
  const log = new DeferredLog(new MemoryLog({ eventsMax: 10_000 }));
  const bench = new Bench(log);
  const writer = bench.connect(null);
  for (let n = 0; n < 1_000; n++) bench.publish();
  while (await log.answerAppend());
  await log.answerAll();
  bench.publish();
  await log.answerAll();
  assertEquals(data(writer), bench.published);
  assertEquals(bench.counters.delivered, 1);
});

Deno.test("with a log that answers later, a failed answer aborts the stream", async () => {
  const inner = new MemoryLog();
  const log = new DeferredLog(inner);
  const bench = new Bench(log);
  await inner.close();
  const writer = bench.connect(null);
  await log.answerAll();
  assertEquals([writer.ended, bench.counters.logFailures, bench.topic.size], ["abort", 1, 0]);
  assertInstanceOf(writer.reason, LogClosedError);
});

Deno.test("an answer that comes after the reader left is nobody's", async () => {
  const log = new DeferredLog(new MemoryLog());
  const bench = new Bench(log);
  bench.publish();
  await log.answerAll();
  const writer = bench.connect(null);
  writer.leave();
  await log.answerAll();
  assertEquals([writer.text, bench.topic.size], ["", 0]);
});

for (const kind of ["at once", "later"] as const) {
  Deno.test(`readers that break off and come back at random miss nothing and get nothing twice, with a log that answers ${kind}`, async () => {
    for (let seed = 1; seed <= 60; seed++) await randomReaders(seed, kind === "later");
  });
}

/** Random publishing, taking, breaking off, coming back; a gap may only be where one is told. */
async function randomReaders(seed: number, isDeferred: boolean): Promise<void> {
  const random = seededRandom(seed);
  const memory = new MemoryLog({ eventsMax: seed % 3 === 0 ? 20 : 10_000 });
  const deferred = new DeferredLog(memory);
  const bench = new Bench(isDeferred ? deferred : memory, 400, seed % 2 ? 2_000 : 1e9);
  const clients = Array.from(
    { length: 4 },
    () => ({ seen: [] as string[], id: "", writer: null as FakeWriter | null }),
  );
  const collect = (client: (typeof clients)[number]) => {
    for (const { event, data } of client.writer!.messages) client.seen.push(event === "gap" ? "gap" : data);
    client.id = client.writer!.lastEventId;
    client.writer = null;
  };
  const step = async (client: (typeof clients)[number]) => {
    if (client.writer === null) {
      const options = { takesAll: random.int(4) === 0, highBytes: 200, lastEventId: client.id };
      client.writer = bench.connect(client.id === "" ? null : client.id, options);
    } else if (client.writer.ended !== null) collect(client);
    else if (random.int(6) === 0) client.writer.leave();
    else client.writer.take(random.int(300));
    if (!isDeferred) return;
    const what = random.int(4);
    if (what < 2) await deferred.answerAppend();
    else if (what === 2) await deferred.answerRead(random.int(deferred.reads.length + 1));
  };
  for (let n = 0; n < 150; n++) {
    if (random.int(2)) bench.publish();
    await step(clients[random.int(clients.length)]!);
  }
  await deferred.answerAll();
  for (const client of clients) {
    if (client.writer === null || client.writer.ended !== null) {
      if (client.writer !== null) collect(client);
      client.writer = bench.connect(client.id === "" ? null : client.id, { lastEventId: client.id });
    }
    for (let before = -1; before !== client.writer.text.length;) {
      before = client.writer.text.length;
      client.writer.take(Infinity);
      await deferred.answerAll();
    }
    collect(client);
    checkSequence(client.seen, bench.published, seed);
  }
}

/** Each event follows the one before it, but after a gap one further on may; the last one is the last published. */
function checkSequence(seen: readonly string[], published: readonly string[], seed: number): void {
  let next = 0;
  for (const [index, item] of seen.entries()) {
    if (item === "gap") continue;
    const at = Number(item);
    const isAfterGap = seen[index - 1] === "gap";
    assert(isAfterGap ? at >= next : at === next, `seed ${seed}: event ${at} where ${next} was due`);
    next = at + 1;
  }
  assertEquals(next, published.length, `seed ${seed}: the end is missing`);
}
