import { assertEquals, assertThrows } from "@std/assert";
import { JobTooLargeError } from "../../../server/jobs/errors.ts";
import {
  checkDelay,
  checkLease,
  checkNewJob,
  DELAY_MAX_MS,
  hasMoreBytes,
} from "../../../server/jobs/new_job.ts";

Deno.test("bytes are counted in UTF-8", () => {
  for (
    const [text, bytes] of [["", 0], ["abc", 3], ["ü", 2], ["€€", 6], ["😀", 4], [
      "x".repeat(999),
      999,
    ]] as const
  ) {
    assertEquals([hasMoreBytes(text, bytes), hasMoreBytes(text, bytes - 1)], [false, true], text);
  }
});

Deno.test("defaults are filled in, and what was given stays", () => {
  const job = { runner: "a.b-c_1", input: "1", key: "k", priority: 9, delayMs: 0.5, attemptsMax: 100 };
  assertEquals(checkNewJob(job, 1), job);
  assertThrows(() => checkNewJob(job, 0), JobTooLargeError);
});

Deno.test("a text is a text, also for callers without types", () => {
  assertThrows(() => checkNewJob({ runner: "r", input: 7 as never }, 9), TypeError);
  assertThrows(() => checkNewJob({ runner: 7 as never, input: "1" }, 9), TypeError);
  assertThrows(() => checkNewJob({ runner: undefined as never, input: "1" }, 9), TypeError);
  assertThrows(() => checkNewJob({ runner: "r", input: "1", key: 7 as never }, 9), TypeError);
});

Deno.test("delays and leases have their ends", () => {
  for (const delayMs of [0, 1.5, DELAY_MAX_MS]) checkDelay(delayMs);
  for (const delayMs of [-1, NaN, DELAY_MAX_MS + 1]) assertThrows(() => checkDelay(delayMs), RangeError);
  for (const leaseMs of [0.1, 1e12]) checkLease(leaseMs);
  for (const leaseMs of [0, -1, NaN, Infinity]) assertThrows(() => checkLease(leaseMs), RangeError);
});
