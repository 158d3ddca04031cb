/** What `deno serve` runs: the handlers as a default export. The upstream's URL is the first argument. */

import type { Handler } from "../../../server/handler.ts";
import { embeddedServices } from "./embedded_services.ts";

const { handler } = embeddedServices(Deno.args[0]!);

// What Deno passes beside the request is a part of what `serve()` passes; handlers that want the rest run under `serve()`.
export default {
  fetch: (request, info) => handler(request, info as unknown as Parameters<Handler>[1]),
} satisfies Deno.ServeDefaultExport;
