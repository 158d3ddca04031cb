/** Heads as `node:http` parsed them, seen as this library's own. */

import { assert, assertEquals } from "@std/assert";
import { NodeFields, NodeHead } from "../../server/node_head.ts";
import type { IncomingLike } from "../../server/node_http.ts";

function head(method: string, url: string, ...rawHeaders: string[]): NodeHead {
  return new NodeHead({ method, url, httpVersionMinor: 1, rawHeaders } as unknown as IncomingLike);
}

Deno.test("fields are found whatever their case, first and all", () => {
  const fields = new NodeFields(["Host", "a", "X-One", "1", "x-one", "2"]);
  assertEquals([fields.count, fields.nameAt(1), fields.valueAt(2)], [3, "x-one", "2"]);
  assertEquals([fields.get("x-one"), fields.getAll("x-one"), fields.get("none")], ["1", ["1", "2"], null]);
  assert(fields.has("host") && !fields.has("hos"));
});

Deno.test("a target's form is told, and one that a middleware cut has its slash again", () => {
  assertEquals(head("GET", "/a?b").targetForm, "origin");
  assertEquals(head("GET", "http://a/b").targetForm, "absolute");
  assertEquals(head("OPTIONS", "*").targetForm, "asterisk");
  assertEquals(head("CONNECT", "a:1").targetForm, "authority");
  assertEquals(head("GET", "?b=http://c").target, "/?b=http://c");
});

Deno.test("framing and the connection's options are what the fields say", () => {
  assertEquals(head("POST", "/", "Content-Length", "7").framing, { kind: "length", length: 7 });
  assertEquals(head("POST", "/", "Transfer-Encoding", "chunked").framing, { kind: "chunked" });
  assertEquals(head("POST", "/", "Content-Length", "0").framing, { kind: "none" });
  const upgrade = head("GET", "/", "Connection", "close, Upgrade", "Upgrade", "websocket");
  assertEquals([upgrade.isUpgrade, upgrade.keepAlive], [true, false]);
  assert(head("GET", "/").keepAlive);
});

Deno.test("the bytes on the wire are counted, and the head lasts", () => {
  const one = head("GET", "/", "Host", "a");
  assertEquals(one.wireBytes, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".length);
  assertEquals(one.retain(), one);
});
