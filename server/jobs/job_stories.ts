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
import type { JobRecord } from "./job_store.ts";

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

  /** Tells that a job is queued for the first time, unless that was told. */
  begin(job: JobRecord): void {
    if (this.#open.has(job.id)) return;
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

  /** Tells something that nobody waits for. */
  note(id: string, event: JobEventName, data: unknown): void {
    this.tell(id, event, data).catch((error) => this.#failed(error));
  }

  /**
   * Tells the end, if it was not told.
   *
   * @returns whether it was not
   */
  end(id: string, event: "done" | "failed" | "cancelled", data: unknown): boolean {
    if (!this.#open.delete(id)) return false;
    this.#ending.add(id);
    this.tell(id, event, data).catch((error) => this.#failed(error)).then(() => {
      this.#ending.delete(id);
      this.hub.complete(this.topicOf(id));
      this.#over.add(id);
      if (this.#over.size > this.#keptMax) this.#dropOldest();
    });
    return true;
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
