/** The `uring` selector under torture, with rings, buffers and memory far too small, and all of it guarded. */

import { readdirSync } from "node:fs";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { openUring, type UringOptions } from "../../../io/selectors/uring.ts";
import { forSeeds } from "../../support/seeds.ts";
import { torture } from "../../contracts/selector/torture.ts";

/** Descriptors this process has open. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

const CRAMPED: Readonly<Record<string, UringOptions>> = {
  "tiny rings": { ring: { entries: 8, completions: 8 }, buffers: { count: 64 } },
  "two small buffers to receive into": { buffers: { count: 2, bytes: 200 } },
  "hardly any memory to send from": { arenaBytes: 512 * 1024, buffers: { count: 64 } },
  "all of it tiny": {
    ring: { entries: 4, completions: 4 },
    buffers: { count: 1, bytes: 500 },
    arenaBytes: 512 * 1024,
  },
};

for (const [name, options] of Object.entries(CRAMPED)) {
  const title = `uring under torture: ${name}`;
  Deno.test(title, async () => {
    const before = descriptors();
    const selector = openUring({ ...options, isGuarded: true });
    const atStart = selector.stats;
    let frames = 0;
    try {
      await forSeeds(title, 2, async (seed) => {
        const report = await torture(selector, { seed, connections: 60, openMax: 20 });
        frames += report.frames;
        const { slots, arenaBytes, pinnedChunks } = selector.stats;
        assertEquals([slots, arenaBytes, pinnedChunks], [0, atStart.arenaBytes, 0]);
        assertEquals(selector.breaches, []);
      });
      assertGreater(frames, 10);
      if (options.ring !== undefined) assert(selector.stats.overflows > 0, "completions had no place");
    } finally {
      await selector.close();
    }
    assertEquals(descriptors(), before);
  });
}
