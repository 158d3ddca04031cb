/**
 * A server with a hub for tests that look at its memory from outside: `GET /events` subscribes, `POST /publish?mib=8` publishes
 * that much in events of 16 KiB, one a turn, and answers with the hub's counters.
 */
import { serve } from "../../../../server/serve.ts";
import { EventHub } from "../../../../server/sse/event_hub.ts";

const EVENT_BYTES = 16 * 1024;
const hub = new EventHub({ readerLagBytesMax: Number(Deno.args[0]) });

const server = serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  const url = new URL(request.url);
  if (url.pathname === "/events") return hub.subscribe(request, "a");
  const events = Number(url.searchParams.get("mib")) * 1024 * 1024 / EVENT_BYTES;
  const data = "x".repeat(EVENT_BYTES);
  for (let n = 0; n < events; n++) {
    await hub.publish("a", { data });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return Response.json(hub.stats);
});
console.log(`port ${"port" in server.addr ? server.addr.port : 0}`);
