/** Two workers of which one hangs: the other one answers, and the server stops all the same. */
import { serve } from "../../../mod.ts";

const module = new URL("../../server/workers/service_module.ts", import.meta.url);
const server = await serve({ workers: 2, module, port: 0, hostname: "127.0.0.1" });
const url = `http://127.0.0.1:${server.addr.port}`;
fetch(`${url}/hang`).catch(() => null); // Never answered: on Deno its thread goes on until the process ends.
const leave = new AbortController();
// A request that is dealt to the hung worker is not answered; one that is not, is.
const requests = Array.from(
  { length: 32 },
  () =>
    fetch(url, { headers: { connection: "close" }, signal: leave.signal }).then((response) =>
      response.text()
    ),
);
await Promise.any(requests);
console.log("answered by the other worker");
leave.abort();
await Promise.allSettled(requests);
await server.shutdown({ graceMs: 100 });
console.log("stopped");
Deno.exit(0);
