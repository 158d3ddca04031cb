/** `sse()` under `serve()`, with curl and plain sockets as clients. */
import { assertEquals, assertInstanceOf, assertLess, assertMatch, assertNotEquals } from "@std/assert";
import { serve } from "../../../server/serve.ts";
import { sse, type SseOptions, type SseSource } from "../../../server/sse/sse.ts";
import { curl, curlStream } from "../../support/curl.ts";
import { RawClient } from "../../support/raw_client.ts";

/** A source served on a port of its own; `errors` are those the server was told of. */
function start(source: SseSource, options: SseOptions = {}) {
  const errors: unknown[] = [];
  const onError = (error: unknown) => {
    errors.push(error);
    return new Response(null, { status: 500 });
  };
  const server = serve({ hostname: "127.0.0.1", port: 0, onListen: () => {}, onError }, sse(source, options));
  if (!("port" in server.addr)) throw new TypeError("no port");
  const { port } = server.addr;
  const stop = async () => void await server.shutdown();
  return { server, errors, port, url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: stop };
}

Deno.test("curl sees each event when it is yielded, and the generator hears at once that it left", async () => {
  const steps = { next: Promise.withResolvers<void>(), cleaned: Promise.withResolvers<unknown>() };
  await using running = start(async function* (request, _info, { lastEventId, signal }) {
    try {
      yield { data: { method: request.method, lastEventId } };
      await steps.next.promise;
      yield { event: "second", data: "zwei\n2" };
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    } finally {
      steps.cleaned.resolve(signal.aborted);
    }
  });
  {
    await using client = curlStream("--header", "Last-Event-ID: 41", running.url);
    await client.stdout.match(/^data: \{"method":"GET","lastEventId":"41"\}\n\n$/);
    steps.next.resolve();
    await client.stdout.match(/event: second\ndata: zwei\ndata: 2\n\n$/);
  }
  assertEquals(await steps.cleaned.promise, true);
  assertEquals(running.errors, []);
});

Deno.test("a generator that ends, ends the body; one that throws never does, and the server is told", async () => {
  await using running = start(async function* (request) {
    yield { data: "one" };
    await new Promise((resolve) => setImmediate(resolve));
    if (request.url.endsWith("broken")) throw new RangeError("broken");
  });
  const whole = await curl(`${running.url}whole`);
  assertEquals([whole.code, whole.stdout], [0, "data: one\n\n"]);
  assertEquals(running.errors, []);
  const broken = await curl(`${running.url}broken`);
  assertNotEquals(broken.code, 0);
  assertEquals(running.errors.length, 1);
  assertInstanceOf(running.errors[0], RangeError);
});

Deno.test("HEAD is answered with the same fields, and the generator is not called", async () => {
  let calls = 0;
  await using running = start(() => {
    calls++;
    return [];
  });
  using client = await RawClient.connect({ port: running.port });
  await client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  const { status, headers } = await client.readResponse({ isHead: true });
  assertEquals([status, headers.get("content-type"), calls], [200, "text/event-stream", 0]);
});

Deno.test("when the server stops, streams are told when to come back, end, and clean up", async () => {
  let cleaned = 0;
  const running = start(async function* (_request, _info, { signal }) {
    try {
      yield { data: "one" };
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    } finally {
      cleaned++;
    }
  }, { drainRetryMs: 1_000 });
  const clients = Array.from({ length: 20 }, () => curlStream(running.url));
  await Promise.all(clients.map(({ stdout }) => stdout.match(/one\n\n/)));
  const report = await running.server.shutdown();
  for (const client of clients) {
    assertEquals((await client.status).code, 0);
    assertMatch(client.stdout.text, /^data: one\n\nretry: (1[0-9]{3}|2000)\n\n$/);
    await client[Symbol.asyncDispose]();
  }
  assertEquals([report.ended, report.cut, cleaned, running.errors], [20, 0, 20, []]);
});

Deno.test("a client that takes nothing stops the generator, not the server", async () => {
  let yielded = 0;
  const quiet = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  await using running = start(async function* () {
    try {
      for (;; yielded++) {
        clearTimeout(timer);
        timer = setTimeout(quiet.resolve, 300); // nobody asked for more for that long
        yield { data: "x".repeat(16 * 1024) };
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  });
  using client = await RawClient.connect({ port: running.port });
  await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await quiet.promise;
  assertLess(yielded, 4_096); // 64 MiB: what kernels buffer, and much more
  client.close();
});
