/**
 * A server with a gateway, as a process of its own, so that its memory can be measured. The upstream's URL is the first
 * argument; `/stats` tells the gateway's counters, everything else is forwarded.
 */

import { openSelector } from "../../../io/open_selector.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { gateway } from "../../../server/gateway/gateway.ts";
import { serve } from "../../../server/serve.ts";

const selector = openSelector();
const proxy = gateway({ upstream: Deno.args[0]!, selector });
const server = serve(
  { hostname: "127.0.0.1", port: 0, selector, limits: { bodyBytesMax: null }, onListen() {} },
  (request, info) => request.url.endsWith("/stats") ? Response.json(proxy.stats) : proxy(request, info),
);
console.log(`listening on http://127.0.0.1:${(server.addr as TcpAddr).port}`);
