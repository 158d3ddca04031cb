import { assert, assertEquals } from "@std/assert";
import { ChunkedDecoder } from "../../../server/http1/chunked_decoder.ts";
import { MESSAGE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import { REFUSED } from "../../../server/http1/section_scanner.ts";
import { wireBytes } from "../../vectors/vector.ts";

/** Decodes a whole body; tells where it ended, or why not. */
function decode(wire: string, bodyBytesMax = Infinity): { data: string; end: number | string } {
  const decoder = new ChunkedDecoder(MESSAGE_LIMITS_DEFAULT);
  const bytes = wireBytes(wire);
  let data = "";
  let at = 0;
  while (at < bytes.length && !decoder.isComplete) {
    at = decoder.read(bytes, at, bytes.length, bodyBytesMax);
    if (at === REFUSED) return { data, end: decoder.refusal! };
    const taken = Math.min(decoder.data, bytes.length - at);
    if (taken === 0) continue;
    for (let i = 0; i < taken; i++) data += String.fromCharCode(bytes[at++]!);
    decoder.took(taken);
  }
  return { data, end: decoder.isComplete ? at : "more" };
}

Deno.test("data is found and the end is exact", () => {
  assertEquals(decode("2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\nGET"), { data: "abc", end: 22 });
});

Deno.test("sizes of every digit are read", () => {
  for (const size of ["1", "a", "F", "10", "0a", "1F"]) {
    assertEquals(decode(`${size}\r\n{${parseInt(size, 16)}}\r\n0\r\n\r\n`).data.length, parseInt(size, 16));
  }
});

Deno.test("the largest size is taken, one more is not", () => {
  assertEquals(decode("1fffffffffffff\r\n").end, "more");
  assertEquals(decode("20000000000000\r\n").end, "chunk-size-overflow");
});

Deno.test("the sum of sizes is bounded, before the data comes", () => {
  assertEquals(decode("1\r\na\r\n1\r\nb\r\n1\r\n", 2), { data: "ab", end: "body-too-large" });
  assertEquals(decode("1fffffffffffff\r\n", 2), { data: "", end: "body-too-large" });
});

Deno.test("after reset it decodes another body, with nothing of the first", () => {
  const decoder = new ChunkedDecoder(MESSAGE_LIMITS_DEFAULT);
  const first = wireBytes("0;{1000}\r\nx: y\r\n\r\n");
  assertEquals(decoder.read(first, 0, first.length, 0), first.length);
  assertEquals(decoder.trailers?.get("x"), "y");
  const trailers = decoder.trailers!;
  decoder.reset();
  assertEquals([decoder.isComplete, decoder.trailers, trailers.count], [false, null, 0]);
  const second = wireBytes("0;{1000}\r\n\r\n");
  assertEquals(decoder.read(second, 0, second.length, 0), second.length);
  assert(decoder.isComplete);
  assertEquals(decoder.trailers, null);
});

Deno.test("extensions keep to the grammar of RFC 9112 §7.1.1 without white space", () => {
  const good = [";a", ";a=b", ';a="b"', ";a;b", ';a="";b=c', ';a=";\\""'];
  const bad = [
    ";",
    ";;",
    ";a=",
    ";=b",
    ";a;",
    "; a",
    ";a ",
    ";a =b",
    ";a= b",
    ';a="b',
    ';a="b"c',
    ";a=b=c",
    ";a(",
    ";a=(",
    ';a="\\\x01"',
  ];
  for (const extension of good) assertEquals(decode(`1${extension}\r\nx\r\n0\r\n\r\n`).data, "x", extension);
  for (const extension of bad) {
    assertEquals(decode(`1${extension}\r\nx\r\n0\r\n\r\n`).end, "chunk-extension", extension);
  }
});
