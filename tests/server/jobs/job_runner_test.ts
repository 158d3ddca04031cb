import { assertEquals, assertThrows } from "@std/assert";
import { backoffMs, type JobRunner, resolveRunners } from "../../../server/jobs/job_runner.ts";

const run = () => Promise.resolve();

Deno.test("waits double from one second to one minute, less up to half by chance", () => {
  assertEquals([1, 2, 3, 6, 7, 99].map((attempt) => backoffMs(attempt, 0)), [
    1_000,
    2_000,
    4_000,
    32_000,
    60_000,
    60_000,
  ]);
  assertEquals([backoffMs(1, 1), backoffMs(99, 0.5)], [500, 45_000]);
});

Deno.test("defaults are filled in", () => {
  const [entry] = resolveRunners({ a: { run } }).values();
  const { concurrencyMax, attemptsMax, timeoutMs } = entry!;
  assertEquals([concurrencyMax, attemptsMax, timeoutMs], [10_000, 1, 600_000]);
});

Deno.test("what is no runner is refused", () => {
  const bad: [JobRunner, new () => Error][] = [
    [{} as JobRunner, TypeError],
    [null as unknown as JobRunner, TypeError],
    [{ run, concurrencyMax: 0.5 }, RangeError],
    [{ run, attemptsMax: 0 }, RangeError],
    [{ run, attemptsMax: 101 }, RangeError],
    [{ run, timeoutMs: 0 }, RangeError],
    [{ run, timeoutMs: Infinity }, RangeError],
  ];
  for (const [runner, error] of bad) assertThrows(() => resolveRunners({ a: runner }), error);
  for (const name of ["", "a b", "-a", "ü", "x".repeat(65)]) {
    assertThrows(() => resolveRunners({ [name]: { run } }), TypeError);
  }
});
