import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { BodyTooLargeError } from "../../server/collect_body.ts";
import { bodyOf, createRequest, headOf, pathOf, toRequest } from "../../server/request.ts";
import { getRequest, incomingRequest, postRequest, utf8 } from "../support/incoming_request.ts";

const JSON_TEXT = '\ufeff{"name":"J\u00fcrgen \ud83d\ude00"}';
const JSON_FIELD = "Content-Type: application/json; charset=utf-8";

/** Ours and a real one, alike. */
function pair(): { ours: Request; real: Request } {
  const ours = postRequest(JSON_TEXT, JSON_FIELD).request;
  const real = new Request("http://example.com/path?query", {
    method: "POST",
    headers: {
      "host": "example.com",
      "content-length": String(utf8(JSON_TEXT).length),
      "content-type": "application/json; charset=utf-8",
    },
    body: utf8(JSON_TEXT),
  });
  return { ours, real };
}

/** Members that differ for every request a server received; each is tested on its own below. */
const OWN_WAY = new Set(["signal", "headers", "body"]);

Deno.test("every property a real Request has, ours has with the same value", () => {
  const { ours, real } = pair();
  let compared = 0;
  for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))) {
    if (get === undefined || OWN_WAY.has(name)) continue;
    assertEquals(Reflect.get(ours, name), Reflect.get(real, name), name);
    compared++;
  }
  assert(compared >= 11, `only ${compared} properties were compared`);
  assertEquals([...ours.headers], [...real.headers]);
});

Deno.test("every body method a real Request has gives the same, once", async () => {
  for (const name of ["text", "json", "bytes", "arrayBuffer", "blob"] as const) {
    const { ours, real } = pair();
    assertEquals(ours.bodyUsed, false);
    const [mine, theirs] = await Promise.all([ours[name](), real[name]()]);
    if (mine instanceof Blob) assertEquals(await mine.text(), JSON_TEXT.slice(1));
    else assertEquals(mine, theirs, name);
    assertEquals(ours.bodyUsed, true);
    await assertRejects(() => ours[name](), TypeError);
    await assertRejects(() => real[name](), TypeError);
  }
  const { ours, real } = pair();
  const [mine, theirs] = await Promise.all([ours.blob(), real.blob()]);
  assertEquals([mine.type, await mine.text()], [theirs.type, await theirs.text()]);
});

Deno.test("a second reading method is refused while the first still waits", async () => {
  const { request, body } = incomingRequest("POST / HTTP/1.1", "Host: a", "Content-Length: 2");
  const first = request.text();
  await assertRejects(() => request.json(), TypeError);
  body.push(utf8("hi"));
  body.end(null);
  assertEquals(await first, "hi");
});

Deno.test("forms come as the web's, urlencoded and multipart", async () => {
  const urlencoded =
    postRequest("a=1&b=%C3%A9+x&a=2", "Content-Type: application/x-www-form-urlencoded").request;
  assertEquals([...await urlencoded.formData()], [["a", "1"], ["b", "\u00e9 x"], ["a", "2"]]);

  const form = new FormData();
  form.append("note", "hello");
  form.append("file", new File(["content"], "name.txt", { type: "text/plain" }));
  const sent = new Response(form);
  const type = sent.headers.get("content-type");
  const multipart = postRequest(await sent.bytes(), `Content-Type: ${type}`).request;
  const received = await multipart.formData();
  assertEquals(received.get("note"), "hello");
  const file = received.get("file");
  assertInstanceOf(file, File);
  const [fileType] = file.type.split(";"); // Bun adds a charset
  assertEquals([file.name, fileType, await file.text()], ["name.txt", "text/plain", "content"]);

  await assertRejects(() => postRequest("a=1", "Content-Type: text/plain").request.formData(), TypeError);
  await assertRejects(() => postRequest("a=1").request.formData(), TypeError);
});

Deno.test("malformed JSON is a SyntaxError, malformed UTF-8 is replaced", async () => {
  await assertRejects(() => postRequest("{").request.json(), SyntaxError);
  assertEquals(await postRequest(new Uint8Array([0x61, 0xff, 0x62])).request.text(), "a\ufffdb");
});

Deno.test("a request without a body has none, as the web's", async () => {
  const request = getRequest("/");
  assertEquals([request.body, request.bodyUsed, await request.text()], [null, false, ""]);
  assertEquals(await request.text(), "");
  await assertRejects(() => request.json(), SyntaxError);
  assertEquals((await request.bytes()).length, 0);
  assertEquals(request.bodyUsed, false);
});

Deno.test("a GET with a body shows none to the web, and has it all the same", async () => {
  const { request, body } = incomingRequest("GET / HTTP/1.1", "Host: a", "Content-Length: 2");
  body.push(utf8("hi"));
  body.end(null);
  assertEquals([request.body, await request.text()], [null, ""]);
  assertStrictEquals(bodyOf(request), body);
});

Deno.test("the body is a byte stream, whose reading shows in bodyUsed", async () => {
  const { request } = postRequest("hello");
  const stream = request.body!;
  assertStrictEquals(request.body, stream);
  assertEquals(request.bodyUsed, false);
  const reader = stream.getReader({ mode: "byob" });
  const { value } = await reader.read(new Uint8Array(16));
  assertEquals(new TextDecoder().decode(value), "hello");
  assertEquals(request.bodyUsed, true);
  await assertRejects(() => request.text(), TypeError);
  assertThrows(() => request.clone(), TypeError);
});

Deno.test("after text() the body looks read to everybody", async () => {
  const { request } = postRequest("hello");
  await request.text();
  assertEquals(request.bodyUsed, true);
  assertThrows(() => request.clone(), TypeError);
  assertThrows(() => new Request(request), TypeError);
  assertThrows(() => new Response(request.body), TypeError);
});

Deno.test("text() still works after body was looked at but not read", async () => {
  const { request } = postRequest("hello");
  assertEquals(request.body?.locked, false);
  assertEquals(await request.text(), "hello");
  assertEquals(request.bodyUsed, true);
});

Deno.test("a clone has the same properties and its own copy of the body", async () => {
  const { ours, real } = pair();
  const clone = ours.clone();
  for (const name of ["method", "url", "redirect", "mode"] as const) assertEquals(clone[name], real[name]);
  assertEquals([...clone.headers], [...real.headers]);
  assertEquals(await Promise.all([ours.text(), clone.text()]), [JSON_TEXT.slice(1), JSON_TEXT.slice(1)]);
  assertThrows(() => ours.clone(), TypeError);
});

Deno.test("new Request(request) takes it over, and init overrides it", async () => {
  const copy = new Request(postRequest("hello", "X-A: 1").request);
  assertEquals([copy.method, copy.url, copy.headers.get("x-a")], [
    "POST",
    "http://example.com/path?query",
    "1",
  ]);
  assertEquals(await copy.text(), "hello");

  const { request } = postRequest("hello");
  const changed = new Request(request, { method: "PUT", headers: { "x-b": "2" } });
  assertEquals([changed.method, changed.headers.get("x-b"), changed.headers.get("host")], ["PUT", "2", null]);
  assertEquals(await changed.text(), "hello");
  assert(request.bodyUsed);
  assertEquals(new Request("http://other.example/", postRequest("").request).method, "POST");
});

Deno.test("fetch(request) sends it", async () => {
  await using server = Deno.serve({ port: 0, onListen: () => {} }, async (request) => {
    return Response.json([
      request.method,
      new URL(request.url).pathname,
      request.headers.get("x-a"),
      await request.text(),
    ]);
  });
  const authority = `127.0.0.1:${server.addr.port}`;
  const { request, body } = incomingRequest(
    "POST /sent HTTP/1.1",
    `Host: ${authority}`,
    "X-A: 1",
    "Transfer-Encoding: chunked",
  );
  const response = fetch(request);
  body.push(utf8("streamed "));
  body.push(utf8("body"));
  body.end(null);
  assertEquals(await (await response).json(), ["POST", "/sent", "1", "streamed body"]);
});

Deno.test("the signal aborts when the client leaves, for clones, too, and is the server's own", () => {
  const { request, source, leave } = incomingRequest("POST / HTTP/1.1", "Host: a", "Content-Length: 2");
  assertStrictEquals(request.signal, source.disconnected);
  const clone = request.clone();
  const copy = new Request(toRequest(request));
  leave(new Error("left"));
  assertEquals([request.signal, clone.signal, copy.signal].map((signal) => signal.aborted), [
    true,
    true,
    true,
  ]);
  assertEquals(copy.signal.reason.message, "left");
});

Deno.test("the signal is not made unless it is asked for", async () => {
  const { source } = postRequest("hello");
  let asked = 0;
  const request = createRequest({
    ...source,
    get disconnected() {
      asked++;
      return source.disconnected;
    },
  });
  assertEquals([request.method, request.url, request.headers.get("host"), await request.text()].length, 4);
  assertEquals(asked, 0);
  assert(!request.signal.aborted);
  assertEquals(asked, 1);
});

Deno.test("a body that fails makes every way of reading reject with its error", async () => {
  for (const read of ["text", "json", "bytes", "arrayBuffer", "blob"] as const) {
    const { request, body } = incomingRequest("POST / HTTP/1.1", "Host: a", "Content-Length: 9");
    const result = request[read]();
    body.push(utf8("part"));
    body.fail(new Error("reset by peer"));
    await assertRejects(() => result, Error, "reset by peer");
  }
  const { request, body } = incomingRequest("POST / HTTP/1.1", "Host: a", "Content-Length: 9");
  const clone = request.clone();
  body.push(utf8("part"));
  body.fail(new Error("reset by peer"));
  await assertRejects(() => request.text(), Error, "reset by peer");
  await assertRejects(() => clone.text(), Error, "reset by peer");
});

Deno.test("what is gathered has a bound, which the server can set", async () => {
  const { source, body } = incomingRequest("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked");
  const request = createRequest({ ...source, gatheredBytesMax: 4 });
  body.push(utf8("12345"));
  body.end(null);
  await assertRejects(() => request.text(), BodyTooLargeError);
});

Deno.test("100 (Continue) is wanted when the body is read, not before", async () => {
  const { request, owner, body } = incomingRequest(
    "POST / HTTP/1.1",
    "Host: a",
    "Content-Length: 2",
    "Expect: 100-continue",
  );
  assertEquals([request.bodyUsed, request.body?.locked], [false, false]);
  assertEquals(owner.calls, []);
  const text = request.text();
  while (owner.calls.length === 0) await null;
  assertEquals(owner.calls, ["wanted"]);
  body.push(utf8("hi"));
  body.end(null);
  assertEquals(await text, "hi");
});

Deno.test("methods are as they were sent, those the web forbids among them", async () => {
  const lower = incomingRequest("get / HTTP/1.1", "Host: a").request;
  assertEquals(lower.method, "get");
  const custom = incomingRequest("PROPFIND /dav HTTP/1.1", "Host: a", "Content-Length: 2");
  custom.body.push(utf8("hi"));
  custom.body.end(null);
  assertEquals([custom.request.clone().method, await custom.request.text()], ["PROPFIND", "hi"]);

  const trace = incomingRequest("TRACE / HTTP/1.1", "Host: a").request;
  assertEquals([trace.method, trace.url, trace.headers.get("host"), trace.body], [
    "TRACE",
    "http://a/",
    "a",
    null,
  ]);
  const connect = incomingRequest("CONNECT a:443 HTTP/1.1", "Host: a:443").request;
  assertEquals([connect.method, connect.url], ["CONNECT", "http://a:443/"]);
});

Deno.test("of a method the web forbids no real Request can be made", () => {
  for (const head of ["TRACE / HTTP/1.1", "CONNECT a:443 HTTP/1.1"]) {
    const { request } = incomingRequest(head, "Host: a");
    assertThrows(() => request.clone(), TypeError);
    assertThrows(() => toRequest(request), TypeError);
  }
});

Deno.test("a request of a method the web forbids can be looked at all the same", () => {
  assertStringIncludes(Deno.inspect(incomingRequest("TRACE / HTTP/1.1", "Host: a").request), "TRACE");
  const { request, body } = postRequest("hello");
  assertStringIncludes(Deno.inspect(request), "http://example.com/path?query");
  assertStrictEquals(bodyOf(request), body, "looking does not take its body");
});

Deno.test("headOf and bodyOf look behind our requests only", async () => {
  const { request, body, source } = postRequest("hello");
  assertStrictEquals(headOf(request), source.head);
  assertStrictEquals(bodyOf(request), body);
  assertStrictEquals(bodyOf(getRequest("/")), null);

  const foreign = new Request("http://localhost/a?b", { method: "POST", body: "x" });
  assertEquals([headOf(foreign), bodyOf(foreign), pathOf(foreign)], [undefined, undefined, "/a"]);
  assertStrictEquals(toRequest(foreign), foreign);

  // Once it is a web stream, that is where the body is.
  assert(request.body !== null);
  assertEquals(bodyOf(request), undefined);
  assertEquals(await request.text(), "hello");
});

Deno.test("pathOf is the path of the URL", () => {
  for (const target of ["/", "/a/b?c", "/a/../b", "/%2e%2e/c?d", "/a%20b", "http://h/x?y"]) {
    const request = getRequest(target);
    assertEquals(pathOf(request), new URL(request.url).pathname, target);
  }
});

Deno.test("toRequest gives a real Request, with the body", async () => {
  const { request } = postRequest("hello");
  const real = toRequest(request);
  assert(real !== request);
  assertEquals(new Request(real.url, real).method, "POST"); // Runtimes take no stand-in here, as far as they can tell.
  assertEquals([real.method, await real.text()], ["POST", "hello"]);
  assert(request.bodyUsed);
});

Deno.test("it looks like a Request from outside", () => {
  const { ours } = pair();
  assertInstanceOf(ours, Request);
  assertEquals(ours.constructor, Request);
  assertEquals(Object.prototype.toString.call(ours), "[object Request]");
  assertEquals(Reflect.ownKeys(ours), []);
  assert(Deno.inspect(ours).startsWith("Request {"), Deno.inspect(ours));
  assertThrows(() => (ours as { method: string }).method = "GET", TypeError);
});
