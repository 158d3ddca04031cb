/**
 * The bench's server on Sluice: prints `port N` and answers the five routes every bench server answers.
 *
 * @module
 */
import { Reply, serve } from "../../mod.ts";
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

/** Counts an upload's bytes. */
async function upload(request: Request): Promise<Response> {
  let bytes = 0;
  bytes = (await request.arrayBuffer()).byteLength;
  return new Reply(String(bytes));
}

const server = serve({ port: 0, hostname: "127.0.0.1" }, (request) => {
  const path = request.url.slice(request.url.indexOf("/", 8));
  switch (path) {
    case "/plain":
      return new Reply(PLAIN);
    case "/json":
      return Reply.json(JSON_BODY);
    case "/big":
      return new Reply(BIG);
    case "/stream":
      return new Reply(chunks());
    case "/up":
      return upload(request);
    default:
      return new Reply("not found", { status: 404 });
  }
});
console.log(`port ${server.addr.port}`);
