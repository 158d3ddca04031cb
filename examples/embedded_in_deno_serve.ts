/**
 * Sluice's parts as handlers in a server that is not Sluice's.
 * Run: `deno run --allow-net examples/embedded_in_deno_serve.ts [port]`.
 */

import { EventHub, type Handler, Reply, Router, sse } from "../mod.ts";

const hub = new EventHub();
const router = new Router()
  .get("/", () => new Reply("embedded\n"))
  .get(
    "/count",
    sse(function* () {
      for (let i = 1; i <= 3; i++) yield { data: i };
    }),
  )
  .get("/events/:topic", (request, info) => hub.subscribe(request, info.params.topic, info))
  .post("/events/:topic", async (request, info) => {
    return new Reply(await hub.publish(info.params.topic, { data: await request.text() }));
  });

// `Deno.serve` knows the client's address and no more; what else `serve()` tells its handlers is missing.
const handler = (request: Request, info: Deno.ServeHandlerInfo) =>
  router.handler(request, info as unknown as Parameters<Handler>[1]);

Deno.serve({
  port: Number(Deno.args[0] ?? 8000),
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(`listening on http://127.0.0.1:${port}`),
}, handler);
