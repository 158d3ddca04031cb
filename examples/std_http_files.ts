/**
 * `route()` and `serveDir()` of @std/http on Sluice's server, unchanged: files, ranges and freshness are theirs, limits,
 * deadlines and the shutdown are ours.
 * Run: `deno run --allow-net --allow-read=examples examples/std_http_files.ts [port]`, then `curl http://127.0.0.1:8000/files/hello.ts`.
 */

import { serveDir } from "@std/http/file-server";
import { route } from "@std/http/unstable-route";
import { Reply, serve } from "../mod.ts";

const fsRoot = new URL(".", import.meta.url).pathname;

const handler = route([
  { pattern: new URLPattern({ pathname: "/" }), handler: () => new Reply("see /files/hello.ts\n") },
  {
    pattern: new URLPattern({ pathname: "/files/*" }),
    handler: (request) => serveDir(request, { fsRoot, urlRoot: "files", quiet: true }),
  },
  {
    pattern: new URLPattern({ pathname: "/*" }),
    handler: () => new Reply("no such route\n", { status: 404 }),
  },
]);

const server = serve({ port: Number(Deno.args[0] ?? 8000), hostname: "127.0.0.1" }, handler);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
