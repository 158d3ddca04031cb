import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { MESSAGE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import { RequestParser } from "../../../server/http1/parser.ts";
import { ScannerPool } from "../../../server/http1/scanner_pool.ts";
import { MORE } from "../../../server/http1/section_scanner.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A parser that borrows from `pool`, and the targets it has seen. */
function parserOf(pool: ScannerPool) {
  const targets: string[] = [];
  const sink = {
    head: (head: { target: string }) => void targets.push(head.target),
    body() {},
    end() {},
    error: (error: Error) => void targets.push(error.message),
  };
  return { parser: new RequestParser(sink, MESSAGE_LIMITS_DEFAULT, { scanners: pool }), targets };
}

Deno.test("what was given back is lent again, from the beginning of a head", () => {
  const pool = new ScannerPool(MESSAGE_LIMITS_DEFAULT);
  const scanner = pool.take();
  const part = encode("GET / HT");
  assertEquals(scanner.read(part, 0, part.length), MORE);
  assertNotStrictEquals(pool.take(), scanner);
  pool.give(scanner);
  assertStrictEquals(pool.take(), scanner);
  assertEquals(scanner.scanned, 0);
});

Deno.test("no more than a few are kept", () => {
  const pool = new ScannerPool(MESSAGE_LIMITS_DEFAULT);
  const all = Array.from({ length: 20 }, () => pool.take());
  for (const scanner of all) pool.give(scanner);
  const again = Array.from({ length: 20 }, () => pool.take());
  assertEquals(again.filter((scanner) => all.includes(scanner)).length, 8);
});

Deno.test("parsers that share scanners do not mix their heads, however those are cut", () => {
  const pool = new ScannerPool(MESSAGE_LIMITS_DEFAULT);
  const parsers = Array.from({ length: 30 }, () => parserOf(pool));
  const texts = parsers.map((_, i) =>
    encode(`GET /${i} HTTP/1.1\r\nHost: a\r\nX-${i}: ${i}\r\n\r\n`.repeat(3))
  );
  const longest = Math.max(...texts.map(({ length }) => length));
  for (let at = 0; at < longest; at += 7) {
    for (const [i, { parser }] of parsers.entries()) parser.feed(texts[i]!.subarray(at, at + 7));
  }
  for (const [i, { targets }] of parsers.entries()) assertEquals(targets, [`/${i}`, `/${i}`, `/${i}`]);
});

Deno.test("a refused head gives its scanner back clean", () => {
  const pool = new ScannerPool(MESSAGE_LIMITS_DEFAULT);
  const bad = parserOf(pool);
  bad.parser.feed(encode("GET / HTTP/1.1\r\nbad line\r\n\r\n"));
  const good = parserOf(pool);
  good.parser.feed(encode("GET /good HTTP/1.1\r\nHost: a\r\n\r\n"));
  assertEquals(good.targets, ["/good"]);
  assertEquals(bad.targets.length, 1);
});
