/** A server in ten lines. Run: `deno run --allow-net examples/hello.ts [port]`. */

import { Reply, Router, serve } from "../mod.ts";

const router = new Router()
  .get("/", () => new Reply("hello, world\n"))
  .get("/hello/:name", (_request, info) => Reply.json({ hello: info.params.name }))
  .post("/echo", async (request) => new Reply(await request.bytes()));

const server = serve({ port: Number(Deno.args[0] ?? 8000), hostname: "127.0.0.1" }, router.handler);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
