import { assertEquals, assertThrows } from "@std/assert";
import {
  encodeEvent,
  encodeFields,
  encodeId,
  encodeRetry,
  type SseEvent,
} from "../../../server/sse/encode.ts";
import { SseDecoder, type SseMessage } from "../../../server/sse/decode.ts";
import { randomText, seededRandom } from "./support/random.ts";

Deno.test("every part becomes its line, and a blank line ends the block", () => {
  const event = { comment: "c", retry: 5, event: "e", id: "i", data: "d" };
  assertEquals(encodeEvent(event), ": c\nretry: 5\nevent: e\nid: i\ndata: d\n\n");
  assertEquals(encodeFields(event), ": c\nretry: 5\nevent: e\nid: i\ndata: d\n");
});

Deno.test("what is absent is not sent, and an event of nothing is no text", () => {
  assertEquals(encodeEvent({}), "");
  assertEquals(encodeEvent({ event: "" }), "");
  assertEquals(encodeEvent({ comment: "" }), ": \n\n");
  assertEquals(encodeEvent({ id: "7" }), "id: 7\n\n");
});

Deno.test("an empty string is data, and an empty id clears the client's", () => {
  assertEquals(encodeEvent({ data: "" }), "data: \n\n");
  assertEquals(encodeEvent({ id: "" }), "id\n\n");
});

Deno.test("data is cut at LF, CR and CRLF, and keeps its empty lines", () => {
  assertEquals(
    encodeEvent({ data: "a\nb\rc\r\nd\n\ne\n" }),
    "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\ndata: \n\n",
  );
  assertEquals(encodeEvent({ comment: "a\nevent: b" }), ": a\n: event: b\n\n");
});

Deno.test("what is no string goes as JSON", () => {
  for (
    const [data, json] of [[{ a: [1] }, '{"a":[1]}'], [null, "null"], [0, "0"], [false, "false"], [[], "[]"]]
  ) {
    assertEquals(encodeEvent({ data }), `data: ${json}\n\n`);
  }
});

Deno.test("what the format cannot carry is refused, because it would become a field of its own", () => {
  const refused: SseEvent[] = [
    { event: "a\nb" },
    { event: "a\rdata: b" },
    { id: "a\nb" },
    { id: "a\rb" },
    { id: "a\0b" },
    { retry: -1 },
    { retry: 1.5 },
    { retry: NaN },
    { retry: 1e21 },
    { data: () => {} },
    { data: 1n },
    { data: Symbol("s") },
  ];
  for (const event of refused) assertThrows(() => encodeEvent(event), TypeError);
});

Deno.test("a single id or retry line can be encoded alone", () => {
  assertEquals(encodeId("x.1"), "id: x.1\n");
  assertEquals(encodeRetry(0), "retry: 0\n");
});

Deno.test("what is encoded is decoded again, with line ends as LF", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 300; round++) {
    const events: SseEvent[] = [];
    for (let n = random.int(5); n >= 0; n--) {
      events.push({
        data: randomText(random, 20),
        ...(random.int(2) ? { event: randomText(random, 5).replace(/[\r\n]/g, "") } : {}),
        ...(random.int(2) ? { id: randomText(random, 5).replace(/[\r\n\0]/g, "") } : {}),
        ...(random.int(3) ? {} : { comment: randomText(random, 9) }),
      });
    }
    let id = "";
    const expected = events.map(({ data, event, id: own }): SseMessage => ({
      event: event || "message",
      data: String(data).replace(/\r\n|\r/g, "\n"),
      lastEventId: id = own ?? id,
    }));
    const seen: SseMessage[] = [];
    new SseDecoder({ event: (message) => void seen.push(message) })
      .feed(new TextEncoder().encode(events.map(encodeEvent).join("")));
    assertEquals(seen, expected);
  }
});
