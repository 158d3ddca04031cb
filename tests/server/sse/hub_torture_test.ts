import { assertGreater } from "@std/assert";
import { forSeeds } from "../../support/seeds.ts";
import { tortureHub } from "./support/hub_torture.ts";

/** What happens in each: a tenth of a second. */
const STEPS = 300;

for (
  const [name, isTight, log] of [
    ["a log that keeps all", false, { failing: 0, lateReads: 0, lateAppends: 0 }],
    ["a log that keeps little", true, { failing: 0, lateReads: 0, lateAppends: 0 }],
    ["a log that answers late", false, { failing: 0, lateReads: 0.4, lateAppends: 0.4 }],
    ["a log that fails, and answers reads late", false, { failing: 0.03, lateReads: 0.4, lateAppends: 0 }],
    ["a log that keeps little, fails, and answers late", true, {
      failing: 0.03,
      lateReads: 0.4,
      lateAppends: 0.3,
    }],
  ] as const
) {
  const title = `a hub under torture, on ${name}: each reader gets what it must`;
  Deno.test(title, () =>
    forSeeds(title, 5, async (seed) => {
      assertGreater(await tortureHub({ seed, steps: STEPS, isTight, log }), 10);
    }));
}
