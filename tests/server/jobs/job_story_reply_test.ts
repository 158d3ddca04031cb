import { assertEquals } from "@std/assert";
import { answerStory, noSuchJob } from "../../../server/jobs/job_story_reply.ts";
import { JobStories } from "../../../server/jobs/job_stories.ts";
import { MemoryJobStore } from "../../../server/jobs/memory_job_store.ts";
import { EventHub } from "../../../server/sse/event_hub.ts";

Deno.test("a job that is not there is a 404 that does not repeat more of a name than need be", async () => {
  const response = noSuchJob("x".repeat(5_000));
  const { detail, code } = await response.json();
  assertEquals([response.status, code, detail.length < 300], [404, "SLUICE_JOB_NOT_FOUND", true]);
});

Deno.test("a job that ends between the answer and its stream's start ends that stream", async () => {
  await using hub = new EventHub({ heartbeatMs: null });
  const stories = new JobStories(hub, 10, () => {});
  const store = new MemoryJobStore();
  const { job } = store.enqueue({ runner: "r", input: "1" });
  stories.begin(job);
  const response = await answerStory(store, stories, new Request("http://a/"), job.id);
  const { token } = store.claim(["r"], 1_000)!;
  store.complete(job.id, token, "1");
  stories.end(job.id, "done", {});
  await new Promise((resolve) => setImmediate(resolve));
  assertEquals([...(await response.text()).matchAll(/^event: (\w+)$/gm)].map(([, name]) => name), [
    "queued",
    "done",
  ]);
});

Deno.test("a position that the log does not know gets the whole story, and is told of the gap", async () => {
  await using hub = new EventHub({ heartbeatMs: null });
  const stories = new JobStories(hub, 10, () => {});
  const store = new MemoryJobStore();
  const { job } = store.enqueue({ runner: "r", input: "1" });
  stories.begin(job);
  store.cancel(job.id);
  stories.end(job.id, "cancelled", {});
  await new Promise((resolve) => setImmediate(resolve));
  const request = new Request("http://a/", { headers: { "last-event-id": "0000000a.7" } });
  const text = await (await answerStory(store, stories, request, job.id)).text();
  assertEquals([...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name), [
    "gap",
    "queued",
    "cancelled",
  ]);
});
