import { assert, assertEquals } from "@std/assert";
import { Reply } from "../../server/reply.ts";
import { hasBody, mayBecomeTunnel } from "../../server/request_intake.ts";
import type { RequestHead } from "../../server/http1/message.ts";
import { RequestParser } from "../../server/http1/parser.ts";
import { MemoryHttp, parseResponse, type WireResponse } from "../support/memory_http.ts";

const get = (path: string, fields = "") => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const pathOf = (request: Request) => new URL(request.url).pathname;
const LARGE = 300_000;

/** The large path's answer is more than the network takes at once. */
const handler = (request: Request) =>
  new Reply(pathOf(request) === "/large" ? "x".repeat(LARGE) : pathOf(request));

function bodiesIn(text: string): string[] {
  const bodies: string[] = [];
  for (let rest = text; rest !== "";) {
    const response: WireResponse = parseResponse(rest);
    bodies.push(response.body.length === LARGE ? "large" : response.body);
    rest = response.rest;
  }
  return bodies;
}

/** What `ask` says about the head of `text`. */
function ofHead<T>(text: string, ask: (head: RequestHead) => T): T {
  let answer: T | undefined;
  const fail = (error: unknown): never => {
    throw error;
  };
  const sink = { head: (head: RequestHead) => answer = ask(head), body() {}, end() {}, error: fail };
  const limits = {
    startLineBytesMax: 1_000,
    headerBytesMax: 1_000,
    headersMax: 10,
    bodyBytesMax: 1_000,
    chunkExtensionBytesMax: 0,
    trailerBytesMax: 0,
    trailersMax: 0,
  };
  new RequestParser(sink, limits).feed(new TextEncoder().encode(text));
  return answer!;
}

Deno.test("a body follows a head that is chunked or has a length above zero", () => {
  assertEquals(ofHead(get("/"), hasBody), false);
  assertEquals(ofHead(get("/", "Content-Length: 0\r\n"), hasBody), false);
  assertEquals(ofHead(get("/", "Content-Length: 1\r\n"), hasBody), true);
  assertEquals(ofHead(get("/", "Transfer-Encoding: chunked\r\n"), hasBody), true);
});

Deno.test("what follows may be no HTTP after CONNECT, and after an upgrade without a body", () => {
  const upgrade = "Connection: upgrade\r\nUpgrade: x\r\n";
  assertEquals(ofHead(get("/"), mayBecomeTunnel), false);
  assertEquals(ofHead(get("/", upgrade), mayBecomeTunnel), true);
  assertEquals(ofHead(get("/", upgrade + "Content-Length: 1\r\n"), mayBecomeTunnel), false);
  assertEquals(ofHead("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", mayBecomeTunnel), true);
});

Deno.test("a request behind a response that is not taken is held, and its connection is not called idle", async () => {
  const deadlines = { keepAliveMs: 1_000, writeStallMs: 5_000 };
  await using http = new MemoryHttp(handler, { deadlines });
  const client = await http.connect();
  client.stopReading();
  client.send(get("/large") + get("/next"));
  await http.settle();
  await http.advance(3_000);
  assertEquals(http.server.stats.requestsTotal, 1);
  client.startReading();
  await http.settle();
  assertEquals(bodiesIn(client.take()), ["large", "/next"]);
  assertEquals(http.server.stats.deadlinesPassed.keepAlive, 0);
  await http.advance(1_100);
  assertEquals([client.end, http.server.stats.deadlinesPassed.keepAlive], ["closed", 1]);
});

Deno.test("a FIN behind a request that is held does not lose it", async () => {
  await using http = new MemoryHttp(handler);
  const client = await http.connect();
  client.keepsOpen = true;
  client.stopReading();
  client.send(get("/large") + get("/2") + get("/3"));
  client.closeWrite();
  await http.settle();
  assertEquals(http.server.stats.requestsTotal, 1);
  client.startReading();
  await http.settle();
  assertEquals(bodiesIn(client.text), ["large", "/2", "/3"]);
  assertEquals(client.end, "closed");
});

Deno.test("a FIN behind requests of which not all may be pipelined loses none, and the last answer says close", async () => {
  const answers: PromiseWithResolvers<Response>[] = [];
  await using http = new MemoryHttp(() => {
    const answer = Promise.withResolvers<Response>();
    answers.push(answer);
    return answer.promise;
  }, { limits: { pipelinedRequestsMax: 2 } });
  const client = await http.connect();
  client.keepsOpen = true;
  client.send(get("/1") + get("/2") + get("/3") + get("/4"));
  client.closeWrite();
  await http.settle();
  assertEquals(answers.length, 2);
  for (let i = 0; i < 4; i++) {
    answers[i]!.resolve(new Reply(`${i}`));
    await http.settle();
  }
  assertEquals(bodiesIn(client.text), ["0", "1", "2", "3"]);
  assertEquals(client.text.toLowerCase().split("connection: close").length, 2);
  assertEquals([
    client.end,
    client.text.toLowerCase().indexOf("connection: close") > client.text.indexOf("\r\n\r\n2"),
  ], [
    "closed",
    true,
  ]);
});

Deno.test("half a head behind a request that is held is dropped with the FIN that cut it", async () => {
  await using http = new MemoryHttp(handler);
  const client = await http.connect();
  client.keepsOpen = true;
  client.stopReading();
  client.send(get("/large") + get("/2") + "GET / HT");
  client.closeWrite();
  await http.settle();
  client.startReading();
  await http.settle();
  assertEquals(bodiesIn(client.text).slice(0, 2), ["large", "/2"]);
  assertEquals(client.end, "closed");
  assertEquals(http.server.stats.requestsTotal, 2);
});

Deno.test("while a request waits for an earlier one the peer is pushed back, not buffered without end", async () => {
  const first = Promise.withResolvers<Response>();
  await using http = new MemoryHttp((request) => pathOf(request) === "/1" ? first.promise : handler(request));
  const client = await http.connect();
  client.send(get("/1") + "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  await http.settle();
  for (let i = 0; i < 10; i++) client.send("x".repeat(100_000));
  await http.settle();
  assertEquals(client.isWritePaused, true);
  first.resolve(new Reply("1"));
  await http.settle();
  assertEquals(bodiesIn(client.text.slice(0, client.text.indexOf("HTTP", 1))), ["1"]);
  assertEquals(http.server.stats.requestsTotal, 2);
});

Deno.test("bytes behind an upgrade that waited for its turn wait for what becomes of it", async () => {
  for (const isTaken of [false, true]) {
    const [first, second] = [Promise.withResolvers<Response>(), Promise.withResolvers<void>()];
    await using http = new MemoryHttp(async (request, info) => {
      if (pathOf(request) !== "/upgrade") return pathOf(request) === "/1" ? first.promise : new Reply("last");
      await second.promise;
      if (!isTaken) return new Reply("declined");
      const { reader, writer } = info.hijack();
      writer.write(await reader.readExactly(4));
      writer.close();
      return new Reply(null);
    });
    const client = await http.connect();
    const following = isTaken ? "1234" : get("/3");
    client.send(get("/1") + get("/upgrade", "Connection: upgrade\r\nUpgrade: x\r\n") + following);
    await http.settle();
    first.resolve(new Reply("1"));
    await http.settle(); // the upgrade is with its handler
    assertEquals(bodiesIn(client.take()), ["1"]);
    second.resolve();
    await http.settle();
    if (isTaken) assertEquals(client.text, "1234");
    else assertEquals(bodiesIn(client.text), ["declined", "last"]);
  }
});

Deno.test("a client that leaves behind a request that waits is heard, and what was in progress ends", async () => {
  for (const isReset of [false, true]) {
    let ended = "not";
    const stream = new ReadableStream({ cancel: () => void (ended = "cancelled") });
    await using http = new MemoryHttp(() => new Reply(stream));
    const client = await http.connect();
    client.send(get("/stream") + "POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await http.settle();
    client.send(get("/more"));
    await http.settle();
    if (isReset) client.abort();
    else client.closeWrite();
    await http.settle();
    assertEquals([ended, http.server.stats.connectionsOpen, http.server.stats.disconnects], [
      "cancelled",
      0,
      1,
    ]);
  }
});

Deno.test("what is read ahead in many pieces is parsed in order, its FIN last", async () => {
  const first = Promise.withResolvers<Response>();
  await using http = new MemoryHttp(
    (request) => pathOf(request) === "/1" ? first.promise : handler(request),
    {
      allowHalfClose: true,
      limits: { pipelinedRequestsMax: 1 },
    },
  );
  const client = await http.connect();
  client.keepsOpen = true;
  client.send(get("/1"));
  const paths = Array.from({ length: 20 }, (_, i) => `/${i + 2}`);
  for (const char of paths.map((path) => get(path)).join("")) {
    client.send(char);
    await http.settle();
  }
  client.closeWrite();
  await http.settle();
  assertEquals(http.server.stats.requestsTotal, 1);
  first.resolve(new Reply("/1"));
  await http.settle();
  assertEquals(bodiesIn(client.text), ["/1", ...paths]);
  assertEquals(client.end, "closed");
});

for (const [when, wait] of [["at once", null], ["later", () => new Promise<void>(setImmediate)]] as const) {
  Deno.test(`behind an upgrade that was declined ${when} the connection is idle: closed after keepAliveMs`, async () => {
    const decline = () => new Reply("declined");
    const deadlines = { keepAliveMs: 1_000 };
    const declining = wait === null ? decline : () => wait().then(decline);
    await using http = new MemoryHttp(declining, { deadlines });
    const upgrade = get("/", "Connection: upgrade\r\nUpgrade: x\r\n");
    const client = await http.connect();
    const other = await http.connect();
    for (const each of [client, other]) {
      each.send(upgrade);
      await http.settle();
      assertEquals(bodiesIn(each.take()), ["declined"]);
    }
    other.send(get("/"));
    await http.settle();
    assertEquals(bodiesIn(other.take()), ["declined"]);
    await http.advance(1_100);
    assertEquals([client.end, other.end, http.server.stats.deadlinesPassed.keepAlive], [
      "closed",
      "closed",
      2,
    ]);
  });

  Deno.test(`behind an upgrade that was declined ${when} the connection is idle: closed by a shutdown and by a FIN`, async () => {
    const decline = () => new Reply("declined");
    await using http = new MemoryHttp(wait === null ? decline : () => wait().then(decline));
    const clients = [await http.connect(), await http.connect()];
    for (const client of clients) {
      client.keepsOpen = true;
      client.send(get("/", "Connection: upgrade\r\nUpgrade: x\r\n"));
      await http.settle();
    }
    clients[0]!.closeWrite();
    await http.settle();
    assertEquals(clients[0]!.end, "closed");
    const report = http.server.shutdown();
    await http.settle();
    assertEquals([clients[1]!.hasEnded, clients[1]!.end], [true, "open"]);
    await http.advance(400); // It does not close: the server does, when it has lingered.
    assertEquals([(await report).idle, http.server.stats.connectionsOpen], [1, 0]);
  });
}

/** Requests behind which nothing is answered any more, while a handler works on the first. */
const LAST_REQUESTS: Readonly<Record<string, string>> = {
  "a closing request": get("/", "Connection: close\r\n"),
  "a malformed one": get("/") + "nonsense\r\n\r\n",
};

for (const [what, text] of Object.entries(LAST_REQUESTS)) {
  Deno.test(`who floods behind ${what} is pushed back, and gets the answer`, async () => {
    const answer = Promise.withResolvers<Response>();
    await using http = new MemoryHttp(() => answer.promise);
    const client = await http.connect();
    client.send(text);
    await http.settle();
    for (let i = 0; i < 64; i++) {
      client.send("x".repeat(16 * 1024));
      await http.settle();
    }
    assert(
      http.server.stats.bytesReceived < 128 * 1024,
      `${http.server.stats.bytesReceived} bytes were read`,
    );
    answer.resolve(new Reply("late"));
    await http.settle();
    assertEquals(bodiesIn(client.text)[0], "late");
    await http.advance(3_000);
    assertEquals(http.server.stats.connectionsOpen, 0);
  });
}
