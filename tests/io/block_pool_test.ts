import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { BLOCK_BYTES, BlockPool } from "../../io/block_pool.ts";

Deno.test("a block that comes back is lent again, empty", () => {
  const pool = new BlockPool();
  const block = pool.take();
  assertEquals([block.bytes.length, block.used, block.isPooled], [BLOCK_BYTES, 0, true]);
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

Deno.test("a copy has memory of its own, which the pool does not keep", () => {
  const lengths: number[] = [];
  const pool = new BlockPool((bytes) => {
    lengths.push(bytes);
    return new Uint8Array(bytes);
  });
  const source = new Uint8Array([1, 2, 3]);
  const block = pool.takeCopy(source);
  source.fill(0);
  assertEquals([[...block.bytes], block.used, block.isPooled, lengths], [[1, 2, 3], 3, false, [3]]);
  pool.give(block);
  assertEquals(pool.freeCount, 0);
});
