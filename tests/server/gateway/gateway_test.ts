import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { gateway } from "../../../server/gateway/gateway.ts";
import { assertProblem, stageGateway, withUpstream } from "../../e2e/support/gateway_stage.ts";
import { RawUpstream } from "../../e2e/support/raw_upstream.ts";
import { freePort } from "../../support/free_port.ts";
import { RawClient } from "../../support/raw_client.ts";

Deno.test("a request goes through and its answer comes back, connection after connection reused", async () => {
  const heads: string[] = [];
  await withUpstream(async (connection) => {
    for (let i = 0; i < 3; i++) {
      heads.push(await connection.head());
      await connection.reply(`answer ${i}`, "203 So They Say", "X-From: upstream");
    }
  }, async ({ url, proxy }, upstream) => {
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`${url}/path?n=${i}`, { headers: { "x-to": "upstream" } });
      assertEquals(response.status, 203);
      assertEquals([response.headers.get("x-from"), response.headers.get("via")], ["upstream", "1.1 sluice"]);
      assertEquals(await response.text(), `answer ${i}`);
      assertMatch(heads[i]!, new RegExp(`^GET /path\\?n=${i} HTTP/1.1\r\nhost: 127.0.0.1:\\d+\r\n`));
      assertMatch(heads[i]!, /\r\nx-to: upstream\r\n/);
      assertMatch(heads[i]!, /\r\nx-forwarded-for: 127.0.0.1\r\n/);
    }
    assertEquals(upstream.connections, 1);
    assertEquals([proxy.stats.requests, proxy.stats.active, proxy.stats.outcomes.completed], [3, 0, 3]);
    assertEquals([proxy.stats.pool.opened, proxy.stats.pool.reused], [1, 2]);
    assertEquals([proxy.stats.responseBytes, proxy.stats.firstByte.count], [24, 3]);
  });
});

Deno.test("HEAD, 204 and 304 have no body, and HEAD and 304 keep the length", async () => {
  const replies = [
    "HTTP/1.1 200 Sure\r\nContent-Length: 12345\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 12345\r\n\r\n',
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
  ];
  await withUpstream(async (connection) => {
    for (const reply of replies) {
      await connection.head();
      await connection.send(reply);
    }
  }, async ({ port, proxy }) => {
    using client = await RawClient.connect({ port });
    await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    const head = await client.readResponse({ isHead: true });
    assertEquals([head.statusLine, head.headers.get("content-length")], ["HTTP/1.1 200 Sure", "12345"]);
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assertEquals((await client.readResponse()).status, 204);
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const notModified = await client.readResponse();
    assertEquals([notModified.status, notModified.headers.get("content-length")], [304, "12345"]);
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const empty = await client.readResponse();
    assertEquals([empty.status, empty.headers.get("content-length"), empty.body], [200, "0", ""]);
    assertEquals(proxy.stats.outcomes.completed, 4);
  });
});

Deno.test("repeated fields arrive repeated, both ways", async () => {
  await withUpstream(async (connection) => {
    const head = await connection.head();
    assertEquals(head.match(/\r\nx-many: \d/g)?.length, 2);
    await connection.reply("", "200 OK", "Set-Cookie: a=1", "Set-Cookie: b=2");
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Many: 1\r\nX-Many: 2\r\n\r\n");
    const { headers } = await client.readResponse();
    assertEquals(headers.getSetCookie(), ["a=1", "b=2"]);
  });
});

Deno.test("what belongs to one hop does not pass, in either direction", async () => {
  await withUpstream(async (connection) => {
    const head = await connection.head();
    for (const name of ["connection", "keep-alive", "upgrade", "x-hop", "proxy-authorization"]) {
      assert(!head.includes(`\r\n${name}:`), `${name} in ${head}`);
    }
    await connection.reply(
      "",
      "200 OK",
      "Connection: X-Inner",
      "X-Inner: 1",
      "Keep-Alive: timeout=9",
      "Upgrade: h2c",
    );
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: x\r\n" +
        "Proxy-Authorization: Basic eA==\r\n\r\n",
    );
    const { headers } = await client.readResponse();
    assertEquals(["x-inner", "keep-alive", "upgrade"].map((name) => headers.get(name)), [null, null, null]);
  });
});

Deno.test("a body goes up as it comes: with its length, in chunks, and with its trailers", async () => {
  const seen: string[] = [];
  await withUpstream(async (connection) => {
    seen.push(await connection.head() + await connection.exactly(5));
    await connection.reply("one");
    seen.push(await connection.until("\r\nx-sum: 1\r\n\r\n"));
    await connection.reply("two");
  }, async ({ port, proxy }) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assertEquals((await client.readResponse()).body, "one");
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    await client.sendPieces(["5\r\nhello\r\n", "0\r\nX-Sum: 1\r\n\r\n"]);
    assertEquals((await client.readResponse()).body, "two");
    assertMatch(seen[0]!, /\r\ncontent-length: 5\r\n\r\nhello$/);
    assertMatch(seen[1]!, /\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n$/);
    assertEquals(proxy.stats.requestBytes, 10);
  });
});

Deno.test("trailers come down to a client that takes them, and to no other", async () => {
  await withUpstream(async (connection) => {
    for (let i = 0; i < 2; i++) {
      await connection.head();
      await connection.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n",
      );
    }
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n");
    assertMatch(await client.readUntil("0\r\nx-sum: 42\r\n\r\n"), /\r\ntrailer: X-Sum\r\n/i);
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assertEquals((await client.readResponse()).body, "hi");
  });
});

Deno.test("an upstream's chunk reaches the client before the next one is sent", async () => {
  const isSeen = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk("data: 1\n\n");
    await isSeen.promise;
    await connection.chunk("data: 2\n\n");
    await connection.send("0\r\n\r\n");
  }, async ({ url }) => {
    const response = await fetch(url);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    assertEquals((await reader.read()).value, "data: 1\n\n");
    isSeen.resolve();
    assertEquals((await reader.read()).value, "data: 2\n\n");
    assertEquals((await reader.read()).done, true);
  });
});

Deno.test("the head alone reaches the client before the first byte of the body", async () => {
  const isSeen = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    await isSeen.promise;
    await connection.send("hi");
  }, async ({ url }) => {
    const response = await fetch(url);
    isSeen.resolve();
    assertEquals(await response.text(), "hi");
  });
});

Deno.test("the upstream sees the first bytes of an upload before the last ones are sent", async () => {
  const isSeen = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    assertEquals(await connection.exactly(3), "one");
    isSeen.resolve();
    assertEquals(await connection.exactly(3), "two");
    await connection.reply("");
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\none");
    await isSeen.promise;
    await client.send("two");
    assertEquals((await client.readResponse()).status, 200);
  });
});

Deno.test("an upstream may answer while it still reads", async () => {
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const text of ["one", "two"]) {
      await connection.until(text);
      await connection.chunk(text.toUpperCase());
    }
    await connection.until("0\r\n\r\n");
    await connection.send("0\r\n\r\n");
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    await client.readUntil("ONE\r\n");
    await client.send("3\r\ntwo\r\n");
    await client.readUntil("TWO\r\n");
    await client.send("0\r\n\r\n");
    await client.readUntil("0\r\n\r\n");
  });
});

Deno.test("an answer before the upload's end goes to the client, and the upstream's connection is not used again", async () => {
  await withUpstream(async (connection, index) => {
    await connection.head();
    await connection.reply(
      index === 0 ? "too much" : "fine",
      index === 0 ? "413 Content Too Large" : "200 OK",
    );
    if (index === 0) await connection.ended;
  }, async ({ port, url, proxy }, upstream) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    const response = await client.readResponse();
    assertEquals([response.status, response.body], [413, "too much"]);
    assertEquals(await (await fetch(url)).text(), "fine");
    assertEquals([upstream.connections, proxy.stats.pool.reused], [2, 0]);
  });
});

Deno.test("100-continue is the upstream's to say", async () => {
  await withUpstream(async (connection) => {
    assertMatch(await connection.head(), /\r\nexpect: 100-continue\r\n/);
    await connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    assertEquals(await connection.exactly(5), "hello");
    await connection.reply("thanks");
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assertEquals(await client.readUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    await client.send("hello");
    assertEquals((await client.readResponse()).body, "thanks");
  });
});

Deno.test("an upstream that refuses what was expected is heard before a byte of the body was sent", async () => {
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.reply("no", "417 Expectation Failed");
    await connection.ended;
  }, async ({ port, proxy }) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    const response = await client.readResponse();
    assertEquals([response.status, response.body], [417, "no"]);
    assertEquals(proxy.stats.requestBytes, 0);
  });
});

Deno.test("early hints go on", async () => {
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
    await connection.reply("body");
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assertMatch(
      await client.readUntil("\r\n\r\n"),
      /^HTTP\/1.1 103 .*\r\nlink: <\/style.css>; rel=preload\r\n/i,
    );
    assertEquals((await client.readResponse()).body, "body");
  });
});

Deno.test("a body that lasts until the upstream's FIN is whole", async () => {
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.send("HTTP/1.0 200 OK\r\n\r\nto the end");
    connection.end();
  }, async ({ url }) => {
    assertEquals(await (await fetch(url)).text(), "to the end");
  });
});

Deno.test("what is not forwarded is answered here", async () => {
  await withUpstream((connection) => connection.ended.then(() => {}), async ({ port, proxy }, upstream) => {
    using client = await RawClient.connect({ port });
    await client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = await client.readResponse();
    assertEquals([response.status, JSON.parse(response.body).code], [405, "SLUICE_GATEWAY_METHOD"]);
    assertEquals([proxy.stats.outcomes.refused, proxy.stats.active, upstream.connections], [1, 0, 0]);
  });
});

Deno.test("a prefix is taken off and the upstream's own path put in front", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    assertMatch(await connection.head(), /^GET \/base\/v1\/x\?y HTTP\/1.1\r\n/);
    await connection.reply("mapped");
  });
  await using stage = stageGateway(`${upstream.url}/base/`, { stripPrefix: "/api" });
  assertEquals(await (await fetch(`${stage.url}/api/v1/x?y`)).text(), "mapped");
  await assertProblem(await fetch(`${stage.url}/v1/x`), 404, "SLUICE_GATEWAY_PREFIX");
});

Deno.test("a gateway in front of itself does not go round for ever", async () => {
  const port = freePort();
  await using stage = stageGateway(`http://127.0.0.1:${port}`, {}, { port });
  const response = await fetch(stage.url);
  assertEquals(response.status, 508);
  assertEquals((await response.json()).code, "SLUICE_GATEWAY_LOOP");
});

Deno.test("a Unix socket is an upstream", async () => {
  const path = await Deno.makeTempDir() + "/up.sock";
  const upstream = Deno.serve(
    { path, onListen() {} },
    (request) => new Response(request.headers.get("host")),
  );
  await using stage = stageGateway(`unix:${path}`);
  assertEquals(await (await fetch(stage.url)).text(), "localhost");
  await stage.proxy.close();
  await upstream.shutdown();
});

Deno.test("options that make no sense are refused when the gateway is made", () => {
  const upstream = "http://127.0.0.1:1";
  assertThrows(() => gateway({ upstream: "https://a" }), UnsupportedError);
  assertThrows(() => gateway({ upstream: "nonsense" }), TypeError);
  assertThrows(() => gateway({ upstream, via: "two words" }), TypeError);
  assertThrows(() => gateway({ upstream, stripPrefix: "api" }), TypeError);
  assertThrows(() => gateway({ upstream, stripPrefix: "/api/" }), TypeError);
  assertThrows(() => gateway({ upstream, connectionsMax: 0 }), RangeError);
  assertThrows(() => gateway({ upstream, idleMax: 1.5 }), RangeError);
  assertThrows(() => gateway({ upstream, queueMax: -1 }), RangeError);
  assertThrows(() => gateway({ upstream, headTimeoutMs: 0 }), RangeError);
  assertThrows(() => gateway({ upstream, connectTimeoutMs: Infinity }), RangeError);
  assertThrows(() => gateway({ upstream, limits: { headersMax: -1 } }), RangeError);
});
