import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { createSharedBody, releaseSharedBody, retainSharedBody } from "../../../server/sse/shared_body.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a shared body is the same bytes plain and as one chunk, in one buffer", () => {
  const body = createSharedBody("id: 1\n", bytes("data: ü\n"), "\n");
  assertEquals(text(body.plain.bytes), "id: 1\ndata: ü\n\n");
  assertEquals(text(body.chunked.bytes), "10\r\nid: 1\ndata: ü\n\n\r\n");
  assertStrictEquals(body.plain.bytes.buffer, body.chunked.bytes.buffer);
});

Deno.test("both chunks are retained and released together, and freed with the last reference", () => {
  const body = createSharedBody("", bytes("x"), "");
  const freed: string[] = [];
  body.plain.onFree = () => freed.push("plain");
  body.chunked.onFree = () => freed.push("chunked");
  retainSharedBody(body);
  releaseSharedBody(body);
  assertEquals([body.plain.refs, body.chunked.refs, freed.length], [1, 1, 0]);
  releaseSharedBody(body);
  assertEquals([body.plain.refs, body.chunked.refs, freed], [0, 0, ["plain", "chunked"]]);
});

Deno.test("a body of nothing is refused: as a chunk it would end the stream", () => {
  assertThrows(() => createSharedBody("", bytes(""), ""), RangeError);
});
