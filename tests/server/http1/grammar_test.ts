import { assertEquals } from "@std/assert";
import {
  FIELD_VALUE,
  HEX_PLUS_ONE,
  isText,
  latin1,
  QUOTED,
  TARGET,
  TOKEN_LOWER,
} from "../../../server/http1/grammar.ts";
import { seededRandom } from "../../vectors/seeded_random.ts";
import { wireBytes } from "../../vectors/vector.ts";

/** Compares a class with the characters a pattern matches. */
function assertClass(table: Uint8Array, pattern: RegExp): void {
  for (let byte = 0; byte < 256; byte++) {
    assertEquals(table[byte] !== 0, pattern.test(String.fromCharCode(byte)), `byte 0x${byte.toString(16)}`);
  }
}

Deno.test("tokens are RFC 9110 §5.6.2's, in lower case", () => {
  assertClass(TOKEN_LOWER, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/);
  for (let byte = 0x21; byte < 0x7f; byte++) {
    const char = String.fromCharCode(byte);
    if (TOKEN_LOWER[byte] !== 0) assertEquals(String.fromCharCode(TOKEN_LOWER[byte]!), char.toLowerCase());
  }
});

Deno.test("field values have no control but the tab (RFC 9110 §5.5)", () => {
  assertClass(FIELD_VALUE, /^[\t\x20-\x7e\x80-\xff]$/);
});

Deno.test("quoted strings have neither quote nor backslash (RFC 9110 §5.6.4)", () => {
  assertClass(QUOTED, /^[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]$/);
});

Deno.test("targets are ASCII without space, quote, angle bracket and fragment", () => {
  assertClass(TARGET, /^(?![ "<>#])[\x21-\x7e]$/);
});

Deno.test("every character a browser leaves raw may be in a target", () => {
  for (let byte = 0; byte < 128; byte++) {
    const url = new URL("http://a/");
    url.search = String.fromCharCode(byte);
    for (const sent of wireBytes(url.search)) assertEquals(TARGET[sent] !== 0, true, `byte ${byte}`);
    url.search = "";
    url.pathname = String.fromCharCode(byte);
    for (const sent of wireBytes(url.pathname)) assertEquals(TARGET[sent] !== 0, true, `byte ${byte}`);
  }
});

Deno.test("hexadecimal digits have their values", () => {
  assertClass(HEX_PLUS_ONE, /^[0-9a-fA-F]$/);
  for (const digit of "0123456789abcdefABCDEF") {
    assertEquals(HEX_PLUS_ONE[digit.charCodeAt(0)], parseInt(digit, 16) + 1);
  }
});

Deno.test("a text is found whatever its case, but not a longer or shorter one", () => {
  const bytes = wireBytes("xCoNtEnT-LeNgThx");
  assertEquals(isText(bytes, 1, 15, "content-length"), true);
  assertEquals(isText(bytes, 1, 14, "content-length"), false);
  assertEquals(isText(bytes, 1, 16, "content-length"), false);
  assertEquals(isText(wireBytes("conteNt_length"), 0, 14, "content-length"), false);
  // 0x0d is 0x2d without a bit: folding case by setting bits would take one for the other.
  assertEquals(isText(wireBytes("content\x0dlength"), 0, 14, "content-length"), false);
});

Deno.test("bytes become code units, at every length and offset", () => {
  const random = seededRandom(7);
  for (let length = 0; length < 300; length++) {
    for (const below of [0x80, 0x100]) {
      const text = Array.from({ length }, () => String.fromCharCode(random(below))).join("");
      const bytes = Uint8Array.from(`ab${text}c`, (char) => char.charCodeAt(0));
      assertEquals(latin1(bytes, 2, 2 + length), text);
    }
  }
});
