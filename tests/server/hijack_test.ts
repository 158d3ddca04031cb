import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import type { HijackedConnection, ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";

const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
const ignored = new Reply("ignored");

/** Sends back what comes until the peer ends, then closes. */
async function echo({ reader, writer }: HijackedConnection): Promise<Response> {
  writer.writeText("go\n");
  for (;;) {
    const bytes = await reader.read(1024);
    if (bytes.length === 0) break;
    writer.write(bytes);
  }
  writer.writeText("bye");
  writer.close();
  return ignored;
}

const echoing = (_request: Request, info: ServeInfo) => echo(info.hijack());

/** Hijacks only when `go` resolves. */
function later() {
  const go = Promise.withResolvers<void>();
  const handler = async (_request: Request, info: ServeInfo) => {
    await go.promise;
    return echo(info.hijack());
  };
  return { go, handler };
}

Deno.test("the bytes are the handler's: none is added, what it returns is not sent, and it closes", async () => {
  for (const head of [UPGRADE, CONNECT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"]) {
    await using http = new MemoryHttp(echoing);
    const client = await http.connect();
    client.keepsOpen = true;
    client.send(head);
    await http.settle();
    assertEquals(client.take(), "go\n");
    client.send("GET / HTTP/1.1\r\n\r\n");
    await http.settle();
    assertEquals(client.take(), "GET / HTTP/1.1\r\n\r\n");
    client.closeWrite();
    await http.settle();
    assertEquals([client.text, client.end], ["bye", "closed"]);
    const { hijacked, requestsActive, connectionsOpen, handlerErrors, peerErrors } = http.server.stats;
    assertEquals([hijacked, requestsActive, connectionsOpen, handlerErrors, peerErrors], [1, 0, 0, 0, {}]);
  }
});

Deno.test("bytes behind the head come first, whether they came with it, before or after the hijack", async () => {
  for (const head of [UPGRADE, CONNECT, CONNECT.replace("1.1", "1.0")]) {
    for (const at of [head.length - 1, head.length, head.length + 2]) {
      const { go, handler } = later();
      await using http = new MemoryHttp(handler);
      const client = await http.connect();
      const stream = head + "1234";
      client.send(stream.slice(0, at));
      await http.settle();
      client.send(stream.slice(at));
      await http.settle();
      go.resolve();
      await http.settle();
      client.send("5678");
      await http.settle();
      assertEquals(client.text, "go\n12345678", `split at ${at} of ${head}`);
    }
    await using http = new MemoryHttp(echoing);
    assertEquals(await http.exchange(head + "1234"), "go\n1234");
  }
});

Deno.test("bytes behind the head come although it lay behind a request that was answered later", async () => {
  for (const isEnding of [false, true]) {
    const first = Promise.withResolvers<Response>();
    await using http = new MemoryHttp((request, info) => {
      if (request.headers.has("upgrade")) return echo(info.hijack());
      return request.method === "GET" ? first.promise : new Reply("two");
    }, { allowHalfClose: true });
    const client = await http.connect();
    client.keepsOpen = true;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\n" + UPGRADE + "1234");
    if (isEnding) client.closeWrite();
    await http.settle();
    first.resolve(new Reply("one"));
    await http.settle();
    if (!isEnding) client.closeWrite();
    await http.settle();
    const text = client.text.slice(client.text.indexOf("two") + "two".length);
    assertEquals([text, client.end], ["go\n1234bye", "closed"]);
  }
});

Deno.test("more bytes behind the head than the kernel holds push the peer back and are not lost", async () => {
  const { go, handler } = later();
  await using http = new MemoryHttp(handler);
  const client = await http.connect();
  client.send(UPGRADE);
  const sent = "0123456789".repeat(100_000);
  client.send(sent);
  await http.settle();
  assert(client.isWritePaused);
  go.resolve();
  await http.settle();
  assert(client.text === "go\n" + sent, `${client.text.length} bytes came back`);
});

Deno.test("a peer that ended before the hijack is at its end for the reader, too", async () => {
  for (const sent of ["1234", ""]) {
    const { go, handler } = later();
    await using http = new MemoryHttp(handler, { allowHalfClose: true });
    const client = await http.connect();
    client.keepsOpen = true;
    client.send(UPGRADE + sent);
    client.closeWrite();
    await http.settle();
    go.resolve();
    await http.settle();
    assertEquals([client.text, client.end], [`go\n${sent}bye`, "closed"]);
    assertEquals(http.server.stats.connectionsOpen, 0);
  }
});

Deno.test("a peer that resets fails the reader, rejects completed and aborts disconnected", async () => {
  let info: ServeInfo | null = null;
  let failure: unknown = null;
  let completed = "pending";
  await using http = new MemoryHttp(async (_request, given) => {
    info = given;
    given.completed.then(() => completed = "resolved", () => completed = "rejected");
    const { reader } = given.hijack();
    await reader.read(1).catch((error) => failure = error);
    return ignored;
  });
  const client = await http.connect();
  client.send(UPGRADE);
  await http.settle();
  client.abort();
  await http.settle();
  assertInstanceOf(failure, Error);
  assertEquals([completed, info!.disconnected.aborted, http.server.stats.connectionsOpen], [
    "rejected",
    true,
    0,
  ]);
});

Deno.test("completed resolves when the handler has closed the connection", async () => {
  let completed = "pending";
  await using http = new MemoryHttp((_request, info) => {
    info.completed.then(() => completed = "resolved", () => completed = "rejected");
    const { writer } = info.hijack();
    writer.writeText("x");
    writer.close();
    return ignored;
  });
  assertEquals(await http.exchange(UPGRADE), "x");
  assertEquals(completed, "resolved");
});

Deno.test("the server's deadlines do not touch a connection that was taken over", async () => {
  const deadlines = { keepAliveMs: 100, handlerMs: 100, totalMs: 100, firstByteMs: 100, writeStallMs: 100 };
  await using http = new MemoryHttp(echoing, { deadlines });
  const client = await http.connect();
  client.send(UPGRADE);
  await http.advance(60_000);
  client.send("still here");
  await http.settle();
  assertEquals([client.text, client.end], ["go\nstill here", "open"]);
});

Deno.test("it can be done once, and not for a request with a body, with others in progress, or answered", async () => {
  const failures: string[] = [];
  let kept: ServeInfo | null = null;
  const refuse = (info: ServeInfo) => {
    try {
      info.hijack();
      failures.push("none");
    } catch (error) {
      failures.push((error as Error).name);
    }
  };
  await using http = new MemoryHttp((request, info) => {
    const path = new URL(request.url).pathname;
    kept = info;
    if (path === "/slow") return new Promise<Response>(() => {});
    if (path === "/twice") {
      const { writer } = info.hijack();
      refuse(info);
      writer.close();
      return ignored;
    }
    if (path !== "/plain") refuse(info);
    return new Reply("served");
  });
  assertEquals(await http.exchange("GET /twice HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  const post = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
  assertEquals(parseResponse(await http.exchange(post)).body, "served");
  await http.exchange("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /behind HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals(parseResponse(await http.exchange("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
  refuse(kept!);
  assertEquals(failures, ["TypeError", "TypeError", "TypeError", "TypeError"]);
  assertEquals(http.server.stats.hijacked, 1);
});

Deno.test("a handler that throws after the hijack is told to onError's report, and nothing is written for it", async () => {
  const boom = new Error("boom");
  await using http = new MemoryHttp((_request, info) => {
    info.hijack().writer.writeText("raw");
    throw boom;
  });
  const client = await http.connect();
  client.send(UPGRADE);
  await http.settle();
  assertEquals([client.text, http.errors], ["raw", [boom]]);
});

Deno.test("an upgrade that is not taken up is answered, and the connection goes on with HTTP", async () => {
  await using http = new MemoryHttp(() => new Reply("plain"));
  const client = await http.connect();
  client.send(UPGRADE + UPGRADE);
  await http.settle();
  const first = parseResponse(client.text);
  assertEquals([first.body, parseResponse(first.rest).body, client.end], ["plain", "plain", "open"]);
});

Deno.test("a shutdown tells the handler, waits for it, and cuts it when its time is over", async () => {
  let wasTold = false;
  let failure: unknown = null;
  await using http = new MemoryHttp(async (_request, info) => {
    info.draining.addEventListener("abort", () => wasTold = true);
    const { reader } = info.hijack();
    await assertRejects(() => reader.read(1)).then((error) => failure = error);
    return ignored;
  });
  const client = await http.connect();
  client.send(UPGRADE);
  await http.settle();
  const report = http.server.shutdown({ graceMs: 1_000 });
  await http.advance(900);
  assertEquals([wasTold, client.end], [true, "open"]);
  await http.advance(200);
  assertEquals([client.end, (await report).cut], ["reset", 1]);
  assertInstanceOf(failure, Error);
});

Deno.test("the streams have the connection's addresses and their own deadlines", async () => {
  let line = "";
  await using http = new MemoryHttp(async (_request, info) => {
    const { reader, writer } = info.hijack();
    assertEquals(writer.remoteAddr, info.remoteAddr);
    await reader.read(1, { timeoutMs: 1_000 }).catch((error) => line = error.message);
    writer.close();
    return ignored;
  });
  const client = await http.connect();
  client.send(UPGRADE);
  await http.advance(1_100);
  assertStringIncludes(line, "Cannot read");
  assertEquals(client.end, "closed");
});

for (const end of ["reset", "closed"] as const) {
  Deno.test(`a response before the hijack that waits for its reader is told its end with the connection's: ${end}`, async () => {
    let before: ServeInfo | null = null;
    const go = Promise.withResolvers<void>();
    await using http = new MemoryHttp(async (request, info) => {
      if (new URL(request.url).pathname === "/large") {
        before = info;
        return new Reply("x".repeat(60_000));
      }
      await go.promise;
      const { writer } = info.hijack();
      writer.writeText("mine");
      writer.close();
      return ignored;
    });
    const client = await http.connect();
    client.stopReading();
    for (const path of ["/large", "/large", "/taken"]) {
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await http.settle();
    }
    let outcome = "waits";
    before!.completed.then(() => outcome = "closed", () => outcome = "reset");
    go.resolve();
    await http.settle();
    assertEquals([outcome, http.server.stats.hijacked], ["waits", 1]);
    if (end === "reset") client.abort();
    else client.startReading();
    await http.settle();
    assertEquals([outcome, client.text.endsWith("mine")], [end, end === "closed"]);
  });
}
