import { assertEquals } from "@std/assert";
import { openSelector } from "../../../io/open_selector.ts";
import { Reply } from "../../../server/reply.ts";
import { serve } from "../../../server/serve.ts";
import { createService } from "../../../server/workers/thread_app.ts";

Deno.test("the gateway's requests go to the upstream, health stays here, and all else goes to the main thread", async () => {
  await using selector = openSelector();
  const quiet = { selector, port: 0, hostname: "127.0.0.1", onListen() {} };
  const told = (who: string) => (request: Request) => new Reply(`${who}: ${new URL(request.url).pathname}`);
  await using upstream = serve(quiet, told("upstream"));
  await using main = serve(quiet, told("main"));
  const urlOf = (port: number) => `http://127.0.0.1:${port}`;
  const data = { upstream: urlOf(upstream.addr.port), home: urlOf(main.addr.port) };
  const service = await createService({ selector, index: 0, workers: 1, data });
  await using server = serve(quiet, service.fetch);
  const ask = async (path: string) => await (await fetch(`${urlOf(server.addr.port)}${path}`)).text();
  assertEquals(await ask("/v1/models"), "upstream: /v1/models");
  assertEquals(await ask("/healthz"), '{"status":"ok"}');
  for (const path of ["/", "/metrics", "/events/x"]) assertEquals(await ask(path), `main: ${path}`);

  const { rising, now } = service.stats!();
  assertEquals([rising["requests"], now["active"]], [1, 0]); // those to the main thread are no gateway's
  assertEquals(structuredClone(rising), rising);
  const failed = await service.onError!(new TypeError("told to fail"));
  assertEquals(failed.status, 500);
  await server.shutdown();
  await service.close!();
});
