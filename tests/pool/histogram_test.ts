/** The histogram against HdrHistogram. */

import { assert, assertEquals } from "@std/assert";
import { build } from "npm:hdr-histogram-js@3.0.1";
import { Histogram } from "../../pool/histogram.ts";
import { randomShares } from "../support/random_shares.ts";

/** Ways in which durations are spread, milliseconds. */
const SPREADS: Readonly<Record<string, (random: () => number) => number>> = {
  "a few microseconds": (random) => random() * 0.06,
  "one power of two": (random) => 1 + random(),
  "from microseconds to minutes": (random) => 10 ** (random() * 8 - 3),
  "nearly all alike": (random) => random() < 0.999 ? 2 + random() / 100 : 5_000,
};

for (const [name, spread] of Object.entries(SPREADS)) {
  Deno.test(`quantiles are within 1.6 % of HdrHistogram's: ${name}`, () => {
    const random = randomShares(7);
    const own = new Histogram();
    const oracle = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: 2 ** 31,
      numberOfSignificantValueDigits: 4,
    });
    for (let index = 0; index < 20_000; index++) {
      const ms = spread(random);
      own.record(ms);
      oracle.recordValue(Math.round(ms * 1_000));
    }
    for (const share of [0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1]) {
      const expected = oracle.getValueAtPercentile(share * 100) / 1_000;
      const difference = Math.abs(own.quantile(share) - expected);
      assert(
        difference <= expected * 0.016 + 0.001,
        `${share}: ${own.quantile(share)} instead of ${expected}`,
      );
    }
    assertEquals(own.count, 20_000);
  });
}

Deno.test("count, sum and largest are exact", () => {
  const histogram = new Histogram();
  assertEquals(histogram.snapshot(), { count: 0, sum: 0, p50: 0, p90: 0, p99: 0, max: 0 });
  for (const ms of [0, 1, 2.5, -1, 1e9]) histogram.record(ms);
  const { count, sum, max } = histogram.snapshot();
  assertEquals([count, sum, max], [5, 1e9 + 3.5, 1e9]);
  assert(histogram.quantile(1) <= 1e9);
});

Deno.test("no quantile is above the largest value", () => {
  const histogram = new Histogram();
  histogram.record(100.1);
  assertEquals(histogram.quantile(0.5), Math.min(100.1, histogram.quantile(0.5)));
});
