import { assertEquals } from "@std/assert";
import { Meaning } from "../../../server/http1/meaning.ts";
import { AT_LINE, SectionScanner } from "../../../server/http1/section_scanner.ts";
import { wireBytes } from "../../vectors/vector.ts";

/** Reads field lines, as a request's by default. */
function read(lines: string, isRequest = true): Meaning | string {
  const scanner = new SectionScanner(AT_LINE, 10_000, 100, "headers-too-large", "too-many-headers");
  const bytes = wireBytes(lines + "\r\n");
  scanner.read(bytes, 0, bytes.length);
  const meaning = new Meaning();
  return meaning.read(scanner.source, scanner.base, scanner.offsets, scanner.count, isRequest) ?? meaning;
}

/** What is not as without any lines. */
function told(lines: string, isRequest = true): Record<string, unknown> | string {
  const meaning = read(lines, isRequest);
  if (typeof meaning === "string") return meaning;
  const plain = new Meaning();
  return Object.fromEntries(
    Object.entries(meaning).filter(([name, value]) => Reflect.get(plain, name) !== value),
  );
}

Deno.test("names that mean nothing to the engine change nothing", () => {
  // Of every length that is looked at.
  assertEquals(
    told(
      "abcd: 1\r\nabcdef: 1\r\nabcdefg: 1\r\nabcdefghij: 1\r\nabcdefghijklmn: 1\r\nabcdefghijklmnopq: 1\r\n",
    ),
    {},
  );
});

Deno.test("Content-Length is a number up to 2^53-1", () => {
  assertEquals(told("Content-Length: 0\r\n"), { length: 0 });
  assertEquals(told("content-LENGTH: 9007199254740991\r\n"), { length: Number.MAX_SAFE_INTEGER });
  assertEquals(told("Content-Length: 9007199254740992\r\n"), "length-overflow");
  assertEquals(told("Content-Length: 12345678901234567\r\n"), "length-overflow");
});

Deno.test("Transfer-Encoding is one list, however many lines", () => {
  assertEquals(told("Transfer-Encoding: chunked\r\n"), { hasCoding: true, isChunked: true });
  assertEquals(told("Transfer-Encoding: gzip , \t chunked\r\n"), {
    hasCoding: true,
    isChunked: true,
    hasOtherCoding: true,
  });
  assertEquals(told("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), {
    hasCoding: true,
    isChunked: true,
    hasOtherCoding: true,
  });
  assertEquals(told("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"), "coding-syntax");
  assertEquals(told("Transfer-Encoding: gzip\r\n"), { hasCoding: true, hasOtherCoding: true });
});

Deno.test("Connection's options are found in any place and case", () => {
  assertEquals(told("Connection: x, CLOSE ,y\r\n"), { hasClose: true });
  assertEquals(told("Connection: Keep-Alive\r\nconnection:\tupgrade\r\n"), {
    hasKeepAlive: true,
    hasUpgradeOption: true,
  });
  assertEquals(told("Connection: closex, xclose, clos, keep_alive\r\n"), {});
});

Deno.test("Host and Expect are a request's only", () => {
  assertEquals(told("Host: a\r\nExpect: 100-continue\r\n"), { hostIndex: 0, hasExpect: true });
  assertEquals(told("Host: a\r\nHost: b\r\nExpect: x\r\n", false), {});
});

Deno.test("h2c is no upgrade, something beside it is", () => {
  assertEquals(told("Upgrade: h2c\r\n"), {});
  assertEquals(told("Upgrade: H2C\r\n"), {});
  assertEquals(told("Upgrade:\r\n"), {});
  assertEquals(told("Upgrade: h2c, websocket\r\n"), { hasUpgrade: true });
});

Deno.test("a head does not inherit what an earlier one said", () => {
  const scanner = new SectionScanner(AT_LINE, 10_000, 100, "headers-too-large", "too-many-headers");
  const meaning = new Meaning();
  for (
    const lines of [
      "Host: a\r\nContent-Length: 5\r\nConnection: close, upgrade, keep-alive\r\nUpgrade: x\r\nExpect: 100-continue\r\n",
      "Transfer-Encoding: gzip, chunked\r\n",
      "",
    ]
  ) {
    const bytes = wireBytes(lines + "\r\n");
    scanner.read(bytes, 0, bytes.length);
    assertEquals(meaning.read(scanner.source, scanner.base, scanner.offsets, scanner.count, true), null);
    scanner.reset();
  }
  assertEquals({ ...meaning }, { ...new Meaning() });
});
