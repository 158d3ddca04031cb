import { assertEquals } from "@std/assert";
import type { JobRecord } from "../../../server/jobs/job_store.ts";
import { JobStories } from "../../../server/jobs/job_stories.ts";
import { MemoryJobStore } from "../../../server/jobs/memory_job_store.ts";
import { MemoryLog } from "../../../server/log/memory_log.ts";
import { EventHub } from "../../../server/sse/event_hub.ts";
import { DeferredLog } from "../../contracts/event_log_contract.ts";

const aJob = (): JobRecord => new MemoryJobStore().enqueue({ runner: "r", input: "1" }).job;
const ALL = { entriesMax: 100, bytesMax: 100_000 };

/** Stories on a log, and the texts of one. */
function setUp(keptMax = 10) {
  const log = new MemoryLog();
  const hub = new EventHub({ log, heartbeatMs: null });
  const errors: unknown[] = [];
  const stories = new JobStories(hub, keptMax, (error) => void errors.push(error));
  const names = (id: string) =>
    log.read(stories.topicOf(id), null, ALL).entries.map(({ bytes }) =>
      /^event: (\w+)/.exec(new TextDecoder().decode(bytes))?.[1]
    );
  return { log, hub, stories, errors, names };
}

Deno.test("a story has one beginning and one end", async () => {
  const { stories, names } = setUp();
  const job = aJob();
  stories.begin(job);
  stories.begin(job);
  stories.note(job.id, "started", {});
  assertEquals([stories.end(job.id, "done", {}), stories.end(job.id, "cancelled", {})], [true, false]);
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals([names(job.id), stories.openCount, stories.isOpen(job.id)], [
    ["queued", "started", "done"],
    0,
    false,
  ]);
});

Deno.test("of the stories that are over the newest are kept, and those that are not over are all kept", async () => {
  const { stories, names, log } = setUp(2);
  const open = aJob();
  stories.begin(open);
  const ids: string[] = [];
  for (let n = 0; n < 4; n++) {
    const job = aJob();
    ids.push(job.id);
    stories.begin(job);
    stories.end(job.id, "done", {});
    await new Promise((resolve) => setImmediate(resolve));
  }
  assertEquals(ids.map((id) => names(id).length), [0, 0, 2, 2]);
  assertEquals([names(open.id), log.stats.topics], [["queued"], 3]);
});

Deno.test("a story is open until its end is in the log", async () => {
  const log = new DeferredLog(new MemoryLog());
  const stories = new JobStories(new EventHub({ log, heartbeatMs: null }), 1, () => {});
  const job = aJob();
  stories.begin(job);
  stories.end(job.id, "done", {});
  assertEquals(stories.isOpen(job.id), true);
  await log.answerAll();
  assertEquals(stories.isOpen(job.id), false);
});

Deno.test("what cannot be told is counted and heard of", async () => {
  const { stories, hub, log, errors } = setUp(1);
  await hub.close();
  await log.close();
  const jobs = [aJob(), aJob()];
  for (const job of jobs) {
    stories.begin(job);
    stories.end(job.id, "failed", {});
  }
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals([stories.failures, errors.length], [5, 5]); // two beginnings, two ends, one to be dropped
});
