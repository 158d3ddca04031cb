/** Request bodies as handlers read them, over real sockets: every way of reading, and what happens when it goes wrong. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { Handler } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { serve, type Server } from "../../server/serve.ts";
import { RawClient } from "../support/raw_client.ts";

/** Several times what waits anywhere, so that backpressure is at work. */
const LARGE_BYTES = 5 * 1024 * 1024;

/** The Fetch standard's word for a body that is a stream, which Node wants to see. */
const HALF_DUPLEX: RequestInit & { duplex: "half" } = { duplex: "half" };

/** Bytes that show a mistake in their order. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2_654_435_761);
  return new Uint8Array(words.buffer, 0, length);
}

async function withServer(
  handler: Handler,
  test: (url: string, port: number) => Promise<void>,
): Promise<void> {
  await using server: Server = serve({
    port: 0,
    hostname: "127.0.0.1",
    onError: () => new Reply("failed", { status: 500 }),
  }, handler);
  assert(server.addr.transport === "tcp");
  await test(`http://127.0.0.1:${server.addr.port}`, server.addr.port);
}

/** The same bytes, as a stream of pieces of uneven size: chunked on the wire. */
function pieces(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at === bytes.length) return controller.close();
      const end = Math.min(bytes.length, at + 1 + (at * 31) % 70_000);
      controller.enqueue(bytes.slice(at, end));
      at = end;
    },
  });
}

Deno.test("a large body arrives whole and in order, by length and chunked, however it is read", async () => {
  const sent = pattern(LARGE_BYTES);
  const ways: Record<string, (request: Request) => Promise<Uint8Array>> = {
    bytes: (request) => request.bytes(),
    arrayBuffer: async (request) => new Uint8Array(await request.arrayBuffer()),
    blob: async (request) => await (await request.blob()).bytes(),
    stream: (request) => new Response(request.body).bytes(),
    byob: readWithOwnBuffer,
    clone: async (request) => {
      const clone = request.clone();
      const [left, right] = await Promise.all([request.bytes(), clone.bytes()]);
      assertEquals(left.length, right.length);
      return right;
    },
  };
  await withServer(async (request) => {
    const received = await ways[new URL(request.url).pathname.slice(1)]!(request);
    return new Reply(isEqual(received, sent) ? "equal" : `${received.length} bytes that differ`);
  }, async (url) => {
    for (const way of Object.keys(ways)) await postBothWays(`${url}/${way}`, sent);
  });
});

Deno.test("a copy of the request has the body", async () => {
  const sent = pattern(LARGE_BYTES);
  await withServer(async (request) => {
    const received = await new Request(request).bytes();
    return new Reply(isEqual(received, sent) ? "equal" : `${received.length} bytes that differ`);
  }, (url) => postBothWays(url, sent));
});

/** Posts bytes by length and chunked, to a handler that says whether they are what was sent. */
async function postBothWays(url: string, sent: Uint8Array<ArrayBuffer>): Promise<void> {
  for (const body of [sent, pieces(sent)]) {
    const response = await fetch(url, { method: "POST", body, ...HALF_DUPLEX });
    assertEquals(await response.text(), "equal", url);
  }
}

async function readWithOwnBuffer(request: Request): Promise<Uint8Array> {
  const reader = request.body!.getReader({ mode: "byob" });
  const received = new Uint8Array(LARGE_BYTES);
  let buffer = new Uint8Array(10_000);
  for (let length = 0;;) {
    const { done, value } = await reader.read(buffer);
    if (done) return received.subarray(0, length);
    received.set(value, length);
    length += value.length;
    buffer = new Uint8Array(value.buffer);
  }
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

Deno.test("a body is echoed while it still comes in", async () => {
  const sent = pattern(LARGE_BYTES);
  await withServer((request) => new Reply(request.body), async (url) => {
    const response = await fetch(url, { method: "POST", body: pieces(sent), ...HALF_DUPLEX });
    assert(isEqual(await response.bytes(), sent));
  });
});

Deno.test("an uploaded form comes as a form", async () => {
  const form = new FormData();
  form.append("note", "h\u00e9llo");
  form.append("file", new File([pattern(100_000)], "data.bin", { type: "application/octet-stream" }));
  await withServer(async (request) => {
    const received = await request.formData();
    const file = received.get("file");
    assertInstanceOf(file, File);
    return Reply.json([
      received.get("note"),
      file.name,
      file.type,
      isEqual(await file.bytes(), pattern(100_000)),
    ]);
  }, async (url) => {
    const response = await fetch(url, { method: "POST", body: form });
    assertEquals(await response.json(), ["h\u00e9llo", "data.bin", "application/octet-stream", true]);
  });
});

Deno.test("a client that leaves in the middle fails the reading and aborts the signal, and is never a short body", async () => {
  for (const way of ["text", "stream"] as const) {
    const begun = Promise.withResolvers<void>();
    const outcome = Promise.withResolvers<[error: unknown, isAborted: boolean]>();
    await withServer(async (request) => {
      const reading = way === "text" ? request.text() : new Response(request.body).text();
      begun.resolve();
      const error = await reading.catch((error) => error);
      outcome.resolve([error, request.signal.aborted]);
      return new Reply(null);
    }, async (_url, port) => {
      const client = await RawClient.connect({ port });
      await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\npart");
      await begun.promise;
      client.close();
      const [error, isAborted] = await outcome.promise;
      assertInstanceOf(error, Error);
      assertEquals(isAborted, true, way);
    });
  }
});

Deno.test("100 (Continue) goes out when the body is read, and not when it is not", async () => {
  await withServer(async (request) => {
    if (request.url.endsWith("/ignore")) return new Reply("ignored", { status: 403 });
    return new Reply(
      request.url.endsWith("/stream") ? await new Response(request.body).text() : await request.text(),
    );
  }, async (_url, port) => {
    for (const path of ["/text", "/stream"]) {
      using client = await RawClient.connect({ port });
      await client.send(
        `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n`,
      );
      assertEquals(await client.readUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
      await client.send("hi");
      assertEquals((await client.readResponse()).body, "hi");
    }
    using client = await RawClient.connect({ port });
    await client.send(
      "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    );
    assertEquals((await client.readResponse()).status, 403);
  });
});

Deno.test("a body read after its response was sent rejects", async () => {
  const late = Promise.withResolvers<Request>();
  await withServer((request) => {
    late.resolve(request);
    return new Reply("done");
  }, async (_url, port) => {
    using client = await RawClient.connect({ port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhi");
    assertEquals((await client.readResponse()).body, "done");
    const request = await late.promise;
    await assertRejects(() => request.text(), Error);
  });
});
