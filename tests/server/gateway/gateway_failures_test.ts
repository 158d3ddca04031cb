import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { UpstreamClosedError } from "../../../server/gateway/errors.ts";
import { assertProblem, stageGateway, withUpstream } from "../../e2e/support/gateway_stage.ts";
import { freePort } from "../../support/free_port.ts";
import { RawClient } from "../../support/raw_client.ts";

/** What upstreams say that is no answer: the status and code that the client gets. */
const NO_ANSWERS: Readonly<Record<string, readonly [said: string, status: number, code: string]>> = {
  "garbage": ["\x16\x03\x01\x02\x00\r\n\r\n", 502, "SLUICE_UPSTREAM_PROTOCOL"],
  "another protocol": ["220 mail.example ESMTP\r\n", 502, "SLUICE_UPSTREAM_PROTOCOL"],
  "two lengths": [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    502,
    "SLUICE_UPSTREAM_PROTOCOL",
  ],
  "a length and chunks": [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    502,
    "SLUICE_UPSTREAM_PROTOCOL",
  ],
  "broken chunks at once": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    502,
    "SLUICE_UPSTREAM_PROTOCOL",
  ],
  "a huge head": [
    `HTTP/1.1 200 OK\r\n${`X: ${"y".repeat(1000)}\r\n`.repeat(70)}\r\n`,
    502,
    "SLUICE_UPSTREAM_HEAD_TOO_LARGE",
  ],
  "too many fields": [
    `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(200)}\r\n`,
    502,
    "SLUICE_UPSTREAM_HEAD_TOO_LARGE",
  ],
  "half a head": ["HTTP/1.1 200 O", 502, "SLUICE_UPSTREAM_CLOSED"],
  "nothing": ["", 502, "SLUICE_UPSTREAM_CLOSED"],
  "an upgrade": [
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    502,
    "SLUICE_UPSTREAM_PROTOCOL",
  ],
  "interim responses for ever": [
    "HTTP/1.1 102 Processing\r\n\r\n".repeat(100),
    502,
    "SLUICE_UPSTREAM_PROTOCOL",
  ],
};

for (const [what, [said, status, code]] of Object.entries(NO_ANSWERS)) {
  Deno.test(`an upstream that says ${what} makes a ${status}, and the client's connection goes on`, async () => {
    await withUpstream(async (connection) => {
      const head = await connection.head();
      if (head.startsWith("GET /good")) return connection.reply("good");
      await connection.send(said);
      connection.end();
    }, async ({ port, proxy, upstreamErrors }) => {
      using client = await RawClient.connect({ port });
      await client.send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
      const response = await client.readResponse();
      assertEquals(response.status, status);
      assertEquals(JSON.parse(response.body).code, code);
      await client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
      assertEquals((await client.readResponse()).body, "good");
      assertEquals([proxy.stats.outcomes.failed, proxy.stats.outcomes.completed], [1, 1]);
      assertEquals(upstreamErrors.map((error) => error.code), [code]);
    });
  });
}

/** Ways to break off in the middle of a body: what was said, and how it ended. */
const CUTS: Readonly<Record<string, readonly [said: string, end: "end" | "reset"]>> = {
  "a body with a length, by FIN": ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "end"],
  "a body with a length, by RST": ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "reset"],
  "a chunked body, by FIN": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "end"],
  "a chunked body, by RST": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "reset"],
  "a body until the end, by RST": ["HTTP/1.1 200 OK\r\n\r\n", "reset"],
};

for (const [what, [head, end]] of Object.entries(CUTS)) {
  Deno.test(`an upstream that breaks off ${what}, aborts the client's connection`, async () => {
    const isSeen = Promise.withResolvers<void>();
    await withUpstream(async (connection) => {
      await connection.head();
      await connection.send(head);
      await connection.send("2\r\nhi\r\n");
      await isSeen.promise;
      connection[end]();
    }, async ({ port, proxy, upstreamErrors }) => {
      using client = await RawClient.connect({ port });
      await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const seen = await client.readUntil("hi");
      isSeen.resolve();
      await client.expectReset();
      assert(!seen.includes("\r\n0\r\n\r\n"));
      assertEquals([proxy.stats.outcomes.cut, proxy.stats.active], [1, 0]);
      assertInstanceOf(upstreamErrors[0], UpstreamClosedError);
    });
  });
}

Deno.test("an HTTP/1.0 client, who knows no chunks, learns of a cut body by the reset", async () => {
  const isSeen = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk("hi");
    await isSeen.promise;
    connection.reset();
  }, async ({ port }) => {
    using client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.0\r\n\r\n");
    await client.readUntil("hi");
    isSeen.resolve();
    await client.expectReset();
  });
});

Deno.test("chunks that turn out broken abort the client's connection", async () => {
  const isSeen = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk("hi");
    await isSeen.promise;
    await connection.send("zz\r\n");
    assertEquals(await connection.ended, "reset");
  }, async ({ port, proxy }) => {
    using client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("hi");
    isSeen.resolve();
    await client.expectReset();
    assertEquals(proxy.stats.upstreamErrors.protocol, 1);
  });
});

Deno.test("a kept connection that died meanwhile is not used, or the request is sent again", async () => {
  await withUpstream(async (connection, index) => {
    await connection.head();
    await connection.reply(`answer ${index}`);
    if (index === 0) {
      await connection.head(); // the second request comes here, and gets no answer
      connection.reset();
    }
  }, async ({ url, proxy }, upstream) => {
    assertEquals(await (await fetch(url)).text(), "answer 0");
    assertEquals(await (await fetch(url)).text(), "answer 1");
    assertEquals([upstream.connections, proxy.stats.retries, proxy.stats.outcomes.completed], [2, 1, 2]);
  });
});

for (const body of ["pay", null]) {
  Deno.test(`a POST ${body === null ? "without" : "with"} a body is not sent twice`, async () => {
    await withUpstream(async (connection) => {
      await connection.head();
      await connection.reply("answer");
      await connection.head();
      connection.reset();
    }, async ({ url, proxy }, upstream) => {
      assertEquals(await (await fetch(url)).text(), "answer");
      await assertProblem(await fetch(url, { method: "POST", body }), 502, "SLUICE_UPSTREAM_CLOSED");
      assertEquals([proxy.stats.retries, upstream.connections], [0, 1]);
    });
  });
}

Deno.test("a request is sent again once, and only on a connection that was used before", async () => {
  await withUpstream(async (connection, index) => {
    await connection.head();
    if (index > 0) return connection.reset();
    await connection.reply("answer");
    await connection.head();
    connection.reset();
  }, async ({ url, proxy }, upstream) => {
    assertEquals(await (await fetch(url)).text(), "answer");
    await assertProblem(await fetch(url), 502, "SLUICE_UPSTREAM_CLOSED");
    assertEquals([upstream.connections, proxy.stats.retries], [2, 1]);
    await assertProblem(await fetch(url), 502, "SLUICE_UPSTREAM_CLOSED");
    assertEquals([upstream.connections, proxy.stats.retries], [3, 1]);
  });
});

Deno.test("nobody at the upstream's address is a 502", async () => {
  await using stage = stageGateway(`http://127.0.0.1:${freePort()}`);
  await assertProblem(await fetch(stage.url), 502, "SLUICE_UPSTREAM_REFUSED");
  assertEquals([stage.proxy.stats.upstreamErrors.refused, stage.proxy.stats.outcomes.failed], [1, 1]);
});

Deno.test("an upstream that cannot be reached is a 502", async () => {
  await using stage = stageGateway("http://name.invalid");
  await assertProblem(await fetch(stage.url), 502, "SLUICE_UPSTREAM_UNREACHABLE");
});

Deno.test("an upstream that does not answer is a 504", async () => {
  await withUpstream(async (connection) => {
    await connection.head();
    assertEquals(await connection.ended, "reset");
  }, async ({ url, proxy }) => {
    await assertProblem(await fetch(url), 504, "SLUICE_UPSTREAM_TIMEOUT_HEAD");
    assertEquals(proxy.stats.upstreamErrors.timeout_head, 1);
  }, { headTimeoutMs: 50 });
});

Deno.test("an upstream that falls silent in its body is cut", async () => {
  await withUpstream(async (connection) => {
    await connection.head();
    await connection.beginEvents();
    await connection.chunk("hi");
    assertEquals(await connection.ended, "reset");
  }, async ({ port, proxy }) => {
    using client = await RawClient.connect({ port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.expectReset();
    assertEquals([proxy.stats.upstreamErrors.timeout_body, proxy.stats.outcomes.cut], [1, 1]);
  }, { bodyIdleTimeoutMs: 50 });
});

Deno.test("a full queue is a 503 that says when to come again", async () => {
  const isAsked = Promise.withResolvers<void>();
  const isSeen = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    isAsked.resolve();
    await isSeen.promise;
    await connection.reply("at last");
  }, async ({ url, proxy }) => {
    const first = fetch(url);
    await isAsked.promise;
    const refused = await fetch(url);
    assertEquals(refused.headers.get("retry-after"), "1");
    await assertProblem(refused, 503, "SLUICE_UPSTREAM_BUSY");
    isSeen.resolve();
    assertEquals(await (await first).text(), "at last");
    assertEquals([proxy.stats.upstreamErrors.busy, proxy.stats.outcomes.failed], [1, 1]);
  }, { connectionsMax: 1, queueMax: 0 });
});

Deno.test("a request that waits too long for a connection gets a 503", async () => {
  const isAsked = Promise.withResolvers<void>();
  await withUpstream(async (connection) => {
    await connection.head();
    isAsked.resolve();
    await connection.ended;
  }, async ({ url }) => {
    const first = new AbortController();
    const gone = assertRejects(() => fetch(url, { signal: first.signal }));
    await isAsked.promise;
    await assertProblem(await fetch(url), 503, "SLUICE_UPSTREAM_BUSY");
    first.abort();
    await gone;
  }, { connectionsMax: 1, queueTimeoutMs: 50 });
});
