import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { FaultPlan, type PipeFaults } from "../../../io/testing/fault_plan.ts";

const seeds = Array.from({ length: 300 }, (_, seed) => seed);

/** What one direction decides over some steps. */
function decisions(faults: PipeFaults): unknown[] {
  const steps = Array.from({ length: 30 }, () => [
    faults.writeBytes(1_000),
    faults.readBytes(1_000),
    faults.stallTurns(),
  ]);
  return [faults.holdsSends, faults.resetAfterBytes, ...steps];
}

Deno.test("without faults everything goes whole and at once", () => {
  const plan = FaultPlan.none();
  const faults = plan.forPipe(7, "fromServer");
  assertEquals([faults.writeBytes(9), faults.readBytes(8), faults.stallTurns()], [9, 8, 0]);
  assertEquals([faults.resetAfterBytes, faults.holdsSends, plan.seed], [null, false, null]);
  assertEquals(plan.describe(), "no faults");
});

Deno.test("a seed decides everything, for each connection and direction apart", () => {
  const options = { resets: true };
  for (const seed of seeds.slice(0, 20)) {
    const [one, other] = [FaultPlan.fromSeed(seed, options), FaultPlan.fromSeed(seed, options)];
    decisions(other.forPipe(0, "fromServer")); // Using one direction does not change another.
    assertEquals(decisions(one.forPipe(1, "fromClient")), decisions(other.forPipe(1, "fromClient")));
  }
  const plan = FaultPlan.fromSeed(1);
  assertNotEquals(decisions(plan.forPipe(1, "fromClient")), decisions(plan.forPipe(1, "fromServer")));
  assertNotEquals(decisions(plan.forPipe(1, "fromClient")), decisions(plan.forPipe(2, "fromClient")));
});

Deno.test("every decision is possible: at least one byte, at most what there is", () => {
  for (const seed of seeds) {
    const faults = FaultPlan.fromSeed(seed).forPipe(0, "fromClient");
    for (const available of [1, 2, 70_000]) {
      for (const bytes of [faults.writeBytes(available), faults.readBytes(available)]) {
        assert(Number.isInteger(bytes) && bytes >= 1 && bytes <= available, `seed ${seed}: ${bytes}`);
      }
    }
    assert(faults.stallTurns() <= 20);
  }
});

Deno.test("resets come only when they are asked for, and then to some of the connections", () => {
  const resets = (options: { resets?: boolean }) =>
    seeds.map((seed) => FaultPlan.fromSeed(seed, options).forPipe(0, "fromClient").resetAfterBytes)
      .filter((bytes) => bytes !== null);
  assertEquals(resets({}), []);
  const some = resets({ resets: true });
  assert(some.length > 30 && some.length < 150, `${some.length} of ${seeds.length}`);
  assert(some.every((bytes) => bytes! >= 0 && bytes! < 65_536));
});

Deno.test("stalls can be switched off", () => {
  for (const seed of seeds) {
    assertEquals(FaultPlan.fromSeed(seed, { stalls: false }).forPipe(0, "fromClient").stallTurns(), 0);
  }
});

Deno.test("seeds cover every style of splitting, with and without held sends", () => {
  const described = seeds.map((seed) => FaultPlan.fromSeed(seed).forPipe(0, "fromClient").describe());
  for (
    const style of ["writes whole", "writes skewed", "writes single", "held", "reads whole", "reads single"]
  ) {
    assert(described.some((text) => text.includes(style)), style);
  }
});

Deno.test("a plan says what it does and how to have it again", () => {
  assertMatch(
    FaultPlan.fromSeed(12, { resets: true }).describe(),
    /seed 12 \(resets true, stalls true\).*fromServer/,
  );
});

Deno.test("a seed that is no integer is refused", () => {
  for (const seed of [0.5, NaN, Infinity]) assertThrows(() => FaultPlan.fromSeed(seed), RangeError);
});
