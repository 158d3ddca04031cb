/** Options: their defaults, and which are refused. */

import { assertEquals, assertThrows } from "@std/assert";
import type { PoolOptions } from "../../pool/mod.ts";
import { settle } from "../../pool/settings.ts";

Deno.test("options have defaults", () => {
  const { workersMin, workersMax, concurrency, queueMax, queuePolicy, isolation } = settle({});
  assertEquals([workersMin, concurrency, queueMax, queuePolicy, isolation], [
    0,
    1,
    16_384,
    "reject",
    "thread",
  ]);
  assertEquals(workersMax, navigator.hardwareConcurrency);
  assertEquals(settle({ heapMibMax: 64 }).isolation, "process");
});

/** What is refused. */
const BAD: readonly PoolOptions[] = [
  { workersMax: 0 },
  { workersMin: 3, workersMax: 2 },
  { workersMin: 1.5 },
  { concurrency: 0 },
  { queueMax: -1 },
  { idleTimeoutMs: -1 },
  { graceMs: NaN },
  { copyBytesMax: -5 },
  { abandonedMax: -1 },
  { heapMibMax: 0.5 },
  { startAttemptsMax: 0 },
];

for (const options of BAD) {
  Deno.test(`${JSON.stringify(options)} is refused`, () => {
    assertThrows(() => settle(options), RangeError, "Cannot use");
  });
}

Deno.test("words that are none are refused", () => {
  for (const name of ["queuePolicy", "isolation", "transfer"]) {
    assertThrows(() => settle({ [name]: "no" } as PoolOptions), TypeError, `as ${name}`);
  }
});
