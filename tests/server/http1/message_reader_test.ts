import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Fields,
  type Http1Error,
  LocalProtocolError,
  MESSAGE_LIMITS_DEFAULT,
  RequestParser,
} from "../../../server/http1/mod.ts";
import { Recorder, wireBytes } from "../../vectors/vector.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A request parser that writes its events down. */
function recording(): { parser: RequestParser; events: string[] } {
  const recorder = new Recorder(() => {});
  return { parser: new RequestParser(recorder), events: recorder.events };
}

Deno.test("nothing is parsed after an error", () => {
  const { parser, events } = recording();
  parser.feed(wireBytes("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + GET));
  assert(parser.isDead);
  assertEquals(parser.feed(wireBytes(GET)), 0);
  parser.finish();
  assertEquals(events, ["error host-repeated"]);
});

Deno.test("nothing is parsed after the last message", () => {
  const { parser, events } = recording();
  const wire = "GET / HTTP/1.0\r\n\r\n";
  assertEquals(parser.feed(wireBytes(wire + GET)), wire.length);
  assert(parser.isDone);
  assertEquals(parser.feed(wireBytes(GET)), 0);
  parser.finish();
  assertEquals(events, ["GET / 1.0 [] close", "end"]);
});

Deno.test("nothing is parsed after the peer's FIN", () => {
  const { parser, events } = recording();
  parser.finish();
  assert(parser.isDone);
  assertEquals(parser.feed(wireBytes(GET)), 0);
  assertEquals(events, []);
});

Deno.test("the parser says whether it is idle, in a head or in a body", () => {
  const { parser } = recording();
  const states: string[] = [];
  for (const byte of wireBytes("\r\nPOST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx")) {
    states.push(parser.isIdle ? "idle" : parser.isInHead ? "head" : parser.isDone ? "done" : "body");
    parser.feed(new Uint8Array([byte]));
  }
  assert(parser.isDone);
  assertEquals(states.filter((state, i) => state !== states[i - 1]), [
    "idle",
    "head",
    "idle",
    "head",
    "body",
  ]);
});

Deno.test("a paused parser takes nothing", () => {
  const { parser, events } = recording();
  parser.pause();
  assertEquals(parser.feed(wireBytes(GET)), 0);
  parser.resume();
  assertEquals(parser.feed(wireBytes(GET)), GET.length);
  assertEquals(events.length, 2);
});

Deno.test("a FIN that comes while paused waits for the rest", () => {
  const { parser, events } = recording();
  const bytes = wireBytes(GET + "GET");
  parser.feed(bytes.subarray(0, 1));
  parser.pause();
  parser.finish();
  assertEquals(events, []);
  parser.resume();
  parser.feed(bytes.subarray(1));
  assertEquals(events, ["GET / 1.1 [host: a]", "end", "error incomplete-head"]);
});

Deno.test("the sink may call finish", () => {
  const events: string[] = [];
  const parser: RequestParser = new RequestParser({
    head: () => parser.finish(),
    body: () => {},
    end: () => events.push("end"),
    error: (error) => events.push(error.refusal),
  });
  parser.feed(wireBytes(GET + "G"));
  assertEquals(events, ["end", "incomplete-head"]);
});

Deno.test("feeding from inside the sink is refused, and the parser is dead", () => {
  const parser: RequestParser = new RequestParser({
    head: () => parser.feed(wireBytes(GET)),
    body: () => {},
    end: () => {},
    error: () => {},
  });
  assertThrows(() => parser.feed(wireBytes(GET)), LocalProtocolError, "being fed");
  assert(parser.isDead);
});

Deno.test("what the sink throws comes out of feed, and the parser is dead", () => {
  const parser = new RequestParser({
    head: () => {
      throw new RangeError("mine");
    },
    body: () => {},
    end: () => {},
    error: () => {},
  });
  assertThrows(() => parser.feed(wireBytes(GET)), RangeError, "mine");
  assertEquals(parser.feed(wireBytes(GET)), 0);
});

/** Feeds a request whose sink sets the body limit to `max` in `head`; tells what was heard. */
function withBodyLimit(wire: string, max: number): string[] {
  const events: string[] = [];
  const parser: RequestParser = new RequestParser(
    {
      head: () => {
        events.push("head begins");
        parser.setBodyBytesMax(max);
        events.push(`head ends ${parser.isDead}`);
      },
      body: (bytes) => events.push(`body ${bytes.length}`),
      end: () => events.push("end"),
      error: (error: Http1Error) => events.push(error.refusal),
    },
    { ...MESSAGE_LIMITS_DEFAULT, bodyBytesMax: 2 },
  );
  parser.feed(wireBytes(wire));
  return events;
}

Deno.test("a body limit set in head refuses a longer declared length at once", () => {
  assertEquals(withBodyLimit("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 1), [
    "head begins",
    "body-too-large",
    "head ends true",
  ]);
});

Deno.test("a body limit set in head can be above the default", () => {
  assertEquals(withBodyLimit("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 5), [
    "head begins",
    "head ends false",
    "body 5",
    "end",
  ]);
});

Deno.test("a body limit set in head bounds chunks", () => {
  const wire =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
  assertEquals(withBodyLimit(wire, 3), ["head begins", "head ends false", "body 3", "body-too-large"]);
  assertEquals(withBodyLimit(wire, Infinity).at(-1), "end");
});

Deno.test("a body limit holds for one message", () => {
  const { events } = recording();
  let isFirst = true;
  const parser: RequestParser = new RequestParser({
    head: () => {
      if (isFirst) parser.setBodyBytesMax(Infinity);
      isFirst = false;
    },
    body: () => {},
    end: () => events.push("end"),
    error: (error) => events.push(error.refusal),
  }, { ...MESSAGE_LIMITS_DEFAULT, bodyBytesMax: 2 });
  parser.feed(wireBytes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".repeat(2)));
  assertEquals(events, ["end", "body-too-large"]);
});

Deno.test("a body limit that is no number of bytes is refused", () => {
  const { parser } = recording();
  for (const bad of [-1, 1.5, NaN, -Infinity]) assertThrows(() => parser.setBodyBytesMax(bad), RangeError);
});

Deno.test("limits that cannot be kept are refused", () => {
  for (const bad of [-1, 0.5, NaN]) {
    assertThrows(
      () => new RequestParser(new Recorder(() => {}), { ...MESSAGE_LIMITS_DEFAULT, headersMax: bad }),
      RangeError,
      "headersMax",
    );
  }
});

Deno.test("body bytes are parts of the bytes that were fed", () => {
  const buffers: ArrayBufferLike[] = [];
  const parser = new RequestParser({
    head: () => {},
    body: (bytes) => buffers.push(bytes.buffer),
    end: () => {},
    error: () => {},
  });
  const bytes = wireBytes(
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n",
  );
  parser.feed(bytes);
  assertEquals(buffers, [bytes.buffer, bytes.buffer]);
});

Deno.test("trailers cannot be read after the call", () => {
  let kept: Fields | null = null;
  const parser = new RequestParser({
    head: () => {},
    body: () => {},
    end: (trailers) => {
      assertEquals(trailers?.get("x"), "y");
      kept = trailers;
    },
    error: () => {},
  });
  parser.feed(wireBytes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n"));
  assertThrows(() => kept!.get("x"), LocalProtocolError);
});
