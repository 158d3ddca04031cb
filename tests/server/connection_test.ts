import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { DeadlineExceededError } from "../../io/errors.ts";
import type { BodyWriter } from "../../server/body_writer.ts";
import type { ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const hello = () => new Reply("hello");
const never = () => new Promise<Response>(() => {});

Deno.test("a request is answered on a connection that stays open for the next", async () => {
  await using http = new MemoryHttp(hello);
  const client = await http.connect();
  for (let i = 0; i < 3; i++) {
    client.send(GET);
    await http.settle();
    const response = parseResponse(client.take());
    assertEquals([response.status, response.body, response.rest], [200, "hello", ""]);
    assertEquals(response.headers.get("content-length"), "5");
    assertEquals(response.headers.get("connection"), null);
    assertEquals(response.headers.get("date"), "Thu, 01 Jan 2026 00:00:00 GMT");
  }
  assertEquals(client.end, "open");
  assertEquals(http.server.stats.connectionsTotal, 1);
  assertEquals(http.server.stats.requestsTotal, 3);
});

Deno.test("a client that asks for the connection to be closed gets its answer and a close", async () => {
  await using http = new MemoryHttp(hello);
  const client = await http.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await http.settle();
  assertEquals(parseResponse(client.text).headers.get("connection"), "close");
  assertEquals(client.end, "closed");
});

Deno.test("bytes after a closing request are ignored, not answered, and the answer can still be read", async () => {
  await using http = new MemoryHttp(hello);
  const client = await http.connect();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET + "garbage");
  await http.settle();
  assertEquals(parseResponse(client.text).rest, "");
  assertEquals(client.end, "closed");
});

Deno.test("whoever sends no request at all is closed after firstByteMs, and others are not", async () => {
  await using http = new MemoryHttp(hello, { deadlines: { firstByteMs: 1_000 } });
  const idle = await http.connect();
  await http.advance(900);
  const other = await http.connect();
  await http.advance(200);
  assertEquals([idle.end, other.end], ["closed", "open"]);
  assertEquals(idle.text, "");
  assertEquals(http.server.stats.deadlinesPassed.firstByte, 1);
});

Deno.test("a head that does not arrive whole within headMs is answered 408, however often bytes come", async () => {
  await using http = new MemoryHttp(hello, { deadlines: { headMs: 1_000 } });
  const slow = await http.connect();
  slow.send("GET / HTTP/1.1\r\n");
  for (let i = 0; i < 5; i++) {
    await http.advance(180);
    slow.send(`X-${i}: y\r\n`);
    await http.settle();
  }
  assertEquals(slow.text, "");
  await http.advance(200);
  const response = parseResponse(slow.text);
  assertEquals([response.status, response.headers.get("connection")], [408, "close"]);
  assertEquals(slow.end, "closed");
  assertEquals(http.server.stats.deadlinesPassed.head, 1);
  assertEquals(parseResponse(await http.exchange(GET)).status, 200);
});

Deno.test("a kept connection without a next request is closed after keepAliveMs", async () => {
  await using http = new MemoryHttp(hello, { deadlines: { keepAliveMs: 1_000, firstByteMs: 100 } });
  const client = await http.connect();
  client.send(GET);
  await http.advance(900);
  client.send(GET);
  await http.advance(900);
  assertEquals(client.end, "open");
  await http.advance(200);
  assertEquals(client.end, "closed");
  assertEquals(http.server.stats.deadlinesPassed.keepAlive, 1);
});

Deno.test("a body that stalls is answered 408 after bodyIdleMs, and the handler's read fails", async () => {
  let failure: unknown;
  await using http = new MemoryHttp(async (request) => {
    await request.text().catch((error) => failure = error);
    return new Reply("too late");
  }, { deadlines: { bodyIdleMs: 1_000, bodyBytesPerSecondMin: null } });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  await http.advance(900);
  client.send("4");
  await http.advance(900);
  assertEquals(client.text, "");
  await http.advance(200);
  const response = parseResponse(client.text);
  assertEquals([response.status, response.rest, client.end], [408, "", "closed"]);
  assertInstanceOf(failure, DeadlineExceededError);
  assertEquals(http.server.stats.deadlinesPassed.bodyIdle, 1);
});

Deno.test("a body that drips below the minimum rate is answered 408, one at the rate goes through", async () => {
  await using http = new MemoryHttp(async (request) => new Reply(await request.text()), {
    deadlines: { bodyBytesPerSecondMin: 10, bodyIdleMs: null },
  });
  const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 120\r\n\r\n";
  const drip = await http.connect();
  const flow = await http.connect();
  drip.send(post);
  flow.send(post);
  for (let i = 0; i < 12; i++) {
    drip.send("x");
    flow.send("y".repeat(10));
    await http.advance(1_000);
  }
  assertEquals(parseResponse(drip.text).status, 408);
  assertEquals(parseResponse(flow.text).body, "y".repeat(120));
  assertEquals(http.server.stats.deadlinesPassed.bodyRate, 1);
});

Deno.test("a handler that does not answer within handlerMs is answered for with 503, and hears of it", async () => {
  let reason: unknown;
  await using http = new MemoryHttp((_request, info) => {
    info.disconnected.addEventListener("abort", () => reason = info.disconnected.reason);
    return never();
  }, { deadlines: { handlerMs: 1_000 } });
  const client = await http.connect();
  client.send(GET);
  await http.advance(900);
  assertEquals(client.text, "");
  await http.advance(200);
  const response = parseResponse(client.text);
  assertEquals([response.status, response.headers.get("connection"), client.end], [503, "close", "closed"]);
  assertInstanceOf(reason, DeadlineExceededError);
  assertEquals(http.server.stats.deadlinesPassed.handler, 1);
});

Deno.test("a reader that takes nothing for writeStallMs is reset, one that takes something is not", async () => {
  const megabyte = new Uint8Array(1024 * 1024);
  await using http = new MemoryHttp(() => new Reply(megabyte), { deadlines: { writeStallMs: 1_000 } });
  const stalled = await http.connect();
  const slow = await http.connect();
  for (const client of [stalled, slow]) {
    client.stopReading();
    client.send(GET);
  }
  await http.settle();
  for (let i = 0; i < 6; i++) {
    await http.advance(500);
    slow.startReading();
    await new Promise((resolve) => setImmediate(resolve));
    slow.stopReading();
  }
  stalled.startReading();
  await http.settle();
  assertEquals([stalled.end, slow.end], ["reset", "open"]);
  assertEquals(http.server.stats.deadlinesPassed.writeStall, 1);
});

Deno.test("a request that is not complete within totalMs is cut, also while it streams", async () => {
  await using http = new MemoryHttp(() => new Response(new ReadableStream()), {
    deadlines: { totalMs: 1_000 },
  });
  const client = await http.connect();
  client.send(GET);
  await http.advance(900);
  assertStringIncludes(client.text, "200 OK");
  assertEquals(client.end, "open");
  await http.advance(200);
  assertEquals(client.end, "reset");
  assertEquals(http.server.stats.deadlinesPassed.total, 1);
});

Deno.test("a client that does not close after the last answer is closed after lingerMs", async () => {
  await using http = new MemoryHttp(hello, { deadlines: { lingerMs: 1_000 } });
  const client = await http.connect();
  client.keepsOpen = true;
  client.send("nonsense\r\n\r\n");
  await http.settle();
  assertEquals(parseResponse(client.text).status, 400);
  assert(client.hasEnded);
  client.send("and more of it");
  await http.advance(900);
  assertEquals(client.end, "open");
  assertEquals(http.server.stats.connectionsOpen, 1);
  await http.advance(200);
  assertEquals(http.server.stats.connectionsOpen, 0);
  assertEquals(http.server.stats.deadlinesPassed.linger, 1);
});

Deno.test("a client that reads the last answer late still gets its end: lingering begins when all is sent", async () => {
  let writer: BodyWriter | null = null;
  const handler = () => new Reply({ start: (given) => void (writer = given) });
  const options = { deadlines: { lingerMs: 1_000 }, limits: { requestsPerConnectionMax: 1 } };
  await using http = new MemoryHttp(handler, options);
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  client.stopReading();
  const piece = new Uint8Array(16 * 1024);
  while (!writer!.isPaused) {
    writer!.write(piece);
    await http.settle();
  }
  writer!.end();
  await http.advance(10_000);
  client.startReading();
  await http.settle();
  assert(client.text.endsWith("\r\n0\r\n\r\n"));
  assertEquals([client.end, http.server.stats.deadlinesPassed.linger], ["closed", 0]);
});

Deno.test("a client that goes on sending after the last answer is closed at lingerBytesMax", async () => {
  await using http = new MemoryHttp(hello, { limits: { lingerBytesMax: 1_000 } });
  const client = await http.connect();
  client.keepsOpen = true;
  client.send("nonsense\r\n\r\n");
  await http.settle();
  client.send("x".repeat(900));
  await http.settle();
  assertEquals(http.server.stats.connectionsOpen, 1);
  client.send("x".repeat(200));
  await http.settle();
  assertEquals(http.server.stats.connectionsOpen, 0);
  assertEquals(http.server.stats.limitsReached.lingerBytes, 1);
});

Deno.test("every deadline can be switched off", async () => {
  await using http = new MemoryHttp(never, {
    deadlines: {
      preludeMs: null,
      firstByteMs: null,
      headMs: null,
      bodyIdleMs: null,
      bodyBytesPerSecondMin: null,
      handlerMs: null,
      writeStallMs: null,
      keepAliveMs: null,
      totalMs: null,
    },
  });
  const clients = [await http.connect(), await http.connect(), await http.connect(), await http.connect()];
  clients[1]!.send("GET / HT");
  clients[2]!.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1");
  clients[3]!.send(GET);
  await http.advance(86_400_000);
  assertEquals(clients.map(({ end, text }) => end + text), ["open", "open", "open", "open"]);
});

Deno.test("a second connection from an address above connectionsPerAddressMax is reset, and may come later", async () => {
  await using http = new MemoryHttp(hello, { limits: { connectionsPerAddressMax: 1 } });
  const first = await http.connect();
  const second = await http.connect();
  assertEquals([first.end, second.end], ["open", "reset"]);
  assertEquals(http.server.stats.connectionsRefusedByAddress, 1);
  first.abort();
  await http.settle();
  const third = await http.connect();
  third.send(GET);
  await http.settle();
  assertEquals(parseResponse(third.text).status, 200);
});

Deno.test("a connection above connectionsMax is closed on arrival and counted", async () => {
  await using http = new MemoryHttp(hello, { limits: { connectionsMax: 1 } });
  const { stats } = http.server; // a live view, also of what the listener counts
  const first = await http.connect();
  const second = await http.connect();
  assertEquals([first.end, second.end === "open"], ["open", false]);
  assertEquals(stats.connectionsRefused, 1);
});

Deno.test("a producer that ignores its pause is cut at bufferedBytesMax, and the others go on", async () => {
  await using http = new MemoryHttp(
    (request) =>
      new URL(request.url).pathname === "/" ? new Reply("fine") : new Reply({
        start(writer) {
          for (let i = 0; i < 1_000 && !writer.isClosed; i++) writer.write(new Uint8Array(1_000));
        },
      }),
    { limits: { bufferedBytesMax: 200_000 } },
  );
  const client = await http.connect();
  client.stopReading();
  client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.settle();
  client.startReading();
  await http.settle();
  assertEquals(client.end, "reset");
  assertEquals(http.server.stats.limitsReached.bufferedBytes, 1);
  assertEquals(parseResponse(await http.exchange(GET)).body, "fine");
});

Deno.test("a body whose one write passes bufferedBytesMax may be ended without waiting, whoever writes it", async () => {
  const size = 300_000;
  const big = new Uint8Array(size).fill(120);
  await using http = new MemoryHttp(
    (request) =>
      new URL(request.url).pathname === "/stream"
        ? new Reply(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(big);
              controller.close();
            },
          }, { highWaterMark: 0 }),
          { headers: { "content-type": "text/event-stream" } },
        )
        : new Reply({
          start(writer) {
            writer.write(big);
            writer.end();
          },
        }),
    { limits: { bufferedBytesMax: 200_000 } },
  );
  for (const path of ["/producer", "/stream"]) {
    const response = parseResponse(await http.exchange(GET.replace("/", path)));
    assertEquals([response.headers.get("transfer-encoding"), response.body.length], ["chunked", size], path);
  }
  assertEquals(http.server.stats.limitsReached.bufferedBytes, 0);
});

Deno.test("above bufferedBytesTotalMax the connection that stalled longest is cut first", async () => {
  // Each writes 256 KiB at once, of which the network takes 64 KiB.
  const body = new Uint8Array(256 * 1024);
  await using http = new MemoryHttp(() => new Reply(body), { limits: { bufferedBytesTotalMax: 700_000 } });
  const clients = [];
  for (let i = 0; i < 4; i++) {
    const client = await http.connect();
    clients.push(client);
    client.stopReading();
    client.send(GET);
    await http.advance(10);
  }
  for (const client of clients) client.startReading();
  await http.settle();
  assertEquals(clients.map(({ end }) => end), ["reset", "open", "open", "open"]);
  assertEquals(http.server.stats.limitsReached.bufferedBytesTotal, 1);
});

Deno.test("a client that leaves while the handler works aborts info.disconnected and request.signal", async () => {
  const seen: string[] = [];
  await using http = new MemoryHttp((request, info) => {
    request.signal.addEventListener("abort", () => seen.push("signal"));
    info.disconnected.addEventListener("abort", () => seen.push("disconnected"));
    info.draining.addEventListener("abort", () => seen.push("draining"));
    info.completed.catch(() => seen.push("completed rejects"));
    return never();
  });
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  client.abort();
  await http.settle();
  assertEquals(seen.sort(), ["completed rejects", "disconnected", "signal"]);
  assertEquals(http.server.stats.disconnects, 1);
});

Deno.test("no signal aborts after a normal end, and completed resolves when the response is sent", async () => {
  const seen: string[] = [];
  let kept: ServeInfo | null = null;
  await using http = new MemoryHttp((request, info) => {
    kept = info;
    request.signal.addEventListener("abort", () => seen.push("signal"));
    info.disconnected.addEventListener("abort", () => seen.push("disconnected"));
    info.completed.then(() => seen.push("completed"), () => seen.push("rejected"));
    return new Reply("hello");
  });
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  assertEquals(seen, ["completed"]);
  client.abort();
  await http.settle();
  assertEquals(seen, ["completed"]);
  await kept!.completed; // Asked late: still resolves.
  assertEquals(kept!.disconnected.aborted, false);
});

Deno.test("completed waits for a reader that takes its time", async () => {
  const seen: string[] = [];
  await using http = new MemoryHttp((_request, info) => {
    info.completed.then(() => seen.push("completed"), () => seen.push("rejected"));
    return new Reply("x".repeat(300_000));
  });
  const client = await http.connect();
  client.stopReading();
  client.send(GET);
  await http.settle();
  assertEquals(seen, []);
  client.startReading();
  await http.settle();
  assertEquals(seen, ["completed"]);
  assertEquals(parseResponse(client.text).body.length, 300_000);
});

Deno.test("a FIN before the answer aborts disconnected, but a whole response is still sent", async () => {
  const answer = Promise.withResolvers<Response>();
  let isGone = false;
  await using http = new MemoryHttp((_request, info) => {
    info.disconnected.addEventListener("abort", () => isGone = true);
    return answer.promise;
  });
  const client = await http.connect();
  client.send(GET);
  client.closeWrite();
  await http.settle();
  assert(isGone);
  answer.resolve(new Reply("late"));
  await http.settle();
  assertEquals(parseResponse(client.text).body, "late");
  assertEquals(client.end, "closed");
});

Deno.test("a FIN during a streamed response cuts it, unless allowHalfClose", async () => {
  for (const allowHalfClose of [false, true]) {
    let isCancelled = false;
    let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
    await using http = new MemoryHttp(() =>
      new Response(
        new ReadableStream({
          start(c) {
            controller = c;
            c.enqueue(new TextEncoder().encode("one"));
          },
          cancel() {
            isCancelled = true;
          },
        }),
      ), { allowHalfClose });
    const client = await http.connect();
    client.send(GET);
    await http.settle();
    client.closeWrite();
    await http.settle();
    assertEquals(isCancelled, !allowHalfClose);
    if (!allowHalfClose) {
      assertEquals(client.end, "reset");
      continue;
    }
    controller!.enqueue(new TextEncoder().encode("two"));
    controller!.close();
    await http.settle();
    assertEquals(parseResponse(client.text).body, "onetwo");
    assertEquals(client.end, "closed");
  }
});

Deno.test("a request that crosses the end of an idle connection is dropped without a reset, and the connection closed after lingerMs", async () => {
  let requests = 0;
  const deadlines = { firstByteMs: 1_000, keepAliveMs: 1_000, lingerMs: 500 };
  await using http = new MemoryHttp(() => new Reply(`${++requests}`), { deadlines });
  const clients = [await http.connect(), await http.connect()];
  for (const client of clients) client.keepsOpen = true;
  clients[0]!.send(GET);
  await http.settle();
  await http.advance(1_100);
  for (const client of clients) {
    assertEquals([client.hasEnded, client.end], [true, "open"]);
    client.send(GET);
  }
  await http.advance(300);
  assertEquals(http.server.stats.connectionsOpen, 2);
  await http.advance(300);
  assertEquals([http.server.stats.connectionsOpen, ...clients.map(({ end }) => end)], [0, "open", "open"]);
  const { firstByte, keepAlive } = http.server.stats.deadlinesPassed;
  assertEquals([requests, firstByte, keepAlive], [1, 1, 1]);
});
