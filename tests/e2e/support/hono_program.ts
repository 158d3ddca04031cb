/** A Hono app under `serve()` on any runtime, with a topic and a gateway among its routes. Arguments: port, upstream. */

import process from "node:process";
import { type Context, Hono } from "npm:hono@4.13.19";
import { EventHub, gateway, serve, type ServeInfo } from "../../../mod.ts";

const [port, upstream = ""] = process.argv.slice(2);
const hub = new EventHub();
const proxy = gateway({ upstream });
const app = new Hono<{ Bindings: ServeInfo }>();
const topicOf = (c: Context) => c.req.param("topic") ?? "";
app.get("/", (c) => c.text("embedded\n"));
app.get("/events/:topic", (c) => hub.subscribe(c.req.raw, topicOf(c), c.env));
app.post(
  "/events/:topic",
  async (c) => c.text(await hub.publish(topicOf(c), { data: await c.req.text() })),
);
app.all("/v1/*", (c) => proxy(c.req.raw, c.env));

const server = serve({ port: Number(port), hostname: "127.0.0.1", onListen() {} }, app.fetch);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
