import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { gateway } from "../../../server/gateway/gateway.ts";
import { assertProblem } from "../../e2e/support/gateway_stage.ts";
import { RawUpstream } from "../../e2e/support/raw_upstream.ts";
import { RawClient } from "../../support/raw_client.ts";

Deno.test("the gateway works under Deno.serve too, on a selector of its own", async () => {
  const end = Promise.withResolvers<string>();
  await using upstream = await RawUpstream.start(async (connection) => {
    assertMatch(await connection.head(), /^POST \/x\?y HTTP\/1.1\r\n.*\r\nx-forwarded-for: 127.0.0.1\r\n/s);
    await connection.until("hello");
    await connection.reply("first");
    const next = await connection.head();
    assertMatch(next, /^GET /);
    await connection.beginEvents();
    await connection.chunk("data: 1\n\n");
    end.resolve(await connection.ended);
  });
  await using proxy = gateway({ upstream: upstream.url });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, proxy);
  const url = `http://127.0.0.1:${server.addr.port}/x?y`;
  assertEquals(await (await fetch(url, { method: "POST", body: "hello" })).text(), "first");
  const client = await RawClient.connect({ port: server.addr.port });
  await client.send("GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.readUntil("data: 1\n\n");
  client.close();
  assertEquals(await end.promise, "reset");
  assertEquals([proxy.stats.upstreamCancels, proxy.stats.outcomes.completed], [1, 1]);
});

Deno.test("a streamed upload through Deno.serve goes up in chunks", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    assertMatch(await connection.head(), /\r\ntransfer-encoding: chunked\r\n/);
    await connection.until("hello");
    await connection.until("0\r\n\r\n");
    await connection.reply("thanks");
  });
  await using proxy = gateway({ upstream: upstream.url });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, proxy);
  const body = ReadableStream.from([new TextEncoder().encode("hello")]);
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, { method: "POST", body });
  assertEquals(await response.text(), "thanks");
});

Deno.test("a request whose body was read already is the caller's mistake", async () => {
  await using proxy = gateway({ upstream: "http://127.0.0.1:1" });
  const request = new Request("http://a/", { method: "POST", body: "x" });
  await request.text();
  await assertRejects(() => proxy(request), TypeError, "read already");
});

Deno.test("a foreign request that our own engine would have refused is a 400", async () => {
  await using proxy = gateway({ upstream: "http://127.0.0.1:1" });
  const request = new Request("http://a/", {
    method: "POST",
    body: "x",
    headers: { "content-length": "+1" },
  });
  await assertProblem(await proxy(request), 400, "SLUICE_GATEWAY_REQUEST");
});
