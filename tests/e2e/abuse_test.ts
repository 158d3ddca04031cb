/**
 * What an attacker on the other end of a socket can try: none of it may reach the upstream as something else, keep
 * anything, take memory without a bound, or end the process. Others are served before, during and after.
 */

import net from "node:net";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RawClient } from "../support/raw_client.ts";
import {
  type Attacked,
  boundedDuring,
  type Bounds,
  getOnce,
  heldBytesOf,
  metricsOf,
  startAttacked,
  untilMetrics,
} from "./support/attack.ts";
import { RawUpstream } from "./support/raw_upstream.ts";

/** Runs an attack; afterwards nothing is left of it, and the server is the same process. */
async function attacked(
  play: (server: Attacked) => Promise<void>,
  bounds: Bounds = {},
  upstream?: string,
): Promise<void> {
  await using server = await startAttacked(bounds, upstream);
  await boundedDuring(server, () => play(server));
  assert(!server.stderr.text.includes("Uncaught"), server.stderr.text);
}

// ---- smuggling -------------------------------------------------------------------------------------------------------

const SMUGGLED = "GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/** Heads whose length somebody might understand otherwise; each is followed by `0 CRLF CRLF` and a second request. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  "both lengths": "Content-Length: 5\r\nTransfer-Encoding: chunked",
  "both lengths, the other way round": "Transfer-Encoding: chunked\r\nContent-Length: 5",
  "two lengths": "Content-Length: 5\r\nContent-Length: 6",
  "the same length twice": "Content-Length: 5\r\nContent-Length: 5",
  "a list of lengths": "Content-Length: 5, 5",
  "a signed length": "Content-Length: +5",
  "a length in hexadecimal": "Content-Length: 0x5",
  "a space before the colon": "Transfer-Encoding : chunked",
  "a tab before the coding": "Transfer-Encoding:\t\x0bchunked",
  "another coding": "Transfer-Encoding: xchunked",
  "chunked and another": "Transfer-Encoding: chunked, identity",
  "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
  "quotes": 'Transfer-Encoding: "chunked"',
  "a bare LF": "X: y\nTransfer-Encoding: chunked",
  "a bare CR": "X: y\rTransfer-Encoding: chunked",
  "a folded line": "X: y\r\n Transfer-Encoding: chunked",
  "a NUL": "X: y\0\r\nTransfer-Encoding: chunked",
};

/** Chunked bodies that are none; a second request follows. */
const BAD_CHUNKS: Readonly<Record<string, string>> = {
  "a bare LF after the size": "0\n\n",
  "a size in Python's manner": "0_0\r\n\r\n",
  "a signed size": "-0\r\n\r\n",
  "a size with 0x": "0x0\r\n\r\n",
  "a size that overflows": "10000000000000000\r\n\r\n",
  "data longer than its size": "1\r\nabc\r\n0\r\n\r\n",
  "a bare LF in an extension": "0;a\nb\r\n\r\n",
  "no size": "\r\n\r\n",
};

Deno.test("a request in another's body never reaches the upstream as a request, however the length is told", async () => {
  const seen: string[] = [];
  await using upstream = await RawUpstream.start(async (connection) => {
    for (;;) {
      try {
        seen.push(await connection.head());
      } catch {
        return; // over
      }
      await connection.reply("upstream");
    }
  });
  await attacked(
    async ({ port, url }) => {
      const attack = async (name: string, sent: string) => {
        using client = await RawClient.connect({ port });
        await client.send(sent);
        const { status } = await client.readResponse();
        assert([400, 501].includes(status), `${name}: ${status}`);
        assertEquals(await client.waitEnd(), "closed", name); // and nothing after it is read
        assertEquals(await client.readToEnd(), "", name);
      };
      for (const [name, fields] of Object.entries(AMBIGUOUS)) {
        await attack(name, `POST /v1/x HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n0\r\n\r\n${SMUGGLED}`);
      }
      assertEquals(seen, [], "nothing ambiguous is begun");
      const chunked = "POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
      for (const [name, body] of Object.entries(BAD_CHUNKS)) {
        using client = await RawClient.connect({ port });
        await client.send(chunked + body + SMUGGLED);
        await client.waitEnd();
        assert(!seen.some((head) => head.includes("smuggled")), name);
      }
      assertStringIncludes(await getOnce(`${url}/v1/fine`), "upstream");
    },
    {},
    upstream.url,
  );
  assert(!seen.some((head) => head.includes("smuggled")));
});

Deno.test("a request in a body is a body, for the upstream too", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    const head = await connection.head();
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    const body = await connection.exactly(length);
    await connection.reply(JSON.stringify([head.split("\r\n")[0], body]));
  });
  await attacked(
    async ({ port }) => {
      using client = await RawClient.connect({ port });
      await client.send(
        `POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      );
      const { body } = await client.readResponse();
      assertEquals(JSON.parse(body), ["POST /v1/x HTTP/1.1", SMUGGLED]);
    },
    {},
    upstream.url,
  );
});

Deno.test("what an upstream sends beyond its answer is nobody's answer", async () => {
  const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${poison}`);
    await connection.ended;
  });
  await attacked(
    async ({ url }) => {
      for (let i = 0; i < 20; i++) assertEquals(await getOnce(`${url}/v1/${i}`), "ok");
    },
    {},
    upstream.url,
  );
});

Deno.test("a topic's event carries no second event in its name, its id or its data", async () => {
  await attacked(async ({ port, url }) => {
    using reader = await RawClient.connect({ port });
    await reader.send("GET /events/t HTTP/1.1\r\nHost: a\r\n\r\n");
    await reader.readUntil("\r\n\r\n");
    const post = async (event: unknown) => {
      const headers = { "content-type": "application/json", connection: "close" };
      const response = await fetch(`${url}/events/t`, {
        method: "POST",
        headers,
        body: JSON.stringify(event),
      });
      await response.body?.cancel();
      return response.status;
    };
    for (const end of ["\n", "\r", "\r\n"]) {
      assertEquals(await post({ data: "x", event: `a${end}data: injected` }), 400);
      assertEquals(await post({ data: "x", id: `a${end}data: injected` }), 400);
    }
    assertEquals(await post({ data: "x", id: "a\0b" }), 400);
    assertEquals(await post({ data: "one\r\rid: two\n\nretry: 1\r\nevent: three" }), 201);
    const seen = await reader.readUntil("event: three\n\n");
    assertStringIncludes(
      seen,
      "data: one\ndata: \ndata: id: two\ndata: \ndata: retry: 1\ndata: event: three\n\n",
    );
    assert(!seen.includes("injected"));
  });
});

// ---- too much of everything ------------------------------------------------------------------------------------------

/** Waits until the number of 200s rises by no more than what asking for it makes; returns it. */
async function untilStill(url: string): Promise<number> {
  const answered = async () => (await metricsOf(url)).get('sluice_responses_total{status="200"}')!;
  let [last, still] = [0, 0];
  while (still < 20) { // looks in a row; `servedDuring` asks besides, so one or the other answer is its
    const count = await answered();
    still = count - last < 5 ? still + 1 : 0;
    last = count;
  }
  return last;
}

Deno.test("ten thousand pipelined requests of a client that does not read wait with the client", async () => {
  const count = 10_000; // answers of 64 KiB: 625 MiB, if they were made
  await attacked(async ({ port, url }) => {
    const before = await heldBytesOf(url);
    using client = await RawClient.connect({ port });
    await client.send("GET /fresh HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("\r\n\r\n");
    const sent = client.send("GET /fresh HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count)).catch(() => {}); // it leaves first
    const answers = await untilStill(url);
    assert(answers < count / 10, `${answers} answers were made: more than the kernel holds`);
    const held = await heldBytesOf(url) - before;
    assert(held < 4 * 1024 * 1024, `${held} bytes are held`);
    client.close();
    await sent;
  });
});

Deno.test("ten thousand pipelined requests are all answered, however late they are read", async () => {
  const count = 10_000;
  await attacked(async ({ port, url }) => {
    using client = await RawClient.connect({ port });
    const sent = client.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count - 1)); // about 10 KiB each
    await untilMetrics(url, (samples) => samples.get('sluice_responses_total{status="200"}')! > 100);
    let answers = 0;
    const last = sent.then(() =>
      client.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    );
    while (answers < count) {
      const { status } = await client.readResponse();
      assertEquals(status, 200);
      answers++;
    }
    await last;
    await client.expectClosed();
  });
});

Deno.test("a body of many tiny chunks arrives, and one of too many bytes is refused", async () => {
  await attacked(async ({ port }) => {
    const head = "POST /events/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    using small = await RawClient.connect({ port });
    await small.send(head + "1\r\nx\r\n".repeat(60_000) + "0\r\n\r\n");
    assertEquals((await small.readResponse()).status, 201);
    using large = await RawClient.connect({ port });
    const sent = large.send(head + "1\r\nx\r\n".repeat(1_000_000)).catch(() => {}); // it is closed on the way
    assertEquals((await large.readResponse()).status, 413);
    large.close();
    await sent;
  });
});

Deno.test("a million tiny chunks go through the gateway as what they are", async () => {
  const count = 1_000_000;
  await using upstream = await RawUpstream.start(async (connection) => {
    await connection.head();
    let bytes = 0;
    connection.socket.on("data", (data) => bytes += data.length);
    await connection.until("\r\n0\r\n\r\n");
    await connection.reply("took it");
  });
  await attacked(
    async ({ port }) => {
      using client = await RawClient.connect({ port });
      await client.send("POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      const piece = new TextEncoder().encode("1\r\nx\r\n".repeat(10_000));
      for (let i = 0; i < count / 10_000; i++) await client.send(piece);
      await client.send("0\r\n\r\n");
      assertEquals((await client.readResponse()).body, "took it");
    },
    {},
    upstream.url,
  );
});

Deno.test("heads without end are refused while they still come", async () => {
  await attacked(async ({ port }) => {
    const refused = async (start: string, more: string, status: number) => {
      using client = await RawClient.connect({ port });
      const sent = client.send(start + more.repeat(Math.ceil(1024 * 1024 / more.length))).catch(() => {});
      assertEquals((await client.readResponse()).status, status);
      client.close();
      await sent;
    };
    await refused("GET / HTTP/1.1\r\nHost: a\r\n", "a: b\r\n", 431);
    await refused("GET / HTTP/1.1\r\nHost: a\r\nCookie: ", "x", 431);
    await refused("GET /", "x", 414);
    await refused("", "x", 414); // no end of a method in sight
    const trailers = "POST /events/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    await refused(trailers, "a: b\r\n", 431);
  });
});

Deno.test("a flood of connections leaves those that are open alone, and ends with the flood", async () => {
  await using server = await startAttacked({ limits: { connectionsMax: 50 } });
  using kept = await RawClient.connect({ port: server.port });
  const ask = async () => {
    await kept.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    return (await kept.readResponse()).body;
  };
  await ask();
  const connect = () => RawClient.connect({ port: server.port }).catch(() => null); // some are reset at once
  const flood = await Promise.all(Array.from({ length: 500 }, connect));
  try {
    const refused = () => ask().then((text) => Number(/result="refused"} (\d+)/.exec(text)?.[1]));
    while (await refused() < 451); // 50 are open: `kept` and 49 of these
    assertStringIncludes(await ask(), "sluice_connections_open 50\n");
  } finally {
    for (const client of flood) client?.close();
  }
  while (!(await ask()).includes("sluice_connections_open 1\n"));
  kept.close();
  while (true) {
    try {
      await getOnce(`${server.url}/healthz`);
      break;
    } catch (error) {
      if (!(error instanceof Error && /connection was/.test(error.message))) throw error;
    }
  }
});

// ---- those who leave -------------------------------------------------------------------------------------------------

/** Connects, sends, and leaves in one of two ways, reading nothing. */
function sendAndLeave(port: number, data: string, isReset: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => {
      socket.write(data, () => {
        if (isReset) socket.resetAndDestroy();
        else socket.destroy();
      });
    });
    socket.on("error", () => {}); // the server may have left first
    socket.on("close", () => resolve());
  });
}

Deno.test("clients that leave at every byte of a request leave nothing behind", async () => {
  await using upstream = await RawUpstream.start(async (connection) => {
    try {
      await connection.head();
      await connection.beginEvents();
      await connection.chunk("data: one\n\n");
    } catch {
      // the client left before its request was whole
    }
    await connection.ended;
  });
  const body = '{"stream":true}';
  const request =
    `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const chunked =
    "POST /events/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;e=v\r\nabc\r\n0\r\nA: b\r\n\r\n";
  await attacked(
    async ({ port }) => {
      for (const text of [request, chunked, "GET /events/t HTTP/1.1\r\nHost: a\r\n\r\n"]) {
        for (const isReset of [true, false]) {
          const lengths = Array.from({ length: text.length + 1 }, (_, length) => length);
          await Promise.all(lengths.map((length) => sendAndLeave(port, text.slice(0, length), isReset)));
        }
      }
    },
    {},
    upstream.url,
  );
});

Deno.test("a FIN in a request is the end of it, a FIN after a request is answered", async () => {
  await attacked(async ({ port }) => {
    const text = "POST /events/t HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for (let length = 0; length < text.length; length++) {
      using client = await RawClient.connect({ port });
      await client.send(text.slice(0, length));
      await client.closeWrite();
      await client.waitEnd();
    }
    using whole = await RawClient.connect({ port });
    await whole.send(text);
    await whole.closeWrite();
    assertEquals((await whole.readResponse()).status, 201);
    await whole.expectClosed();
  });
});

Deno.test("a thousand events a reader does not take cost it its place, not the others theirs", async () => {
  const data = "x".repeat(10_000);
  await attacked(async ({ port, url }) => {
    using lazy = await RawClient.connect({ port });
    using eager = await RawClient.connect({ port });
    for (const client of [lazy, eager]) {
      await client.send("GET /events/t HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.readUntil("\r\n\r\n");
    }
    using publisher = await RawClient.connect({ port });
    const post = `POST /events/t HTTP/1.1\r\nHost: a\r\nContent-Length: ${data.length}\r\n\r\n${data}`;
    for (let i = 0; i < 1_000; i++) {
      await publisher.send(post);
      assertEquals((await publisher.readResponse()).status, 201);
      await eager.readUntil(data);
    }
    const samples = await metricsOf(url);
    assertEquals(samples.get('sluice_hub_slow_readers_total{answer="cut"}'), 1);
    assertEquals(samples.get("sluice_hub_readers"), 1);
    assertEquals(await lazy.waitEnd(), "reset");
  });
});
