import { assertEquals } from "@std/assert";
import type { TcpAddr } from "../../../io/selector.ts";
import { gateway } from "../../../server/gateway/gateway.ts";
import { serve } from "../../../server/serve.ts";
import { assertProblem, withUpstream } from "../../e2e/support/gateway_stage.ts";
import { RawUpstream } from "../../e2e/support/raw_upstream.ts";
import { RawClient } from "../../support/raw_client.ts";

Deno.test("a client that leaves in mid-stream takes its upstream connection with it", async () => {
  const end = Promise.withResolvers<string>();
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk("data: 1\n\n");
    end.resolve(await connection.ended);
  }, async ({ port, proxy }) => {
    const client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("data: 1\n\n");
    client.close();
    assertEquals(await end.promise, "reset");
    assertEquals([proxy.stats.upstreamCancels, proxy.stats.outcomes.cancelled, proxy.stats.active], [
      1,
      1,
      0,
    ]);
  });
});

Deno.test("a client that leaves before the head takes its upstream connection with it", async () => {
  const isAsked = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  await withUpstream(async (connection) => {
    await connection.head();
    isAsked.resolve();
    end.resolve(await connection.ended);
  }, async ({ port, proxy }) => {
    const client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await isAsked.promise;
    client.close();
    assertEquals(await end.promise, "reset");
    assertEquals([proxy.stats.upstreamCancels, proxy.stats.outcomes.cancelled], [1, 1]);
  });
});

Deno.test("a client that leaves in its own body takes its upstream connection with it", async () => {
  const isAsked = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.exactly(3);
    isAsked.resolve();
    end.resolve(await connection.ended);
  }, async ({ port, proxy }) => {
    const client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    await isAsked.promise;
    client.close();
    assertEquals(await end.promise, "reset");
    assertEquals(proxy.stats.upstreamCancels, 1);
  });
});

Deno.test("a body that turns out too large is the client's fault, and takes its upstream connection with it", async () => {
  const forwarded = Promise.withResolvers<void>(); // a reset takes what was not read
  await withUpstream(
    async (connection) => {
      await connection.head();
      await connection.until("abc");
      forwarded.resolve();
      assertEquals(await connection.ended, "reset");
    },
    async ({ port, proxy }) => {
      using client = await RawClient.connect({ port });
      await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      await client.send("3\r\nabc\r\n");
      await forwarded.promise;
      await client.send("ff\r\n");
      const response = await client.readResponse();
      assertEquals(response.status, 413);
      assertEquals([proxy.stats.upstreamCancels, proxy.stats.active], [1, 0]);
    },
    {},
    { limits: { bodyBytesMax: 100 } },
  );
});

Deno.test("a client that leaves the queue gives up its place", async () => {
  const isAsked = Promise.withResolvers<void>();
  const isGone = Promise.withResolvers<void>();
  const heads: string[] = [];
  await withUpstream(async (connection) => {
    heads.push(await connection.head());
    isAsked.resolve();
    await isGone.promise;
    await connection.reply("first");
    heads.push(await connection.head());
    await connection.reply("third");
  }, async ({ port, url, proxy }) => {
    const first = fetch(`${url}/first`);
    await isAsked.promise;
    const second = await RawClient.connect({ port });
    await second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    while (proxy.stats.pool.queued < 1) await new Promise((resolve) => setImmediate(resolve));
    const third = fetch(`${url}/third`);
    while (proxy.stats.pool.queued < 2) await new Promise((resolve) => setImmediate(resolve));
    second.close();
    while (proxy.stats.pool.queued > 1) await new Promise((resolve) => setImmediate(resolve));
    isGone.resolve();
    assertEquals(await Promise.all([first, third].map(async (it) => await (await it).text())), [
      "first",
      "third",
    ]);
    assertEquals(heads.map((head) => head.split(" ")[1]), ["/first", "/third"]);
    assertEquals(proxy.stats.upstreamCancels, 1);
  }, { connectionsMax: 1 });
});

Deno.test("a closed gateway answers 503 and has cut what was open", async () => {
  const isAsked = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    isAsked.resolve();
    assertEquals(await connection.ended, "reset");
  }, async ({ url, proxy }) => {
    const pending = fetch(url);
    await isAsked.promise;
    await proxy.close();
    await assertProblem(await pending, 503, "SLUICE_GATEWAY_CLOSED");
    await assertProblem(await fetch(url), 503, "SLUICE_GATEWAY_CLOSED");
    assertEquals([proxy.stats.pool.open, proxy.stats.active, proxy.stats.outcomes.refused], [0, 0, 2]);
  });
});

Deno.test("a request whose client has left already costs no connection", async () => {
  await using proxy = gateway({ upstream: "http://127.0.0.1:1" });
  const request = new Request("http://a/", { signal: AbortSignal.abort() });
  assertEquals((await proxy(request)).status, 499);
  assertEquals([proxy.stats.outcomes.cancelled, proxy.stats.pool.connecting], [1, 0]);
});

Deno.test("a server that stops waits for a forwarded stream to its end", async () => {
  const isStopping = Promise.withResolvers<void>();
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk("data: 1\n\n");
    await isStopping.promise;
    await connection.chunk("data: 2\n\n");
    await connection.send("0\r\n\r\n");
  });
  await using proxy = gateway({ upstream: upstream.url });
  const server = serve({ hostname: "127.0.0.1", port: 0 }, proxy);
  using client = await RawClient.connect({ port: (server.addr as TcpAddr).port });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.readUntil("data: 1\n\n");
  const stopped = server.shutdown({ streamGraceMs: 0 });
  isStopping.resolve();
  await client.readUntil("data: 2\n\n");
  await client.readUntil("0\r\n\r\n");
  client.close();
  const { finished, cut } = await stopped;
  assertEquals([finished, cut, proxy.stats.outcomes.completed], [1, 0, 1]);
});
