import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { BIG_BLOCK_BYTES, BLOCK_BYTES } from "../../../io/block_pool.ts";
import { FRAME_BYTES } from "../../../io/selectors/uring_arena.ts";
import { PinnedPool } from "../../../io/selectors/uring_pool.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { withArena } from "./uring_support.ts";

Deno.test("blocks are in the arena, and are lent again when they come back", () => {
  withArena(8 * FRAME_BYTES, false, (arena) => {
    const pool = new PinnedPool(arena);
    const block = pool.take();
    assertEquals([block.bytes.length, block.used, arena.owns(block.bytes)], [BLOCK_BYTES, 0, true]);
    block.used = 5;
    pool.give(block);
    assertStrictEquals(pool.take(), block);
    assertEquals(block.used, 0);
    const big = pool.takeCopy(new Uint8Array([1, 2, 3]));
    assertEquals([big.bytes.length, big.used, [...big.bytes.subarray(0, 3)]], [BIG_BLOCK_BYTES, 3, [
      1,
      2,
      3,
    ]]);
    pool.give(big);
    pool.give(block);
    assertEquals(pool.freeCount, 2);
    pool.clear();
    assertEquals([arena.usedBytes, pool.freeCount], [0, 0]);
  });
});

Deno.test("without room, blocks are ordinary memory, which is not kept when it comes back", () => {
  withArena(2 * FRAME_BYTES, false, (arena) => {
    const pool = new PinnedPool(arena);
    while (arena.owns(pool.take().bytes));
    const extra = pool.take();
    assertEquals([arena.owns(extra.bytes), extra.bytes.length], [false, BLOCK_BYTES]);
    pool.give(extra);
    assertEquals(pool.freeCount, 0);
  });
});

Deno.test("what many blocks were needed for once is not seen for good, in whichever order they come back", () => {
  withArena(256 << 20, false, (arena) => {
    const pool = new PinnedPool(arena);
    const blocks = Array.from({ length: 10_000 }, () => pool.take());
    assertEquals([arena.seenBytes, blocks.every(({ bytes }) => arena.owns(bytes))], [256 << 20, true]);
    for (let from = 0; from < 100; from++) {
      for (let index = from; index < blocks.length; index += 100) pool.give(blocks[index]!);
    }
    assert(pool.freeCount >= 240, `${pool.freeCount} are kept`); // those in the first 4 MiB
    arena.closeUnused();
    assertEquals(arena.seenBytes, 4 << 20);
    assert(arena.owns(pool.take().bytes));
  });
});

Deno.test("in guard mode no block is kept: each comes back to the arena and is checked", () => {
  withArena(8 * FRAME_BYTES, true, (arena) => {
    const pool = new PinnedPool(arena, false);
    const before = arena.usedBytes;
    const block = pool.take();
    pool.give(block);
    assertEquals([arena.usedBytes, pool.freeCount], [before, 0]);
    assertNotStrictEquals(pool.take(), block);
  });
});

Deno.test("a chunk is copied once, whoever sends it, and its memory goes back with its last reference", () => {
  withArena(4 * FRAME_BYTES, false, (arena) => {
    const pool = new PinnedPool(arena);
    const before = arena.usedBytes;
    const chunk = new SharedChunk(new Uint8Array([1, 2, 3]));
    let isFreed = false;
    chunk.onFree = () => isFreed = true;
    chunk.retain();
    const pinned = pool.bytesOf(chunk);
    assertEquals([arena.owns(pinned), [...pinned]], [true, [1, 2, 3]]);
    assertStrictEquals(pool.bytesOf(chunk), pinned);
    chunk.release();
    assertEquals([pool.pinnedCount, arena.usedBytes], [1, before + 3]);
    chunk.release();
    assertEquals([pool.pinnedCount, arena.usedBytes, isFreed], [0, before, true]);
  });
});

Deno.test("a chunk that is large, for which there is no room, or that another selector has pinned, is sent from its own bytes", () => {
  withArena(2 * FRAME_BYTES, false, (arena) => {
    const pool = new PinnedPool(arena);
    const small = new SharedChunk(new Uint8Array(16 * 1024));
    const large = new SharedChunk(new Uint8Array(16 * 1024 + 1));
    assertStrictEquals(pool.bytesOf(large), large.bytes);
    assert(arena.owns(pool.bytesOf(small)));
    small.release();
    const whole = arena.allocate(2 * FRAME_BYTES)!;
    const late = new SharedChunk(new Uint8Array(1));
    assertStrictEquals(pool.bytesOf(late), late.bytes);
    arena.free(whole);
    withArena(2 * FRAME_BYTES, false, (other) => {
      const others = new PinnedPool(other);
      const chunk = new SharedChunk(new Uint8Array([1]));
      assert(other.owns(others.bytesOf(chunk)));
      assertStrictEquals(pool.bytesOf(chunk), chunk.bytes);
      others.clear();
      assertStrictEquals(chunk.pinned, null, "a pool that is no more leaves no view of its memory behind");
      assert(arena.owns(pool.bytesOf(chunk)));
      chunk.release();
    });
    pool.clear();
    assertEquals(arena.usedBytes, 0);
  });
});
