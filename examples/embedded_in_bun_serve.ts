/**
 * Sluice's parts in `Bun.serve`: a topic, an event stream and a gateway.
 * Run: `bun examples/embedded_in_bun_serve.ts [port [upstream]]`.
 */

import process from "node:process";
import { EventHub, gateway, type Handler, Reply, Router } from "../mod.ts";

/** As much of Bun as is used here; `bun-types` has the rest. */
declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    fetch(request: Request): Response | Promise<Response>;
  }): { port: number };
};

const [port = "8000", upstream = "http://127.0.0.1:11434"] = process.argv.slice(2);
const hub = new EventHub();
const router = new Router()
  .get("/", () => new Reply("embedded\n"))
  .get("/events/:topic", (request, info) => hub.subscribe(request, info.params.topic, info))
  .post("/events/:topic", async (request, info) => {
    return new Reply(await hub.publish(info.params.topic, { data: await request.text() }));
  })
  .all("/v1/*", gateway({ upstream }));

const server = Bun.serve({
  port: Number(port),
  hostname: "127.0.0.1",
  idleTimeout: 0, // else a quiet event stream is cut after 10 s
  fetch: (request) => router.handler(request, {} as Parameters<Handler>[1]),
});
console.log(`listening on http://127.0.0.1:${server.port}`);
