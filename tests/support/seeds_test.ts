import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { forSeeds, SeedError } from "./seeds.ts";

Deno.test("seeds run one after the other, and the first that fails says how to run it again", async () => {
  const ran: number[] = [];
  await forSeeds("some test", 3, (seed) => void ran.push(seed));
  assertEquals(ran, [0, 1, 2]);
  const cause = new Error("it broke");
  const error = await assertRejects(
    () =>
      forSeeds("some test", 5, (seed) => {
        ran.push(seed);
        if (seed === 1) throw cause;
      }),
    SeedError,
    'SLUICE_SEED=1 deno task test --filter "some test"',
  );
  assertEquals([error.seed, ran], [1, [0, 1, 2, 0, 1]]);
  assertStrictEquals(error.cause, cause);
});

Deno.test("one seed can be picked by a variable, and a wrong one is refused", async () => {
  const ran: number[] = [];
  try {
    Deno.env.set("SLUICE_SEED", "77");
    await forSeeds("some test", 3, (seed) => void ran.push(seed));
    Deno.env.set("SLUICE_SEED", "x");
    await assertRejects(() => forSeeds("some test", 3, () => {}), RangeError, 'not "x"');
  } finally {
    Deno.env.delete("SLUICE_SEED");
  }
  assertEquals(ran, [77]);
});
