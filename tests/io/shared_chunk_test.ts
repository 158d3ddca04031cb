import { assertEquals, assertThrows } from "@std/assert";
import { SharedChunk } from "../../io/shared_chunk.ts";

Deno.test("a chunk begins with its creator's reference and is freed with the last one", () => {
  const chunk = new SharedChunk(new Uint8Array([1]));
  const freed: number[] = [];
  chunk.onFree = () => freed.push(chunk.refs);
  const pinned = new Uint8Array(1);
  chunk.pinned = pinned;
  chunk.retain();
  assertEquals(chunk.refs, 2);
  chunk.release();
  assertEquals([chunk.refs, freed, chunk.pinned], [1, [], pinned]);
  chunk.release();
  assertEquals([chunk.refs, freed, chunk.pinned, chunk.onFree], [0, [0], null, null]);
});

Deno.test("a chunk that was freed can neither be retained nor released", () => {
  const chunk = new SharedChunk(new Uint8Array(1));
  chunk.release();
  assertThrows(() => chunk.retain(), TypeError, "Cannot retain");
  assertThrows(() => chunk.release(), TypeError, "Cannot release");
  assertEquals(chunk.refs, 0);
});
