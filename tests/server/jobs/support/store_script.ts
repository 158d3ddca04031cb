/** What a worker does to a job store, step by step: for tests that kill it between any two. */
import type { JobRecord, JobStore } from "../../../../server/jobs/job_store.ts";

const LEASE_MS = 60_000;
const FAILURE = { code: "TEST", message: "it did not work" };

/** The steps, to be taken in order; each asks the store one thing. */
export function scriptOf(store: JobStore): readonly (() => unknown)[] {
  const ids = new Map<string, string>();
  let id = "";
  let token = 0;
  const enqueue = (key: string) => async () => {
    const { job } = await store.enqueue({ runner: "r", input: `"${key}"`, key, attemptsMax: 3 });
    ids.set(key, job.id);
  };
  const claim = async () => {
    const claimed = (await store.claim(["r"], LEASE_MS))!;
    id = claimed.job.id;
    token = claimed.token;
  };
  return [
    enqueue("a"),
    enqueue("b"),
    claim,
    () => store.progress(id, token, "0.5"),
    () => store.renew(id, token, LEASE_MS),
    () => store.complete(id, token, '"done"'),
    claim,
    () => store.fail(id, token, FAILURE, 0),
    claim,
    () => store.release(id, token),
    enqueue("c"),
    () => store.cancel(ids.get("c")!),
    claim,
    () => store.cancel(id),
    () => store.fail(id, token, FAILURE, 0),
    enqueue("d"),
    claim,
    () => store.fail(id, token, FAILURE, null),
  ];
}

/** What is in a store, without what differs from run to run. */
export async function contentOf(store: JobStore): Promise<unknown[]> {
  const { jobs } = await store.list({ limit: 100 });
  return jobs.map(({ key, state, attempt, progress, result, failure, isCancelRequested }: JobRecord) => [
    ...[key, state, attempt, progress, result, failure?.code ?? null, isCancelRequested],
  ]);
}
