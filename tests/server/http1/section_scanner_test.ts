import { assert, assertEquals } from "@std/assert";
import { AT_LINE, MORE, REFUSED, SectionScanner } from "../../../server/http1/section_scanner.ts";
import { wireBytes } from "../../vectors/vector.ts";

function scanner(bytesMax = 100, linesMax = 10): SectionScanner {
  return new SectionScanner(AT_LINE, bytesMax, linesMax, "trailers-too-large", "too-many-trailers");
}

Deno.test("a section that is complete is read where it is", () => {
  const scan = scanner();
  const bytes = wireBytes("...a: b\r\nc:d \r\n\r\nnext");
  assertEquals(scan.read(bytes, 3, bytes.length), bytes.length - 4);
  assert(scan.source === bytes);
  assertEquals([scan.base, scan.count, scan.scanned], [3, 2, 14]);
  assertEquals(scan.offsets, [0, 1, 3, 4, 6, 7, 8, 9]);
});

Deno.test("a section that comes in parts is put together, at the same offsets", () => {
  const scan = scanner();
  const bytes = wireBytes("a: b\r\nc:d \r\n\r\nnext");
  assertEquals(scan.read(bytes, 0, 7), MORE);
  assertEquals(scan.read(bytes, 7, 8), MORE);
  assertEquals(scan.read(bytes, 8, bytes.length), 14);
  assertEquals(scan.source.slice(scan.base, scan.base + scan.scanned), bytes.slice(0, 14));
  assertEquals(scan.offsets, [0, 1, 3, 4, 6, 7, 8, 9]);
});

Deno.test("after reset, nothing of an earlier section is left", () => {
  const scan = scanner();
  scan.read(wireBytes("a: b\r\nc"), 0, 7);
  scan.reset();
  const bytes = wireBytes("x:y\r\n\r\n");
  assertEquals(scan.read(bytes, 0, bytes.length), bytes.length);
  assertEquals([scan.count, scan.base], [1, 0]);
  assert(scan.source === bytes);
});

Deno.test("what is held of an endless line is bounded by the limit", () => {
  const scan = scanner(1000);
  const piece = wireBytes("{100}");
  let pieces = 0;
  while (scan.read(piece, 0, piece.length) === MORE) pieces++;
  assertEquals([pieces, scan.refusal], [10, "trailers-too-large"]);
});

Deno.test("many offsets are given up after use", () => {
  const scan = scanner(10_000, 1000);
  const bytes = wireBytes("a:b\r\n".repeat(1000) + "\r\n");
  assertEquals(scan.read(bytes, 0, bytes.length), bytes.length);
  assertEquals(scan.offsets.length, 4000);
  scan.reset();
  assertEquals(scan.offsets.length, 0);
});

Deno.test("what breaks a line is named", () => {
  for (
    const [text, refusal] of [
      [" a: b\r\n", "obs-fold"],
      ["\na: b", "bare-lf"],
      [":", "field-name"],
      ["a b: c", "field-name-space"],
      ["a\r", "field-colon"],
      ["a: b\n", "bare-lf"],
      ["a: b\rc", "bare-cr"],
      ["\ra", "bare-cr"],
      ["a: \x00", "field-value-byte"],
      ["a:b\r\n".repeat(11), "too-many-trailers"],
    ] as const
  ) {
    const scan = scanner();
    assertEquals(scan.read(wireBytes(text), 0, text.length), REFUSED);
    assertEquals(scan.refusal, refusal);
  }
});
