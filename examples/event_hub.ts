/**
 * A chat room: whoever posts is heard by all who listen, and who comes back misses nothing.
 * Run: `deno run --allow-net examples/event_hub.ts [port]`, then `curl -N http://127.0.0.1:8000/rooms/garden` and
 * `curl -d "hello" http://127.0.0.1:8000/rooms/garden?name=ada`.
 */

import { EventHub, HubError, problem, Reply, Router, serve } from "../mod.ts";

const hub = new EventHub({ topicReadersMax: 1_000, readerBufferBytesMax: 64 * 1024 });

const router = new Router()
  .get("/rooms/:room", (request, info) => hub.subscribe(request, info.params.room, info))
  .post("/rooms/:room", { bodyBytesMax: 4 * 1024 }, async (request, info) => {
    const name = new URL(request.url).searchParams.get("name") ?? "somebody";
    const data = { name, text: await request.text() };
    try {
      return Reply.json({ id: await hub.publish(info.params.room, { event: "said", data }) }, {
        status: 201,
      });
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      return problem(error.status, { code: error.code, detail: error.message });
    }
  })
  .get("/stats", () => Reply.json(hub.stats));

const server = serve({ port: Number(Deno.args[0] ?? 8000), hostname: "127.0.0.1" }, router.handler);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
