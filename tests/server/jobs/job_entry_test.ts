import { assertEquals } from "@std/assert";
import { isClaimedBefore, isDueBefore, isExpiredBefore, JobEntry } from "../../../server/jobs/job_entry.ts";
import { checkNewJob } from "../../../server/jobs/new_job.ts";

const entry = (order: number, dueMs: number, priority = 0) =>
  new JobEntry(
    `j${order}`,
    order,
    checkNewJob({ runner: "r", input: "1", priority, delayMs: dueMs }, 9),
    0,
    0,
  );

Deno.test("claims go by priority, due time and number; due times by time and number", () => {
  const [early, late, second, urgent] = [entry(1, 5), entry(2, 9), entry(3, 5), entry(4, 99, 1)];
  assertEquals([early, late, second, urgent].toSorted((a, b) => isClaimedBefore(a, b) ? -1 : 1), [
    urgent,
    early,
    second,
    late,
  ]);
  assertEquals([isDueBefore(early, second), isDueBefore(second, early), isDueBefore(late, second)], [
    true,
    false,
    false,
  ]);
  early.leaseEndMs = 7;
  assertEquals([isExpiredBefore(early, late), isExpiredBefore(late, early)], [false, true]);
});

Deno.test("a record is a copy of what is known, and only the three ends are ends", () => {
  const job = entry(1, 0);
  const record = job.record();
  job.state = "running";
  assertEquals([record.state, job.isOver], ["queued", false]);
  job.state = "failed";
  assertEquals([job.record().state, job.isOver], ["failed", true]);
});
