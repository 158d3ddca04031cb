/**
 * Sluice's parts as routes of a Hono app, which here runs on `Deno.serve`: a topic and a gateway.
 * Run: `deno run --allow-net --allow-env examples/embedded_in_hono.ts [port [upstream]]`.
 */

import { Hono } from "npm:hono@4.13.19";
import { EventHub, gateway } from "../mod.ts";

const [port = "8000", upstream = "http://127.0.0.1:11434"] = Deno.args;
const hub = new EventHub();
const models = gateway({ upstream });

const app = new Hono();
app.get("/", (c) => c.text("hello from Hono\n"));
app.get("/events/:topic", (c) => hub.subscribe(c.req.raw, c.req.param("topic")));
app.post("/events/:topic", async (c) => {
  return c.text(await hub.publish(c.req.param("topic"), { data: await c.req.text() }));
});
app.all("/v1/*", (c) => models(c.req.raw));

Deno.serve({
  port: Number(port),
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(`listening on http://127.0.0.1:${port}`),
}, app.fetch);
