/**
 * A streaming gateway that asks for a key and keeps its own from the clients.
 * Run: `deno run --allow-net examples/gateway.ts [port [upstream]]`; without an upstream it brings a demo of its own.
 */

import { demoUpstream, gateway, openSelector, problem, Reply, Router, serve } from "../mod.ts";

const selector = openSelector(); // one for everything: the servers and the connections to the upstream
const [port = "8000", url] = Deno.args;

function startDemo(): string {
  const demo = serve({ port: 0, hostname: "127.0.0.1", selector }, demoUpstream(selector));
  return `http://127.0.0.1:${demo.addr.port}`;
}

const proxy = gateway({ upstream: url ?? startDemo(), selector });
const router = new Router()
  .all("/v1/*", (request, info) => {
    if (request.headers.get("authorization") === "Bearer secret") return proxy(request, info);
    return problem(401, { detail: "a key is needed", headers: { "www-authenticate": "Bearer" } });
  })
  .get("/stats", () => Reply.json(proxy.stats));

const server = serve({ port: Number(port), hostname: "127.0.0.1", selector }, router.handler);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
