/**
 * Sluice's parts in a server of `node:http`: a topic, an event stream and a gateway.
 * Run: `node examples/embedded_in_node_http.ts [port [upstream]]` (Node 24, which reads TypeScript), or `deno run -A …`.
 */

import { createServer } from "node:http";
import process from "node:process";
import { EventHub, gateway, Reply, Router, toNodeListener } from "../mod.ts";

const [port = "8000", upstream = "http://127.0.0.1:11434"] = process.argv.slice(2);
const hub = new EventHub();
const router = new Router()
  .get("/", () => new Reply("embedded\n"))
  .get("/events/:topic", (request, info) => hub.subscribe(request, info.params.topic, info))
  .post("/events/:topic", async (request, info) => {
    return new Reply(await hub.publish(info.params.topic, { data: await request.text() }));
  })
  .all("/v1/*", gateway({ upstream }));

const server = createServer(toNodeListener(router.handler));
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as { port: number }).port}`);
});
