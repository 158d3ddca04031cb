/**
 * The stories of jobs: what happened to each is a topic of the event log, so that whoever comes late, or again, gets all of it.
 *
 * ```text
 * queued → started → (progress | output)* → done | failed | cancelled
 *    ↑         ╰───────────────┬─────────╯
 *    ╰─────────────────────────╯  another attempt, or given back by a service that stops
 * ```
 *
 * A story that is over ends its readers' streams. The newest `keptMax` of these are kept; an older one is dropped, so that the
 * log's room is for the jobs that are not over.
 *
 * What cannot be told (the log is closed or fails) is counted, and never changes what becomes of the job.
 *
 * @module
 */
import type { EventHub } from "../sse/event_hub.ts";
import type { JobRecord, JobStore } from "./job_store.ts";

/** Jobs that are looked at in one go of `catchUp`: a transaction of some milliseconds where a store has such. */
const LOOKED_AT_MAX = 100;

/** What is told about a job. */
export type JobEventName = "queued" | "started" | "progress" | "output" | "done" | "failed" | "cancelled";

/** Tells the stories of jobs. */
export class JobStories {
  /** Where they are told. */
  readonly hub: EventHub;
  /** Events that could not be told. */
  failures = 0;
  readonly #keptMax: number;
  readonly #onError: (error: unknown) => void;
  /** Jobs whose story was begun here and is not over. */
  readonly #open = new Set<string>();
  /** Jobs whose story's end is on its way to the log. */
  readonly #ending = new Set<string>();
  /** Those whose story is over and kept, in the order in which they ended. */
  readonly #over = new Set<string>();

  /** @param hub where they are told @param keptMax how many that are over are kept @param onError hears what cannot be told */
  constructor(hub: EventHub, keptMax: number, onError: (error: unknown) => void) {
    this.hub = hub;
    this.#keptMax = keptMax;
    this.#onError = onError;
  }

  /** Stories that are not over. */
  get openCount(): number {
    return this.#open.size;
  }

  /** The topic of a job's story. */
  topicOf(id: string): string {
    return `jobs/${id}`;
  }

  /** Whether a job's story was begun here and its end is not in the log. */
  isOpen(id: string): boolean {
    return this.#open.has(id) || this.#ending.has(id);
  }

  /**
   * Tells that a job is queued for the first time, unless that was told. Not after its end either: a store may answer the one who
   * enqueued later than the one who claimed.
   */
  begin(job: JobRecord): void {
    if (this.isOpen(job.id) || this.#over.has(job.id)) return;
    this.#open.add(job.id);
    this.note(job.id, "queued", {
      id: job.id,
      runner: job.runner,
      attempt: 0,
      dueAt: new Date(job.dueAtMs).toISOString(),
    });
  }

  /** Tells something. @throws (rejects with) what the hub refuses */
  async tell(id: string, event: JobEventName, data: unknown): Promise<void> {
    await this.hub.publish(this.topicOf(id), { event, data });
  }

  /** Tells something that nobody waits for, unless the story is over. */
  note(id: string, event: JobEventName, data: unknown): void {
    if (!this.#open.has(id)) return;
    this.tell(id, event, data).catch((error) => this.#failed(error));
  }

  /**
   * Tells the end, if the story was begun here and it was not told.
   *
   * @returns whether that was so
   */
  end(id: string, event: "done" | "failed" | "cancelled", data: unknown): boolean {
    if (!this.#open.delete(id)) {
      if (!this.#ending.has(id)) this.#close(id); // and it is not begun any more
      return false;
    }
    this.#ending.add(id);
    this.tell(id, event, data).catch((error) => this.#failed(error)).then(() => {
      this.#ending.delete(id);
      this.#close(id);
    });
    return true;
  }

  /**
   * Ends stories of jobs that ended elsewhere, in another process on the same store: looks at `LOOKED_AT_MAX` of those that
   * are open here, at others the next time.
   *
   * @param store where the jobs are
   * @param isAtWork whether a job is at work here, so that its end is told anyway
   * @throws (rejects with) what the store fails with
   */
  async catchUp(store: JobStore, isAtWork: (id: string) => boolean): Promise<void> {
    const ids: string[] = [];
    for (const id of this.#open) {
      if (ids.length === LOOKED_AT_MAX) break;
      if (!isAtWork(id)) ids.push(id);
    }
    await Promise.all(ids.map(async (id) => {
      const job = await store.get(id);
      if (isAtWork(id) || !this.#open.delete(id)) return;
      this.#open.add(id); // as the last one
      if (job === null) this.#forget(id);
      else if (job.finishedAtMs !== null) this.#endAsKept(job);
    }));
  }

  /** Tells the end of a job as the store keeps it. */
  #endAsKept({ id, state, result, failure, attempt, startedAtMs, finishedAtMs }: JobRecord): void {
    const ranMs = startedAtMs === null ? 0 : Math.max(0, Math.round(finishedAtMs! - startedAtMs));
    if (state === "done") this.end(id, "done", `{"result":${result},"ranMs":${ranMs}}`);
    if (state === "failed") this.end(id, "failed", { ...failure, attempt, ranMs });
    if (state === "cancelled") {
      this.end(id, "cancelled", { how: startedAtMs === null ? "before start" : "stopped", ranMs });
    }
  }

  /** A job is no longer kept, and nobody here heard how it ended. */
  #forget(id: string): void {
    this.#open.delete(id);
    this.#close(id);
  }

  #close(id: string): void {
    this.hub.complete(this.topicOf(id));
    this.#over.add(id);
    if (this.#over.size > this.#keptMax) this.#dropOldest();
  }

  #dropOldest(): void {
    for (const id of this.#over) {
      this.#over.delete(id);
      (async () => await this.hub.log.drop(this.topicOf(id)))().catch((error) => this.#failed(error));
      return;
    }
  }

  #failed(error: unknown): void {
    this.failures++;
    this.#onError(error);
  }
}
