/** Torture with both ends in different selectors: what one of them does wrong, the other does not make up for. */

import { openSelector, type SelectorKind } from "../../../io/open_selector.ts";
import { forSeeds } from "../../support/seeds.ts";
import { torture } from "../../contracts/selector/torture.ts";

const PAIRS: readonly [listens: SelectorKind, connects: SelectorKind][] = [
  ["epoll", "uring"],
  ["uring", "epoll"],
  ["native", "uring"],
  ["uring", "native"],
  ["native", "epoll"],
  ["epoll", "native"],
];

for (const [listens, connects] of PAIRS) {
  const title = `torture: ${listens} listens, ${connects} connects`;
  Deno.test(title, async () => {
    await using selector = openSelector({ kind: listens });
    await using connector = openSelector({ kind: connects });
    await forSeeds(title, 1, async (seed) => {
      const path = `${await Deno.makeTempDir()}/torture.sock`;
      await torture(selector, { seed, connections: 25, openMax: 12, connector });
      await torture(selector, { seed, connections: 25, openMax: 12, connector, path });
    });
  });
}
