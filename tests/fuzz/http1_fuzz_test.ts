import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import v8 from "node:v8";
import vm from "node:vm";
import { REFUSALS } from "../../server/http1/refusals.ts";
import { sampleSize } from "../support/sample_size.ts";
import { fuzz, FuzzFailure } from "./http1_fuzz.ts";
import { fuzzInput } from "./http1_messages.ts";

/** Inputs of the run in CI: half a minute on one core for the million. */
const INPUTS = sampleSize(1_000_000, 100_000);

/** The first seed; fixed, so that CI fails for what was changed and not by chance. */
const SEED = Number(Deno.env.get("SLUICE_SEED") ?? 1);

/** Heap that may be in use at the end beyond what was at a fifth of the way: the report, and what the compiler keeps. */
const GROWTH_BYTES_MAX = 8 * 1024 * 1024;

/**
 * What the run need not meet: it takes 33 interim heads in a row, and in a sample a size that few chains of four mutations
 * make.
 */
const RARE: readonly string[] = [
  "too-many-interim",
  ...(INPUTS < 1_000_000 ? ["trailers-too-large", "too-many-trailers"] : []),
];

/** Seeds that once showed a fault; each stays. */
const SEEDS_KEPT: readonly number[] = [];

/** Heap in use once nothing is garbage. */
function heapBytes(): number {
  const { Bun: bun } = globalThis as { Bun?: { gc(isSync: boolean): void } };
  if (bun !== undefined) bun.gc(true);
  else {
    v8.setFlagsFromString("--expose-gc");
    vm.runInNewContext("gc")();
  }
  return Deno.memoryUsage().heapUsed;
}

Deno.test(`${INPUTS} broken messages: no crash, no hang, no event after an error, the same in any split`, () => {
  for (const seed of SEEDS_KEPT) fuzz(seed, 1);
  const warm = fuzz(SEED, INPUTS / 5);
  const before = heapBytes();
  const rest = fuzz(SEED + INPUTS / 5, INPUTS - INPUTS / 5);
  assertLess(heapBytes() - before, GROWTH_BYTES_MAX);
  // The run means something only if it went everywhere.
  assertGreater(rest.accepted, rest.inputs / 10);
  const seen = new Set([...warm.refused.keys(), ...rest.refused.keys()]);
  const missing = REFUSALS.map(({ id }) => id).filter((id) => !seen.has(id));
  assertEquals(missing.filter((id) => !RARE.includes(id)), []);
});

Deno.test("an input is a function of its seed", () => {
  for (const seed of [0, 1, -1, 123_456]) assertEquals(fuzzInput(seed, "both"), fuzzInput(seed, "both"));
  const wires = new Set(Array.from({ length: 1000 }, (_, seed) => fuzzInput(seed, "both").wire));
  assertGreater(wires.size, 700);
});

Deno.test("a failure says how to see it again", () => {
  const error = assertThrows(() => {
    throw new FuzzFailure(42, fuzzInput(42, "request"), "it broke");
  }, FuzzFailure);
  assert(/SLUICE_SEED=42 .*http1_fuzz.ts 1/.test(error.message));
});
