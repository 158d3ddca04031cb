import { assert, assertEquals, assertInstanceOf, assertMatch, assertStringIncludes } from "@std/assert";
import type { BodyProducer } from "../../server/body_writer.ts";
import { LocalProtocolError } from "../../server/http1/errors.ts";
import { Reply } from "../../server/reply.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const bytes = (text: string) => new TextEncoder().encode(text);
const latin1 = (text: string) => Array.from(bytes(text), (byte) => String.fromCharCode(byte)).join("");

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      for (const chunk of chunks) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        controller.enqueue(bytes(chunk));
      }
      controller.close();
    },
  });
}

async function* words(...list: (string | Uint8Array)[]) {
  for (const word of list) {
    await null;
    yield word;
  }
}

function form(): FormData {
  const data = new FormData();
  data.append("a", "b");
  return data;
}

/** Bodies by name: what makes them, what is to come, and whether the length is known. */
const BODIES: readonly [string, () => Response, string, boolean][] = [
  ["a Reply of text", () => new Reply("text"), "text", true],
  ["a Reply of text beyond ASCII", () => new Reply("Grüße 🌍"), latin1("Grüße 🌍"), true],
  ["a Reply of long text", () => new Reply("ä".repeat(100_000)), latin1("ä".repeat(100_000)), true],
  ["a Reply of bytes", () => new Reply(bytes("bytes")), "bytes", true],
  [
    "a Reply of many bytes",
    () => new Reply(bytes("0123456789".repeat(60_000))),
    "0123456789".repeat(60_000),
    true,
  ],
  ["an empty Reply", () => new Reply(), "", true],
  ["a Reply of empty text", () => new Reply(""), "", true],
  ["a Reply of JSON", () => Reply.json({ a: 1 }), '{"a":1}', true],
  ["a Reply of a Blob", () => new Reply(new Blob(["blob", "by"])), "blobby", true],
  ["a Reply of URLSearchParams", () => new Reply(new URLSearchParams({ a: "b c" })), "a=b+c", true],
  ["a Reply of a stream", () => new Reply(streamOf("one", "two")), "onetwo", false],
  ["a Reply of an async iterable", () => new Reply(words("one", bytes("two"))), "onetwo", false],
  ["a Reply of a producer", () => new Reply(producer("one", "two")), "onetwo", false],
  [
    "a Reply of a producer with a length",
    () => new Reply({ ...producer("one", "two"), length: 6 }),
    "onetwo",
    true,
  ],
  ["a Response of text", () => new Response("text"), "text", true],
  ["a Response of text beyond ASCII", () => new Response("Grüße"), latin1("Grüße"), true],
  ["a Response of bytes", () => new Response(bytes("bytes")), "bytes", true],
  ["a Response of many bytes", () => new Response("x".repeat(500_000)), "x".repeat(500_000), true],
  ["an empty Response", () => new Response(), "", true],
  ["a Response of empty text", () => new Response(""), "", true],
  ["a Response of JSON", () => Response.json({ a: 1 }), '{"a":1}', true],
  ["a Response of a slow stream", () => new Response(streamOf("one", "two")), "onetwo", false],
  [
    "a Response of a stream that is all there",
    () => new Response(ReadableStream.from([bytes("x")])),
    "x",
    false,
  ],
  [
    "a Response of a stream with a length",
    () => new Response(streamOf("one", "two"), { headers: { "content-length": "6" } }),
    "onetwo",
    true,
  ],
];

function producer(...chunks: string[]): BodyProducer {
  return {
    start(writer) {
      for (const chunk of chunks) writer.writeText(chunk);
      writer.end();
    },
  };
}

for (const [name, make, body, hasLength] of BODIES) {
  Deno.test(`${name} is sent as it is, with its length ${hasLength ? "" : "un"}known, and the connection goes on`, async () => {
    await using http = new MemoryHttp(make);
    const client = await http.connect();
    for (let i = 0; i < 2; i++) {
      client.send(GET);
      await http.settle();
      const response = parseResponse(client.take());
      assertEquals(response.status, 200);
      assert(response.body === body, `got ${response.body.length} bytes: ${response.body.slice(0, 100)}`);
      assertEquals(response.rest, "");
      if (hasLength) assertEquals(response.headers.get("content-length"), `${body.length}`);
      assertEquals(response.headers.has("transfer-encoding"), !response.headers.has("content-length"));
    }
    assertEquals(http.errors, []);
  });

  Deno.test(`HEAD for ${name} is answered with its fields and no body`, async () => {
    await using http = new MemoryHttp(make);
    const client = await http.connect();
    client.send(HEAD + HEAD);
    await http.settle();
    const first = parseResponse(client.text, "HEAD");
    assertEquals(first.status, 200);
    const second = parseResponse(first.rest, "HEAD");
    assertEquals(second.rest, "");
    // An empty one may be a handler's own answer to HEAD, which says nothing about what GET would get.
    if (hasLength) assertEquals(second.headers.get("content-length"), body === "" ? null : `${body.length}`);
    assertEquals(http.errors, []);
  });

  Deno.test(`${name} reaches an HTTP/1.0 client without chunks`, async () => {
    await using http = new MemoryHttp(make);
    const client = await http.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    await http.settle();
    const response = parseResponse(client.text);
    assert(response.body === body);
    assertEquals([response.headers.has("transfer-encoding"), client.end], [false, "closed"]);
  });
}

Deno.test("a form keeps its boundary", async () => {
  for (const make of [() => new Reply(form()), () => new Response(form())]) {
    await using http = new MemoryHttp(make);
    const { headers, body } = parseResponse(await http.exchange(GET));
    const boundary = /boundary=(.*)$/.exec(headers.get("content-type")!)![1]!;
    assertStringIncludes(body, `--${boundary}\r\n`);
    assertStringIncludes(body, 'name="a"');
  }
});

Deno.test("a stream's head is sent before its first chunk is there, and each chunk when it comes", async () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  await using http = new MemoryHttp(() =>
    new Response(new ReadableStream({ start: (c) => void (controller = c) }))
  );
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  assertMatch(client.take(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
  controller!.enqueue(bytes("one"));
  await http.settle();
  assertEquals(client.take(), "3\r\none\r\n");
  controller!.enqueue(bytes("twoo"));
  await http.settle();
  assertEquals(client.take(), "4\r\ntwoo\r\n");
  controller!.close();
  await http.settle();
  assertEquals(client.take(), "0\r\n\r\n");
});

Deno.test("204 and 304 have neither body nor length; 205 has an empty one", async () => {
  for (const status of [204, 304, 205]) {
    for (const make of [() => new Response(null, { status }), () => new Reply(null, { status })]) {
      await using http = new MemoryHttp(make);
      const text = await http.exchange(GET);
      const head = text.slice(0, text.indexOf("\r\n\r\n"));
      assertEquals(text.slice(head.length), "\r\n\r\n");
      assertEquals(head.includes("content-length"), status === 205);
      assert(!head.includes("transfer-encoding"));
    }
  }
});

Deno.test("a length the response claims is kept for HEAD and 304 without a body", async () => {
  const headers = { "content-length": "77" };
  await using http = new MemoryHttp((request) =>
    request.method === "HEAD" ? new Reply(null, { headers }) : new Reply(null, { status: 304, headers })
  );
  assertEquals(parseResponse(await http.exchange(HEAD), "HEAD").headers.get("content-length"), "77");
  assertEquals(parseResponse(await http.exchange(GET)).headers.get("content-length"), "77");
});

Deno.test("a claimed length that is wrong gives way to the true one where that is known", async () => {
  await using http = new MemoryHttp(() => new Reply("four", { headers: { "content-length": "9" } }));
  const response = parseResponse(await http.exchange(GET));
  assertEquals([response.headers.get("content-length"), response.body], ["4", "four"]);
});

for (
  const [name, chunks] of [["fewer", ["one"]], ["more", ["one", "two", "three"]]] as const
) {
  Deno.test(`a stream with ${name} bytes than it promised aborts the connection and is reported`, async () => {
    await using http = new MemoryHttp(() =>
      new Response(streamOf(...chunks), { headers: { "content-length": "6" } })
    );
    const client = await http.connect();
    client.send(GET);
    await http.settle();
    assertEquals(client.end, "reset");
    assertEquals((http.errors[0] as { code: string }).code, "SLUICE_BODY_LENGTH");
    assertEquals(http.server.stats.responsesAborted, 1);
  });
}

for (
  const [name, make] of [
    [
      "stream",
      () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              await new Promise<void>((resolve) => setImmediate(resolve));
              controller.enqueue(bytes("part"));
              controller.error(new Error("mid"));
            },
          }, { highWaterMark: 0 }),
        ),
    ],
    [
      "iterable",
      () =>
        new Reply(async function* () {
          yield "part";
          await new Promise<void>((resolve) => setImmediate(resolve));
          throw new Error("mid");
        }()),
    ],
    [
      "producer that rejects",
      () =>
        new Reply({
          async start(writer) {
            writer.writeText("part");
            await new Promise<void>((resolve) => setImmediate(resolve));
            throw new Error("mid");
          },
        }),
    ],
    [
      "producer that throws",
      () =>
        new Reply({
          start(writer) {
            writer.writeText("part");
            throw new Error("mid");
          },
        }),
    ],
    [
      "producer that aborts",
      () =>
        new Reply({
          start(writer) {
            writer.writeText("part");
            writer.abort(new Error("mid"));
          },
        }),
    ],
    [
      "iterable of nonsense",
      () =>
        new Reply(async function* () {
          yield "part";
          yield 7 as unknown as string;
        }()),
    ],
  ] as const
) {
  Deno.test(`a ${name} that fails after the head aborts the connection, is reported, and never looks complete`, async () => {
    await using http = new MemoryHttp(make);
    for (const version of ["1.1", "1.0"]) {
      const client = await http.connect();
      client.send(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
      await http.settle();
      assertEquals(client.end, "reset");
      assert(!client.text.includes("0\r\n\r\n"));
    }
    assertEquals(http.errors.length, 2);
    assertEquals(http.server.stats.responsesAborted, 2);
  });
}

Deno.test("a stream that fails before its head is answered 500", async () => {
  await using http = new MemoryHttp(() =>
    new Response(new ReadableStream({ start: (controller) => controller.error(new Error("early")) }))
  );
  assertEquals(parseResponse(await http.exchange(GET)).status, 500);
  assertEquals((http.errors[0] as Error).message, "early");
});

Deno.test("a body that was used, a locked one, and Response.error() are answered 500 with the reason reported", async () => {
  const makes = [
    async () => {
      const response = new Response("used");
      await response.text();
      return response;
    },
    () => {
      const response = new Response(streamOf("x"));
      response.body!.getReader();
      return response;
    },
    () => Response.error(),
  ];
  for (const make of makes) {
    await using http = new MemoryHttp(make);
    assertEquals(parseResponse(await http.exchange(GET)).status, 500);
    assertInstanceOf(http.errors[0], TypeError);
  }
});

Deno.test("a field the wire cannot carry is answered 500, and the connection goes on", async () => {
  await using http = new MemoryHttp((request) => {
    if (request.url.endsWith("/fine")) return new Reply("fine");
    // No Response can be made of this, so it is forced past the constructor's checks.
    const response = new Response("x");
    Object.defineProperty(response, "headers", { value: [["x-bad", "a\r\nb: c"]] });
    return response;
  });
  const client = await http.connect();
  client.send(GET + "GET /fine HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.settle();
  const first = parseResponse(client.text);
  assertEquals([first.status, parseResponse(first.rest).body], [500, "fine"]);
  assertInstanceOf(http.errors[0], LocalProtocolError);
});

Deno.test("when even what onError made cannot be sent, a plain 500 is", async () => {
  await using http = new MemoryHttp(() => {
    throw new Error("boo");
  }, { onError: () => Response.error() });
  const response = parseResponse(await http.exchange(GET));
  assertEquals([response.status, response.body], [500, "Internal Server Error"]);
});

Deno.test("fields are sent in order, repeated ones apart; those that are the server's to write are left out", async () => {
  await using http = new MemoryHttp(() =>
    new Reply("x", {
      headers: [
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["transfer-encoding", "chunked"],
        ["keep-alive", "timeout=5"],
        ["date", "Thu, 01 Jan 1970 00:00:00 GMT"],
        ["x-z", "last"],
      ],
    })
  );
  const text = await http.exchange(GET);
  const lines = text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n").slice(1);
  assertEquals(lines, [
    "set-cookie: a=1",
    "set-cookie: b=2",
    "date: Thu, 01 Jan 1970 00:00:00 GMT",
    "x-z: last",
    "content-type: text/plain;charset=UTF-8",
    "content-length: 1",
  ]);
});

Deno.test("a response that says Connection: close ends the connection, and those pipelined behind it are cut", async () => {
  const seen: string[] = [];
  await using http = new MemoryHttp(async (request, info) => {
    const { pathname } = new URL(request.url);
    info.disconnected.addEventListener("abort", () => seen.push(pathname));
    await null;
    return new Reply(pathname, pathname === "/1" ? { headers: { connection: "Close" } } : {});
  });
  const client = await http.connect();
  client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.settle();
  const response = parseResponse(client.text);
  assertEquals([response.body, response.headers.get("connection"), response.rest], ["/1", "close", ""]);
  assertEquals([client.end, seen], ["closed", ["/2"]]);
});

Deno.test("426 may say which protocol to upgrade to", async () => {
  await using http = new MemoryHttp(() => new Reply("", { status: 426, headers: { upgrade: "foo/2" } }));
  const { headers } = parseResponse(await http.exchange(GET));
  assertEquals([headers.get("upgrade"), headers.get("connection")], ["foo/2", "upgrade"]);
});

Deno.test("trailers follow a chunked body; a field that cannot be one aborts", async () => {
  const withTrailer = (name: string): BodyProducer => ({
    start(writer) {
      writer.writeText("x");
      writer.end([[name, "42"]]);
    },
  });
  await using http = new MemoryHttp((request) =>
    new Reply(withTrailer(new URL(request.url).pathname.slice(1)))
  );
  assertStringIncludes(
    await http.exchange("GET /x-sum HTTP/1.1\r\nHost: a\r\n\r\n"),
    "\r\n0\r\nx-sum: 42\r\n\r\n",
  );
  const client = await http.connect();
  client.send("GET /content-length HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.settle();
  assertEquals(client.end, "reset");
});

Deno.test("a stream is read no faster than the client takes it, and cancelled when it leaves", async () => {
  let pulled = 0;
  let reason: unknown;
  await using http = new MemoryHttp(() =>
    new Response(
      new ReadableStream({
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(10_000));
        },
        cancel(why) {
          reason = why;
        },
      }),
    )
  );
  const client = await http.connect();
  client.stopReading();
  client.send(GET);
  await http.settle();
  assert(pulled < 30, `${pulled} chunks were pulled for a reader that takes nothing`);
  client.abort();
  await http.settle();
  assertInstanceOf(reason, Error);
});

Deno.test("an async iterable's return runs when the client leaves", async () => {
  let isCleanedUp = false;
  await using http = new MemoryHttp(() =>
    new Reply(async function* () {
      try {
        for (;;) {
          yield "x".repeat(10_000);
          await null;
        }
      } finally {
        isCleanedUp = true;
      }
    }())
  );
  const client = await http.connect();
  client.stopReading();
  client.send(GET);
  await http.settle();
  client.abort();
  await http.settle();
  assert(isCleanedUp);
});

Deno.test("a producer is not started for HEAD, and hears that it was not wanted", async () => {
  const seen: string[] = [];
  await using http = new MemoryHttp(() =>
    new Reply({
      start: () => void seen.push("start"),
      onClosed: (reason) => void seen.push(`closed ${reason}`),
    })
  );
  await http.exchange(HEAD);
  assertEquals(seen, ["closed null"]);
});

Deno.test("a response with 101 takes hijack", async () => {
  await using http = new MemoryHttp(() => new Reply(null, { status: 101, headers: { upgrade: "x" } }));
  assertEquals(parseResponse(await http.exchange(GET)).status, 500);
  assertStringIncludes((http.errors[0] as Error).message, "info.hijack()");
});
