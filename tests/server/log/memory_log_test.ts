import { assertEquals, assertThrows } from "@std/assert";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { formatEventId } from "../../../server/log/event_id.ts";
import { ENTRY_OVERHEAD_BYTES, MemoryLog } from "../../../server/log/memory_log.ts";
import { type LogUnderTest, SMALL, testEventLog } from "../../contracts/event_log_contract.ts";

function open(node: string): Promise<LogUnderTest> {
  const clock = new VirtualClock();
  const log = new MemoryLog({ ...SMALL, node, clock });
  return Promise.resolve({
    log,
    advance: (ms) => clock.advance(ms),
    async restart() {
      await log.close();
      return await open(node);
    },
  });
}

testEventLog({ name: "memory log", isDurable: false, open });

const ALL = { entriesMax: 1_000, bytesMax: 1_000_000 };
const bytes = (length: number) => new Uint8Array(length);

Deno.test("a memory log without a node calls every other run a restart", () => {
  const before = new MemoryLog();
  const { offset } = before.append("x", bytes(1));
  assertEquals(new MemoryLog().read("x", formatEventId(before.epoch, offset), ALL).gap, "restart");
});

Deno.test("a memory log counts what it holds, down to nothing", async () => {
  const log = new MemoryLog({ eventsMax: 2, topicsMax: 2 });
  log.append("x", bytes(10), "key");
  assertEquals(log.stats.bytes, 10 + 3 + ENTRY_OVERHEAD_BYTES);
  for (let n = 0; n < 3; n++) log.append("x", bytes(10));
  log.append("y", bytes(5));
  assertEquals({ ...log.stats }, {
    topics: 2,
    entries: 3,
    bytes: 25 + 3 * ENTRY_OVERHEAD_BYTES,
    appended: 5,
    trimmed: 2,
    topicsDropped: 0,
  });
  log.append("z", bytes(7));
  assertEquals({ ...log.stats }, {
    topics: 2,
    entries: 2,
    bytes: 12 + 2 * ENTRY_OVERHEAD_BYTES,
    appended: 6,
    trimmed: 4,
    topicsDropped: 1,
  });
  await log.close();
  assertEquals([log.stats.topics, log.stats.entries, log.stats.bytes], [0, 0, 0]);
});

Deno.test("a memory log holds no more in all than it may, whatever is appended where", () => {
  const weight = 100 + ENTRY_OVERHEAD_BYTES;
  const log = new MemoryLog({ topicBytesMax: 3 * weight, bytesMax: 7 * weight });
  for (let n = 0; n < 200; n++) {
    log.append(`t${n % 11}`, bytes(100));
    log.append("busy", bytes(100));
    assertEquals(log.stats.bytes <= 7 * weight, true);
    assertEquals(log.read("busy", null, ALL).entries.length, Math.min(n + 1, 3));
  }
});

Deno.test("a long life of one topic keeps only what may be kept", () => {
  const log = new MemoryLog({ eventsMax: 10 });
  for (let n = 1; n <= 10_000; n++) log.append("x", bytes(1));
  assertEquals(log.read("x", 9_995, ALL).entries.map(({ offset }) => offset), [
    9_996,
    9_997,
    9_998,
    9_999,
    10_000,
  ]);
  assertEquals(log.stats.entries, 10);
});

Deno.test("entries of a memory log can be kept for ever", async () => {
  const clock = new VirtualClock();
  const log = new MemoryLog({ clock, ageMs: null });
  log.append("x", bytes(1));
  await clock.advance(1e12);
  assertEquals(log.read("x", null, ALL).entries.length, 1);
});

Deno.test("bounds of a memory log that make no sense are refused", () => {
  for (const name of ["eventsMax", "topicBytesMax", "ageMs", "topicsMax", "bytesMax"]) {
    for (const value of [0, -1, 1.5, NaN, Infinity]) {
      assertThrows(() => new MemoryLog({ [name]: value }), RangeError, name);
    }
  }
  assertThrows(() => new MemoryLog({ topicBytesMax: 2, bytesMax: 1 }), RangeError);
  assertThrows(() => new MemoryLog({ node: "a.b" }), TypeError);
});
