import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import type { BodySource } from "../../../server/body_source.ts";
import { InboundFramingError, inboundRequest } from "../../../server/gateway/inbound_request.ts";
import { StreamSource } from "../../../server/gateway/stream_source.ts";
import { createRequest } from "../../../server/request.ts";
import { requestHead } from "./heads.ts";

/** A request as `serve()` makes them. */
function served(...lines: string[]): Request {
  return servedWith(null, ...lines);
}

/** The same with a body. */
function servedWith(body: BodySource | null, ...lines: string[]): Request {
  return createRequest({
    head: requestHead(...lines),
    scheme: "http",
    authority: "own.example",
    body,
    disconnected: new AbortController().signal,
  });
}

Deno.test("a request of serve() is seen as it came", () => {
  const inbound = inboundRequest(
    served("PATCH /a?b HTTP/1.0", "Host: a", "X: 1", "X: 2", "Content-Length: 3"),
  );
  assertEquals([inbound.method, inbound.target, inbound.minorVersion], ["PATCH", "/a?b", 0]);
  assertEquals(inbound.fields.getAll("x"), ["1", "2"]);
  assertEquals(inbound.framing, { kind: "length", length: 3 });
  assert(!inbound.expectsContinue);
});

Deno.test("the body of a request of serve() is its source, also with GET", () => {
  const body = new StreamSource(ReadableStream.from([new Uint8Array(3)]), 3);
  assertStrictEquals(
    inboundRequest(servedWith(body, "POST / HTTP/1.1", "Host: a", "Content-Length: 3")).body,
    body,
  );
  assertStrictEquals(
    inboundRequest(servedWith(body, "GET / HTTP/1.1", "Host: a", "Content-Length: 3")).body,
    body,
  );
});

Deno.test("a body that was made a web stream before is forwarded from there", async () => {
  const body = new StreamSource(ReadableStream.from([new TextEncoder().encode("abc")]), 3);
  const request = servedWith(body, "POST / HTTP/1.1", "Host: a", "Content-Length: 3");
  const clone = request.clone();
  const inbound = inboundRequest(request);
  assertInstanceOf(inbound.body, StreamSource);
  assertEquals(inbound.body.length, 3);
  let text = "";
  const over = Promise.withResolvers<void>();
  const chunk = (bytes: Uint8Array) => void (text += new TextDecoder().decode(bytes));
  inbound.body.consume({ chunk, end: () => over.resolve(), failed: over.reject });
  await over.promise;
  assertEquals([text, await clone.text()], ["abc", "abc"]);
});

Deno.test("an expectation is seen", () => {
  const lines = ["POST / HTTP/1.1", "Host: a", "Expect: 100-continue", "Content-Length: 3"];
  assert(inboundRequest(served(...lines)).expectsContinue);
});

Deno.test("an absolute target becomes its path and query", () => {
  const target = (text: string) => inboundRequest(served(`GET ${text} HTTP/1.1`, "Host: a")).target;
  assertEquals(target("http://other.example/a/b?c=d"), "/a/b?c=d");
  assertEquals(target("http://other.example?c"), "/?c");
  assertEquals(target("http://other.example"), "/");
});

Deno.test("an absolute target says who was asked for, whatever Host says", () => {
  assertEquals(
    inboundRequest(served("GET http://other.example:81/a HTTP/1.1", "Host: a")).host,
    "other.example:81",
  );
  assertEquals(inboundRequest(served("GET /a HTTP/1.1", "Host: a")).host, "a");
  assertEquals(inboundRequest(served("GET /a HTTP/1.0")).host, null);
});

Deno.test("OPTIONS of the whole server stays that", () => {
  assertEquals(inboundRequest(served("OPTIONS * HTTP/1.1", "Host: a")).target, "*");
});

Deno.test("a foreign request is seen through the web's members", () => {
  const request = new Request("http://a.example/x/y?z=1#frag", { headers: { "X-A": "1" } });
  const inbound = inboundRequest(request);
  assertEquals([inbound.method, inbound.target, inbound.minorVersion], ["GET", "/x/y?z=1", 1]);
  assertEquals([inbound.framing.kind, inbound.body], ["none", null]);
  const { fields } = inbound;
  assertEquals([fields.count, fields.nameAt(0), fields.valueAt(0)], [1, "x-a", "1"]);
  assertEquals([fields.get("x-a"), fields.get("x-b"), fields.has("x-a"), fields.has("x-b")], [
    "1",
    null,
    true,
    false,
  ]);
  assertEquals([fields.getAll("x-a"), fields.getAll("x-b")], [["1"], []]);
});

Deno.test("a foreign body goes on with its length, or in chunks", () => {
  const sized = inboundRequest(
    new Request("http://a/", { method: "POST", body: "abc", headers: { "content-length": "3" } }),
  );
  assertEquals(sized.framing, { kind: "length", length: 3 });
  assertInstanceOf(sized.body, StreamSource);
  assertEquals(sized.body.length, 3);
  const unsized = inboundRequest(new Request("http://a/", { method: "POST", body: "abc" }));
  assertEquals([unsized.framing.kind, unsized.body?.length], ["chunked", null]);
});

Deno.test("a foreign length that is no number is refused", () => {
  for (const length of ["+3", "3, 3", "0x3", "1e3", "9999999999999999"]) {
    const request = new Request("http://a/", {
      method: "POST",
      body: "abc",
      headers: { "content-length": length },
    });
    assertThrows(() => inboundRequest(request), InboundFramingError);
  }
});

Deno.test("a body that was read already is refused", async () => {
  const request = new Request("http://a/", { method: "POST", body: "abc" });
  await request.text();
  assertThrows(() => inboundRequest(request), TypeError, "read already");
});
