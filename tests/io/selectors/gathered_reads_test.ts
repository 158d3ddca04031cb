/** Small reads of a turn, kept for its end. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { type GatheredReader, GatheredReads } from "../../../io/selectors/gathered_reads.ts";

/** Reads under test: `delivered` has what readers got, `turnEnds` what is to run when the turn ends. */
function setUp() {
  const turns = { endedTurns: 0, flush: () => void delivered.push("flush") };
  const turnEnds: (() => void)[] = [];
  const delivered: string[] = [];
  const reads = new GatheredReads((run) => void turnEnds.push(run), turns);
  const reader = (name: string, then: () => void = () => {}): GatheredReader => ({
    deliverRead(bytes) {
      delivered.push(`${name}:${new TextDecoder().decode(bytes)}`);
      then();
    },
  });
  /** What a socket does: fills the front, and delivers what is not kept. */
  const read = (by: GatheredReader, text: string): boolean => {
    reads.buffer.set(new TextEncoder().encode(text));
    const isKept = reads.keep(by, text.length);
    if (!isKept) by.deliverRead(reads.front(text.length));
    return isKept;
  };
  return { turns, turnEnds, delivered, reads, reader, read };
}

Deno.test("the first read of a turn goes through, the small ones after it wait for its end, in order", () => {
  const { turns, turnEnds, delivered, reader, read } = setUp();
  const [a, b] = [reader("a"), reader("b")];
  assertEquals([read(a, "1"), read(b, "22"), read(a, "333"), read(b, "4")], [false, true, true, true]);
  assertEquals(delivered, ["a:1"]);
  assertEquals(turnEnds.length, 1, "it asks once");
  turnEnds[0]!();
  assertEquals(delivered.splice(0), ["a:1", "b:22", "a:333", "b:4", "flush"]);
  assertEquals(read(b, "5"), true, "the turn has not ended yet");
  turns.endedTurns++;
  assertEquals(read(b, "6"), true, "something waits");
  turnEnds[1]!();
  assertEquals(read(b, "7"), false, "a new turn's first");
  assertEquals(delivered, ["b:5", "b:6", "flush", "b:7"]);
});

Deno.test("a large read goes through, after what waits, and is not overwritten by it", () => {
  const { turnEnds, delivered, reader, read } = setUp();
  const [a, b] = [reader("a"), reader("b")];
  read(a, "first");
  read(a, "small");
  const large = "x".repeat(2049);
  assertEquals([read(b, "y".repeat(2048)), read(a, large)], [true, false]);
  assertEquals(delivered, ["a:first", "a:small", `b:${"y".repeat(2048)}`, `a:${large}`]);
  turnEnds[0]!();
  assertEquals(delivered.slice(4), ["flush"]);
});

Deno.test("what is too large is preceded by all that waits", () => {
  const { delivered, reader, read } = setUp();
  const a = reader("a");
  const text = "z".repeat(2048);
  read(a, text);
  const kept = Array.from({ length: 31 }, () => read(a, text));
  assertEquals([kept.every((isKept) => isKept), delivered.length], [true, 1]);
  assertEquals(read(a, "large".repeat(500)), false);
  assertEquals(delivered.length, 33);
});

Deno.test("a reader that causes a delivery or a read within its own gets neither twice", () => {
  const { delivered, reads, reader, read } = setUp();
  const b = reader("b");
  const a = reader("a", () => {
    reads.deliver();
    if (delivered.length < 4) assertStrictEquals(read(b, "within"), false);
  });
  read(b, "first");
  read(a, "1");
  read(b, "2");
  reads.deliver();
  assertEquals(delivered, ["b:first", "a:1", "b:within", "b:2"]);
  assertEquals(read(b, "3"), true, "it is as before");
});

Deno.test("a batch is delivered and answered in the middle of the turn", () => {
  const { turnEnds, delivered, reader, read } = setUp();
  const readers = Array.from({ length: 34 }, (_, i) => reader(String(i)));
  for (const each of readers) read(each, "x");
  assertEquals(delivered, [...Array.from({ length: 33 }, (_, i) => `${i}:x`), "flush"]);
  turnEnds[0]!();
  assertEquals(delivered.slice(34), ["33:x", "flush"]);
});
