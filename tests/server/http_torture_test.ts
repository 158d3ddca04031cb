/** A real `serve()`, a gateway and a server behind it, on each selector, under torture: see `torture/torture.ts`. */
import { assertGreater } from "@std/assert";
import { UnsupportedError } from "../../io/errors.ts";
import { openSelector } from "../../io/open_selector.ts";
import { CheckedSelector } from "../../io/selectors/checked.ts";
import type { Selector } from "../../io/selector.ts";
import { forSeeds } from "../support/seeds.ts";
import { tortureHttp } from "./torture/torture.ts";

/** Seeds and connections of each: a second or two. */
const SEEDS = 6;
const CONNECTIONS = 40;
const OPEN_MAX = 12;

for (const kind of ["native", "epoll", "uring"] as const) {
  const name = `under HTTP torture every response is whole and its own, and nothing is left: ${kind}`;
  Deno.test(name, async () => {
    let selector: Selector;
    try {
      selector = openSelector({ kind });
    } catch (error) {
      if (error instanceof UnsupportedError) return; // Not every selector opens everywhere.
      throw error;
    }
    let complete = 0;
    const checked = new CheckedSelector(selector);
    try {
      await forSeeds(name, SEEDS, async (seed) => {
        const report = await tortureHttp(checked, { seed, connections: CONNECTIONS, openMax: OPEN_MAX });
        complete += report.complete;
      });
      assertGreater(complete, CONNECTIONS / 4);
    } finally {
      await checked.close();
    }
    checked.assertClean();
  });
}
