import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { BIG_BLOCK_BYTES, BLOCK_BYTES, BlockPool } from "../../io/block_pool.ts";
import { SharedChunk } from "../../io/shared_chunk.ts";
import { Prng } from "../../io/testing/prng.ts";
import { WriteQueue } from "../../io/write_queue.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Everything that waits in the queue, as text. */
function text(queue: WriteQueue): string {
  const views: Uint8Array[] = [];
  queue.gather(views, Infinity, Infinity);
  return views.map((view) => decoder.decode(view)).join("");
}

Deno.test("small writes of every kind collect in one block", () => {
  const queue = new WriteQueue(new BlockPool());
  assert(queue.isEmpty);
  queue.append(encoder.encode("one "));
  assertEquals(queue.appendText("zwö "), 5);
  queue.appendLatin1("three");
  assertEquals([queue.partCount, text(queue)], [1, "one zwö three"]);
  assertEquals(decoder.decode(queue.view(3)), "one");
});

Deno.test("a write that does not fit fills the block and goes on in the next one", () => {
  const queue = new WriteQueue(new BlockPool());
  queue.append(new Uint8Array(BLOCK_BYTES - 2).fill(65));
  queue.append(encoder.encode("bcde"));
  assertEquals(queue.partCount, 2);
  assertEquals(queue.view(Infinity).length, BLOCK_BYTES);
  queue.take(BLOCK_BYTES);
  assertEquals(text(queue), "de");
});

Deno.test("a write that fills a block exactly leaves no empty part", () => {
  const queue = new WriteQueue(new BlockPool());
  queue.append(new Uint8Array(BLOCK_BYTES - 1));
  queue.append(new Uint8Array(1));
  assertEquals(queue.partCount, 1);
  queue.append(new Uint8Array(1));
  assertEquals(queue.partCount, 2);
  queue.take(BLOCK_BYTES + 1);
  assert(queue.isEmpty);
});

Deno.test("a big write gets big blocks of its own, which go back to the pool", () => {
  const pool = new BlockPool();
  const queue = new WriteQueue(pool);
  const bytes = new Uint8Array(5 * BLOCK_BYTES).fill(7);
  queue.append(bytes);
  queue.append(encoder.encode("after"));
  assertEquals(queue.partCount, 3);
  assertEquals(queue.view(Infinity), bytes.subarray(0, BIG_BLOCK_BYTES));
  assertNotStrictEquals(queue.view(Infinity).buffer, bytes.buffer);
  const views: Uint8Array[] = [];
  assertEquals(queue.gather(views, 64, Infinity), 5 * BLOCK_BYTES + 5);
  assertEquals(views.map((view) => view.length), [BIG_BLOCK_BYTES, BLOCK_BYTES, 5]);
  queue.take(5 * BLOCK_BYTES + 5);
  assertEquals([queue.isEmpty, pool.freeCount], [true, 3]);
});

Deno.test("Latin-1 is one byte a unit, in long and short texts, ASCII or not", () => {
  for (
    const sample of [
      "é",
      "x".repeat(63),
      "x".repeat(64),
      "é".repeat(64),
      "xé".repeat(500),
      "é".repeat(40_000),
    ]
  ) {
    const queue = new WriteQueue(new BlockPool());
    queue.append(encoder.encode("!"));
    queue.appendLatin1(sample);
    const views: Uint8Array[] = [];
    queue.gather(views, Infinity, Infinity);
    const bytes = views.flatMap((view) => [...view]);
    assertEquals(bytes, [33, ...[...sample].map((unit) => unit.charCodeAt(0))]);
  }
});

Deno.test("a text with a unit above 255 is refused wherever it would go, and leaves nothing behind", () => {
  const pool = new BlockPool();
  const queue = new WriteQueue(pool);
  for (const sample of ["€", "x".repeat(100) + "Ā", "x".repeat(20_000) + "😀"]) {
    assertThrows(() => queue.appendLatin1(sample), RangeError, "above 255");
    assert(queue.isEmpty);
  }
  queue.append(encoder.encode("kept"));
  assertThrows(() => queue.appendLatin1("kept not €"), RangeError);
  queue.appendLatin1(", and more");
  assertEquals([text(queue), queue.partCount], ["kept, and more", 1]);
});

Deno.test("UTF-8 needs room for its longest form, or a block of its own, or memory of its own", () => {
  const pool = new BlockPool();
  const queue = new WriteQueue(pool);
  queue.append(new Uint8Array(BLOCK_BYTES - 5).fill(65));
  assertEquals(queue.appendText("€€"), 6);
  assertEquals(queue.partCount, 2);
  assertEquals(queue.appendText("€".repeat(20_000)), 60_000);
  assertEquals(text(queue).slice(BLOCK_BYTES - 5), "€".repeat(20_002));
});

Deno.test("a shared chunk stands between copied bytes, in order, uncopied", () => {
  const queue = new WriteQueue(new BlockPool());
  const chunk = new SharedChunk(encoder.encode("shared"));
  queue.append(encoder.encode("<"));
  queue.appendShared(chunk);
  queue.append(encoder.encode(">"));
  queue.append(encoder.encode("!"));
  assertEquals([queue.partCount, text(queue), chunk.refs], [3, "<shared>!", 2]);
  queue.take(1);
  assertStrictEquals(queue.view(Infinity), chunk.bytes);
  queue.take(3);
  assertEquals([text(queue), chunk.refs], ["red>!", 2]);
  queue.take(3);
  assertEquals([text(queue), chunk.refs], [">!", 1]);
});

Deno.test("gather heeds both bounds and shows only the rest of what was begun", () => {
  const queue = new WriteQueue(new BlockPool());
  for (const letter of ["aaaa", "bbbb", "cccc"]) {
    const chunk = new SharedChunk(encoder.encode(letter));
    queue.appendShared(chunk);
    chunk.release();
  }
  queue.take(2);
  const shown = (parts: number, bytes: number) => {
    const views: Uint8Array[] = [];
    const count = queue.gather(views, parts, bytes);
    return [count, ...views.map((view) => decoder.decode(view))];
  };
  assertEquals(shown(2, 100), [6, "aa", "bbbb"]);
  assertEquals(shown(9, 7), [7, "aa", "bbbb", "c"]);
  assertEquals(shown(9, 6), [6, "aa", "bbbb"]);
  assertEquals(shown(9, 1), [1, "a"]);
});

Deno.test("what is held leaves the queue, and is given back when the driver is done", () => {
  const pool = new BlockPool();
  const queue = new WriteQueue(pool);
  const chunk = new SharedChunk(encoder.encode("shared"));
  queue.append(encoder.encode("block"));
  queue.appendShared(chunk);
  queue.hold(11);
  assertEquals([queue.isEmpty, pool.freeCount, chunk.refs], [true, 0, 2]);
  queue.releaseHeld();
  assertEquals([pool.freeCount, chunk.refs], [1, 1]);
});

Deno.test("a block of which the driver holds a part is not written to any more", () => {
  const queue = new WriteQueue(new BlockPool());
  queue.append(encoder.encode("held"));
  const held = queue.view(4);
  queue.hold(4);
  queue.append(encoder.encode("next"));
  assertNotStrictEquals(queue.view(4).buffer, held.buffer);
  queue.append(encoder.encode("!!"));
  const part = queue.view(2);
  queue.hold(2);
  queue.append(encoder.encode("more"));
  assertEquals([decoder.decode(part), text(queue), queue.partCount], ["ne", "xt!!more", 2]);
});

Deno.test("dropping gives back what waits, and keeps a block that is partly held out of the pool", () => {
  const pool = new BlockPool();
  const queue = new WriteQueue(pool);
  const chunk = new SharedChunk(encoder.encode("shared"));
  queue.append(encoder.encode("begun"));
  queue.appendShared(chunk);
  queue.append(encoder.encode("block"));
  queue.hold(2);
  queue.drop();
  assertEquals([queue.isEmpty, chunk.refs, pool.freeCount], [true, 1, 1]);
  queue.forgetHeld();
  assertEquals(pool.freeCount, 1, "the runtime may still read the first block");
});

Deno.test("a chunk of which the driver holds a part is released once, whether sent or lost", () => {
  for (const end of ["releaseHeld", "forgetHeld"] as const) {
    const queue = new WriteQueue(new BlockPool());
    const chunk = new SharedChunk(encoder.encode("shared"));
    queue.appendShared(chunk);
    queue.hold(3);
    queue.drop();
    assertEquals(chunk.refs, 2);
    queue[end]();
    assertEquals(chunk.refs, 1);
    queue[end]();
    assertEquals(chunk.refs, 1);
  }
});

Deno.test("one whole part that the driver holds stays held when the rest is dropped, and is given back once", () => {
  for (const end of ["releaseHeld", "forgetHeld"] as const) {
    const pool = new BlockPool();
    const queue = new WriteQueue(pool);
    const chunk = new SharedChunk(encoder.encode("shared"));
    queue.appendShared(chunk);
    queue.hold(6);
    queue.drop();
    assertEquals(chunk.refs, 2);
    queue[end]();
    queue[end]();
    assertEquals(chunk.refs, 1);
    queue.append(encoder.encode("block"));
    queue.hold(5);
    queue.append(encoder.encode("next"));
    queue[end]();
    assertEquals([text(queue), pool.freeCount], ["next", end === "releaseHeld" ? 1 : 0]);
  }
});

Deno.test("all of several parts that the driver holds are given back once, and what is written meanwhile waits apart", () => {
  for (const end of ["releaseHeld", "forgetHeld"] as const) {
    const pool = new BlockPool();
    const queue = new WriteQueue(pool);
    const chunk = new SharedChunk(encoder.encode("shared"));
    queue.append(encoder.encode("block"));
    queue.take(2);
    queue.appendShared(chunk);
    queue.hold(9);
    queue.append(encoder.encode("next"));
    queue.drop();
    assertEquals([chunk.refs, pool.freeCount], [2, 1]);
    queue[end]();
    queue[end]();
    assertEquals([chunk.refs, pool.freeCount], [1, end === "releaseHeld" ? 2 : 1]);
  }
});

Deno.test("any mix of writes, takes and holds hands over the same bytes in the same order", () => {
  for (let seed = 0; seed < 50; seed++) {
    const prng = new Prng(seed);
    const pool = new BlockPool();
    const queue = new WriteQueue(pool);
    const written: number[] = [];
    const handedOver: number[] = [];
    let waiting = 0;
    for (let step = 0; step < 60; step++) {
      if (prng.chance(0.6)) {
        const bytes = Uint8Array.from({ length: prng.skewed(40_000) }, () => prng.integer(0, 127));
        const kind = prng.integer(0, 3);
        if (kind === 0) queue.append(bytes);
        if (kind === 1) queue.appendText(decoder.decode(bytes));
        if (kind === 2) queue.appendLatin1(decoder.decode(bytes));
        if (kind === 3) {
          const chunk = new SharedChunk(bytes);
          queue.appendShared(chunk);
          chunk.release();
        }
        for (const byte of bytes) written.push(byte);
        waiting += bytes.length;
      } else if (waiting > 0) {
        const views: Uint8Array[] = [];
        const shown = queue.gather(views, prng.integer(1, 5), prng.skewed(100_000));
        const count = prng.integer(1, shown);
        const isHeld = prng.chance(0.5);
        if (isHeld) queue.hold(count);
        const flat = views.flatMap((view) => [...view]);
        for (const byte of flat.slice(0, count)) handedOver.push(byte);
        if (isHeld) queue.releaseHeld();
        else queue.take(count);
        waiting -= count;
      }
    }
    for (const byte of encoder.encode(text(queue))) handedOver.push(byte);
    assert(
      handedOver.length === written.length && handedOver.every((byte, at) => byte === written[at]),
      `seed ${seed}`,
    );
  }
});
