/** The same handlers under three servers, and others' handlers under ours, all seen by real clients over real sockets. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serveDir } from "@std/http/file-server";
import { route } from "@std/http/unstable-route";
import { Hono } from "npm:hono@4.13.19";
import { deleteCookie, getCookie, setCookie } from "npm:hono@4.13.19/cookie";
import { streamSSE } from "npm:hono@4.13.19/streaming";
import type { Handler } from "../../server/handler.ts";
import { serve } from "../../server/serve.ts";
import { decodeEvents } from "../../server/sse/decode.ts";
import { spawnChild } from "../support/spawn_child.ts";
import { BODY_KINDS, embeddedServices } from "./support/embedded_services.ts";

/** A server at work, wherever it is. */
interface Host extends AsyncDisposable {
  readonly url: string;
}

/** Three ways to serve the handlers of `embedded_services.ts`. */
const HOSTS: Readonly<Record<string, (upstream: string) => Promise<Host>>> = {
  // deno-lint-ignore require-await -- the others need to wait
  async "serve()"(upstream) {
    const services = embeddedServices(upstream);
    const server = serve({ port: 0, hostname: "127.0.0.1" }, services.handler);
    return {
      url: `http://127.0.0.1:${server.addr.port}`,
      async [Symbol.asyncDispose]() {
        await server.shutdown({ graceMs: 0 });
        await services[Symbol.asyncDispose]();
      },
    };
  },
  // deno-lint-ignore require-await -- the others need to wait
  async "Deno.serve"(upstream) {
    const services = embeddedServices(upstream);
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request, info) => services.handler(request, info as unknown as Parameters<Handler>[1]),
    );
    return {
      url: `http://127.0.0.1:${server.addr.port}`,
      async [Symbol.asyncDispose]() {
        await services[Symbol.asyncDispose](); // first: Deno.serve waits for open streams
        await server.shutdown();
      },
    };
  },
  async "deno serve"(upstream) {
    const entry = new URL("support/deno_serve_entry.ts", import.meta.url).pathname;
    const child = spawnChild("deno", [
      "serve",
      "--no-config",
      "-A",
      "--host=127.0.0.1",
      "--port=0",
      entry,
      upstream,
    ]);
    try {
      const [, url = ""] = await child.stderr.match(/(http:\/\/127\.0\.0\.1:\d+)\//);
      return { url, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
    } catch (error) {
      await child.stop("SIGKILL");
      throw error;
    }
  },
};

/** An upstream for the gateway, on the runtime's own server: says what it was asked, and streams in two parts. */
function startUpstream(): Host {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    const body = new TransformStream<Uint8Array, Uint8Array>();
    const writer = body.writable.getWriter();
    const text = `${request.method} ${pathname} ${await request.text()}`;
    (async () => {
      for (const part of [text.slice(0, 4), text.slice(4)]) {
        await writer.write(new TextEncoder().encode(part));
      }
      await writer.close();
    })().catch(() => {}); // a client that left is none of the upstream's concern
    return new Response(body.readable);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

for (const [name, start] of Object.entries(HOSTS)) {
  Deno.test(`the handlers run unchanged under ${name}`, async (t) => {
    await using upstream = startUpstream();
    await using host = await start(upstream.url);
    const { url } = host;

    await t.step("a plain Response", async () => {
      const response = await fetch(`${url}/plain`);
      assertEquals([response.headers.get("x-made"), await response.text()], ["by hand", "plain"]);
    });

    await t.step("a Reply with each kind of body", async () => {
      for (const kind of BODY_KINDS) {
        assertEquals(await (await fetch(`${url}/bodies/${kind}`)).text(), "one two", kind);
      }
    });

    await t.step("the router's own answers", async () => {
      const { status, headers, body } = await fetch(`${url}/json`);
      await body?.cancel();
      assertEquals([status, headers.get("allow")], [405, "OPTIONS, POST"]);
      const missing = await fetch(`${url}/nothing/here`);
      assertEquals([missing.status, missing.headers.get("content-type")], [404, "application/problem+json"]);
      await missing.body?.cancel();
      const head = await fetch(`${url}/plain`, { method: "HEAD" });
      assertEquals([head.status, await head.text()], [200, ""]);
    });

    await t.step("a body that is read", async () => {
      const response = await fetch(`${url}/json`, { method: "POST", body: JSON.stringify(["é", 1]) });
      assertEquals([response.status, await response.json()], [201, { got: ["é", 1] }]);
    });

    await t.step("an event stream out of a generator", async () => {
      const response = await fetch(`${url}/countdown`);
      assertMatch(response.headers.get("content-type") ?? "", /^text\/event-stream/);
      const seen: string[] = [];
      for await (const { event, data } of decodeEvents(response.body!)) seen.push(`${event} ${data}`);
      assertEquals(seen, ["left 3", "left 2", "left 1"]);
    });

    await t.step("a topic, resumed where a client left it", async () => {
      const topic = `${url}/topics/t`;
      const publish = async (body: string) => await (await fetch(topic, { method: "POST", body })).text();
      const first = await fetch(topic);
      const id = await publish("one");
      for await (const message of decodeEvents(first.body!)) {
        assertEquals([message.data, message.lastEventId], ["one", id]);
        break;
      }
      while (await (await fetch(`${url}/readers`)).text() !== "0"); // a client that left is found out
      await publish("two");
      const again = await fetch(topic, { headers: { "last-event-id": id } });
      for await (const { data } of decodeEvents(again.body!)) {
        assertEquals(data, "two");
        break;
      }
    });

    await t.step("the gateway", async () => {
      const response = await fetch(`${url}/up/a/b`, { method: "PUT", body: "content" });
      assertEquals(await response.text(), "PUT /up/a/b content");
    });
  });
}

/** Serves a handler with `serve()` while `play` runs. */
async function served(handler: Handler, play: (url: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  const onError = (error: unknown) => {
    failures.push(error);
    return new Response(null, { status: 500 });
  };
  const server = serve({ port: 0, hostname: "127.0.0.1", onError }, handler);
  try {
    await play(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown({ graceMs: 0 });
  }
  assertEquals(failures, []);
}

Deno.test("a Hono app's fetch is a handler: JSON, cookies, forms, files, errors and 404", async () => {
  const app = new Hono();
  app.post(
    "/json",
    async (c) => c.json({ got: await c.req.json(), type: c.req.header("content-type") }, 201),
  );
  app.get("/cookies", (c) => {
    setCookie(c, "seen", "yes", { httpOnly: true });
    deleteCookie(c, "old");
    return c.text(JSON.stringify(getCookie(c)));
  });
  app.post("/upload", async (c) => {
    const form = await c.req.formData();
    const file = form.get("file") as File;
    return c.text(`${form.get("note")} ${file.name} ${file.type} ${(await file.bytes()).length}`);
  });
  app.get("/fails", () => {
    throw new Error("on purpose");
  });
  app.onError((error, c) => c.text(`app: ${error.message}`, 500));
  await served(app.fetch, async (url) => {
    const posted = await fetch(`${url}/json`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"a":"é"}',
    });
    assertEquals([posted.status, await posted.json()], [201, { got: { a: "é" }, type: "application/json" }]);

    const cookies = await fetch(`${url}/cookies`, { headers: { cookie: "a=1; b=two" } });
    assertEquals(await cookies.json(), { a: "1", b: "two" });
    const [seen, old] = cookies.headers.getSetCookie();
    assertEquals(seen, "seen=yes; Path=/; HttpOnly");
    assertStringIncludes(old!, "old=; Max-Age=0");

    const form = new FormData();
    form.set("note", "größer");
    form.set("file", new File([new Uint8Array(300_000)], "zeros.bin", { type: "application/octet-stream" }));
    const uploaded = await fetch(`${url}/upload`, { method: "POST", body: form });
    assertEquals(await uploaded.text(), "größer zeros.bin application/octet-stream 300000");

    const failed = await fetch(`${url}/fails`);
    assertEquals([failed.status, await failed.text()], [500, "app: on purpose"]);
    const missing = await fetch(`${url}/missing`);
    assertEquals([missing.status, await missing.text()], [404, "404 Not Found"]);
  });
});

Deno.test("a Hono app's event stream goes out event by event, and hears when its client leaves", async () => {
  const app = new Hono();
  const isAborted = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      stream.onAbort(() => isAborted.resolve());
      await stream.writeSSE({ id: "1", event: "greeting", data: "first" });
      await mayGoOn.promise;
      await stream.writeSSE({ id: "2", event: "greeting", data: "second" });
      await isAborted.promise;
    }));
  await served(app.fetch, async (url) => {
    const response = await fetch(`${url}/events`);
    const seen: string[] = [];
    for await (const { event, data, lastEventId } of decodeEvents(response.body!)) {
      seen.push(`${lastEventId} ${event} ${data}`);
      mayGoOn.resolve(); // the second is written only when the first has arrived
      if (seen.length === 2) break;
    }
    assertEquals(seen, ["1 greeting first", "2 greeting second"]);
    await isAborted.promise;
  });
});

Deno.test("route() and serveDir() of @std/http are handlers: files, ranges, freshness, and no way out of the folder", async () => {
  const fsRoot = await Deno.makeTempDir();
  await Deno.writeTextFile(`${fsRoot}/hello.txt`, "hello, file");
  await Deno.writeFile(`${fsRoot}/large.bin`, new Uint8Array(1024 * 1024).fill(7));
  const handler = route([
    {
      pattern: new URLPattern({ pathname: "/files/*" }),
      handler: (request) => serveDir(request, { fsRoot, urlRoot: "files", quiet: true }),
    },
    {
      pattern: new URLPattern({ pathname: "/users/:id" }),
      handler: async (request, params) =>
        new Response(`${params?.pathname.groups.id} ${await request.text()}`),
    },
    {
      pattern: new URLPattern({ pathname: "/*" }),
      handler: () => new Response("no such route", { status: 404 }),
    },
  ], () => new Response("not expected", { status: 500 }));
  try {
    await served((request) => handler(request), async (url) => {
      const file = await fetch(`${url}/files/hello.txt`);
      assertEquals(await file.text(), "hello, file");
      const etag = file.headers.get("etag");
      assert(etag !== null);
      const fresh = await fetch(`${url}/files/hello.txt`, { headers: { "if-none-match": etag } });
      assertEquals([fresh.status, await fresh.text()], [304, ""]);
      const range = await fetch(`${url}/files/hello.txt`, { headers: { range: "bytes=7-10" } });
      assertEquals([range.status, await range.text()], [206, "file"]);
      const large = await (await fetch(`${url}/files/large.bin`)).bytes();
      assert(large.length === 1024 * 1024 && large.every((byte) => byte === 7));
      const outside = await fetch(`${url}/files/..%2f..%2fetc%2fpasswd`);
      assertEquals(outside.status, 404);
      await outside.body?.cancel();
      const user = await fetch(`${url}/users/7`, { method: "POST", body: "posted" });
      assertEquals(await user.text(), "7 posted");
      const missing = await fetch(`${url}/elsewhere`);
      assertEquals([missing.status, await missing.text()], [404, "no such route"]);
    });
  } finally {
    await Deno.remove(fsRoot, { recursive: true });
  }
});
