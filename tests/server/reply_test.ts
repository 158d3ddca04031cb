import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { BodyProducer, BodyWriter } from "../../server/body_writer.ts";
import { detectRuntime } from "../../io/runtime.ts";
import { NO_FIELDS, rawReply, readResponse, Reply, TEXT_FIELDS } from "../../server/reply.ts";
import type { ReplyBody } from "../../server/reply_body.ts";
import { utf8 } from "../support/incoming_request.ts";
import { JSON_REPLIES, REFUSED_REPLIES, REPLIES, type Shown } from "../vectors/replies.ts";

/** The runtime's own `Response`, as far as it is the Fetch standard's; see the vectors. */
const STANDARD_RESPONSE = detectRuntime().name === "bun" ? null : Response;

function assertShown(response: Response, shown: Shown, bodyUsed: boolean): void {
  const { status = 200, statusText = "", headers = [], body } = shown;
  assertEquals([response.status, response.statusText, response.ok], [status, statusText, status < 300]);
  assertEquals([response.type, response.url, response.redirected], ["default", "", false]);
  assertEquals([...response.headers], headers);
  assertEquals(response.body === null, body === null);
  assertEquals(response.bodyUsed, bodyUsed && body !== null);
}

async function assertAllShown(make: () => Response, shown: Shown): Promise<void> {
  assertShown(make(), shown, false);
  assertShown(make().clone(), shown, false);
  const bytes = utf8(shown.body ?? "");
  const reads: [method: "text" | "bytes" | "arrayBuffer", gives: unknown][] = [
    ["text", shown.body ?? ""],
    ["bytes", bytes],
    ["arrayBuffer", bytes.buffer],
  ];
  for (const [method, gives] of reads) {
    const response = make();
    assertEquals(await response[method](), gives, method);
    assertShown(response, shown, true);
  }
  assertEquals(await (await make().blob()).text(), shown.body ?? "");
}

for (const [name, [args, shown]] of Object.entries(REPLIES)) {
  Deno.test(`new Reply is what new Response is: ${name}`, async () => {
    await assertAllShown(() => new Reply(...args()), shown);
    if (STANDARD_RESPONSE !== null) await assertAllShown(() => new STANDARD_RESPONSE(...args()), shown);
  });
}

Deno.test("a reply's blob has its content type, or none", async () => {
  for (const [name, [args, { headers = [] }]] of Object.entries(REPLIES)) {
    const type = headers.find(([field]) => field === "content-type")?.[1].toLowerCase() ?? "";
    for (const response of [new Reply(...args()), new Response(...args())]) {
      assertEquals((await response.blob()).type, type, name);
    }
  }
});

Deno.test("a form gets a boundary, and comes back", async () => {
  const form = new FormData();
  form.append("a", "1");
  form.append("file", new File(["content"], "name.txt"));
  const received = await new Reply(form).formData();
  assertEquals(received.get("a"), "1");
  assertEquals(await (received.get("file") as File).text(), "content");
});

for (const [name, [args, error]] of Object.entries(REFUSED_REPLIES)) {
  Deno.test(`new Reply refuses what new Response refuses: ${name}`, () => {
    assertThrows(() => new Reply(...args()), error);
    if (STANDARD_RESPONSE !== null) assertThrows(() => new STANDARD_RESPONSE(...args()), error);
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
  assertStringIncludes(Deno.inspect(reply), "Response");
  assertInstanceOf(Reply.redirect("http://example.com/", 303), Response);
  assertEquals(Reply.error().type, "error");
});

Deno.test("Reply.json is what Response.json is, and a Reply", async () => {
  for (const [data, init, shown] of JSON_REPLIES) {
    assertInstanceOf(Reply.json(data, init), Reply);
    await assertAllShown(() => Reply.json(data, init), shown);
    if (STANDARD_RESPONSE !== null) await assertAllShown(() => STANDARD_RESPONSE.json(data, init), shown);
  }
  assertThrows(() => Response.json(undefined), TypeError);
  assertThrows(() => Reply.json(undefined), TypeError);
  assertEquals(rawReply(Reply.json({ a: 1 }))?.body, '{"a":1}');
});

Deno.test("the raw reply is what it was made of, with the default content type", () => {
  const shown = (reply: Response) => {
    const { fields, ...rest } = rawReply(reply)!;
    return { ...rest, fields: [...fields] };
  };
  assertEquals(shown(new Reply("x")), { status: 200, statusText: "", fields: [...TEXT_FIELDS], body: "x" });
  assertEquals(shown(new Reply(null)), { status: 200, statusText: "", fields: [], body: null });
  const bytes = utf8("bytes");
  const reply = new Reply(bytes, { status: 206, statusText: "Part", headers: { A: "1" } });
  assertEquals(shown(reply), { status: 206, statusText: "Part", fields: [["a", "1"]], body: bytes });
  assertStrictEquals(rawReply(reply)!.body, bytes);
  assertEquals(rawReply(new Response("x")), undefined);
});

Deno.test("a reply's field lines stay in order and apart, and are shared where all have the same", () => {
  const { fields } = rawReply(new Reply(null, { headers: [["B", "1"], ["a", "2"], ["b", "3"]] }))!;
  assertEquals(fields, [["b", "1"], ["a", "2"], ["b", "3"]]);
  assertStrictEquals(rawReply(new Reply("x"))!.fields, TEXT_FIELDS);
  assertStrictEquals(rawReply(new Reply(null))!.fields, NO_FIELDS);
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

Deno.test("once its body was touched it is sent as it is then, and once", async () => {
  const touches: ((reply: Reply) => unknown)[] = [
    (reply) => reply.body,
    (reply) => reply.clone(),
    (reply) => reply.bodyUsed,
  ];
  for (const body of ["x", () => new Blob(["x"]).stream()]) {
    for (const touch of touches) {
      const reply = new Reply(typeof body === "string" ? body : body(), { status: 201, headers: { a: "b" } });
      touch(reply);
      const raw = rawReply(reply) ?? readResponse(reply);
      assertEquals([raw.status, new Headers([...raw.fields] as [string, string][]).get("a")], [201, "b"]);
      assertEquals(await new Response(raw.body as BodyInit).text(), "x");
    }
  }
  const read = new Reply("x");
  await read.text();
  assertEquals(rawReply(read), undefined);
  assertThrows(() => readResponse(read), TypeError, "was read before");
});

Deno.test("a body that was touched is the web's: the server has to read it as any response's", () => {
  for (const touch of [(reply: Reply) => reply.body, (reply: Reply) => reply.clone()]) {
    const reply = new Reply("x");
    touch(reply);
    assertEquals(rawReply(reply), undefined);
    assertInstanceOf(readResponse(reply).body, ReadableStream);
  }
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
