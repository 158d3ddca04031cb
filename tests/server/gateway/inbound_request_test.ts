import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { InboundFramingError, inboundRequest } from "../../../server/gateway/inbound_request.ts";
import { StreamSource } from "../../../server/gateway/stream_source.ts";
import { createRequest } from "../../../server/request.ts";
import { requestHead } from "./heads.ts";

/** A request as `serve()` makes them. */
function served(...lines: string[]): Request {
  return createRequest({
    head: requestHead(...lines),
    scheme: "http",
    authority: "own.example",
    body: null,
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
