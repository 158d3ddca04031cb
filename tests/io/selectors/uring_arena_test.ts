import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { FRAME_BYTES } from "../../../io/selectors/uring_arena.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { withArena } from "./uring_support.ts";

Deno.test("pieces have the length that was asked for, and none overlaps another", () => {
  for (const isGuarded of [false, true]) {
    withArena(64 * FRAME_BYTES, isGuarded, (arena) => {
      const prng = new Prng(1);
      const lent: { view: Uint8Array; mark: number }[] = [];
      let isFull = false;
      for (let step = 0; step < 4_000; step++) {
        if (lent.length > 0 && prng.integer(0, 9) < 4) {
          const [{ view, mark }] = lent.splice(prng.integer(0, lent.length - 1), 1) as [typeof lent[0]];
          assert(view.every((byte) => byte === mark), "nobody else wrote to it");
          arena.free(view);
        } else {
          const length = prng.skewed(200_000) + 1;
          const view = arena.allocate(length);
          if (view === null) isFull = true;
          else {
            assertEquals([view.length, arena.owns(view)], [length, true]);
            view.fill(step & 0xff);
            lent.push({ view, mark: step & 0xff });
          }
        }
      }
      assertEquals(arena.usedBytes, lent.reduce((sum, { view }) => sum + view.length, 0));
      assert(isFull, "the test is to reach the bound");
      for (const { view } of lent) arena.free(view);
      assertEquals([arena.usedBytes, arena.breaches], [0, []]);
      const window = arena.allocate(16 * FRAME_BYTES - 1024)!;
      assertEquals(window.length, 16 * FRAME_BYTES - 1024, "a window is one run again");
      arena.free(window);
    });
  }
});

Deno.test("small pieces share a frame, and all of its places can be had", () => {
  withArena(FRAME_BYTES, false, (arena) => {
    const lent = [];
    for (let view = arena.allocate(1_000); view !== null; view = arena.allocate(1_000)) lent.push(view);
    assertEquals(lent.length, 64);
    assertEquals(new Set(lent.map((view) => view.byteOffset)).size, 64);
    arena.free(lent[40]!);
    assertEquals(arena.allocate(10)?.byteOffset, lent[40]!.byteOffset);
    assertStrictEquals(arena.allocate(1), null);
  });
});

Deno.test("frames that come back are kept up to a bound; beyond it their pages go back to the system", () => {
  withArena(512 * FRAME_BYTES, false, (arena, discarded) => {
    const all = arena.allocate(200 * FRAME_BYTES)!;
    all.fill(1);
    arena.free(all);
    assertEquals(discarded, [200 * FRAME_BYTES]);
    assertEquals(arena.allocate(FRAME_BYTES)![0], 0, "it reads as zeros");
    const some = arena.allocate(100 * FRAME_BYTES)!;
    arena.free(some);
    assertEquals(discarded.length, 1, "kept");
  });
});

Deno.test("what is seen of it follows what is used", () => {
  withArena(4_096 * FRAME_BYTES, false, (arena) => { // 256 MiB, as is usual
    assertEquals(arena.seenBytes, 0);
    const small = arena.allocate(1_000)!;
    assertEquals([small.buffer.byteLength, arena.seenBytes], [1 << 20, 1 << 20]);
    const pieces = Array.from({ length: 100 }, () => arena.allocate(FRAME_BYTES)!);
    assertEquals(arena.seenBytes, 7 << 20);
    for (const [index, piece] of pieces.entries()) {
      piece.fill(index);
      assertEquals(piece.byteLength, FRAME_BYTES);
    }
    assert(pieces.every((piece, index) => piece.every((byte) => byte === index)), "none overlaps another");
    for (const piece of pieces) arena.free(piece);
    const other = Array.from({ length: 40 }, () => arena.allocate(FRAME_BYTES)!);
    for (const piece of other.slice(15)) arena.free(piece); // all but those of the first window
    assertEquals(arena.seenBytes, 3 << 20);
    arena.closeUnused();
    assertEquals([arena.seenBytes, arena.owns(small), arena.owns(other[20]!)], [1 << 20, true, false]);
    for (const piece of other.slice(0, 15)) arena.free(piece);
    for (let round = 0; round < 1_000; round++) arena.free(arena.allocate(round * 64 + 1)!);
    assertEquals([arena.seenBytes, arena.usedBytes], [1 << 20, 1_000]);
    const many = Array.from({ length: 4_095 }, () => arena.allocate(FRAME_BYTES)!);
    assertEquals([arena.seenBytes, arena.allocate(FRAME_BYTES)], [256 << 20, null]);
    const kept = many.pop()!; // of the last window, as much as all before it
    kept.fill(7);
    for (const piece of many) arena.free(piece);
    assertEquals(arena.seenBytes, 129 << 20);
    assert(kept.every((byte) => byte === 7) && arena.owns(kept), "what is used stays seen");
    arena.free(kept);
    assertEquals(arena.seenBytes, 1 << 20);
    assertEquals([arena.addressOf(new Uint8Array(10)), arena.owns(new Uint8Array(10))], [-1, false]);
  });
});

Deno.test("a piece lies in one window, so the longest is as long as the last", () => {
  for (const [frames, longest] of [[10, 10], [16, 16], [17, 16], [140, 16], [150, 22], [300, 128]] as const) {
    withArena(frames * FRAME_BYTES, false, (arena) => {
      assertStrictEquals(arena.allocate((longest + 1) * FRAME_BYTES), null);
      const piece = arena.allocate(longest * FRAME_BYTES)!;
      piece.fill(1);
      const rest = Array.from({ length: frames - longest }, () => arena.allocate(FRAME_BYTES));
      assert(rest.every((view) => view !== null), "the others are to be had");
      assertStrictEquals(arena.allocate(1), null);
    });
  }
});

Deno.test("the kernel's address is that of the bytes, in every window", () => {
  withArena(600 * FRAME_BYTES, false, (arena) => {
    const pieces = Array.from({ length: 600 }, () => arena.allocate(FRAME_BYTES)!);
    assertEquals(
      pieces.map((piece) => arena.addressOf(piece.subarray(7))),
      pieces.map((_piece, index) => arena.address + index * FRAME_BYTES + 7),
    );
  });
});

Deno.test("guard mode finds writes beyond the ends, writes after release, and a release of what is not lent", () => {
  const mistakes: [RegExp, (view: Uint8Array, free: () => void) => void][] = [
    [/beyond its ends/, (view, free) => {
      new Uint8Array(view.buffer, view.byteOffset + view.length, 1)[0] = 1;
      free();
    }],
    [/beyond its ends/, (view, free) => {
      new Uint8Array(view.buffer, view.byteOffset - 1, 1)[0] = 1;
      free();
    }],
    [/after it was given back/, (view, free) => {
      free();
      view[5] = 1;
    }],
    [/is not lent/, (_view, free) => {
      free();
      free();
    }],
  ];
  for (const [message, mistake] of mistakes) {
    withArena(4 * FRAME_BYTES, true, (arena) => {
      const view = arena.allocate(1_000)!;
      mistake(view, () => arena.free(view));
      arena.allocate(1_000);
      assertEquals(arena.breaches.length, 1);
      assertMatch(arena.breaches[0]!.message, message);
    });
  }
});

Deno.test("guard mode shows nonsense to who reads what it has given back", () => {
  withArena(4 * FRAME_BYTES, true, (arena) => {
    const view = arena.allocate(100)!;
    view.fill(1);
    arena.free(view);
    assert(view.every((byte) => byte === 0xdb));
  });
});
