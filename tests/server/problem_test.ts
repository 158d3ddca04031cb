import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { problem } from "../../server/problem.ts";
import { rawReply, Reply } from "../../server/reply.ts";

Deno.test("a problem is a JSON document with the status's own title", async () => {
  const response = problem(404);
  assertInstanceOf(response, Reply);
  assertEquals([response.status, response.headers.get("content-type")], [404, "application/problem+json"]);
  assertEquals(await response.json(), { title: "Not Found", status: 404 });
});

Deno.test("members are the caller's, but for status and headers", async () => {
  const response = problem(503, {
    type: "https://example.com/full",
    title: "Full",
    detail: "all upstream connections are in use",
    instance: "/chat/7",
    code: "SLUICE_UPSTREAM_FULL",
    queued: 64,
    status: 200,
    headers: { "retry-after": "1", "content-type": "text/html" },
  });
  assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  assertEquals(await response.json(), {
    type: "https://example.com/full",
    title: "Full",
    detail: "all upstream connections are in use",
    instance: "/chat/7",
    code: "SLUICE_UPSTREAM_FULL",
    queued: 64,
    status: 503,
  });
});

Deno.test("a status without a registered reason has no title", async () => {
  assertEquals(await problem(499).json(), { status: 499 });
});

Deno.test("every registered error has its title", async () => {
  const titles = await Promise.all(
    [400, 413, 429, 502, 504].map(async (status) => (await problem(status).json()).title),
  );
  assertEquals(titles, [
    "Bad Request",
    "Content Too Large",
    "Too Many Requests",
    "Bad Gateway",
    "Gateway Timeout",
  ]);
});

Deno.test("it is sent without a stream", () => {
  assertEquals(rawReply(problem(404))?.body, '{"title":"Not Found","status":404}');
});

Deno.test("only errors are problems", () => {
  for (const status of [200, 399, 600, 404.5, NaN]) assertThrows(() => problem(status), RangeError);
  assertThrows(() => problem(400, { headers: { "a b": "c" } }), TypeError);
});
