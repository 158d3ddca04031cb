import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import type { BodyProducer } from "../../../server/body_writer.ts";
import { LogClosedError, LogEntryTooLargeError, LogKeyTakenError } from "../../../server/log/errors.ts";
import { parseEventId } from "../../../server/log/event_id.ts";
import type { EventLog } from "../../../server/log/event_log.ts";
import { MemoryLog } from "../../../server/log/memory_log.ts";
import { rawReply } from "../../../server/reply.ts";
import { decodeEvents, type SseMessage } from "../../../server/sse/decode.ts";
import { EventHub, type EventHubOptions, type SubscribeOptions } from "../../../server/sse/event_hub.ts";
import { HubClosedError, HubLimitError, TopicNameError } from "../../../server/sse/hub_errors.ts";
import { DeferredLog } from "../../contracts/event_log_contract.ts";
import { FakeWriter, type FakeWriterOptions } from "./support/fake_writer.ts";

const request = (lastEventId = "") =>
  new Request("http://localhost/", lastEventId === "" ? {} : { headers: { "last-event-id": lastEventId } });

interface Subscription extends FakeWriterOptions, SubscribeOptions {
  readonly address?: string;
}

/** A reader that has begun, by its writer. */
function connect(
  hub: EventHub,
  topic: string,
  options: Subscription = {},
): FakeWriter & { producer: BodyProducer } {
  const info = { remoteAddr: { hostname: options.address ?? "192.0.2.1" } };
  const response = hub.subscribe(request(options.lastEventId), topic, info, options);
  assertEquals(response.status, 200);
  const producer = rawReply(response)!.body as BodyProducer;
  const writer = new FakeWriter(producer, options);
  producer.start(writer);
  return Object.assign(writer, { producer });
}

const data = (writer: FakeWriter) => writer.messages.map((message) => message.data);

/** What a refused subscription says. */
async function refusal(hub: EventHub, topic: string, address = "192.0.2.1"): Promise<unknown[]> {
  const response = hub.subscribe(request(), topic, { remoteAddr: { hostname: address } });
  const { code } = await response.json();
  return [response.status, code, response.headers.get("retry-after")];
}

Deno.test("what is published reaches the topic's readers with its id, and nobody else", async () => {
  await using hub = new EventHub();
  const first = connect(hub, "a");
  const second = connect(hub, "a");
  const other = connect(hub, "b");
  const id = await hub.publish("a", { event: "note", data: { n: 1 } });
  const expected: SseMessage[] = [{ event: "note", data: '{"n":1}', lastEventId: id }];
  assertEquals([first.messages, second.messages, other.messages], [expected, expected, []]);
  assertEquals(first.shared[0], second.shared[0]);
  assertEquals(parseEventId(id)?.epoch, hub.log.epoch);
});

Deno.test("an answer of the log at once does not overtake one that it gave by a promise", async () => {
  const log = new MemoryLog();
  const { promise, resolve } = Promise.withResolvers<void>();
  const mixed: EventLog = Object.create(log, {
    append: {
      value: (topic: string, bytes: Uint8Array) => {
        const entry = log.append(topic, bytes);
        return entry.offset === 1 ? promise.then(() => entry) : entry;
      },
    },
    read: { value: log.read.bind(log) },
    end: { value: log.end.bind(log) },
  });
  await using hub = new EventHub({ log: mixed, heartbeatMs: null });
  const writer = connect(hub, "a");
  const first = hub.publish("a", { data: "first" });
  resolve();
  await Promise.resolve(); // the first one is answered now, and on its way
  const second = hub.publish("a", { data: "second" });
  await Promise.all([first, second]);
  assertEquals(data(writer), ["first", "second"]);
  await log.close();
});

Deno.test("an event is with all readers when publish returns, before its promise is awaited", async () => {
  await using hub = new EventHub();
  const writer = connect(hub, "a");
  const published = hub.publish("a", { data: "now" });
  assertEquals(data(writer), ["now"]);
  await published;
});

Deno.test("a stream's response says that it is one, with the fields it was given", async () => {
  await using hub = new EventHub({ headers: { "access-control-allow-origin": "*" } });
  const { status, headers, body } = hub.subscribe(request(), "a");
  assertEquals(status, 200);
  assertEquals(headers.get("content-type"), "text/event-stream");
  assertEquals(headers.get("access-control-allow-origin"), "*");
  await body!.cancel();
});

Deno.test("a reader that comes back with its last event id goes on after it", async () => {
  await using hub = new EventHub();
  const first = connect(hub, "a");
  await hub.publish("a", { data: "1" });
  first.leave();
  await hub.publish("a", { data: "2" });
  await hub.publish("b", { data: "not yours" });
  await hub.publish("a", { data: "3" });
  const second = connect(hub, "a", { lastEventId: first.lastEventId });
  await hub.publish("a", { data: "4" });
  assertEquals(data(second), ["2", "3", "4"]);
});

Deno.test("a reader that was cut off before its first event misses nothing either", async () => {
  await using hub = new EventHub({ retryMs: 500 });
  await hub.publish("a", { data: "before" });
  const first = connect(hub, "a");
  assertEquals([first.messages, first.retries], [[], [500]]);
  first.leave();
  await hub.publish("a", { data: "meanwhile" });
  const second = connect(hub, "a", { lastEventId: first.lastEventId });
  assertEquals([data(second), second.retries], [["meanwhile"], [500]]);
});

Deno.test("a reader may begin with everything that is kept", async () => {
  await using hub = new EventHub();
  for (const text of ["1", "2"]) await hub.publish("job/7", { data: text });
  assertEquals(data(connect(hub, "job/7", { from: "start" })), ["1", "2"]);
  assertEquals(data(connect(hub, "job/7", { from: "now" })), []);
});

Deno.test("an id of the publisher's own is what readers see and resume by", async () => {
  await using hub = new EventHub();
  const first = connect(hub, "a");
  assertEquals(await hub.publish("a", { data: "1", id: "order-1" }), "order-1");
  await hub.publish("a", { data: "2", id: "order-2" });
  assertEquals(first.messages.map(({ lastEventId }) => lastEventId), ["order-1", "order-2"]);
  const second = connect(hub, "a", { lastEventId: "order-1" });
  assertEquals(second.messages, [{ event: "message", data: "2", lastEventId: "order-2" }]);
  await assertRejects(() => hub.publish("a", { data: "3", id: "order-2" }), LogKeyTakenError);
  await assertRejects(() => hub.publish("a", { data: "3", id: "a b" }), TypeError);
  assertEquals(data(first), ["1", "2"]);
});

Deno.test("what cannot be published is refused, and nobody gets any of it", async () => {
  await using hub = new EventHub({ eventBytesMax: 20, log: new MemoryLog({ topicBytesMax: 330 }) });
  const writer = connect(hub, "a");
  await assertRejects(() => hub.publish("a", { data: undefined }), TypeError);
  await assertRejects(() => hub.publish("a", { data: "x", event: "a\nb" }), TypeError);
  await assertRejects(() => hub.publish("a", { data: 1n }), TypeError);
  const error = await assertRejects(() => hub.publish("a", { data: "x".repeat(14) }), HubLimitError);
  assertEquals([error.limit, error.max, error.status], ["eventBytes", 20, 413]);
  await assertRejects(() => hub.publish("a", { data: "x".repeat(13) }), LogEntryTooLargeError);
  assertEquals([hub.stats.published, data(writer)], [0, []]);
  await hub.publish("a", { data: "" });
  assertEquals(data(writer), [""]);
});

Deno.test("a topic's name is 1 to 200 plain characters, for publishers and readers", async () => {
  await using hub = new EventHub();
  for (const topic of ["a", "jobs/42/output", "A.b_c~d:e/f@g+h=i,j-k", "x".repeat(200)]) {
    await hub.publish(topic, { data: "" });
    await hub.subscribe(request(), topic).body!.cancel();
  }
  for (
    const topic of ["", "/a", ".", "-a", "a b", "a\n", "ü", "a*", "a>", "a?", "a#", "x".repeat(201), "a\0"]
  ) {
    await assertRejects(() => hub.publish(topic, { data: "" }), TopicNameError);
    assertEquals(await refusal(hub, topic), [400, "SLUICE_TOPIC_NAME", null], topic);
  }
});

Deno.test("readers are limited in all, per topic, per address and by topics, and a place is free when one leaves", async () => {
  await using hub = new EventHub({ readersMax: 4, topicReadersMax: 3, addressReadersMax: 2, topicsMax: 2 });
  const [first] = [connect(hub, "a", { address: "192.0.2.1" }), connect(hub, "a", { address: "192.0.2.1" })];
  assertEquals(await refusal(hub, "a", "192.0.2.1"), [429, "SLUICE_HUB_ADDRESS_READERS", "5"]);
  connect(hub, "a", { address: "192.0.2.2" });
  assertEquals(await refusal(hub, "a", "192.0.2.3"), [503, "SLUICE_HUB_TOPIC_READERS", "5"]);
  connect(hub, "b", { address: "192.0.2.2" });
  assertEquals(await refusal(hub, "b", "192.0.2.3"), [503, "SLUICE_HUB_READERS", "5"]);
  assertEquals([hub.stats.readers, hub.stats.topics], [4, 2]);
  first!.leave();
  assertEquals(await refusal(hub, "c", "192.0.2.3"), [503, "SLUICE_HUB_TOPICS", "5"]);
  connect(hub, "a", { address: "192.0.2.1" });
});

Deno.test("a response that is never sent takes no place, and one that is sent too late ends in order", async () => {
  await using hub = new EventHub({ readersMax: 1 });
  const responses = [1, 2, 3].map(() => hub.subscribe(request(), "a"));
  assertEquals(responses.map(({ status }) => status), [200, 200, 200]);
  assertEquals(hub.stats.readers, 0);
  const writers = responses.map((response) => {
    const producer = rawReply(response)!.body as BodyProducer;
    const writer = new FakeWriter(producer);
    producer.start(writer);
    return writer;
  });
  assertEquals(writers.map(({ ended }) => ended), [null, "end", "end"]);
  assertEquals(writers[1]!.retries.length, 1);
});

Deno.test("a reader that takes nothing is cut and counted while the others get everything", async () => {
  await using hub = new EventHub({ readerBufferBytesMax: 10_000, readerLagBytesMax: 20_000 });
  const slow = connect(hub, "a", { takesAll: false, highBytes: 10_000 });
  const fast = connect(hub, "a");
  for (let n = 0; n < 100; n++) await hub.publish("a", { data: "x".repeat(500) });
  assertEquals([slow.ended, fast.ended, fast.messages.length], ["abort", null, 100]);
  assertEquals([hub.stats.cutSlow, hub.stats.readers], [1, 1]);
});

Deno.test("the history is the log's: what it has trimmed is told as a gap", async () => {
  await using hub = new EventHub({ log: new MemoryLog({ eventsMax: 2 }) });
  const first = connect(hub, "a");
  first.leave();
  for (const text of ["1", "2", "3"]) await hub.publish("a", { data: text });
  const second = connect(hub, "a", { lastEventId: first.lastEventId });
  assertEquals(second.messages.map(({ event, data }) => [event, data]), [
    ["gap", '{"reason":"trimmed"}'],
    ["message", "2"],
    ["message", "3"],
  ]);
  assertEquals(hub.stats.gaps, 1);
});

Deno.test("every stream gets heartbeats by one timer, but one that waits for its reader gets none", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  await using hub = new EventHub({ timers, heartbeatMs: 1_000 });
  const quiet = connect(hub, "a");
  const waiting = connect(hub, "a", { takesAll: false, highBytes: 1 });
  assertEquals(timers.armedCount, 1);
  await clock.advance(2_100);
  waiting.take(Infinity);
  assertEquals([quiet.comments.length, waiting.comments.length], [2, 0]);
  await clock.advance(1_100);
  waiting.take(Infinity);
  assertEquals(waiting.comments, [""]);
  quiet.leave();
  waiting.leave();
  assertEquals([timers.armedCount, clock.pendingCount], [0, 0]);
});

Deno.test("heartbeats can be switched off", async () => {
  const clock = new VirtualClock();
  await using hub = new EventHub({ timers: new TimerWheel(clock), heartbeatMs: null });
  const writer = connect(hub, "a");
  await clock.advance(1e6);
  assertEquals([writer.comments, clock.pendingCount], [[], 0]);
});

Deno.test("when the server begins to stop, each reader is told its own time to come back, and ends", async () => {
  await using hub = new EventHub({ drainRetryMs: 1_000 });
  const writers = Array.from({ length: 50 }, () => connect(hub, "a"));
  for (const { producer } of writers) producer.onDraining!();
  for (const { ended, retries } of writers) {
    assertEquals([ended, retries.length], ["end", 1]);
    assert(retries[0]! >= 1_000 && retries[0]! <= 2_000);
  }
  assert(new Set(writers.map(({ retries }) => retries[0])).size > 10);
  assertEquals([hub.stats.readers, hub.stats.topics], [0, 0]);
});

Deno.test("closing ends every stream in order, closes the hub's own log and refuses what comes later", async () => {
  const hub = new EventHub();
  const writers = ["a", "a", "b"].map((topic) => connect(hub, topic));
  await hub.close();
  await hub.close();
  assertEquals(writers.map(({ ended, retries }) => [ended, retries.length]), [["end", 1], ["end", 1], [
    "end",
    1,
  ]]);
  assertEquals(await refusal(hub, "a"), [503, "SLUICE_HUB_CLOSED", "5"]);
  await assertRejects(() => hub.publish("a", { data: "" }), HubClosedError);
  assertThrows(() => hub.log.end("a"), LogClosedError);
});

Deno.test("a log that was given to the hub outlives it", async () => {
  const log = new MemoryLog();
  const hub = new EventHub({ log });
  await hub.publish("a", { data: "1" });
  await hub.close();
  await using next = new EventHub({ log });
  assertEquals(data(connect(next, "a", { from: "start" })), ["1"]);
  await log.close();
});

Deno.test("publishes wait for a log that answers later, in order, and no more of them than may", async () => {
  const log = new DeferredLog(new MemoryLog());
  await using hub = new EventHub({ log, publishesMax: 3 });
  const writer = connect(hub, "a");
  await log.answerAll();
  const published = ["1", "2", "3"].map((text) => hub.publish("a", { data: text }));
  const error = await assertRejects(() => hub.publish("a", { data: "4" }), HubLimitError);
  assertEquals([error.limit, error.max, error.status], ["publishes", 3, 503]);
  assertEquals(data(writer), []);
  await log.answerAll();
  assertEquals(data(writer), ["1", "2", "3"]);
  assertEquals(new Set(await Promise.all(published)).size, 3);
  const last = hub.publish("a", { data: "5" });
  await log.answerAll();
  assertMatch(await last, /\.4$/);
});

Deno.test("a log that refuses rejects the publish, and frees its place", async () => {
  const inner = new MemoryLog();
  const log = new DeferredLog(inner);
  await using hub = new EventHub({ log, publishesMax: 1 });
  await inner.close();
  for (let n = 0; n < 3; n++) {
    const failed = assertRejects(() => hub.publish("a", { data: "1" }), LogClosedError);
    await log.answerAll();
    await failed;
  }
  assertEquals(hub.stats.published, 0);
});

Deno.test("the counters say what happened", async () => {
  await using hub = new EventHub();
  connect(hub, "a");
  connect(hub, "a");
  await hub.publish("a", { data: "1" });
  await hub.publish("b", { data: "2" });
  connect(hub, "b", { from: "start" });
  const { readers, topics, published, delivered, replayed, gaps, cutSlow, bytes } = hub.stats;
  assertEquals({ readers, topics, published, delivered, replayed, gaps, cutSlow }, {
    readers: 3,
    topics: 2,
    published: 2,
    delivered: 2,
    replayed: 1,
    gaps: 0,
    cutSlow: 0,
  });
  assertEquals(bytes, 3 * `id: ${hub.log.epoch}.1\ndata: 1\n\n`.length);
});

Deno.test("options that make no sense are refused", () => {
  const bad: EventHubOptions[] = [{ heartbeatMs: 0 }, { drainRetryMs: -1 }, { drainRetryMs: NaN }];
  for (const name of ["readersMax", "topicReadersMax", "addressReadersMax", "topicsMax", "eventBytesMax"]) {
    bad.push({ [name]: 0 }, { [name]: 1.5 });
  }
  bad.push({ readerBufferBytesMax: 0 }, { readerLagBytesMax: 0 }, { publishesMax: NaN });
  for (const options of bad) assertThrows(() => new EventHub(options), RangeError);
  assertThrows(() => new EventHub({ retryMs: 1.5 }), TypeError);
});

Deno.test("a foreign server gets the same stream as a web response", async () => {
  await using hub = new EventHub();
  await using server = Deno.serve(
    { port: 0, onListen: () => {} },
    (request, info) => hub.subscribe(request, new URL(request.url).pathname.slice(1), info),
  );
  const url = `http://localhost:${server.addr.port}/news`;
  const first = await fetch(url);
  assertEquals(first.headers.get("content-type"), "text/event-stream");
  const messages = decodeEvents(first.body!);
  const next = messages.next();
  await waitFor(() => hub.stats.readers === 1);
  const id = await hub.publish("news", { data: "one" });
  assertEquals((await next).value, { event: "message", data: "one", lastEventId: id });
  await messages.return();
  await waitFor(() => hub.stats.readers === 0);
  await hub.publish("news", { data: "two" });
  const second = await fetch(url, { headers: { "last-event-id": id } });
  const resumed = decodeEvents(second.body!);
  assertEquals((await resumed.next()).value?.data, "two");
  await hub.close();
  assertEquals((await resumed.next()).done, true);
  const refused = await fetch(url);
  assertInstanceOf(await refused.json(), Object);
  assertEquals(refused.status, 503);
});

/** Lets the event loop turn until a condition holds; the test runner's own time-out bounds it. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("a topic that is complete ends its readers' streams once they have everything, for good", async () => {
  await using hub = new EventHub();
  const live = connect(hub, "a");
  const slow = connect(hub, "a", { takesAll: false, highBytes: 1 });
  const other = connect(hub, "b");
  await hub.publish("a", { data: "1" });
  await hub.publish("a", { data: "2" });
  hub.complete("a");
  hub.complete("nobody reads it");
  assertEquals([data(live), live.ended, live.retries], [["1", "2"], "end", []]);
  while (slow.ended === null) slow.take(10);
  slow.take(Infinity);
  assertEquals([data(slow), slow.ended], [["1", "2"], "end"]);
  assertEquals([other.ended, hub.stats.readers, hub.stats.topics], [null, 1, 1]);
});

Deno.test("a reader of a topic that was complete before gets everything, and the end", async () => {
  await using hub = new EventHub();
  const first = await hub.publish("a", { data: "1" });
  await hub.publish("a", { data: "2" });
  const isComplete = () => true;
  const all = connect(hub, "a", { from: "start", isComplete });
  assertEquals([data(all), all.ended], [["1", "2"], "end"]);
  const rest = connect(hub, "a", { lastEventId: first, isComplete });
  assertEquals([data(rest), rest.ended], [["2"], "end"]);
  const slow = connect(hub, "a", { from: "start", isComplete, takesAll: false, highBytes: 1 });
  while (slow.ended === null) slow.take(5);
  slow.take(Infinity);
  assertEquals(data(slow), ["1", "2"]);
  assertEquals(hub.stats.readers, 0);
});

Deno.test("whether a topic is complete is asked when the stream starts", async () => {
  await using hub = new EventHub();
  await hub.publish("a", { data: "1" });
  let isComplete = false;
  const response = hub.subscribe(request(), "a", undefined, { from: "start", isComplete: () => isComplete });
  isComplete = true; // meanwhile
  const producer = rawReply(response)!.body as BodyProducer;
  const writer = new FakeWriter(producer);
  producer.start(writer);
  assertEquals([data(writer), writer.ended], [["1"], "end"]);
});

Deno.test("a log that answers late ends the stream after its answer", async () => {
  const log = new DeferredLog(new MemoryLog());
  await using hub = new EventHub({ log });
  const published = hub.publish("a", { data: "1" });
  await log.answerAll();
  await published;
  const writer = connect(hub, "a", { from: "start" });
  const late = hub.publish("a", { data: "2" });
  await log.answerAppend();
  await late;
  hub.complete("a");
  assertEquals(writer.ended, null);
  await log.answerAll();
  assertEquals([data(writer), writer.ended], [["1", "2"], "end"]);
});
