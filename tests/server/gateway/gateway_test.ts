import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { gateway } from "../../../server/gateway/gateway.ts";
import { UpstreamClosedError } from "../../../server/gateway/errors.ts";
import { type GatewayStage, stageGateway } from "../../e2e/support/gateway_stage.ts";
import { RawUpstream, type UpstreamScript } from "../../e2e/support/raw_upstream.ts";
import { freePort } from "../../support/free_port.ts";
import { RawClient } from "../../support/raw_client.ts";

type Options = Parameters<typeof stageGateway>[1];
type ServeOptions = Parameters<typeof stageGateway>[2];

/** Runs a test with a gateway in front of a scripted upstream. */
async function withUpstream(
  script: UpstreamScript,
  play: (stage: GatewayStage, upstream: RawUpstream) => Promise<void>,
  options: Options = {},
  serveOptions: ServeOptions = {},
): Promise<void> {
  try {
    await using upstream = await RawUpstream.start(script);
    await using stage = stageGateway(upstream.url, options, serveOptions);
    await play(stage, upstream);
  } catch (error) {
    // What the test saw says more than that the upstream's script was cut short by it.
    throw error instanceof SuppressedError ? error.suppressed : error;
  }
}

/** Checks a problem document. */
async function assertProblem(response: Response, status: number, code: string): Promise<void> {
  assertEquals([response.status, response.headers.get("content-type")], [status, "application/problem+json"]);
  const problem = await response.json();
  assertEquals([problem.status, problem.code], [status, code]);
  assert(!JSON.stringify(problem).includes("127.0.0.1"), "the upstream's address is nobody's business");
}

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
  await withUpstream(
    async (connection) => {
      await connection.head();
      assertEquals(await connection.ended, "reset");
    },
    async ({ port, proxy }) => {
      using client = await RawClient.connect({ port });
      await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      await client.send("3\r\nabc\r\n");
      while (proxy.stats.requestBytes < 3) await new Promise((resolve) => setImmediate(resolve));
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

Deno.test("a request whose client has left already costs no connection", async () => {
  await using proxy = gateway({ upstream: "http://127.0.0.1:1" });
  const request = new Request("http://a/", { signal: AbortSignal.abort() });
  assertEquals((await proxy(request)).status, 499);
  assertEquals([proxy.stats.outcomes.cancelled, proxy.stats.pool.connecting], [1, 0]);
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
