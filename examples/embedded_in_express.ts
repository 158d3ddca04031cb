/**
 * Sluice's parts as a middleware of Express, behind its own routes: a topic, an event stream and a gateway.
 * Run: `npm install express@5`, then `node examples/embedded_in_express.ts [port [upstream]]`.
 */

import type { ServerResponse } from "node:http";
import process from "node:process";
import express from "npm:express@5.3.0";
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

const app = express();
app.get("/express", (_request: unknown, response: ServerResponse) => void response.end("Express's own\n"));
app.use(toNodeListener(router.handler)); // before body parsers: the handlers read the bodies themselves

const server = app.listen(Number(port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as { port: number }).port}`);
});
