import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import {
  describeBody,
  isOneShot,
  isProducer,
  TEXT_TYPE,
  TypedText,
  webBody,
} from "../../server/reply_body.ts";
import { utf8 } from "../support/incoming_request.ts";

async function* words() {
  yield "one ";
  yield utf8("two");
}

Deno.test("each kind of body is kept, with the content type the web gives it", () => {
  const blob = new Blob(["x"], { type: "a/b" });
  const bytes = utf8("x");
  const stream = new ReadableStream();
  const producer = { start: () => {} };
  const iterable = words();
  for (const body of [blob, bytes, stream, producer, iterable]) {
    assertStrictEquals(describeBody(body).body, body);
  }
  assertEquals(describeBody(blob).contentType, "a/b");
  assertEquals(describeBody(bytes).contentType, null);
  assertEquals(describeBody("x"), { body: "x", contentType: TEXT_TYPE });
  assertEquals(describeBody(new TypedText("{}", "application/json")), {
    body: "{}",
    contentType: "application/json",
  });
  assertEquals(describeBody(new URLSearchParams("a=b c")).body, "a=b+c");
  assertEquals(describeBody(7), { body: "7", contentType: TEXT_TYPE });
});

Deno.test("views show their own part of a buffer only", () => {
  const { buffer } = utf8("0123456");
  assertEquals(describeBody(buffer).body, utf8("0123456"));
  assertEquals(describeBody(new DataView(buffer, 2, 3)).body, utf8("234"));
  assertEquals(describeBody(new Uint16Array(buffer, 2, 1)).body, utf8("23"));
});

Deno.test("a form is encoded with the boundary its content type names", async () => {
  const form = new FormData();
  form.set("a", "1");
  const { body, contentType } = describeBody(form);
  const boundary = contentType?.split("boundary=")[1];
  assertInstanceOf(body, ReadableStream);
  assert((await new Response(body).text()).startsWith(`--${boundary}`));
});

Deno.test("a stream that is locked is refused", () => {
  const stream = new ReadableStream();
  stream.getReader();
  assertThrows(() => describeBody(stream), TypeError);
});

Deno.test("what is used up by being sent is told from what is not", () => {
  for (const body of ["x", null, utf8("x"), new Blob(["x"])]) assertEquals(isOneShot(body), false);
  for (const body of [new ReadableStream(), words(), { start: () => {} }]) {
    assertEquals(isOneShot(body), true);
  }
});

Deno.test("only what has a start writes itself", () => {
  assert(isProducer({ start: () => {} }));
  assert(!isProducer({ start: 5 }));
  assert(!isProducer(new ReadableStream()));
  assert(!isProducer(words()));
});

Deno.test("each kind is a web body with the same bytes", async () => {
  const producer = {
    start: (
      writer: { writeText(text: string): void; end(): void },
    ) => (writer.writeText("one two"), writer.end()),
  };
  for (const body of ["one two", utf8("one two"), new Blob(["one two"]), words(), producer]) {
    assertEquals(await new Response(webBody(body)).text(), "one two");
  }
  assertEquals(webBody(null), null);
});
