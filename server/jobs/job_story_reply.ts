/**
 * Answers a request for a job's story.
 *
 * @module
 */
import { problem } from "../problem.ts";
import { Reply } from "../reply.ts";
import type { SubscriberInfo } from "../sse/event_hub.ts";
import { lastEventIdOf } from "../sse/last_event_id.ts";
import type { JobStore } from "./job_store.ts";
import type { JobStories } from "./job_stories.ts";

/** One entry is enough to see that something follows. */
const ONE_ENTRY = { entriesMax: 1, bytesMax: 1 } as const;

/** The answer for a job that is not there (any more). @param id as it was asked for */
export function noSuchJob(id: string): Response {
  return problem(404, {
    code: "SLUICE_JOB_NOT_FOUND",
    detail: `Cannot find the job ${JSON.stringify(id.slice(0, 100))}: there is none, or it is no longer kept`,
  });
}

/**
 * Answers with the event stream of a job.
 *
 * @param store where the job is
 * @param stories where its story is
 * @param request of the client; its `Last-Event-ID` says where to go on
 * @param id the job
 * @param info what the server tells about the connection
 * @returns the stream, 204 to a client that has everything, 404 when there is no such job, 410 when only its outcome is kept
 */
export async function answerStory(
  store: JobStore,
  stories: JobStories,
  request: Request,
  id: string,
  info?: SubscriberInfo,
): Promise<Response> {
  const job = await store.get(id);
  if (job === null) return noSuchJob(id);
  const topic = stories.topicOf(id);
  // One that was enqueued by another process, or an earlier one: from now on its end is told here, whoever brings it about.
  if (job.finishedAtMs === null) stories.begin(job);
  const wasOpen = stories.isOpen(id);
  const isOver = job.finishedAtMs !== null;
  if (isOver && !wasOpen) {
    const lastEventId = lastEventIdOf(request);
    const { entries, gap } = await stories.hub.log.read(topic, lastEventId, ONE_ENTRY);
    if (entries.length === 0 && lastEventId !== null && gap === null) return new Reply(null, { status: 204 });
    if (entries.length === 0) {
      return problem(410, {
        code: "SLUICE_JOB_STORY_GONE",
        detail: `Cannot tell the story of job ${id}: it is no longer kept; its outcome is`,
      });
    }
  }
  return stories.hub.subscribe(request, topic, info, {
    from: "start",
    isComplete: () => !stories.isOpen(id),
  });
}
