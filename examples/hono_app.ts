/**
 * A Hono app on Sluice's server: its limits, deadlines and shutdown are the app's, without a change to it.
 * Run: `deno run --allow-net --allow-env examples/hono_app.ts [port]`.
 */

import { Hono } from "npm:hono@4.13.19";
import { streamSSE } from "npm:hono@4.13.19/streaming";
import { serve } from "../mod.ts";

const app = new Hono();
app.get("/", (c) => c.text("hello from Hono\n"));
app.post("/sum", async (c) => c.json({ sum: (await c.req.json<number[]>()).reduce((a, b) => a + b, 0) }));
app.get("/events", (c) =>
  streamSSE(c, async (stream) => {
    for (let id = 1; id <= 3; id++) await stream.writeSSE({ id: `${id}`, data: `event ${id}` });
  }));

const server = serve({
  port: Number(Deno.args[0] ?? 8000),
  hostname: "127.0.0.1",
  limits: { bodyBytesMax: 64 * 1024 },
  deadlines: { handlerMs: 5_000 },
}, app.fetch);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
