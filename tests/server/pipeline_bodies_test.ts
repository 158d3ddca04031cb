/** What becomes of request bodies and interim responses, on a connection in memory. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import type { ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { bodyOf } from "../../server/request.ts";
import { EarlyHintsError } from "../../server/response_errors.ts";
import { MemoryHttp, parseResponse, responsesIn } from "../support/memory_http.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const pathOf = (request: Request) => new URL(request.url).pathname;

Deno.test("100 (Continue) is sent when the handler first reads the body", async () => {
  const read = Promise.withResolvers<void>();
  await using http = new MemoryHttp(async (request) => {
    await read.promise;
    return new Reply(await request.text());
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  await http.settle();
  assertEquals(client.text, "");
  read.resolve();
  await http.settle();
  assertEquals(client.take(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  await http.settle();
  const response = parseResponse(client.text);
  assertEquals([response.status, response.body, response.headers.get("connection")], [200, "hi", null]);
});

Deno.test("a handler that answers without the body sends no 100, and the connection ends", async () => {
  await using http = new MemoryHttp(() => new Reply("no need", { status: 403 }));
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  await http.settle();
  const response = parseResponse(client.text);
  assertEquals([response.status, response.headers.get("connection"), client.end], [403, "close", "closed"]);
});

Deno.test("a client that does not wait for 100 gets none", async () => {
  await using http = new MemoryHttp(async (request) => new Reply(await request.text()));
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
  await http.settle();
  // The handler reads in the turn in which head and body came: 100 may come first, never after.
  assertEquals(responsesIn(client.text).filter(({ status }) => status === 200).map(({ body }) => body), [
    "hi",
  ]);
});

const EXPECTING = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";

/** How a request that waits for 100 may come: alone, behind another one, in two parts. */
const ARRIVALS: Readonly<Record<string, readonly string[]>> = {
  firstByteMs: [EXPECTING],
  keepAliveMs: [get("/"), EXPECTING],
  headMs: [EXPECTING.slice(0, 10), EXPECTING.slice(10)],
};

for (const [deadline, pieces] of Object.entries(ARRIVALS)) {
  Deno.test(`while a client waits for 100 it is the handler who is waited for: ${deadline} is over`, async () => {
    const read = Promise.withResolvers<void>();
    await using http = new MemoryHttp(async (request) => {
      if (request.method === "GET") return new Reply("first");
      await read.promise;
      return new Reply(await request.text());
    }, { deadlines: { firstByteMs: 1_000, keepAliveMs: 1_000, headMs: 1_000, handlerMs: 60_000 } });
    const client = await http.connect();
    for (const piece of pieces) {
      client.take();
      client.send(piece);
      await http.settle();
    }
    await http.advance(30_000);
    assertEquals([client.end, client.text], ["open", ""]);
    read.resolve();
    await http.settle();
    assertEquals(client.take(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi");
    await http.settle();
    const { status, body, headers } = parseResponse(client.text);
    assertEquals([status, body, headers.get("connection")], [200, "hi", null]);
  });
}

Deno.test("a response that is made of the request's body asks for it, and gets it", async () => {
  await using http = new MemoryHttp((request) => new Response(request.body));
  const client = await http.connect();
  client.send(EXPECTING);
  await http.settle();
  assert(client.text.startsWith("HTTP/1.1 100 Continue\r\n\r\n"), client.text);
  client.send("hi");
  await http.settle();
  const [interim, final] = responsesIn(client.text);
  assertEquals([interim!.status, final!.status, final!.body], [100, 200, "hi"]);
});

Deno.test("a response whose body is made while it is sent asks for the request's body before its head", async () => {
  await using http = new MemoryHttp((request) => {
    async function* doubled() {
      for await (const chunk of request.body!) yield* [chunk, chunk];
    }
    return new Reply(doubled());
  });
  const client = await http.connect();
  client.send(EXPECTING);
  await http.settle();
  assert(client.text.startsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), client.text);
  client.send("hi");
  await http.settle();
  const { body, headers } = responsesIn(client.text)[1]!;
  assertEquals([body, headers.get("connection")], ["hihi", null]);
});

Deno.test("a response that refuses, or is there as a whole, asks for no body before it", async () => {
  const whole = "x".repeat(100_000);
  await using http = new MemoryHttp((request) => {
    if (pathOf(request) === "/whole") return new Reply(whole);
    return new Reply(
      (async function* () {
        yield "no";
        await null;
      })(),
      { status: 403 },
    );
  });
  for (const path of ["/refused", "/whole"]) {
    const client = await http.connect();
    client.send(EXPECTING.replace("/", path));
    await http.settle();
    assertEquals(responsesIn(client.text).length, 1);
    assertEquals(parseResponse(client.text).headers.get("connection"), "close");
  }
});

Deno.test("a body that is read only after the head is due as any other", async () => {
  const failure = Promise.withResolvers<unknown>();
  await using http = new MemoryHttp((request) =>
    new Reply({
      start(writer) {
        writer.writeText("begun");
        request.text().catch((error) => {
          failure.resolve(error);
          writer.end();
        });
      },
    }), { deadlines: { bodyIdleMs: 1_000 } });
  const client = await http.connect();
  client.send(EXPECTING);
  await http.settle();
  await http.advance(1_100);
  assertEquals((await failure.promise as Error).name, "DeadlineExceededError");
  assertEquals([responsesIn(client.text).length, client.end], [2, "closed"]);
  assertEquals(http.server.stats.deadlinesPassed.bodyIdle, 1);
});

Deno.test("a short body nobody read is dropped and the connection goes on; a long one ends it", async () => {
  await using http = new MemoryHttp(() => new Reply("did not read"), {
    limits: { unreadBodyBytesMax: 1_000 },
  });
  const short = await http.connect();
  short.send(post("/", "x".repeat(1_000)).slice(0, 500));
  await http.settle();
  assertEquals(parseResponse(short.take()).headers.get("connection"), null);
  short.send("x".repeat(post("/", "x".repeat(1_000)).length - 500) + get("/"));
  await http.settle();
  assertEquals(parseResponse(short.take()).status, 200);
  const long = await http.connect();
  long.keepsOpen = true;
  long.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
  await http.settle();
  assertEquals(parseResponse(long.text).headers.get("connection"), "close");
  assert(long.hasEnded);
});

Deno.test("a chunked body nobody read that goes on and on ends the connection", async () => {
  await using http = new MemoryHttp(() => new Reply("did not read"), {
    limits: { unreadBodyBytesMax: 1_000 },
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (let i = 0; i < 5; i++) {
    client.send(`100\r\n${"x".repeat(256)}\r\n`);
    await http.settle();
  }
  assertEquals(parseResponse(client.text).rest, "");
  assertEquals(client.end, "closed");
  assertEquals(http.server.stats.limitsReached.unreadBodyBytes, 1);
});

Deno.test("an unread body that stops coming ends the connection after lingerMs", async () => {
  await using http = new MemoryHttp(() => new Reply("did not read"), { deadlines: { lingerMs: 1_000 } });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n");
  await http.advance(900);
  assertEquals(client.end, "open");
  await http.advance(200);
  assertEquals(client.end, "closed");
});

Deno.test("a body may be read on after the answer", async () => {
  const all = Promise.withResolvers<string>();
  await using http = new MemoryHttp((request) => {
    if (request.method === "POST") request.text().then(all.resolve, all.reject);
    return new Reply("go on", { status: 202 });
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
  await http.settle();
  assertEquals(parseResponse(client.take()).status, 202);
  client.send("67890" + get("/"));
  assertEquals(await all.promise, "1234567890");
  await http.settle();
  assertEquals(parseResponse(client.text).status, 202);
});

Deno.test("a handler that answers and then stops reading the body has its connection cut after handlerMs", async () => {
  await using http = new MemoryHttp(async (request) => {
    await request.body!.getReader().read(); // once
    return new Reply("go on");
  }, { deadlines: { handlerMs: 1_000 } });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + "x".repeat(400_000));
  await http.advance(900);
  assertEquals(client.end, "open");
  await http.advance(200);
  assertEquals(client.end, "reset");
});

Deno.test("a body the handler gives up after its answer is dropped like one nobody read", async () => {
  const reading = Promise.withResolvers<ReadableStreamDefaultReader<Uint8Array>>();
  await using http = new MemoryHttp(async (request) => {
    const reader = request.body!.getReader();
    await reader.read();
    reading.resolve(reader);
    return new Reply("enough");
  }, { limits: { unreadBodyBytesMax: 1_000 } });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + "x".repeat(500));
  await http.settle();
  assertEquals(parseResponse(client.text).headers.get("connection"), null);
  await (await reading.promise).cancel();
  client.send("x".repeat(900));
  await http.settle();
  assertEquals(client.end, "open");
  client.send("x".repeat(200));
  await http.settle();
  assertEquals([client.end, http.server.stats.limitsReached.unreadBodyBytes], ["closed", 1]);
});

Deno.test("a body is received no faster than the handler reads", async () => {
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  await using http = new MemoryHttp(async (request) => {
    reader = request.body!.getReader();
    await new Promise(() => {});
    return new Reply();
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  for (let i = 0; i < 20; i++) client.send(new Uint8Array(50_000));
  await http.settle();
  assert(
    http.server.stats.bytesReceived < 400_000,
    `${http.server.stats.bytesReceived} bytes were taken unread`,
  );
  let got = 0;
  while (got < 1_000_000) {
    const { value } = await reader!.read();
    got += value!.length;
  }
  assertEquals(got, 1_000_000);
});

Deno.test("early hints go out at once, before the response, but not to an HTTP/1.0 client", async () => {
  const answer = Promise.withResolvers<Response>();
  await using http = new MemoryHttp((_request, info) => {
    info.earlyHints({ link: "</a.css>; rel=preload" });
    return answer.promise;
  });
  const client = await http.connect();
  client.send(get("/"));
  const old = await http.connect();
  old.send("GET / HTTP/1.0\r\n\r\n");
  await http.settle();
  assertEquals(client.take(), "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
  assertEquals(old.text, "");
  answer.resolve(new Reply("done"));
  await http.settle();
  assertEquals(parseResponse(client.text).body, "done");
});

Deno.test("early hints of a pipelined request wait for the responses before it, and have a bound", async () => {
  const first = Promise.withResolvers<Response>();
  const second = Promise.withResolvers<Response>();
  let failure: unknown;
  await using http = new MemoryHttp((request, info) => {
    if (pathOf(request) === "/1") return first.promise;
    info.earlyHints({ link: "</a.css>" });
    try {
      for (let i = 0; i < 1_000; i++) info.earlyHints({ link: "x".repeat(100) });
    } catch (error) {
      failure = error;
    }
    return second.promise;
  });
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  assertEquals(client.text, "");
  assertInstanceOf(failure, EarlyHintsError);
  first.resolve(new Reply("1"));
  await http.settle();
  const { rest } = parseResponse(client.take());
  assert(rest.startsWith("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"));
  second.resolve(new Reply("2"));
  await http.settle();
  assertEquals(parseResponse(client.text).body, "2");
});

Deno.test("early hints after the response was returned are an EarlyHintsError", async () => {
  let kept: ServeInfo | null = null;
  await using http = new MemoryHttp((_request, info) => {
    kept = info;
    return new Reply("done");
  });
  await http.exchange(get("/"));
  assertThrows(() => kept!.earlyHints({}), EarlyHintsError, "Cannot send early hints");
});

Deno.test("trailers of a chunked request are told when the body was read, also to who asks before or after", async () => {
  let early: Promise<Headers> | null = null;
  let late: Headers | null = null;
  await using http = new MemoryHttp(async (request, info) => {
    early = info.trailers;
    const text = await request.text();
    late = await info.trailers;
    return new Reply(text);
  });
  const client = await http.connect();
  client.send(
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
  );
  await http.settle();
  assertEquals(parseResponse(client.text).body, "abc");
  assertEquals((await early!).get("x-sum"), "1");
  assertEquals(late!.get("x-sum"), "1");
});

Deno.test("a request without a body has no trailers; one whose body fails rejects them", async () => {
  const seen: Promise<Headers>[] = [];
  await using http = new MemoryHttp((request, info) => {
    seen.push(info.trailers);
    return request.method === "GET" || pathOf(request) === "/empty"
      ? new Reply()
      : new Promise<Response>(() => {});
  });
  await http.exchange(get("/"));
  await http.exchange(post("/empty", ""));
  assertEquals([[...(await seen[0]!)], [...(await seen[1]!)]], [[], []]);
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1");
  await http.settle();
  client.abort();
  await http.settle();
  await assertRejects(() => seen[2]!);
});

Deno.test("a response that is given up with the upload of a client that left has not failed by itself", async () => {
  const errors: unknown[] = [];
  await using http = new MemoryHttp((request) =>
    new Reply({
      start(writer) {
        bodyOf(request)!.consume({
          chunk: (bytes) => writer.write(bytes),
          end: () => writer.end(),
          failed: (reason) => writer.abort(reason),
        });
      },
    }), {
    onError: (error) => {
      errors.push(error);
      return new Reply("failed", { status: 500 });
    },
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart");
  await http.settle();
  assert(client.text.includes("part"));
  client.abort();
  await http.settle();
  const { responsesAborted, disconnects, streamsOpen, requestsActive } = http.server.stats;
  assertEquals([errors, responsesAborted, disconnects, streamsOpen, requestsActive], [[], 0, 1, 0, 0]);
});
