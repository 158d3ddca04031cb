/**
 * The same handlers under `deno serve`, which takes a module's default export and can run it in parallel.
 * Run: `deno serve --port 8000 --host 127.0.0.1 examples/deno_serve_entry.ts`.
 */

import { type Handler, Reply, Router, sse } from "../mod.ts";

const router = new Router()
  .get("/", () => new Reply("from deno serve\n"))
  .post("/echo", (request) => new Reply(request.body))
  .get(
    "/count",
    sse(function* () {
      for (let i = 1; i <= 3; i++) yield { data: i };
    }),
  );

// What Deno passes beside the request is a part of what `serve()` passes; handlers that want the rest run under `serve()`.
export default {
  fetch: (request, info) => router.handler(request, info as unknown as Parameters<Handler>[1]),
} satisfies Deno.ServeDefaultExport;
