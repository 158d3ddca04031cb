/** Functions by their source. */

import { assertEquals, assertThrows } from "@std/assert";
import { SourceCache } from "../../pool/source_cache.ts";

Deno.test("a source is compiled once, and sees its arguments only", () => {
  const cache = new SourceCache();
  const source = "function () { return arguments.callee; }";
  assertEquals(cache.call({ source, args: [] }) === cache.call({ source, args: [] }), true);
  assertEquals(cache.call({ source: "(a, b) => a + b // a comment", args: [1, 2] }), 3);
  assertEquals(cache.call({ source: "() => typeof cache", args: [] }), "undefined");
  assertThrows(() => cache.call({ source: "method() {}", args: [] }), SyntaxError);
});

Deno.test("the oldest go when there are too many", () => {
  const cache = new SourceCache();
  const source = "function () { return arguments.callee; }";
  const first = cache.call({ source, args: [] });
  for (let index = 0; index < 128; index++) cache.call({ source: `() => ${index}`, args: [] });
  assertEquals(cache.call({ source, args: [] }) === first, false);
});
