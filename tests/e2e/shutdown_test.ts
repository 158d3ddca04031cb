/** `kill -TERM` on the ready-made server with everything in progress that can be. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { RawClient } from "../support/raw_client.ts";
import { spawnServe } from "../support/spawn_serve.ts";
import { getOnce, metricsOf, untilMetrics } from "./support/attack.ts";
import { RawUpstream } from "./support/raw_upstream.ts";

/** Bytes of an event that fills a stalled reader's buffers: a little under the hub's bound. */
const EVENT_BYTES = 60_000;

/** Publishes to a topic whose one reader does not read, until nothing goes out to it any more. */
async function fillUp(url: string, topic: string): Promise<void> {
  const delivered = async () => (await metricsOf(url)).get('sluice_hub_events_total{kind="delivered"}');
  let last: number | undefined;
  for (;;) {
    const response = await fetch(`${url}/events/${topic}`, {
      method: "POST",
      headers: { connection: "close" },
      body: "x".repeat(EVENT_BYTES),
    });
    await response.body?.cancel();
    const count = await delivered();
    if (count === last) return;
    last = count;
  }
}

Deno.test("SIGTERM with 100 event streams, 100 idle connections, 50 requests in flight and 10 stalled readers", async () => {
  const mayAnswer = Promise.withResolvers<void>();
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await mayAnswer.promise;
    await connection.reply("answered");
  });
  await using server = await spawnServe(["--upstream", upstream.url]);
  const { url, port } = server;
  const clients: RawClient[] = [];
  const open = async (count: number, path: (index: number) => string) => {
    const opened = await Promise.all(Array.from({ length: count }, () => RawClient.connect({ port })));
    clients.push(...opened);
    await Promise.all(
      opened.map((client, index) => client.send(`GET ${path(index)} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    );
    return opened;
  };
  try {
    const stalled = await open(10, (index) => `/events/stalled-${index}`);
    await Promise.all(stalled.map((client) => client.readUntil("\r\n\r\n")));
    for (let index = 0; index < stalled.length; index++) await fillUp(url, `stalled-${index}`);
    const streams = await open(100, () => "/events/t");
    await Promise.all(streams.map((client) => client.readUntil("\r\n\r\n")));
    const idle = await open(100, () => "/healthz");
    await Promise.all(idle.map((client) => client.readResponse()));
    const waiting = await open(50, (index) => `/v1/slow/${index}`);
    const before = await untilMetrics(url, (samples) => samples.get("sluice_gateway_requests_active") === 50);
    assertEquals(before.get("sluice_hub_readers"), 110, "the stalled are still there");

    const stopped = server.stop("SIGTERM");
    for (const client of streams) {
      const rest = await client.readToEnd(); // in order
      assertMatch(rest, /retry: \d+\n/);
      assert(rest.endsWith("\r\n0\r\n\r\n"), "the last chunk says that the body is complete");
    }
    for (const client of idle) await client.expectClosed();
    mayAnswer.resolve(); // only now: the server is stopping
    for (const client of waiting) {
      const { status, headers, body } = await client.readResponse();
      assertEquals([status, headers.get("connection"), body], [200, "close", "answered"]);
      await client.expectClosed();
    }
    assertEquals((await stopped).code, 0, server.stderr.text);
    assertMatch(server.stdout.text, /\nstopped: 50 finished, 100 streams ended, 10 cut\n$/);
    for (const client of stalled) assertEquals(await client.waitEnd(), "reset");
  } finally {
    for (const client of clients) client.close();
  }
});

Deno.test("a second signal does not wait for what is in flight", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.ended; // an answer never comes, and the head may not have come either when the process exits
  });
  await using server = await spawnServe(["--upstream", upstream.url]);
  using idle = await RawClient.connect({ port: server.port });
  await idle.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  await idle.readResponse();
  using waiting = await RawClient.connect({ port: server.port });
  await waiting.send("GET /v1/slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await untilMetrics(server.url, (samples) => samples.get("sluice_gateway_requests_active") === 1);
  const first = server.stop("SIGTERM");
  await idle.expectClosed(); // it has heard the first
  const { code } = await server.stop("SIGINT");
  assertEquals([code, (await first).code], [130, 130]);
});

Deno.test("a stopping server takes no new connections", async () => {
  const mayAnswer = Promise.withResolvers<void>();
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await mayAnswer.promise;
    await connection.reply("answered");
  });
  await using server = await spawnServe(["--upstream", upstream.url]);
  using stream = await RawClient.connect({ port: server.port });
  await stream.send("GET /events/t HTTP/1.1\r\nHost: a\r\n\r\n");
  await stream.readUntil("\r\n\r\n");
  using waiting = await RawClient.connect({ port: server.port });
  await waiting.send("GET /v1/slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await untilMetrics(server.url, (samples) => samples.get("sluice_gateway_requests_active") === 1);
  const stopped = server.stop("SIGTERM");
  await stream.readToEnd(); // it is stopping
  try {
    await getOnce(`${server.url}/healthz`);
    throw new Error("a new connection was served");
  } catch (error) {
    assert(error instanceof Deno.errors.ConnectionRefused, `refused, not ${error}`);
  }
  mayAnswer.resolve();
  assertEquals((await waiting.readResponse()).body, "answered");
  assertEquals((await stopped).code, 0);
});
