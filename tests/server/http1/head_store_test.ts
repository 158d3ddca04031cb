import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { HeadStore } from "../../../server/http1/head_store.ts";

Deno.test("copies share a slab until it is full", () => {
  const store = new HeadStore();
  const source = new Uint8Array(1000).fill(7);
  const first = store.keep(source, 0, 1000);
  const slab = store.bytes;
  for (let i = 0; i < 3; i++) store.keep(source, 0, 1000);
  assertStrictEquals(store.bytes, slab);
  store.keep(source, 0, 1000);
  assertNotStrictEquals(store.bytes, slab);
  assertEquals(slab.subarray(first, first + 1000), source);
});

Deno.test("a large copy gets its own array of just its size", () => {
  const store = new HeadStore();
  const source = new Uint8Array(5000).map((_, i) => i);
  assertEquals(store.keep(source, 10, 4510), 0);
  assertEquals(store.bytes, source.slice(10, 4510));
  assertEquals(store.bytes.buffer.byteLength, 4500);
});

Deno.test("a copy does not change with its source", () => {
  const store = new HeadStore();
  const source = new Uint8Array([1, 2, 3, 4]);
  const start = store.keep(source, 1, 3);
  source.fill(9);
  assertEquals([...store.bytes.subarray(start, start + 2)], [2, 3]);
});

Deno.test("what one head can hold on to is bounded", () => {
  const store = new HeadStore();
  for (const length of [0, 1, 100, 1024, 1025]) {
    store.keep(new Uint8Array(length), 0, length);
    assert(store.bytes.buffer.byteLength <= Math.max(4096, length));
  }
});
