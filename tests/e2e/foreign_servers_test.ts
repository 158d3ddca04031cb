/** Our requests in others' routers, our replies in others' servers, and their apps under `serve()`. */

import { assert, assertEquals } from "@std/assert";
import { route } from "@std/http/unstable-route";
import { Hono } from "npm:hono@4.13.19";
import type { ServeInfo } from "../../server/handler.ts";
import { problem } from "../../server/problem.ts";
import { Reply } from "../../server/reply.ts";
import { Router } from "../../server/router.ts";
import { serve } from "../../server/serve.ts";
import { getRequest, postRequest, utf8 } from "../support/incoming_request.ts";

async function* words() {
  yield "iterated ";
  yield utf8("body");
}

/** One reply of each kind, as handlers make them. */
const REPLIES: Readonly<Record<string, () => Response>> = {
  text: () => new Reply("h\u00e9llo"),
  typed: () => new Reply("<p>", { headers: { "content-type": "text/html" } }),
  status: () => new Reply("made", { status: 201, headers: { "x-a": "1", "set-cookie": "b=c" } }),
  changed: () => {
    const reply = new Reply("x", { headers: { "x-a": "1" } });
    reply.headers.set("x-a", "2");
    reply.headers.append("set-cookie", "b=c");
    reply.headers.append("set-cookie", "d=e");
    return reply;
  },
  json: () => Reply.json({ a: 1 }, { status: 202 }),
  bytes: () => new Reply(utf8("bytes")),
  blob: () => new Reply(new Blob(["blob"], { type: "text/x-blob" })),
  parameters: () => new Reply(new URLSearchParams({ a: "1" })),
  iterable: () => new Reply(words()),
  stream: () => new Reply(new Blob(["streamed"]).stream()),
  producer: () => new Reply({ start: (writer) => (writer.writeText("produced"), writer.end()) }),
  empty: () => new Reply(null, { status: 204, headers: { "x-a": "1" } }),
  redirect: () => Reply.redirect("http://localhost/elsewhere", 303),
  problem: () => problem(503, { detail: "later", headers: { "retry-after": "1" } }),
  clone: () => new Reply("cloned", { headers: { "x-a": "1" } }).clone(),
  copied: () => {
    const reply = new Reply("copied", { status: 203 });
    return new Response(reply.body, reply);
  },
};

/** The same, sent by `Deno.serve` from what the web's own classes say a reply is. */
async function expected(name: string): Promise<Response> {
  const reply = REPLIES[name]!();
  const body = [204, 303].includes(reply.status) ? null : await reply.bytes();
  return new Response(body, { status: reply.status, headers: reply.headers });
}

/** What of a response a client sees. */
async function seen(response: Response): Promise<unknown> {
  const headers = [...response.headers].filter(([name]) => !FRAMING.has(name));
  return { status: response.status, headers, body: await response.text() };
}

/** Fields servers add by themselves. */
const FRAMING = new Set(["content-length", "transfer-encoding", "connection", "date", "vary", "server"]);

const replyNamed = (request: Request): Response => REPLIES[new URL(request.url).pathname.slice(1)]!();

Deno.test("Deno.serve sends every kind of reply as it would the same response", async () => {
  await using server = Deno.serve({ port: 0, onListen: () => {} }, replyNamed);
  for (const name of Object.keys(REPLIES)) {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/${name}`, { redirect: "manual" });
    assertEquals(await seen(response), await seen(await expected(name)), name);
  }
});

Deno.test("serve() sends every kind of reply as Deno.serve does", async () => {
  await using server = serve({ port: 0, hostname: "127.0.0.1" }, replyNamed);
  assert(server.addr.transport === "tcp");
  for (const name of Object.keys(REPLIES)) {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/${name}`, { redirect: "manual" });
    assertEquals(await seen(response), await seen(await expected(name)), name);
  }
});

Deno.test("Deno lets go once of what it prepares for its own server, garbage collection included", async () => {
  // Such a thing belongs to the real response. Given up twice, by the server and by the collector, it ends the process.
  const script = `
    import { Reply } from ${JSON.stringify(new URL("../../server/reply.ts", import.meta.url).href)};
    const make = () => new Reply("made", { status: 201, headers: { "x-a": "1", "x-b": "2" } });
    const server = Deno.serve({ port: 0, onListen: () => {} }, make);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 200; i++) await (await fetch("http://127.0.0.1:" + server.addr.port)).text();
      gc();
      await new Promise((resolve) => setImmediate(resolve)); // the finalizers' turn
    }
    await server.shutdown();
    console.log("done");`;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--expose-gc", script],
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "done\n"]);
});

Deno.test("a Hono app takes our requests, and our replies as its responses", async () => {
  const app = new Hono();
  app.use("/c/*", async (context, next) => {
    await next();
    context.res.headers.set("x-after", "1");
  });
  app.get("/c/reply", () => new Reply("replied", { status: 201, headers: { "x-a": "1" } }));
  app.get("/c/res", (context) => {
    context.res = new Reply("as res", { headers: { "x-a": "1" } });
    return context.res;
  });
  app.get("/c/producer", () => REPLIES.producer!());
  app.post("/c/json/:id", async (context) => {
    return context.json({
      id: context.req.param("id"),
      query: context.req.query("q"),
      body: await context.req.json(),
    });
  });
  app.get(
    "/c/headers",
    (context) => context.text(`${context.req.header("x-a")} ${context.req.header().host}`),
  );

  const reply = await app.fetch(getRequest("/c/reply"));
  assertEquals([reply.status, reply.headers.get("x-a"), reply.headers.get("x-after")], [201, "1", "1"]);
  assertEquals(await reply.text(), "replied");
  const res = await app.fetch(getRequest("/c/res"));
  assertEquals([res.headers.get("x-a"), res.headers.get("x-after"), await res.text()], ["1", "1", "as res"]);
  assertEquals(await (await app.fetch(getRequest("/c/producer"))).text(), "produced");
  assertEquals(await (await app.fetch(getRequest("/c/headers", "X-A: 7"))).text(), "7 example.com");

  // Our request keeps its own target, so the app's route is the one of `postRequest`.
  const posted = new Hono().post("/path", async (context) => context.json(await context.req.json()));
  const answer = await posted.fetch(postRequest('{"a":1}', "Content-Type: application/json").request);
  assertEquals(await answer.json(), { a: 1 });
});

Deno.test("a Hono app runs under serve()", async () => {
  const app = new Hono();
  app.get("/", (context) => context.text("hono"));
  app.post("/echo", async (context) => context.json({ got: await context.req.parseBody() }));
  await using server = serve({ port: 0, hostname: "127.0.0.1" }, (request) => app.fetch(request));
  assert(server.addr.transport === "tcp");
  const url = `http://127.0.0.1:${server.addr.port}`;
  assertEquals(await (await fetch(url)).text(), "hono");
  const echo = await fetch(`${url}/echo`, { method: "POST", body: new URLSearchParams({ a: "1" }) });
  assertEquals(await echo.json(), { got: { a: "1" } });
  assertEquals((await (await fetch(`${url}/none`)).text()).includes("404"), true);
});

Deno.test("the router of @std/http takes our requests", async () => {
  const handler = route(
    [{
      pattern: new URLPattern({ pathname: "/users/:id" }),
      handler: (_request, params) => new Reply(params?.pathname.groups.id),
    }],
    () => new Reply("none", { status: 404 }),
  );
  assertEquals(await (await handler(getRequest("/users/7?x"))).text(), "7");
  assertEquals((await handler(getRequest("/none"))).status, 404);
});

Deno.test("our router runs under Deno.serve", async () => {
  const router = new Router()
    .get(
      "/users/:id",
      (_request, info) => Reply.json([info.params.id, (info.remoteAddr as Deno.NetAddr).hostname]),
    )
    .get("/", (_request, info) => new Reply(JSON.stringify(info.params)))
    .post("/upload", { bodyBytesMax: 10 }, async (request) => new Reply(await request.text()));
  // A foreign server's info knows less than ours; the router passes on what there is.
  const handler = router.handler as unknown as (
    request: Request,
    info: Deno.ServeHandlerInfo,
  ) => Response | Promise<Response>;
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, handler);
  const url = `http://127.0.0.1:${server.addr.port}`;
  assertEquals(await (await fetch(`${url}/users/a%20b`)).json(), ["a b", "127.0.0.1"]);
  assertEquals(await (await fetch(url)).text(), "{}");
  assertEquals(await (await fetch(`${url}/upload`, { method: "POST", body: "x" })).text(), "x");
  const refused = await fetch(`${url}/upload`);
  assertEquals([refused.status, refused.headers.get("allow")], [405, "OPTIONS, POST"]);
  await refused.body?.cancel();
});

Deno.test("our router runs under serve(), with the route's own limit for its body", async () => {
  const router = new Router()
    .post("/small", { bodyBytesMax: 4 }, async (request) => new Reply(await request.text()))
    .post(
      "/large",
      { bodyBytesMax: 4 << 20 },
      async (request) => new Reply(`${(await request.bytes()).length}`),
    )
    .post("/usual", async (request) => new Reply(`${(await request.bytes()).length}`))
    .get("/info/:a", (_request, info: ServeInfo) => Reply.json(info.params));
  await using server = serve(
    { port: 0, hostname: "127.0.0.1", limits: { bodyBytesMax: 1 << 20 } },
    router.handler,
  );
  assert(server.addr.transport === "tcp");
  const url = `http://127.0.0.1:${server.addr.port}`;
  const post = async (path: string, bytes: number) => {
    const response = await fetch(url + path, { method: "POST", body: new Uint8Array(bytes) });
    return [response.status, await response.text()];
  };
  assertEquals(await post("/small", 4), [200, "\0\0\0\0"]);
  assertEquals((await post("/small", 5))[0], 413);
  assertEquals(await post("/large", 2 << 20), [200, String(2 << 20)]);
  assertEquals((await post("/usual", 2 << 20))[0], 413);
  assertEquals(await (await fetch(`${url}/info/b`)).json(), { a: "b" });
});
