/** A stream of a GiB to a reader that takes its time costs no more memory than its window. */

import { assert, assertEquals } from "@std/assert";
import { createPool } from "../../pool/mod.ts";
import { peakRssBytes, resetPeakRss, rssBytes } from "../support/rss.ts";

const MIB = 1 << 20;

/**
 * Less than half of what comes: a stream that piles up passes it. What is read already waits for the garbage collector,
 * which lets well over 100 MiB of it lie on a busy machine, so a lower bound would be about the collector.
 */
const GROWN_MIB_MAX = 384;

Deno.test("memory stays flat while a task streams 1 GiB to a slow reader", async () => {
  await using pool = createPool<typeof import("../support/pool_tasks.ts")>(
    new URL("../support/pool_tasks.ts", import.meta.url),
    { workersMax: 1 },
  );
  const words = new Int32Array(new SharedArrayBuffer(8));
  const stream = pool.stream("chunks", { words, count: 1_024, bytes: MIB }, { credits: 8 });
  let bytes = 0;
  let read = 0;
  let before = 0;
  let mostAhead = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    read++;
    if (read === 64) { // by now the heaps are as large as they need to be
      resetPeakRss(Deno.pid);
      before = rssBytes(Deno.pid);
    }
    mostAhead = Math.max(mostAhead, Atomics.load(words, 0) - read);
    if (read % 4 === 0) await new Promise((resolve) => setTimeout(resolve)); // the worker would be far ahead if it could
  }
  const grown = (peakRssBytes(Deno.pid) - before) / MIB;
  assertEquals(bytes, 1_024 * MIB);
  assert(mostAhead <= 8, `it was ${mostAhead} chunks ahead`);
  assert(grown < GROWN_MIB_MAX, `${grown.toFixed(0)} MiB more while 960 MiB came`);
});
