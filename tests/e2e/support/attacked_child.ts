/**
 * The ready-made server's handlers, as a process of its own, with bounds that a test chooses: they are the first argument,
 * as JSON (`{ limits, deadlines }`). `GET /large` is a body of 16 MiB, `GET /fresh` one of 64 KiB that is made anew for each,
 * `GET /held` tells what the process holds; everything else is as under `deno task serve`.
 */

import { openSelector } from "../../../io/open_selector.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { createApp } from "../../../server/app.ts";
import type { Handler } from "../../../server/handler.ts";
import { Reply } from "../../../server/reply.ts";
import { type LimitedHandler, ROUTE_LIMITS } from "../../../server/route_limits.ts";
import { serve, type Server } from "../../../server/serve.ts";
import { heldBytes } from "../../support/heap.ts";

const selector = openSelector();
const large = new Uint8Array(16 * 1024 * 1024).fill(0x61);
const [bounds = "{}", upstream = "http://127.0.0.1:9"] = Deno.args;
let server: Server<TcpAddr> | null = null;
const app = createApp({ selector, upstream, serverStats: () => server?.stats ?? null });
const handler: Handler = (request, info) => {
  if (request.url.endsWith("/large")) return new Reply(large);
  if (request.url.endsWith("/fresh")) return new Reply(new Uint8Array(64 * 1024));
  if (request.url.endsWith("/held")) return new Reply(`${heldBytes()}`);
  return app.handler(request, info);
};
const { [ROUTE_LIMITS]: limits } = app.handler as LimitedHandler; // the routes' own, which a wrapper must pass on
server = serve(
  { hostname: "127.0.0.1", port: 0, selector, ...JSON.parse(bounds) },
  Object.assign(handler, { [ROUTE_LIMITS]: limits }),
);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
