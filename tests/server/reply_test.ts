import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import type { BodyProducer, BodyWriter } from "../../server/body_writer.ts";
import { NO_FIELDS, rawReply, readResponse, Reply, TEXT_FIELDS } from "../../server/reply.ts";
import type { ReplyBody } from "../../server/reply_body.ts";
import { utf8 } from "../support/incoming_request.ts";

type Arguments = [body: BodyInit | null, init?: ResponseInit];

/** What both constructors are given; functions, since some bodies can be used once. */
const ALIKE: Readonly<Record<string, () => Arguments>> = {
  "nothing": () => [null],
  "text": () => ["h\u00e9llo"],
  "empty text": () => [""],
  "text with another type": () => ["<p>", { headers: { "content-type": "text/html" } }],
  "text with a status": () => ["made", { status: 201, statusText: "Made" }],
  "headers as pairs":
    () => ["x", { headers: [["a", "1"], ["A", "2"], ["set-cookie", "b=c"], ["set-cookie", "d=e"]] }],
  "headers as Headers": () => ["x", { headers: new Headers({ "x-a": "1", "content-type": "text/css" }) }],
  "headers as a record": () => ["x", { headers: { "X-Mixed-Case": "  trimmed\t", empty: "" } }],
  "init as a Response": () => ["x", new Response(null, { status: 404, headers: { "x-a": "1" } })],
  "bytes": () => [utf8("bytes")],
  "a part of a buffer": () => [utf8("bytes").subarray(1, 3)],
  "an ArrayBuffer": () => [utf8("buffer").buffer],
  "a DataView": () => [new DataView(utf8("0123456").buffer, 2, 3)],
  "a blob": () => [new Blob(["blob"], { type: "text/x-blob" })],
  "a blob without type": () => [new Blob(["blob"])],
  "parameters": () => [new URLSearchParams({ a: "1", b: "\u00e9" })],
  "a stream": () => [new Blob(["streamed"]).stream()],
  "no content": () => [null, { status: 204 }],
  "not modified": () => [null, { status: 304, headers: { etag: '"a"' } }],
  "a number, which is none of its types": () => [5 as unknown as string],
  "a plain object, which is none of its types": () => [{} as unknown as string],
  "undefined": () => [undefined as unknown as null],
  "init null": () => ["x", null as unknown as ResponseInit],
};

/** Properties that are compared by value. `body` and `headers` are looked into instead. */
const PROPERTIES = ["status", "statusText", "ok", "type", "url", "redirected", "bodyUsed"] as const;

for (const [name, args] of Object.entries(ALIKE)) {
  Deno.test(`new Reply is what new Response is: ${name}`, async () => {
    const compare = (reply: Response, response: Response) => {
      for (const property of PROPERTIES) assertEquals(reply[property], response[property], property);
      assertEquals([...reply.headers], [...response.headers]);
      assertEquals(reply.body === null, response.body === null);
    };
    compare(new Reply(...args()), new Response(...args()));
    compare(new Reply(...args()).clone(), new Response(...args()).clone());
    for (const method of ["text", "bytes", "arrayBuffer"] as const) {
      const [reply, response] = [new Reply(...args()), new Response(...args())];
      assertEquals(await reply[method](), await response[method](), method);
      compare(reply, response);
    }
    const [reply, response] = [await new Reply(...args()).blob(), await new Response(...args()).blob()];
    assertEquals([reply.type, await reply.text()], [response.type, await response.text()]);
  });
}

Deno.test("a form gets a boundary, and comes back", async () => {
  const form = new FormData();
  form.append("a", "1");
  form.append("file", new File(["content"], "name.txt"));
  const received = await new Reply(form).formData();
  assertEquals(received.get("a"), "1");
  assertEquals(await (received.get("file") as File).text(), "content");
});

/** What both constructors refuse, with the same kind of error. */
const REFUSED: Readonly<
  Record<string, { args: () => Arguments; error: typeof TypeError | typeof RangeError }>
> = {
  "a status below 200": { args: () => ["x", { status: 199 }], error: RangeError },
  "a status above 599": { args: () => ["x", { status: 600 }], error: RangeError },
  "a body with 204": { args: () => ["", { status: 204 }], error: TypeError },
  "a body with 304": { args: () => [utf8("x"), { status: 304 }], error: TypeError },
  "a status text with a line break": { args: () => [null, { statusText: "a\r\nb" }], error: TypeError },
  "a header name with a space": { args: () => [null, { headers: { "a b": "c" } }], error: TypeError },
  "an empty header name": { args: () => [null, { headers: { "": "c" } }], error: TypeError },
  "a header value with a line break": {
    args: () => [null, { headers: { a: "b\r\nc: d" } }],
    error: TypeError,
  },
  "a header value beyond bytes": { args: () => [null, { headers: { a: "\u0100" } }], error: TypeError },
  "a header entry that is no pair": { args: () => [null, { headers: [["a"]] as never }], error: TypeError },
  "headers that are none": { args: () => [null, { headers: 5 as never }], error: TypeError },
  "a locked stream": { args: () => [lockedStream()], error: TypeError },
};

function lockedStream(): ReadableStream {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}

for (const [name, { args, error }] of Object.entries(REFUSED)) {
  Deno.test(`new Reply refuses what new Response refuses: ${name}`, () => {
    assertThrows(() => new Response(...args()), error);
    assertThrows(() => new Reply(...args()), error);
  });
}

Deno.test("a stream that was read from is refused", async () => {
  const stream = new Blob(["x"]).stream();
  const reader = stream.getReader();
  await reader.read();
  reader.releaseLock();
  assertThrows(() => new Reply(stream), TypeError);
});

Deno.test("a control character in a header is refused, although the web lets some pass", () => {
  assertThrows(() => new Reply(null, { headers: { a: "b\x01" } }), TypeError, "no header may carry");
});

Deno.test("it is a Response from outside", () => {
  const reply = new Reply("x");
  assertInstanceOf(reply, Response);
  assertInstanceOf(reply, Reply);
  assertEquals(Object.prototype.toString.call(reply), "[object Response]");
  assertEquals(Reflect.ownKeys(reply), []);
  assert(Deno.inspect(reply).startsWith("Response {"));
  assertInstanceOf(Reply.redirect("http://example.com/", 303), Response);
  assertEquals(Reply.error().type, "error");
});

Deno.test("Reply.json is what Response.json is, and a Reply", async () => {
  const cases: [unknown, ResponseInit?][] = [
    [{ a: [1, null] }],
    ["text", { status: 202 }],
    [1, { headers: { "content-type": "a/b" } }],
  ];
  for (const [data, init] of cases) {
    const [reply, response] = [Reply.json(data, init), Response.json(data, init)];
    assertInstanceOf(reply, Reply);
    assertEquals([reply.status, [...reply.headers]], [response.status, [...response.headers]]);
    assertEquals(await reply.text(), await response.text());
  }
  assertThrows(() => Response.json(undefined), TypeError);
  assertThrows(() => Reply.json(undefined), TypeError);
  assertEquals(rawReply(Reply.json({ a: 1 }))?.body, '{"a":1}');
});

Deno.test("the raw reply is what it was made of, with the default content type", () => {
  assertEquals(rawReply(new Reply("x")), { status: 200, statusText: "", fields: TEXT_FIELDS, body: "x" });
  assertEquals(rawReply(new Reply(null)), { status: 200, statusText: "", fields: NO_FIELDS, body: null });
  const bytes = utf8("bytes");
  const raw = rawReply(
    new Reply(bytes, { status: 206, statusText: "Part", headers: [["A", "1"], ["a", "2"]] }),
  )!;
  assertEquals(raw, { status: 206, statusText: "Part", fields: [["a", "1"], ["a", "2"]], body: bytes });
  assertStrictEquals(raw.body, bytes);
  assertEquals(rawReply(new Response("x")), undefined);
});

Deno.test("the caller's headers are copied: what happens to them later is not sent", () => {
  const record: Record<string, string> = { a: "1" };
  const headers = new Headers(record);
  const replies = [new Reply("x", { headers: record }), new Reply("x", { headers })];
  record.a = "2";
  headers.set("a", "2");
  for (const reply of replies) {
    reply.headers.append("b", "3");
    assertEquals(Object.fromEntries(rawReply(reply)!.fields), {
      a: "1",
      b: "3",
      "content-type": "text/plain;charset=UTF-8",
    });
  }
  assertEquals(headers.has("b"), false);
});

Deno.test("what is done to its headers is what is sent, and its body stays raw", () => {
  const reply = new Reply("x", { headers: { a: "1" } });
  const { headers } = reply;
  headers.set("a", "2");
  headers.append("set-cookie", "b=c");
  headers.append("set-cookie", "d=e");
  headers.delete("content-type");
  assertStrictEquals(reply.headers, headers);
  const raw = rawReply(reply)!;
  assertEquals([...raw.fields], [["a", "2"], ["set-cookie", "b=c"], ["set-cookie", "d=e"]]);
  assertEquals(raw.body, "x");
});

Deno.test("once its body was touched it is read as any response", async () => {
  for (
    const touch of [
      (reply: Reply) => reply.body,
      (reply: Reply) => reply.clone(),
      (reply: Reply) => reply.bodyUsed,
    ]
  ) {
    const reply = new Reply("x", { status: 201 });
    touch(reply);
    assertEquals(rawReply(reply), undefined);
    const raw = readResponse(reply);
    assertEquals([raw.status, [...raw.fields]], [201, [["content-type", "text/plain;charset=UTF-8"]]]);
    assertEquals(await new Response(raw.body as ReadableStream).text(), "x");
  }
  const read = new Reply("x");
  await read.text();
  assertEquals(rawReply(read), undefined);
  assertThrows(() => readResponse(read), TypeError, "was read before");
});

Deno.test("a reply with text, bytes or a blob can be sent again; any other only once", () => {
  for (const body of ["x", utf8("x"), new Blob(["x"]), null]) {
    const reply = new Reply(body);
    assertStrictEquals(rawReply(reply)?.body, rawReply(reply)?.body);
  }
  const once: (() => ReplyBody)[] = [() => new Blob(["x"]).stream(), producer, words];
  for (const body of once) {
    for (const look of [() => {}, (reply: Reply) => reply.headers]) {
      const reply = new Reply(body());
      look(reply);
      assert(rawReply(reply) !== undefined);
      assertThrows(() => rawReply(reply), TypeError, "was sent before");
      assert(reply.bodyUsed);
      assertThrows(() => reply.clone(), TypeError);
    }
  }
});

function producer(log: string[] = []): BodyProducer {
  return {
    start(writer: BodyWriter) {
      log.push("start");
      writer.writeText("produced ");
      writer.write(utf8("body"));
      writer.end();
    },
  };
}

async function* words() {
  yield "iterated ";
  yield utf8("body");
}

Deno.test("a producer's body is a web stream for whoever asks, and is not started before it is read", async () => {
  const log: string[] = [];
  const reply = new Reply(producer(log), { headers: { "content-type": "text/event-stream" } });
  assertEquals(reply.headers.get("content-type"), "text/event-stream");
  assertInstanceOf(reply.body, ReadableStream);
  assertEquals(log, []);
  assertEquals(await reply.text(), "produced body");
  assertEquals(log, ["start"]);
});

Deno.test("looking at its headers does not start a producer, whose raw body the server then has", () => {
  const log: string[] = [];
  const body = producer(log);
  const reply = new Reply(body);
  reply.headers.set("a", "b");
  assertStrictEquals(rawReply(reply)?.body, body);
  assertEquals(log, []);
});

Deno.test("an async iterable's body has no content type of its own, and is read as text or bytes", async () => {
  const reply = new Reply(words());
  assertEquals(reply.headers.get("content-type"), null);
  assertEquals(await reply.text(), "iterated body");
});

Deno.test("readResponse takes any response by its public members, and no error", async () => {
  const raw = readResponse(new Response("x", { status: 404, headers: { a: "b" } }));
  assertEquals([raw.status, raw.statusText, Object.fromEntries(raw.fields).a], [404, "", "b"]);
  assertEquals(await new Response(raw.body as ReadableStream).text(), "x");
  assertEquals(readResponse(new Response(null)).body, null);
  assertThrows(() => readResponse(Response.error()), TypeError, "Response.error()");
  const used = new Response("x");
  await used.text();
  assertThrows(() => readResponse(used), TypeError, "was read before");
});

Deno.test("Reply works where a Response is wanted: new Response(reply.body, reply)", async () => {
  const reply = new Reply("x", { status: 202, headers: { a: "b" } });
  const copy = new Response(reply.body, reply);
  assertEquals([copy.status, copy.headers.get("a"), await copy.text()], [202, "b", "x"]);
});
