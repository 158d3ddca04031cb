import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  decodeEvents,
  SseDecoder,
  SseEventTooLargeError,
  type SseMessage,
} from "../../../server/sse/decode.ts";
import { randomText, seededRandom } from "./support/random.ts";

const encode = (text: string) => new TextEncoder().encode(text);

interface Heard {
  events: SseMessage[];
  retries: number[];
  comments: string[];
  lastEventId: string;
}

/** What a decoder reports for bytes cut at `cuts`. */
function decode(bytes: Uint8Array, cuts: readonly number[] = [], lastEventId = ""): Heard {
  const heard: Heard = { events: [], retries: [], comments: [], lastEventId: "" };
  const decoder = new SseDecoder({
    event: (message) => void heard.events.push(message),
    retry: (retryMs) => void heard.retries.push(retryMs),
    comment: (text) => void heard.comments.push(text),
  }, { lastEventId });
  let start = 0;
  for (const cut of [...cuts, bytes.length]) {
    const loan = bytes.slice(start, cut);
    decoder.feed(loan);
    loan.fill(0x78); // what was kept must have been copied
    start = cut;
  }
  heard.lastEventId = decoder.lastEventId;
  return heard;
}

const message = (data: string, event = "message", lastEventId = ""): SseMessage => ({
  event,
  data,
  lastEventId,
});

/** Streams and their events: the standard's own examples (§9.2.6) first, then its rules one by one. */
const VECTORS: readonly (readonly [name: string, stream: string, events: readonly SseMessage[]])[] = [
  ["the standard's stock ticker", "data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]],
  [
    "the standard's four blocks",
    ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
    [message("first event", "message", "1"), message("second event"), message(" third event")],
  ],
  ["the standard's empty data", "data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]],
  ["the standard's optional space", "data:test\n\ndata: test\n\n", [message("test"), message("test")]],
  ["an id without data holds from then on", "id: 9\n\ndata: x\n\n", [message("x", "message", "9")]],
  ["a block without data dispatches nothing and forgets its name", "event: a\n\ndata: x\n\n", [message("x")]],
  ["an event's name", "event: a\ndata: x\n\ndata: y\n\n", [message("x", "a"), message("y")]],
  ["the last of two names counts", "event: a\nevent: b\ndata: x\n\n", [message("x", "b")]],
  ["an id with NUL is ignored", "id: 1\nid: a\0b\ndata: x\n\n", [message("x", "message", "1")]],
  ["names are compared literally", "Data: x\n data: x\nDATA\ndata : x\ndata: y\n\n", [message("y")]],
  ["an unknown field is ignored", "foo: x\ndata: y\nbar\n\n", [message("y")]],
  ["only the first space goes", "data:  a: b\n\n", [message(" a: b")]],
  ["a tab is no space", "data:\ta\n\n", [message("\ta")]],
  ["blank lines alone say nothing", "\n\n\r\n\r\r\n", []],
  ["CR ends lines", "data: a\rdata: b\r\rdata: c\r\r", [message("a\nb"), message("c")]],
  ["CRLF ends lines", "data: a\r\ndata: b\r\n\r\n", [message("a\nb")]],
  ["LF, CR and CRLF mixed", "data: a\n\rdata: b\r\n\ndata: c\r\r\n", [
    message("a"),
    message("b"),
    message("c"),
  ]],
  ["a byte order mark at the start is dropped", "\ufeffdata: x\n\n", [message("x")]],
  ["a second mark is text", "\ufeff\ufeffdata: x\n\ndata: y\n\n", [message("y")]],
  ["a mark later is text", "data: \ufeffx\n\n\ufeffdata: y\n\n", [message("\ufeffx")]],
  ["wide characters", "data: grüße 🐢\n\n", [message("grüße 🐢")]],
  ["what is not finished is no event", "data: a\n\ndata: b\nid: 5\n", [message("a")]],
];

for (const [name, stream, events] of VECTORS) {
  Deno.test(`${name}: whole, byte by byte and split everywhere, the same events`, () => {
    const bytes = encode(stream);
    const whole = decode(bytes);
    assertEquals(whole.events, events);
    assertEquals(decode(bytes, [...bytes.keys()]), whole);
    for (let cut = 0; cut <= bytes.length; cut++) assertEquals(decode(bytes, [cut]), whole);
  });
}

Deno.test("random streams give the same events however they are split", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 300; round++) {
    const bytes = encode(randomText(random, 60) + "\n\n");
    const whole = decode(bytes);
    const cuts = [...bytes.keys()].filter(() => random.int(4) === 0);
    assertEquals(decode(bytes, cuts), whole);
  }
});

Deno.test("broken UTF-8 becomes the replacement character and does not swallow the line's end", () => {
  const bytes = new Uint8Array([...encode("data: a"), 0xf0, 0x9f, 10, ...encode("data: b"), 0xff, 10, 10]);
  const whole = decode(bytes);
  assertEquals(whole.events, [message("a\ufffd\nb\ufffd")]);
  for (let cut = 0; cut <= bytes.length; cut++) assertEquals(decode(bytes, [cut]), whole);
});

Deno.test("retry is taken when it is digits only", () => {
  const stream =
    "retry: 100\nretry:7\nretry: -1\nretry: 1e3\nretry: 1.5\nretry\nretry: 0x10\nretry:  5\nretry: ٣\n";
  assertEquals(decode(encode(stream)).retries, [100, 7]);
  assertEquals(decode(encode(`retry: ${"9".repeat(400)}\n`)).retries, [Number.MAX_SAFE_INTEGER]);
});

Deno.test("comments are heard without their colon", () => {
  assertEquals(decode(encode(":\n: hi\n:x: y\n")).comments, ["", " hi", "x: y"]);
});

Deno.test("the id to reconnect with is that of the last complete block", () => {
  assertEquals(decode(encode("data: x\nid: 1\n\ndata: y\nid: 2\n")).lastEventId, "1");
  assertEquals(decode(encode("id: 3\n\n")).lastEventId, "3");
  assertEquals(decode(encode("data: x\n\n"), [], "before"), {
    events: [message("x", "message", "before")],
    retries: [],
    comments: [],
    lastEventId: "before",
  });
});

Deno.test("an event up to the bound passes and one byte more is refused, for good", () => {
  const fits = encode("data: 23456789\ndata: 2345678\n\n");
  for (const cuts of [[], [...fits.keys()]]) assertEquals(bounded(fits, cuts, 30), 1);
  for (const cuts of [[], [...fits.keys()]]) assertEquals(bounded(fits, cuts, 29), "refused");
});

Deno.test("the bound is per event, and counts comments too", () => {
  assertEquals(bounded(encode("data: 1\n\n".repeat(100)), [], 12), 100);
  assertEquals(bounded(encode(": 1\n".repeat(100)), [], 12), "refused");
});

Deno.test("a line without an end is refused before more than the bound is kept", () => {
  const decoder = new SseDecoder({ event: () => {} }, { eventBytesMax: 1000 });
  decoder.feed(new Uint8Array(1000).fill(120));
  const error = assertThrows(() => decoder.feed(new Uint8Array(1).fill(120)), SseEventTooLargeError);
  assertEquals([error.code, error.eventBytesMax], ["SLUICE_SSE_EVENT_TOO_LARGE", 1000]);
  assertThrows(() => decoder.feed(encode("data: x\n\n")), SseEventTooLargeError);
});

Deno.test("a bound that is no whole number from 1 on is refused", () => {
  for (const eventBytesMax of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new SseDecoder({ event: () => {} }, { eventBytesMax }), RangeError);
  }
});

/** How many events come out under a bound, or `"refused"`. */
function bounded(bytes: Uint8Array, cuts: readonly number[], eventBytesMax: number): number | "refused" {
  let events = 0;
  const decoder = new SseDecoder({ event: () => void events++ }, { eventBytesMax });
  let start = 0;
  try {
    for (const cut of [...cuts, bytes.length]) {
      decoder.feed(bytes.subarray(start, cut));
      start = cut;
    }
  } catch (error) {
    assertInstanceOf(error, SseEventTooLargeError);
    return "refused";
  }
  return events;
}

Deno.test("a body's events are read as they come, and leaving the loop cancels the body", async () => {
  let pulls = 0;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(encode(`data: ${++pulls}\n\ndata: more\n\n`)),
    cancel: () => void (cancelled = true),
  });
  const seen: string[] = [];
  for await (const { data } of decodeEvents(body)) {
    seen.push(data);
    if (seen.length === 3) break;
  }
  assertEquals(seen, ["1", "more", "2"]);
  assert(cancelled);
});

Deno.test("an error of the body comes out of the loop", async () => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encode("data: 1\n\n"));
    },
    pull: (controller) => controller.error(new TypeError("cut")),
  });
  const seen: string[] = [];
  await assertRejects(
    async () => {
      for await (const { data } of decodeEvents(body)) seen.push(data);
    },
    TypeError,
    "cut",
  );
  assertEquals(seen, ["1"]);
});
