/** What must be so of every story of a job. */
import { assertEquals } from "@std/assert";
import type { JobRecord } from "../../../../server/jobs/job_store.ts";

/** An event of a story. */
export interface Told {
  readonly event: string;
  readonly data: string;
}

const OVER = ["done", "failed", "cancelled"];

/**
 * Checks the story of a job that is over, unless nothing of it was told there.
 *
 * @param story what was told
 * @param job as it is in the end
 */
export function checkStory(story: readonly Told[], job: JobRecord): void {
  if (story.length === 0) return;
  const names = story.map(({ event }) => event);
  const shown = `job ${job.id}, ${job.state}: ${names.join(" ")}`;
  assertEquals(names[0], "queued", shown);
  const ends = names.filter((name) => OVER.includes(name));
  assertEquals(ends, [job.state], `one end, and the right one: ${shown}`);
  assertEquals(names.at(-1), job.state, `nothing after the end: ${shown}`);
  const next = new Map<string, number>();
  for (const { event, data } of story) {
    if (event !== "output") continue;
    const [attempt, count] = data.split(":") as [string, string];
    assertEquals(Number(count), next.get(attempt) ?? 0, `outputs of an attempt in their order: ${shown}`);
    next.set(attempt, Number(count) + 1);
  }
  if (job.state === "done") {
    const { result } = JSON.parse(story.at(-1)!.data);
    assertEquals(result, JSON.parse(job.result!), shown);
  }
}
