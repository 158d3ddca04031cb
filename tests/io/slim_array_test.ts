import { assertEquals } from "@std/assert";
import { slimArray } from "../../io/slim_array.ts";

Deno.test("a slim array begins empty and grows as any other", () => {
  const array = slimArray<number>();
  assertEquals([array.length, array[0]], [0, undefined]);
  for (let i = 0; i < 40; i++) array.push(i);
  assertEquals(array, Array.from({ length: 40 }, (_, i) => i));
  assertEquals(array.splice(0, 39).length, 39);
  assertEquals(array.shift(), 39);
  assertEquals(array, []);
});

Deno.test("slim arrays share nothing", () => {
  const [one, other] = [slimArray<string>(), slimArray<string>()];
  one.push("a");
  assertEquals([one.length, other.length], [1, 0]);
});
