/**
 * A stop in stages on SIGTERM: requests finish, event streams say goodbye, and what is late is cut and counted.
 * Run: `deno run --allow-net examples/graceful_shutdown.ts [port]`, then `kill -TERM` it.
 */

import { EventHub, Reply, Router, serve } from "../mod.ts";

const hub = new EventHub();
const router = new Router()
  .get("/events", (request, info) => hub.subscribe(request, "news", info))
  .get("/work", async (_request, info) => {
    // Long work that hears of the stop: `draining` says "finish soon", `disconnected` says "nobody wants it".
    const isTold = Promise.withResolvers<string>();
    info.draining.addEventListener("abort", () => isTold.resolve("finished early"));
    info.disconnected.addEventListener("abort", () => isTold.resolve("for nobody"));
    const timer = setTimeout(() => isTold.resolve("finished"), 60_000);
    const how = await isTold.promise;
    clearTimeout(timer);
    return new Reply(`${how}\n`);
  });

const server = serve({ port: Number(Deno.args[0] ?? 8000), hostname: "127.0.0.1" }, router.handler);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);

Deno.addSignalListener("SIGTERM", async () => {
  const report = await server.shutdown({ graceMs: 5_000, streamGraceMs: 1_000 });
  await hub.close();
  const { finished, ended, cut } = report;
  console.log(`stopped: ${finished} requests finished, ${ended} streams ended, ${cut} cut`);
  Deno.exit(0);
});
