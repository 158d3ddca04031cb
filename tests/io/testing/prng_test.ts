import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Prng } from "../../../io/testing/prng.ts";

const draw = (prng: Prng) => Array.from({ length: 20 }, () => prng.next());

Deno.test("the same seed gives the same numbers, another one others", () => {
  assertEquals(draw(new Prng(1)), draw(new Prng(1)));
  assertNotEquals(draw(new Prng(1)), draw(new Prng(2)));
});

Deno.test("the numbers of a seed never change: seeds of old failures stay good", () => {
  const prng = new Prng(42);
  assertEquals(Array.from({ length: 4 }, () => prng.integer(0, 0xffffffff)), KNOWN);
});

/** From a run of the published constants; splitmix32 has no official test vector. */
const KNOWN = [939911724, 3948730756, 321366731, 3317318717];

Deno.test("integers fill their range evenly, both ends included", () => {
  const prng = new Prng(3);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4_000; i++) counts[prng.integer(-1, 2) + 1]!++;
  for (const count of counts) assert(count > 900 && count < 1_100, `${counts}`);
  assertEquals(prng.integer(5, 5), 5);
  assertThrows(() => prng.integer(2, 1), RangeError);
});

Deno.test("skewed integers stay in their range and are mostly small", () => {
  const prng = new Prng(4);
  const drawn = Array.from({ length: 2_000 }, () => prng.skewed(1_000));
  assert(drawn.every((value) => Number.isInteger(value) && value >= 1 && value <= 1_000));
  assert(drawn.filter((value) => value <= 31).length > 800, "half of them below the root");
  assert(drawn.some((value) => value > 900));
  assertEquals(prng.skewed(1), 1);
  assertThrows(() => prng.skewed(0), RangeError);
});

Deno.test("a chance of 0 never comes and one of 1 always", () => {
  const prng = new Prng(5);
  for (let i = 0; i < 100; i++) assertEquals([prng.chance(0), prng.chance(1)], [false, true]);
});

Deno.test("a derived generator depends on its seed and labels only", () => {
  assertEquals(draw(Prng.derive(1, 2, 3)), draw(Prng.derive(1, 2, 3)));
  const others = [Prng.derive(1, 3, 2), Prng.derive(1, 2), Prng.derive(2, 2, 3), Prng.derive(1, 2, 4)];
  for (const other of others) assertNotEquals(draw(other), draw(Prng.derive(1, 2, 3)));
});
