import { assertEquals } from "@std/assert";
import { createServerStats } from "../../../server/server_stats.ts";
import {
  NOTHING_COUNTED,
  retiredStats,
  sumReports,
  sumServices,
  sumStats,
} from "../../../server/workers/sum_stats.ts";

/** Counters that stand at different numbers. */
function counters(factor: number) {
  const stats = createServerStats();
  stats.connectionsOpen = 1 * factor;
  stats.requestsActive = 2 * factor;
  stats.streamsOpen = 3 * factor;
  stats.requestsTotal = 4 * factor;
  stats.responsesByStatus[200] = 5 * factor;
  stats.peerErrors[`SLUICE_${factor}`] = 6 * factor;
  stats.peerErrors["SLUICE_BOTH"] = 7 * factor;
  stats.deadlinesPassed.head = 8 * factor;
  return stats;
}

Deno.test("every number is added to its like, in lists and tables as well", () => {
  const sum = sumStats([counters(1), counters(10), createServerStats()]);
  assertEquals(sum, {
    ...counters(11),
    peerErrors: { SLUICE_1: 6, SLUICE_10: 60, SLUICE_BOTH: 77 },
  });
});

Deno.test("summing leaves what is summed alone, and nothing sums up to nothing", () => {
  const one = counters(1);
  sumStats([one, one]);
  assertEquals(one, counters(1));
  assertEquals(sumStats([]), createServerStats());
});

Deno.test("of a server that is gone nothing is open, and what it did is kept", () => {
  const { connectionsOpen, requestsActive, streamsOpen, requestsTotal } = retiredStats(counters(1));
  assertEquals([connectionsOpen, requestsActive, streamsOpen, requestsTotal], [0, 0, 0, 4]);
});

Deno.test("reports are added up, but the time is that of the slowest", () => {
  const report = { finished: 1, ended: 2, cut: 3, left: 4, idle: 5, elapsedMs: 100 };
  assertEquals(sumReports([report, { ...report, elapsedMs: 70 }]), {
    finished: 2,
    ended: 4,
    cut: 6,
    left: 8,
    idle: 10,
    elapsedMs: 100,
  });
  assertEquals(sumReports([]).elapsedMs, 0);
});

Deno.test("services' counters of any shape are added up, and lists stay lists", () => {
  const one = { rising: { a: 1, deep: { b: 2 }, list: [1, 2] }, now: { c: 3 } };
  const other = { rising: { deep: { b: 5, d: 1 }, list: [1, 1, 1] }, now: {} };
  assertEquals(sumServices([one, null, other, NOTHING_COUNTED]), {
    rising: { a: 1, deep: { b: 7, d: 1 }, list: [2, 3, 1] },
    now: { c: 3 },
  });
  assertEquals(sumServices([]), { rising: {}, now: {} });
});
