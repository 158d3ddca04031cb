import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import type { ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { type ParamNames, Router } from "../../server/router.ts";
import { incomingRequest } from "../support/incoming_request.ts";

/** A server's info, as far as the router looks. */
const INFO = { params: {} } as ServeInfo;

function ask(router: Router, line: string): Promise<Response> {
  return Promise.resolve(
    router.handler(incomingRequest(`${line} HTTP/1.1`, "Host: example.com").request, INFO),
  );
}

async function answer(router: Router, line: string): Promise<[number, string]> {
  const response = await ask(router, line);
  return [response.status, await response.text()];
}

const say = (text: string) => () => new Reply(text);

Deno.test("each method has its routes", async () => {
  const router = new Router()
    .get("/a", say("get")).post("/a", say("post")).put("/a", say("put")).patch("/a", say("patch"))
    .delete("/a", say("delete")).options("/a", say("options")).head("/b", say("head")).get("/b", say("get"))
    .on("PROPFIND", "/a", say("propfind")).all("/c", say("all")).get("/c", say("get"));
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
    assertEquals(await answer(router, `${method} /a`), [200, method.toLowerCase()]);
  }
  assertEquals(await answer(router, "HEAD /a"), [200, "get"]);
  assertEquals(await answer(router, "HEAD /b"), [200, "head"]);
  assertEquals(await answer(router, "GET /c"), [200, "get"]);
  assertEquals(await answer(router, "HEAD /c"), [200, "get"]);
  assertEquals(await answer(router, "LINK /c"), [200, "all"]);
});

Deno.test("methods are case-sensitive", async () => {
  assertEquals((await answer(new Router().get("/", say("x")), "get /"))[0], 405);
});

Deno.test("named parts are decoded, the query is no part of the path", async () => {
  const router = new Router()
    .get("/users/:id", (_request, info) => Reply.json(info.params))
    .get("/files/:kind/*", (_request, info) => Reply.json(info.params))
    .get("/rest/*path", (_request, info) => new Reply(info.params.path));
  const cases: [string, unknown][] = [
    ["/users/7?id=8", { id: "7" }],
    ["/users/a%20b%2Fc", { id: "a b/c" }],
    ["/users/%F0%9F%98%80", { id: "\ud83d\ude00" }],
    ["/users/a+b", { id: "a+b" }],
    ["/users/constructor", { id: "constructor" }],
    ["/files/img/a/b%20c.png", { "kind": "img", "*": "a/b c.png" }],
  ];
  for (const [target, params] of cases) {
    const [status, text] = await answer(router, `GET ${target}`);
    assertEquals([status, JSON.parse(text)], [200, params], target);
  }
  assertEquals(await answer(router, "GET /rest/a/b"), [200, "a/b"]);
});

Deno.test("a rest keeps %2F, so that its segments stay what they were", async () => {
  const router = new Router().get("/files/*", (_request, info) => new Reply(info.params["*"]));
  assertEquals(await answer(router, "GET /files/..%2f..%2Fetc/a%25b"), [200, "..%2F..%2Fetc/a%b"]);
  assertEquals((await answer(router, "GET /files/../../etc"))[0], 404);
  assertEquals((await answer(router, "GET /files/%2e%2e/etc"))[0], 404);
});

Deno.test("a part that cannot be decoded is 400, wherever no route needs it otherwise", async () => {
  const router = new Router().get("/users/:id", say("user")).get("/files/*", say("file"));
  for (const target of ["/users/%", "/users/%zz", "/users/%ff", "/files/a/%C3"]) {
    const response = await ask(router, `GET ${target}`);
    assertEquals(
      [response.status, response.headers.get("content-type")],
      [400, "application/problem+json"],
      target,
    );
  }
});

Deno.test("what no route is for is 404 as a problem, or what notFound says", async () => {
  const response = await ask(new Router().get("/a", say("x")), "GET /b");
  assertEquals(response.status, 404);
  assertEquals(await response.json(), { title: "Not Found", status: 404 });

  const own = new Router({ notFound: (request) => new Reply(`no ${request.url}`, { status: 410 }) });
  assertEquals(await answer(own, "GET /b"), [410, "no http://example.com/b"]);
});

Deno.test("a method the path does not have is 405 with Allow, OPTIONS is answered with it", async () => {
  const router = new Router().get("/a", say("x")).post("/a", say("x")).delete("/:any", say("x"));
  const refused = await ask(router, "PUT /a");
  assertEquals([refused.status, refused.headers.get("allow")], [405, "DELETE, GET, HEAD, OPTIONS, POST"]);
  const options = await ask(router, "OPTIONS /a");
  assertEquals([options.status, options.headers.get("allow")], [204, "DELETE, GET, HEAD, OPTIONS, POST"]);
  assertEquals((await ask(router, "OPTIONS /a/b")).status, 404);
  const all = await ask(router, "OPTIONS *");
  assertEquals([all.status, all.headers.get("allow")], [204, "DELETE, GET, HEAD, OPTIONS, POST"]);
});

Deno.test("trailing slashes are exact", async () => {
  const router = new Router().get("/a", say("without")).get("/b/", say("with"));
  assertEquals(await answer(router, "GET /a"), [200, "without"]);
  assertEquals((await answer(router, "GET /a/"))[0], 404);
  assertEquals(await answer(router, "GET /b/"), [200, "with"]);
  assertEquals((await answer(router, "GET /b"))[0], 404);
});

Deno.test("the route sees the path as the URL has it, so no spelling walks around a route", async () => {
  const router = new Router().all("/admin/*", () => new Reply(null, { status: 403 })).get(
    "/*",
    say("public"),
  );
  for (
    const target of [
      "/admin/x",
      "/a/../admin/x",
      "/./admin/x",
      "/%2e/admin/x",
      "\\admin/x",
      "http://h/x/%2E./admin/x",
    ]
  ) {
    const line = target.startsWith("\\") ? `/${target}` : target;
    const { request } = incomingRequest(`GET ${line} HTTP/1.1`, "Host: example.com");
    const { status } = await router.handler(request, INFO);
    assertEquals(status, new URL(request.url).pathname.startsWith("/admin/") ? 403 : 200, target);
  }
});

Deno.test("a mounted router's routes are below the prefix, and its requests keep their URL", async () => {
  const posts = new Router().get("/", say("list")).get(
    "/:post",
    (request, info) => Reply.json([request.url, info.params]),
  );
  const api = new Router().mount("/users/:user/posts", posts).get("/", say("api"));
  const router = new Router().get("/", say("home")).mount("/api", api);
  assertEquals(await answer(router, "GET /"), [200, "home"]);
  assertEquals(await answer(router, "GET /api"), [200, "api"]);
  assertEquals((await answer(router, "GET /api/"))[0], 404);
  assertEquals(await answer(router, "GET /api/users/7/posts"), [200, "list"]);
  const [, text] = await answer(router, "GET /api/users/7/posts/8");
  assertEquals(JSON.parse(text), ["http://example.com/api/users/7/posts/8", { user: "7", post: "8" }]);
  assertEquals(await answer(api, "GET /users/7/posts"), [200, "list"]);
});

Deno.test("a mounted handler gets everything below the prefix, every method, and the rest of the path", async () => {
  const router = new Router().mount(
    "/app/:tenant",
    (request, info) => Reply.json([request.method, info.params]),
  );
  const cases: [string, unknown][] = [
    ["GET /app/x", ["GET", { tenant: "x" }]],
    ["POST /app/x/", ["POST", { "tenant": "x", "*": "" }]],
    ["PUT /app/x/a/b?c", ["PUT", { "tenant": "x", "*": "a/b" }]],
  ];
  for (const [line, expected] of cases) assertEquals(JSON.parse((await answer(router, line))[1]), expected);
  assertEquals((await answer(router, "GET /application"))[0], 404);
  assertEquals(await answer(new Router().mount("", say("all")), "GET /x"), [200, "all"]);
});

Deno.test("a router within a router, as a handler, adds its parameters to those outside", async () => {
  const inner = new Router().get("/t/:tenant/u/:user", (_request, info) => Reply.json(info.params));
  const outer = new Router().mount("/t/:tenant", inner.handler);
  assertEquals(JSON.parse((await answer(outer, "GET /t/a/u/b"))[1]), {
    "tenant": "a",
    "*": "u/b",
    "user": "b",
  });
});

Deno.test("what cannot work is refused when it is added", () => {
  const mounted = new Router().get("/a", say("x"));
  const router = new Router().get("/a", say("x")).mount("/m", mounted);
  assertThrows(() => router.get("/a", say("y")), TypeError, "GET has a route like it");
  assertThrows(() => router.get("/m/a", say("y")), TypeError, "GET has a route like it");
  assertThrows(() => mounted.get("/b", say("y")), TypeError, "was mounted before");
  assertThrows(() => router.mount("/x/", mounted), TypeError, "Cannot mount");
  assertThrows(() => router.mount("/*", mounted), TypeError, "Cannot mount");
  assertThrows(() => router.mount("/self", router), TypeError, "below itself");
  assertThrows(() => router.on("GE T", "/b", say("y")), TypeError, "is no method");
  assertThrows(() => router.get("/b", undefined as never), TypeError, "has no handler");
  assertThrows(() => router.post("/b", { bodyBytesMax: -1 }, say("y")), RangeError, "bodyBytesMax");
  assertThrows(() => router.post("/c", { bodyBytesMax: NaN }, say("y")), RangeError, "bodyBytesMax");
});

Deno.test("without parameters the server's own info is passed on", async () => {
  let seen: ServeInfo | undefined;
  const router = new Router().get("/a", (_request, info) => {
    seen = info;
    return new Reply(null);
  });
  await ask(router, "GET /a");
  assertStrictEquals(seen, INFO);
});

Deno.test("a foreign server's info gets parameters, too", async () => {
  const router = new Router().get("/", (_request, info) => Reply.json([info.params, info.remoteAddr]));
  const info = { remoteAddr: { transport: "tcp", hostname: "h", port: 1 } } as unknown as ServeInfo;
  const response = await router.handler(new Request("http://localhost/"), info);
  assertEquals(await response.json(), [{}, { transport: "tcp", hostname: "h", port: 1 }]);
});

Deno.test("a handler that throws or rejects is its server's business", async () => {
  const router = new Router().get("/throws", () => {
    throw new Error("thrown");
  }).get("/rejects", () => Promise.reject(new Error("rejected")));
  assertThrows(
    () => void router.handler(incomingRequest("GET /throws HTTP/1.1", "Host: a").request, INFO),
    Error,
    "thrown",
  );
  const error = await ask(router, "GET /rejects").catch((error) => error);
  assertInstanceOf(error, Error);
  assertEquals(error.message, "rejected");
});

Deno.test("the names of a pattern are known to the type checker", () => {
  const names: Record<ParamNames<"/a/:b/c/:d/*">, true> = { "b": true, "d": true, "*": true };
  const named: ParamNames<"/a/*rest"> = "rest";
  const any: ParamNames<string> = "whatever";
  assertEquals([Object.keys(names).sort(), named, any], [["*", "b", "d"], "rest", "whatever"]);
  new Router().get("/users/:id", (_request, info) => {
    const id: string = info.params.id;
    // @ts-expect-error the pattern has no such name
    const none: string = info.params.none;
    return new Reply(id + none);
  });
  assert(names.b);
});
