import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { ByteQueue } from "../../io/byte_queue.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (taken: Uint8Array) => new TextDecoder().decode(taken);

Deno.test("bytes come out in the order in which they went in, in pieces of any size", () => {
  const queue = new ByteQueue();
  const out: number[] = [];
  let into = 0;
  for (let round = 1; round <= 300; round++) {
    queue.push(Uint8Array.from({ length: (round * 7) % 41 }, () => into++ % 251));
    const count = Math.min(queue.length, (round * 5) % 37);
    const taken = queue.take(count);
    assertEquals(taken.length, count);
    out.push(...taken);
  }
  out.push(...queue.take(queue.length));
  assertEquals(out, Array.from({ length: into }, (_, index) => index % 251));
  assertEquals(queue.length, 0);
});

Deno.test("what is taken is the caller's own: changing or transferring it leaves the queue alone", () => {
  const source = bytes("one two three");
  const queue = new ByteQueue();
  queue.push(source);
  source.fill(0);
  const first = queue.take(4);
  first.fill(1);
  structuredClone(first, { transfer: [first.buffer] });
  assertEquals(text(queue.take(4)), "two ");
  const rest = queue.take(5);
  structuredClone(rest, { transfer: [rest.buffer] });
  queue.push(bytes("four"));
  assertEquals(text(queue.take(4)), "four");
  structuredClone(new Uint8Array(0), { transfer: [queue.take(0).buffer] });
  queue.push(bytes("five"));
  assertEquals(text(queue.take(4)), "five");
});

Deno.test("a block that is taken whole is handed over without another copy", () => {
  const queue = new ByteQueue();
  queue.push(bytes("whole"));
  const taken = queue.take(5);
  assertEquals(taken.buffer.byteLength, 5);
  queue.push(bytes("a"), 4);
  queue.push(bytes("bcd"), 4);
  assertEquals(queue.take(4).buffer.byteLength, 4, "grown to just what was wanted");
});

Deno.test("bytes on loan are read without being copied in, and what is left is kept", () => {
  const queue = new ByteQueue();
  const loan = bytes("line one\nline two");
  queue.lend(loan);
  assertEquals(queue.indexOf(10, 0), 8);
  const line = queue.take(9);
  queue.keep();
  loan.fill(0);
  assertEquals(text(line), "line one\n");
  assertEquals(text(queue.take(8)), "line two");

  queue.lend(loan);
  const whole = queue.take(loan.length);
  assertNotStrictEquals(whole.buffer, loan.buffer);
  queue.keep();
  assertEquals(queue.length, 0);
  queue.keep(); // without a loan it does nothing
});

Deno.test("a loaned Node Buffer is copied, not viewed", async () => {
  const { Buffer } = await import("node:buffer");
  const loan = Buffer.from("abcdef");
  const queue = new ByteQueue();
  queue.lend(loan);
  const taken = queue.take(3);
  queue.keep();
  const pushed = new ByteQueue();
  pushed.push(loan);
  loan.fill(0);
  assertEquals(text(taken), "abc");
  assertEquals(text(queue.take(3)), "def");
  assertEquals(text(pushed.take(6)), "abcdef");
  assertStrictEquals(taken.constructor, Uint8Array);
});

Deno.test("skip and clear drop bytes", () => {
  const queue = new ByteQueue();
  queue.push(bytes("abcdef"));
  queue.skip(2);
  assertEquals(text(queue.take(1)), "c");
  queue.skip(3);
  assertEquals(queue.length, 0);
  queue.push(bytes("xyz"));
  queue.clear();
  assertEquals(queue.length, 0);
});

Deno.test("indexOf sees only what is in the queue", () => {
  const queue = new ByteQueue();
  queue.push(bytes("a\nb"));
  queue.push(bytes("c\n"));
  assertEquals([queue.indexOf(10, 0), queue.indexOf(10, 2), queue.indexOf(10, 5)], [1, 4, -1]);
  queue.skip(5);
  queue.push(bytes("x"));
  queue.push(bytes("y"));
  assertEquals(queue.indexOf(10, 0), -1, "not what was there before");
  assertEquals(queue.indexOf(0, 0), -1, "not what the block has to spare");
});

Deno.test("find gives the separator that ends first, across pieces, and no part of one", () => {
  const queue = new ByteQueue();
  for (const piece of ["aab", "aa", "aba", "b\r", "\nc"]) queue.push(bytes(piece));
  assertEquals(queue.find([bytes("aaab")], 0), { start: 3, end: 7 });
  assertEquals(
    queue.find([bytes("b"), bytes("ab")], 0),
    { start: 2, end: 3 },
    "of those that end together the shortest",
  );
  assertEquals(queue.find([bytes("\n"), bytes("b\r\n")], 0), { start: 10, end: 11 });
  assertEquals(queue.find([bytes("\r\nc"), bytes("aabab")], 0), { start: 4, end: 9 });
  assertEquals(queue.find([bytes("aab")], 1), { start: 4, end: 7 });
  assertEquals(queue.find([bytes("cc"), bytes("\ncc")], 0), null);
});
