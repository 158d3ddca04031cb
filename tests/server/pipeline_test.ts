import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Http1Error } from "../../server/http1/errors.ts";
import { Reply } from "../../server/reply.ts";
import { Router } from "../../server/router.ts";
import { MemoryHttp, parseResponse, responsesIn } from "../support/memory_http.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const pathOf = (request: Request) => new URL(request.url).pathname;

/** A handler whose answers are given by hand, path by path. */
function manual() {
  const begun: string[] = [];
  const answers = new Map<string, PromiseWithResolvers<Response>>();
  const handler = (request: Request) => {
    const path = pathOf(request);
    begun.push(path);
    const answer = Promise.withResolvers<Response>();
    answers.set(path, answer);
    return answer.promise;
  };
  const answer = (path: string) => answers.get(path)!.resolve(new Reply(path));
  return { begun, handler, answer, answers };
}

Deno.test("pipelined responses come in the order of their requests, whatever order the handlers end in", async () => {
  const { handler, answer, begun } = manual();
  await using http = new MemoryHttp(handler);
  const client = await http.connect();
  client.send(get("/1") + get("/2") + get("/3"));
  await http.settle();
  assertEquals(begun, ["/1", "/2", "/3"]);
  answer("/3");
  answer("/2");
  await http.settle();
  assertEquals(client.text, "");
  answer("/1");
  await http.settle();
  assertEquals(responsesIn(client.text).map(({ body }) => body), ["/1", "/2", "/3"]);
});

Deno.test("a handler that answers at once waits for its turn behind one that does not", async () => {
  const first = Promise.withResolvers<Response>();
  await using http = new MemoryHttp((request) =>
    pathOf(request) === "/1" ? first.promise : new Reply("at once")
  );
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  assertEquals(client.text, "");
  first.resolve(new Reply("first"));
  await http.settle();
  assertEquals(responsesIn(client.text).map(({ body }) => body), ["first", "at once"]);
});

Deno.test("no more than pipelinedRequestsMax requests of a connection are with handlers at once", async () => {
  const { handler, answer, begun } = manual();
  await using http = new MemoryHttp(handler, { limits: { pipelinedRequestsMax: 2 } });
  const client = await http.connect();
  client.send(get("/1") + get("/2") + get("/3") + get("/4"));
  await http.settle();
  assertEquals(begun, ["/1", "/2"]);
  assert(http.server.stats.limitsReached.pipelinedRequests > 0);
  answer("/1");
  await http.settle();
  assertEquals(begun, ["/1", "/2", "/3"]);
  answer("/2");
  await http.settle();
  answer("/3");
  answer("/4");
  await http.settle();
  assertEquals(responsesIn(client.text).map(({ body }) => body), ["/1", "/2", "/3", "/4"]);
});

Deno.test("a request that is not safe, or has a body, waits until all before it are answered, and holds those behind", async () => {
  const { handler, answer, begun } = manual();
  await using http = new MemoryHttp(handler);
  const client = await http.connect();
  client.send(
    get("/1") + post("/2", "body") + get("/3") + "DELETE /4 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/5"),
  );
  for (const path of ["/1", "/2", "/3", "/4", "/5"]) {
    await http.settle();
    assertEquals(begun[begun.length - 1], path);
    answer(path);
  }
  await http.settle();
  assertEquals(responsesIn(client.text).map(({ body }) => body), ["/1", "/2", "/3", "/4", "/5"]);
});

Deno.test("a thousand pipelined requests in one read are answered in order", async () => {
  await using http = new MemoryHttp((request) => new Reply(pathOf(request)));
  const client = await http.connect();
  const paths = Array.from({ length: 1_000 }, (_, i) => `/${i}`);
  client.send(paths.map(get).join(""));
  await http.settle();
  assertEquals(responsesIn(client.text).map(({ body }) => body), paths);
});

Deno.test("nothing is begun while the peer does not take its responses", async () => {
  let begun = 0;
  await using http = new MemoryHttp(() => {
    begun++;
    return new Reply("x".repeat(50_000));
  });
  const client = await http.connect();
  client.stopReading();
  client.send(get("/").repeat(100));
  await http.settle();
  assert(begun < 6, `${begun} requests were begun for a reader that takes nothing`);
  client.startReading();
  await http.settle();
  assertEquals(responsesIn(client.text).length, 100);
});

Deno.test("the last of requestsPerConnectionMax says so and ends the connection; what was pipelined behind is not begun", async () => {
  let begun = 0;
  await using http = new MemoryHttp(() => new Reply(`${++begun}`), {
    limits: { requestsPerConnectionMax: 2 },
  });
  const client = await http.connect();
  client.send(get("/").repeat(4));
  await http.settle();
  const responses = responsesIn(client.text);
  assertEquals(responses.map(({ body, headers }) => [body, headers.get("connection")]), [["1", null], [
    "2",
    "close",
  ]]);
  assertEquals([begun, client.end], [2, "closed"]);
  assertEquals(http.server.stats.limitsReached.requestsPerConnection, 1);
});

Deno.test("a malformed request is answered after those before it, nothing behind it is parsed, the connection ends", async () => {
  const { handler, answer, begun } = manual();
  await using http = new MemoryHttp(handler);
  const client = await http.connect();
  client.send(get("/1") + "BAD REQUEST\r\n\r\n" + get("/2"));
  await http.settle();
  assertEquals(client.text, "");
  answer("/1");
  await http.settle();
  const [first, second, ...more] = responsesIn(client.text);
  assertEquals([first!.status, first!.body, first!.headers.get("connection")], [200, "/1", null]);
  assertEquals([second!.status, second!.headers.get("connection")], [400, "close"]);
  assertEquals([more.length, begun, client.end], [0, ["/1"], "closed"]);
  assertEquals(Object.values(http.server.stats.peerErrors), [1]);
});

for (
  const [name, text, status] of [
    ["a request line that is too long", `GET /${"x".repeat(600)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ["header lines that are too long", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1_100)}\r\n\r\n`, 431],
    ["too many header lines", `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(20)}\r\n`, 431],
    ["a declared body that is too long", post("/", "x".repeat(2_000)), 413],
    [
      "a chunked body that becomes too long",
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
        "100\r\n" + "x".repeat(256) + "\r\n"
      }`.padEnd(9_000, "100\r\n" + "x".repeat(256) + "\r\n"),
      413,
    ],
    [
      "chunk extensions that are too long",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + "x".repeat(200) +
      "\r\nx\r\n0\r\n\r\n",
      400,
    ],
    [
      "trailers that are too long",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + "x".repeat(400) +
      "\r\n\r\n",
      431,
    ],
    [
      "too many trailers",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + "X: y\r\n".repeat(9) + "\r\n",
      431,
    ],
    ["an unknown expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n1", 417],
    ["another major version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505],
  ] as const
) {
  Deno.test(`${name} is answered ${status}, and other connections go on`, async () => {
    await using http = new MemoryHttp(async (request) => new Reply(await request.text()), {
      limits: {
        requestLineBytesMax: 500,
        headerBytesMax: 1_000,
        headersMax: 10,
        bodyBytesMax: 1_000,
        chunkExtensionBytesMax: 100,
        trailerBytesMax: 300,
        trailersMax: 5,
      },
    });
    const other = await http.connect();
    other.send(get("/"));
    const client = await http.connect();
    client.send(text);
    await http.settle();
    const response = parseResponse(client.text);
    assertEquals([response.status, response.headers.get("connection"), response.rest], [status, "close", ""]);
    assertEquals(client.end, "closed");
    other.send(get("/"));
    await http.settle();
    assertEquals(responsesIn(other.text).map(({ status }) => status), [200, 200]);
    assertEquals(Object.values(http.server.stats.peerErrors), [1]);
  });
}

Deno.test("a body that breaks the grammar fails the handler's read, and the handler's answer is not sent", async () => {
  let failure: unknown;
  await using http = new MemoryHttp(async (request) => {
    await request.text().catch((error) => failure = error);
    return new Reply("nobody hears this");
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  await http.settle();
  client.send("zz\r\n");
  await http.settle();
  const response = parseResponse(client.text);
  assertEquals([response.status, response.rest, client.end], [400, "", "closed"]);
  assertInstanceOf(failure, Http1Error);
});

Deno.test("a route may allow more or less than the server's bodyBytesMax", async () => {
  const echo = async (request: Request) => new Reply(`${(await request.text()).length}`);
  const router = new Router().post("/more", { bodyBytesMax: 5_000 }, echo).post(
    "/less",
    { bodyBytesMax: 5 },
    echo,
  )
    .post("/same", echo);
  await using http = new MemoryHttp(router.handler, { limits: { bodyBytesMax: 100 } });
  const statusOf = async (path: string, length: number) =>
    parseResponse(await http.exchange(post(path, "x".repeat(length)))).status;
  assertEquals(await statusOf("/more", 5_000), 200);
  assertEquals(await statusOf("/more", 5_001), 413);
  assertEquals(await statusOf("/less", 6), 413);
  assertEquals(await statusOf("/same", 100), 200);
  assertEquals(await statusOf("/same", 101), 413);
});

Deno.test("a handler that throws is answered 500 through onError, and the connection goes on", async () => {
  await using http = new MemoryHttp((request) => {
    if (pathOf(request) === "/throw") throw new Error("boo");
    if (pathOf(request) === "/reject") return Promise.reject(new Error("foo"));
    return new Reply("fine");
  });
  const client = await http.connect();
  client.send(get("/throw") + get("/reject") + get("/fine"));
  await http.settle();
  assertEquals(responsesIn(client.text).map(({ status, body }) => [status, body]), [
    [500, "failed"],
    [500, "failed"],
    [200, "fine"],
  ]);
  assertEquals(http.errors.map((error) => (error as Error).message), ["boo", "foo"]);
  assertEquals(http.server.stats.handlerErrors, 2);
});

Deno.test("what is no response is a 500 with a TypeError that says so", async () => {
  for (const value of [undefined, null, 5, "text", {}, Promise.resolve(7)]) {
    await using http = new MemoryHttp(() => value as unknown as Response);
    assertEquals(parseResponse(await http.exchange(get("/"))).status, 500);
    assertInstanceOf(http.errors[0], TypeError);
    assert(
      (http.errors[0] as Error).message.startsWith("Cannot answer: the handler did not return a Response"),
    );
  }
});

Deno.test("a foreign promise is awaited like any other", async () => {
  // deno-lint-ignore no-explicit-any
  const thenable: any = { then: (resolve: (value: Response) => void) => void resolve(new Reply("then")) };
  await using http = new MemoryHttp(() => thenable);
  assertEquals(parseResponse(await http.exchange(get("/"))).body, "then");
});

Deno.test("the failure of a handler whose client left is reported only when it is not just that", async () => {
  const answers: PromiseWithResolvers<Response>[] = [];
  await using http = new MemoryHttp((_request, info) => {
    const answer = Promise.withResolvers<Response>();
    answers.push(answer);
    if (answers.length === 1) {
      info.disconnected.addEventListener("abort", () => answer.reject(info.disconnected.reason));
    }
    return answer.promise;
  });
  for (let i = 0; i < 2; i++) {
    const client = await http.connect();
    client.send(get("/"));
    await http.settle();
    client.abort();
    await http.settle();
  }
  answers[1]!.reject(new Error("a mistake"));
  await http.settle();
  assertEquals(http.errors.map((error) => (error as Error).message), ["a mistake"]);
});

Deno.test("the answer of a handler whose client left is discarded, its stream cancelled", async () => {
  const answer = Promise.withResolvers<Response>();
  let isCancelled = false;
  await using http = new MemoryHttp(() => answer.promise);
  const client = await http.connect();
  client.send(get("/"));
  await http.settle();
  client.abort();
  await http.settle();
  answer.resolve(
    new Response(
      new ReadableStream({
        cancel() {
          isCancelled = true;
        },
      }),
    ),
  );
  await http.settle();
  assert(isCancelled);
});

Deno.test("the upload of a client that left, returned as the answer all the same, is no news", async () => {
  const errors: unknown[] = [];
  const go = Promise.withResolvers<void>();
  await using http = new MemoryHttp(async (request) => {
    const { body } = request;
    await go.promise;
    return new Response(body);
  }, {
    onError: (error) => {
      errors.push(error);
      return new Reply("failed", { status: 500 });
    },
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart");
  await http.settle();
  client.abort();
  await http.settle();
  go.resolve();
  await http.settle();
  assertEquals([errors, http.server.stats.disconnects], [[], 1]);
});

Deno.test("HTTP/1.0 closes after the answer unless it asks to be kept", async () => {
  await using http = new MemoryHttp(() => new Reply("x"));
  const plain = await http.connect();
  plain.send("GET / HTTP/1.0\r\n\r\n");
  const kept = await http.connect();
  kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  await http.settle();
  assertEquals([parseResponse(plain.text).headers.get("connection"), plain.end], ["close", "closed"]);
  assertEquals([parseResponse(kept.text).headers.get("connection"), kept.end], ["keep-alive", "open"]);
});

Deno.test("absolute, asterisk and origin targets reach the handler as URLs", async () => {
  const urls: string[] = [];
  await using http = new MemoryHttp((request) => {
    urls.push(`${request.method} ${request.url}`);
    return new Reply();
  });
  const client = await http.connect();
  client.send("GET http://b.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n");
  client.send("OPTIONS * HTTP/1.1\r\nHost: c.example:81\r\n\r\n");
  client.send("GET /z HTTP/1.1\r\nHost: d.example\r\n\r\n");
  client.send("GET /old HTTP/1.0\r\n\r\n");
  await http.settle();
  assertEquals(urls.map((url) => url.replace(/\/\*?$/, "/")), [
    "GET http://b.example/x?y",
    "OPTIONS http://c.example:81/",
    "GET http://d.example/z",
    "GET http://127.0.0.1/old",
  ]);
});

Deno.test("CONNECT that is not taken over is answered 501 and ends the connection", async () => {
  await using http = new MemoryHttp(() => new Reply("as if it were a GET"));
  const client = await http.connect();
  client.send("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n" + get("/"));
  await http.settle();
  const response = parseResponse(client.text);
  assertEquals([response.status, response.rest, client.end], [501, "", "closed"]);
});

for (const isStopping of [false, true]) {
  const why = isStopping ? "the server stops" : "the handler says so";
  Deno.test(`behind a streamed response that is the last because ${why}, no request is begun`, async () => {
    const [begin, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const begun: string[] = [];
    await using http = new MemoryHttp(async (request) => {
      begun.push(pathOf(request));
      await begin.promise;
      const body = async function* () {
        yield "a";
        await end.promise;
        yield "b";
      }();
      return new Reply(body, isStopping ? {} : { headers: { connection: "close" } });
    });
    const client = await http.connect();
    client.send(get("/1"));
    await http.settle();
    const stopped = isStopping ? http.server.shutdown() : null;
    begin.resolve();
    await http.settle();
    client.send(get("/2"));
    await http.settle();
    end.resolve();
    await http.settle();
    assertEquals([begun, client.end], [["/1"], "closed"]);
    assertEquals(responsesIn(client.text).map(({ body }) => body), ["ab"]);
    if (stopped !== null) assertEquals((await stopped).finished, 1);
  });
}
