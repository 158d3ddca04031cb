/** The hub under `serve()`, with clients that are none of ours: curl, fetch, plain sockets. */
import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { MemoryLog } from "../../../server/log/memory_log.ts";
import { serve } from "../../../server/serve.ts";
import { decodeEvents, SseDecoder } from "../../../server/sse/decode.ts";
import { EventHub, type EventHubOptions } from "../../../server/sse/event_hub.ts";
import { curlStream } from "../../support/curl.ts";
import { HEAP_FLAGS } from "../../support/heap.ts";
import { RawClient } from "../../support/raw_client.ts";
import { rssBytes } from "../../support/rss.ts";
import { spawnChild } from "../../support/spawn_child.ts";
import { seededRandom } from "./support/random.ts";

/** A hub served on a port of its own. */
function start(options: EventHubOptions = {}) {
  const hub = new EventHub(options);
  const server = serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      onError: () => new Response(null, { status: 500 }),
    },
    (request, info) => hub.subscribe(request, new URL(request.url).pathname.slice(1), info),
  );
  if (!("port" in server.addr)) throw new TypeError("no port");
  const { port } = server.addr;
  const stop = async () => {
    await hub.close();
    await server.shutdown();
  };
  return { hub, server, port, url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: stop };
}

/** Lets the event loop turn until a condition holds; the run's own time-out bounds it. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("curl sees every event as it is published, and resumes by its last event id", async () => {
  await using running = start({ retryMs: 100 });
  const { hub, url } = running;
  let id = "";
  {
    await using first = curlStream("--include", `${url}news`);
    await first.stdout.match(/retry: 100\nid: /);
    assertStringIncludes(first.stdout.text, "content-type: text/event-stream\r\n");
    id = await hub.publish("news", { event: "note", data: "one\ntwo" });
    await first.stdout.match(/event: note\ndata: one\ndata: two\n\n/);
    assertStringIncludes(first.stdout.text, `\n\nid: ${id}\nevent: note`);
  }
  await waitFor(() => hub.stats.readers === 0);
  await hub.publish("news", { data: "while nobody looked" });
  await using second = curlStream("--header", `Last-Event-ID: ${id}`, `${url}news`);
  await second.stdout.match(/data: while nobody looked\n\n/);
  await hub.publish("news", { data: "live" });
  await second.stdout.match(/data: live\n\n/);
  assertMatch(
    second.stdout.text,
    /^retry: 100\n\nid: \S+\ndata: while nobody looked\n\nid: \S+\ndata: live\n\n$/,
  );
});

Deno.test("200 readers get every event in order, each of them encoded once", async () => {
  await using running = start();
  const { hub, url } = running;
  const readers = Array.from({ length: 200 }, async () => {
    const seen: string[] = [];
    for await (const { data } of decodeEvents((await fetch(`${url}a`)).body!)) {
      seen.push(data);
      if (seen.length === 50) return seen;
    }
    return seen;
  });
  await waitFor(() => hub.stats.readers === 200);
  const expected = Array.from({ length: 50 }, (_, n) => `event ${n} ü`);
  for (const data of expected) {
    await hub.publish("a", { data });
    if (data.length % 3 === 0) await new Promise((resolve) => setImmediate(resolve)); // some in one turn, some not
  }
  for (const seen of await Promise.all(readers)) assertEquals(seen, expected);
  await waitFor(() => hub.stats.readers === 0);
  assertEquals(hub.stats.delivered, 200 * 50);
});

Deno.test("a reader that takes nothing is cut while the others get everything", async () => {
  await using running = start();
  const { hub, url, port } = running;
  using stalled = await RawClient.connect({ port });
  await stalled.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  await stalled.readUntil("\r\n\r\n");
  let received = 0;
  const abort = new AbortController();
  const readers = Array.from({ length: 10 }, async () => {
    const decoder = new SseDecoder({ event: () => void received++ });
    const response = await fetch(`${url}a`, { signal: abort.signal });
    try {
      for await (const bytes of response.body!) decoder.feed(bytes);
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
  });
  await waitFor(() => hub.stats.readers === 11);
  let published = 0;
  for (; hub.stats.cutSlow === 0 && published < 5_000; published++) {
    await hub.publish("a", { data: "x".repeat(32 * 1024) });
    await waitFor(() => received >= published * 10);
  }
  await waitFor(() => received === published * 10);
  assertEquals([hub.stats.cutSlow, hub.stats.readers], [1, 10]);
  assertEquals(await stalled.waitEnd(), "reset");
  abort.abort();
  await Promise.all(readers);
});

Deno.test("clients that break off and reconnect under constant publishing miss nothing and get nothing twice", async () => {
  await using running = start({
    log: new MemoryLog({ eventsMax: 100_000, topicBytesMax: 64 * 1024 * 1024 }),
  });
  const { hub, url } = running;
  const random = seededRandom(6);
  const total = 1_500;
  const clients = Array.from({ length: 12 }, async (_, client) => {
    const seen: number[] = [];
    let lastEventId = "";
    let connects = 0;
    while (seen.at(-1) !== total - 1) {
      connects++;
      const inQuery = client % 2 === 0 && lastEventId !== "";
      const response = await fetch(`${url}a${inQuery ? `?lastEventId=${lastEventId}` : ""}`, {
        headers: inQuery ? {} : { "last-event-id": lastEventId || `${hub.log.epoch}.0` },
      });
      const quota = 1 + random.int(150);
      const decoder = new SseDecoder({ event: ({ data }) => void seen.push(Number(data)) }, { lastEventId });
      const start = seen.length;
      for await (const bytes of response.body!) {
        // A client may break off in the middle of an event: what is not complete is not seen, and comes again.
        const breaksOff = seen.length - start >= quota || random.int(20) === 0;
        decoder.feed(breaksOff ? bytes.subarray(0, random.int(bytes.length + 1)) : bytes);
        if (breaksOff || seen.at(-1) === total - 1) break;
      }
      lastEventId = decoder.lastEventId || lastEventId;
    }
    return { seen, connects };
  });
  for (let n = 0; n < total; n++) {
    await hub.publish("a", { data: n });
    if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const { seen, connects } of await Promise.all(clients)) {
    assertEquals(seen, Array.from({ length: total }, (_, n) => n));
    assert(connects > 2, "a client that never broke off proves nothing");
  }
  await waitFor(() => hub.stats.readers === 0);
  assertEquals(hub.stats.gaps, 0);
});

Deno.test("when the server stops, 100 streams are each told when to come back, and end", async () => {
  const hub = new EventHub({ drainRetryMs: 1_000 });
  const server = serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => hub.subscribe(request, "a"),
  );
  if (!("port" in server.addr)) throw new TypeError("no port");
  const { port } = server.addr;
  const texts = Array.from({ length: 100 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
  await waitFor(() => hub.stats.readers === 100);
  const report = await server.shutdown();
  const retries = (await Promise.all(texts)).map((text) => /retry: ([0-9]+)\n\n$/.exec(text)?.[1]);
  assertEquals(retries.filter((retry) => Number(retry) >= 1_000 && Number(retry) <= 2_000).length, 100);
  assertEquals([report.ended, report.cut, hub.stats.readers], [100, 0, 0]);
  await hub.close();
});

const STALLS = [
  { name: "is cut", readerLagBytesMax: 1024 * 1024, cutSlow: 1 },
  { name: "is let be", readerLagBytesMax: 1e12, cutSlow: 0 },
] as const;

for (const { name, readerLagBytesMax, cutSlow } of STALLS) {
  Deno.test(`memory stays flat while 128 MiB are published to a reader that takes nothing and ${name}`, async () => {
    const script = new URL("./support/hub_server.ts", import.meta.url).href;
    await using child = spawnChild("deno", [
      "run",
      "--allow-all",
      HEAP_FLAGS,
      script,
      `${readerLagBytesMax}`,
    ]);
    const port = Number((await child.stdout.match(/port (\d+)\n/))[1]);
    const publish = async (mib: number) =>
      await (await fetch(`http://127.0.0.1:${port}/publish?mib=${mib}`)).json();
    using stalled = await RawClient.connect({ port });
    await stalled.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    await stalled.readUntil("id: ");
    await publish(16); // warms up, and fills the log
    const before = rssBytes(child.pid);
    const stats = await publish(128);
    assertLess(rssBytes(child.pid) - before, 32 * 1024 * 1024);
    assert(stats.caughtUp >= 1, "it never fell behind"); // Once more whenever the kernel's buffer grows meanwhile.
    assertEquals([stats.cutSlow, stats.readers], [cutSlow, 1 - cutSlow]);
  });
}
