import { assertEquals } from "@std/assert";
import { bodyLimitOf, ROUTE_LIMITS } from "../../server/route_limits.ts";
import { Reply } from "../../server/reply.ts";
import { Router } from "../../server/router.ts";
import { parseHead } from "../support/incoming_request.ts";

const none = () => new Reply(null);

function limit(handler: Parameters<typeof bodyLimitOf>[0], line: string): number | undefined {
  return bodyLimitOf(handler, parseHead(`${line} HTTP/1.1`, "Host: a"));
}

Deno.test("a plain handler says nothing", () => {
  assertEquals(limit(none, "POST /"), undefined);
});

Deno.test("a router says what the route of the method and path says, mounted ones included", () => {
  const uploads = new Router().put("/:name", { bodyBytesMax: 100 }, none).put(
    "/small",
    { bodyBytesMax: 1 },
    none,
  );
  const { handler } = new Router().mount("/up", uploads).post("/endless", { bodyBytesMax: Infinity }, none)
    .post("/", none)
    .mount("/app", none, { bodyBytesMax: 7 });
  assertEquals(limit(handler, "PUT /up/a?b"), 100);
  assertEquals(limit(handler, "PUT /up/small"), 1);
  assertEquals(limit(handler, "PUT /up/../up/small"), 1);
  assertEquals(limit(handler, "POST /endless"), Infinity);
  assertEquals(limit(handler, "POST /app/x"), 7);
  assertEquals(limit(handler, "POST /"), undefined);
  assertEquals(limit(handler, "POST /up/a"), undefined);
  assertEquals(limit(handler, "PUT /up/%"), 100);
  assertEquals(limit(handler, "OPTIONS *"), undefined);
});

Deno.test("a wrapper that carries the method on carries the limits on", () => {
  const { handler } = new Router().post("/", { bodyBytesMax: 5 }, none);
  const wrapper: typeof handler = (request, info) => handler(request, info);
  assertEquals(limit(wrapper, "POST /"), undefined);
  assertEquals(
    limit(Object.assign(wrapper, { [ROUTE_LIMITS]: Reflect.get(handler, ROUTE_LIMITS) }), "POST /"),
    5,
  );
});
