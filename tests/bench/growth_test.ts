import { assertEquals } from "@std/assert";
import { GROWTH_BYTES_MAX, judgeGrowth, LEAK_BYTES, USES_MIN } from "../../bench/support/growth.ts";

const MIB = 1024 * 1024;

/** Ten minutes of a process that starts at 60 MiB and fills up to 180 in its first 50 s, then breathes by 8 MiB. */
function tenMinutes(usesPerSecond: number, leakBytes: number) {
  return Array.from({ length: 600 }, (_, second) => ({
    rssBytes: 60 * MIB + Math.min(second / 50, 1) * 120 * MIB + second % 20 / 20 * 8 * MIB +
      second * usesPerSecond * leakBytes,
    uses: second * usesPerSecond,
  }));
}

Deno.test("a process that warms up and then breathes is flat", () => {
  const { grownBytes, fault } = judgeGrowth(tenMinutes(1_000, 0));
  assertEquals([Math.abs(grownBytes) < MIB, fault], [true, null]);
});

Deno.test("a hundred bytes for each use are found, at every rate that is judged", () => {
  // The windows' middles lie 450 s apart: a sixth of 540 samples each.
  for (const rate of [USES_MIN / 450 + 1, 10_000, 50_000]) {
    assertEquals(judgeGrowth(tenMinutes(rate, LEAK_BYTES)).fault, "memory grew", `${rate} a second`);
    assertEquals(judgeGrowth(tenMinutes(rate, 0)).fault, null);
  }
});

Deno.test("a load too short to find it is refused, not passed", () => {
  const few = judgeGrowth(tenMinutes(100, 0));
  assertEquals(few.fault, "too short to judge memory: 45000 uses after warm-up, not 335545");
  assertEquals(judgeGrowth([]).fault, "too short to judge memory: 0 uses after warm-up, not 335545");
  const early = judgeGrowth(tenMinutes(100_000, 0).slice(0, 61));
  assertEquals(early.fault, "too short to judge memory: 0 uses after warm-up, not 335545");
});

Deno.test("growth at the limit is let pass, a byte above is not", () => {
  const step = (bytes: number) =>
    tenMinutes(1_000, 0).map((sample, second) => ({
      uses: sample.uses,
      rssBytes: 100 * MIB + (second < 300 ? 0 : bytes),
    }));
  assertEquals(judgeGrowth(step(GROWTH_BYTES_MAX)).fault, null);
  assertEquals(judgeGrowth(step(GROWTH_BYTES_MAX + 1)).fault, "memory grew");
});
