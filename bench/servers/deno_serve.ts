/**
 * The bench's server on `Deno.serve`.
 *
 * @module
 */
import { BIG, CHUNK, CHUNKS, JSON_BODY, PLAIN } from "./bodies.ts";

/** A stream of `CHUNKS` chunks, one per pull. */
function chunks(): ReadableStream<Uint8Array> {
  let left = CHUNKS;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(CHUNK);
      if (--left === 0) controller.close();
    },
  });
}

/** Counts an upload's bytes, piece by piece. */
async function upload(request: Request): Promise<Response> {
  let bytes = 0;
  for await (const piece of request.body ?? []) bytes += piece.length;
  return new Response(String(bytes));
}

/** Takes an upload as a whole. */
async function take(request: Request): Promise<Response> {
  return new Response(String((await request.arrayBuffer()).byteLength));
}

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: (addr) => console.log(`port ${addr.port}`),
}, (request) => {
  const path = request.url.slice(request.url.indexOf("/", 8));
  switch (path) {
    case "/plain":
      return new Response(PLAIN);
    case "/json":
      return Response.json(JSON_BODY);
    case "/big":
      return new Response(BIG);
    case "/stream":
      return new Response(chunks());
    case "/up":
      return upload(request);
    case "/whole":
      return take(request);
    default:
      return new Response("not found", { status: 404 });
  }
});
