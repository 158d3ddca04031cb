import { assertGreater } from "@std/assert";
import { forSeeds } from "../../support/seeds.ts";
import { tortureJobs } from "./support/jobs_torture.ts";

/** What happens in each: a fifth of a second. */
const STEPS = 300;

for (
  const [name, services, store] of [
    ["one service", 1, { failing: 0, late: 0 }],
    ["one service, whose store fails and answers late,", 1, { failing: 0.08, late: 0.3 }],
    ["three services on one store", 3, { failing: 0, late: 0 }],
    ["three services on one store that fails and answers late", 3, { failing: 0.08, late: 0.3 }],
  ] as const
) {
  const title = `${name} under torture: every job and every story has its one end`;
  Deno.test(title, () =>
    forSeeds(title, 5, async (seed) => {
      assertGreater(await tortureJobs({ seed, steps: STEPS, services, store }), 10);
    }));
}
