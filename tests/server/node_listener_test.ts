/** Handlers as listeners of `node:http`, seen by real clients over real sockets. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { createServer, type Server } from "node:http";
import { UnsupportedError } from "../../io/errors.ts";
import type { BodyProducer, BodyWriter } from "../../server/body_writer.ts";
import type { Handler, ServeInfo } from "../../server/handler.ts";
import { type NodeListenerOptions, toNodeListener } from "../../server/node_listener.ts";
import { Reply } from "../../server/reply.ts";
import { Router } from "../../server/router.ts";
import { decodeEvents } from "../../server/sse/decode.ts";
import { sse } from "../../server/sse/sse.ts";
import { RawClient } from "../support/raw_client.ts";

interface Host extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly errors: unknown[];
}

async function host(handler: Handler, options: NodeListenerOptions = {}): Promise<Host> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => {
    errors.push(error);
    return new Reply("made by onError", { status: 500 });
  };
  return { ...await listening(createServer(toNodeListener(handler, { onError, ...options }))), errors };
}

async function listening(server: Server): Promise<Omit<Host, "errors">> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

async function ask(port: number, request: string): Promise<string> {
  using client = await RawClient.connect({ port });
  await client.send(request);
  return await client.readToEnd();
}

/** Deno's `node:http` drops reason phrases and interim responses. */
const IS_DENO = /^Deno\//.test(navigator.userAgent);

const CLOSING = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

Deno.test("text, bytes and web responses go out whole, with their length and their fields", async () => {
  const router = new Router()
    .get("/text", () => new Reply("größer", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] }))
    .get("/bytes", () => new Reply(new Uint8Array(3), { status: 201, statusText: "Made" }))
    .get("/web", () => new Response("web", { headers: { connection: "close", "keep-alive": "x" } }))
    .get("/large", () => new Reply(new Uint8Array(1_000_000)));
  await using server = await host(router.handler);
  const text = await fetch(`${server.url}/text`);
  assertEquals([text.headers.get("content-length"), await text.text()], ["8", "größer"]);
  assertEquals(text.headers.getSetCookie(), ["a=1", "b=2"]);
  const bytes = await fetch(`${server.url}/bytes`);
  assertEquals([bytes.status, (await bytes.bytes()).length], [201, 3]);
  assertEquals(bytes.statusText, IS_DENO ? "Created" : "Made");
  const web = await ask(server.port, `GET /web ${CLOSING}`);
  assertStringIncludes(web.toLowerCase(), "content-length: 3\r\n");
  assert(web.endsWith("\r\n\r\nweb") && !web.includes("keep-alive: x"));
  const large = await fetch(`${server.url}/large`);
  assertEquals([large.headers.get("content-length"), (await large.bytes()).length], ["1000000", 1_000_000]);
});

Deno.test("a request has its URL, fields, body and addresses", async () => {
  const seen = Promise.withResolvers<ServeInfo>();
  await using server = await host(async (request, info) => {
    seen.resolve(info);
    assertInstanceOf(request, Request);
    return Reply.json([request.method, request.url, request.headers.get("x-a"), await request.text()]);
  });
  const response = await fetch(`${server.url}/a?b=c`, {
    method: "PUT",
    headers: [["x-a", "1"], ["x-a", "2"]],
    body: "content",
  });
  assertEquals(await response.json(), ["PUT", `${server.url}/a?b=c`, "1, 2", "content"]);
  const { localAddr, remoteAddr, params, draining, trailers } = await seen.promise;
  assertEquals(localAddr, { transport: "tcp", hostname: "127.0.0.1", port: server.port });
  assertEquals([remoteAddr.transport, params, draining.aborted], ["tcp", {}, false]);
  assertEquals([...await trailers], []);
});

Deno.test("HEAD, 204 and 304 have no body, and a producer is not started for them", async () => {
  const closed: string[] = [];
  const producer = (name: string): BodyProducer => ({
    start: () => void closed.push(`started ${name}`),
    onClosed: () => closed.push(name),
    length: 7,
  });
  await using server = await host((request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/304") return new Response(null, { status: 304, headers: { etag: '"e"' } });
    if (pathname === "/204") return new Reply(null, { status: 204 });
    return new Reply(producer(pathname));
  });
  const head = await ask(server.port, `HEAD /stream ${CLOSING}`);
  assertStringIncludes(head.toLowerCase(), "content-length: 7\r\n");
  assert(head.endsWith("\r\n\r\n"));
  for (const status of ["204", "304"]) {
    const text = await ask(server.port, `GET /${status} ${CLOSING}`);
    assert(text.startsWith(`HTTP/1.1 ${status}`) && text.endsWith("\r\n\r\n"), text);
  }
  assertEquals(closed, ["/stream"]);
});

Deno.test("a producer is told to pause by a reader that does not read, and goes on when it does", async () => {
  const TOTAL = 32 * 1024 * 1024;
  const isPaused = Promise.withResolvers<void>();
  let most = 0;
  await using server = await host(() =>
    new Reply({
      async start(writer: BodyWriter) {
        const piece = new Uint8Array(64 * 1024);
        for (let sent = 0; sent < TOTAL; sent += piece.length) {
          writer.write(piece);
          most = Math.max(most, writer.bufferedBytes);
          if (writer.isPaused) {
            isPaused.resolve();
            await writer.drain();
          }
        }
        writer.end();
      },
    })
  );
  const response = await fetch(server.url);
  await isPaused.promise;
  assertEquals((await response.bytes()).length, TOTAL);
  assert(most < 1024 * 1024, `${most} bytes waited`);
});

Deno.test("a client that leaves is heard of by signal, producer and promise", async () => {
  const closed = Promise.withResolvers<Error | null>();
  const infos = Promise.withResolvers<ServeInfo>();
  await using server = await host((_request, info) => {
    infos.resolve(info);
    return new Reply({ start: (writer) => writer.writeText("begun"), onClosed: closed.resolve });
  });
  {
    using client = await RawClient.connect({ port: server.port });
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("begun");
  }
  assertInstanceOf(await closed.promise, Error);
  const info = await infos.promise;
  assert(info.disconnected.aborted);
  await assertRejects(() => info.completed, Error, "reset");
});

Deno.test("a body that fails after its head never looks complete, framed or not", async () => {
  await using server = await host((request) =>
    new Reply({
      start(writer) {
        writer.writeText("part");
        throw new TypeError(`on purpose at ${new URL(request.url).pathname}`);
      },
    })
  );
  for (const path of ["/a", "/b"]) {
    await assertRejects(async () => await (await fetch(server.url + path)).text());
  }
  assertEquals(server.errors.map(String), [
    "TypeError: on purpose at /a",
    "TypeError: on purpose at /b",
  ]);
});

Deno.test("a body shorter or longer than it promised breaks the connection", async () => {
  await using server = await host(() =>
    new Reply({ length: 10, start: (writer) => (writer.writeText("short"), writer.end()) })
  );
  await assertRejects(async () => await (await fetch(server.url)).text());
  assertStringIncludes(String(server.errors[0]), "Content-Length is 10");
});

Deno.test("what a handler throws goes to onError, and to `next` when there is none", async () => {
  const fail: Handler = () => Promise.reject(new TypeError("on purpose"));
  await using server = await host(fail);
  const response = await fetch(server.url);
  assertEquals([response.status, await response.text()], [500, "made by onError"]);
  const listener = toNodeListener(fail);
  await using other = await listening(createServer((request, answer) => {
    listener(request, answer, (error) => answer.end(`next: ${error}`));
  }));
  assertEquals(await (await fetch(other.url)).text(), "next: TypeError: on purpose");
});

Deno.test("a body over the limit is refused by its length, or fails its reader", async () => {
  await using server = await host(async (request) => {
    try {
      return new Reply(await request.text());
    } catch (error) {
      return new Reply(`${(error as { code?: string }).code}`);
    }
  }, { bodyBytesMax: 4 });
  const declared = await fetch(server.url, { method: "POST", body: "12345" });
  assertEquals(declared.status, 413);
  await declared.body?.cancel();
  const counted = await ask(
    server.port,
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
  );
  assertStringIncludes(counted, "\r\n\r\nSLUICE_BODY_TOO_LARGE");
  assertEquals(await (await fetch(server.url, { method: "POST", body: "1234" })).text(), "1234");
});

Deno.test("event streams arrive event by event", async () => {
  const mayGoOn = Promise.withResolvers<void>();
  await using server = await host(sse(async function* () {
    yield { data: 1 };
    await mayGoOn.promise;
    yield { data: 2 };
  }, { heartbeatMs: null }));
  const seen: string[] = [];
  for await (const { data } of decodeEvents((await fetch(server.url)).body!)) {
    seen.push(data);
    mayGoOn.resolve();
  }
  assertEquals(seen, ["1", "2"]);
});

Deno.test("early hints come before the response, and the connection cannot be taken over", async () => {
  await using server = await host((_request, info) => {
    info.earlyHints([["link", "</a.css>; rel=preload"], ["link", "</b.js>; rel=preload"]]);
    try {
      info.hijack();
    } catch (error) {
      assertInstanceOf(error, UnsupportedError);
    }
    return new Reply("done");
  });
  const text = await ask(server.port, `GET / ${CLOSING}`);
  assert(text.endsWith("done") && (IS_DENO || text.startsWith("HTTP/1.1 103")), text);
  assertEquals(server.errors, []);
});

Deno.test("a trailer that came after a body is told", async () => {
  await using server = await host(async (request, info) => {
    const text = await request.text();
    return new Reply(`${text} ${(await info.trailers).get("x-sum")}`);
  });
  const answer = await ask(
    server.port,
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n" +
      "3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",
  );
  assertStringIncludes(answer, "abc ");
  assertStringIncludes(answer, "abc 6");
});

Deno.test("a connection goes on after a body that nobody read, or only in part", async () => {
  await using server = await host(async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/part") {
      const reader = request.body!.getReader();
      await reader.read();
      await reader.cancel();
    }
    return new Reply(`${pathname}\n`);
  });
  using client = await RawClient.connect({ port: server.port });
  const body = "x".repeat(300_000);
  const unread = IS_DENO ? [] : ["/unread"]; // Deno's `node:http` resets such a connection, whoever listens
  for (const path of [...unread, "/part", "/last"]) {
    await client.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assertStringIncludes(await client.readUntil(`${path}\n`), "HTTP/1.1 200 OK");
  }
  assertEquals(server.errors, []);
});
