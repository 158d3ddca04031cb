/**
 * The fan-out bench's server on `Deno.serve`, with a `ReadableStream` per reader. Routes as in `sluice_fanout.ts`.
 *
 * @module
 */
import { PLAIN } from "./bodies.ts";
import { StreamHub } from "./stream_hub.ts";

const hub = new StreamHub();

/** Publishes the body's text. */
async function publish(request: Request): Promise<Response> {
  hub.publish(await request.text());
  return new Response("ok");
}

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: (addr) => console.log(`port ${addr.port}`),
}, (request) => {
  switch (new URL(request.url).pathname) {
    case "/events":
      return hub.subscribe();
    case "/publish":
      return publish(request);
    case "/plain":
      return new Response(PLAIN);
    default:
      return new Response("not found", { status: 404 });
  }
});
