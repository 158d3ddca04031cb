import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { BIG_BLOCK_BYTES, BLOCK_BYTES, BlockPool } from "../../io/block_pool.ts";

Deno.test("a block that comes back is lent again, empty", () => {
  const pool = new BlockPool();
  const block = pool.take();
  assertEquals([block.bytes.length, block.used], [BLOCK_BYTES, 0]);
  block.used = 100;
  pool.give(block);
  assertEquals(pool.freeCount, 1);
  assertStrictEquals(pool.take(), block);
  assertEquals([block.used, pool.freeCount], [0, 0]);
});

Deno.test("blocks lent at the same time are different ones", () => {
  const pool = new BlockPool();
  assertNotStrictEquals(pool.take().bytes.buffer, pool.take().bytes.buffer);
});

Deno.test("the free list is bounded: what comes back above it is dropped", () => {
  const pool = new BlockPool(() => new Uint8Array(0));
  const blocks = Array.from({ length: 300 }, () => pool.take());
  for (const block of blocks) pool.give(block);
  assertEquals(pool.freeCount, 256);
});

Deno.test("a copy has a big block of its own, which is lent again", () => {
  const pool = new BlockPool();
  const source = new Uint8Array([1, 2, 3]);
  const block = pool.takeCopy(source);
  source.fill(0);
  assertEquals([[...block.bytes.subarray(0, 3)], block.used, block.bytes.length], [
    [1, 2, 3],
    3,
    BIG_BLOCK_BYTES,
  ]);
  pool.give(block);
  assertEquals(pool.freeCount, 1);
  assertNotStrictEquals(pool.take(), block);
  assertStrictEquals(pool.takeCopy(source), block);
});

Deno.test("big blocks are kept up to a bound as well", () => {
  const pool = new BlockPool();
  const blocks = Array.from({ length: 70 }, () => pool.takeCopy(new Uint8Array(1)));
  for (const block of blocks) pool.give(block);
  assertEquals(pool.freeCount, 64);
});
