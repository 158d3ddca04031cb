import { assertEquals, assertThrows } from "@std/assert";
import { eventStreamHeaders } from "../../../server/sse/event_stream_headers.ts";

Deno.test("an event stream says what it is and that nobody may hold it back", () => {
  assertEquals(Object.fromEntries(eventStreamHeaders()), {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
  });
});

Deno.test("fields are added, and may replace the usual ones", () => {
  const headers = new Headers(
    eventStreamHeaders({ "Access-Control-Allow-Origin": "*", "Cache-Control": "no-store" }),
  );
  assertEquals(headers.get("access-control-allow-origin"), "*");
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(headers.get("content-type"), "text/event-stream");
  assertThrows(() => eventStreamHeaders({ "a b": "c" }), TypeError);
});
