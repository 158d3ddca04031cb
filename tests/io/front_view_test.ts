import { assertEquals, assertStrictEquals } from "@std/assert";
import { FrontView } from "../../io/front_view.ts";

Deno.test("a front is the first bytes of the memory, and the same view while the length is the same", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const view = new FrontView(bytes);
  assertStrictEquals(view.front(4), bytes);
  const two = view.front(2);
  assertEquals(two, Uint8Array.of(1, 2));
  assertStrictEquals(view.front(2), two);
  bytes[0] = 9;
  assertEquals([view.front(2), view.front(0), view.front(3)], [
    Uint8Array.of(9, 2),
    new Uint8Array(0),
    Uint8Array.of(9, 2, 3),
  ]);
  assertEquals(two, Uint8Array.of(9, 2));
});
