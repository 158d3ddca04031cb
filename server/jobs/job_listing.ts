/**
 * Jobs in the order in which they were enqueued, to be listed page by page from the newest on.
 *
 * Bounded: a page looks at `LOOKED_AT_MAX` jobs at most, so a filter that fits few of many gives short pages, and never
 * holds up the loop. A job that is forgotten leaves a hole; when half of the list is holes it is moved together.
 *
 * @module
 */
import type { JobEntry } from "./job_entry.ts";
import type { JobPage, JobQuery } from "./job_store.ts";

/** Jobs looked at for one page: a tenth of a millisecond's work. */
const LOOKED_AT_MAX = 2_000;
/** Holes that do not matter, however short the list is. */
const HOLES_MIN = 64;
/** A cursor: a job's number. */
const CURSOR = /^[1-9][0-9]{0,15}$/;

/** The list. */
export class JobListing {
  /** Oldest first. */
  #entries: JobEntry[] = [];
  #holes = 0;

  /** Adds a job; it is the newest. */
  add(entry: JobEntry): void {
    this.#entries.push(entry);
  }

  /** Leaves a job out. */
  remove(entry: JobEntry): void {
    entry.isGone = true;
    this.#holes++;
    if (this.#holes < HOLES_MIN || this.#holes * 2 < this.#entries.length) return;
    this.#entries = this.#entries.filter(({ isGone }) => !isGone);
    this.#holes = 0;
  }

  /** Leaves all out. */
  clear(): void {
    this.#entries = [];
    this.#holes = 0;
  }

  /** See `JobStore.list`. */
  page(query: JobQuery): JobPage {
    const { state, runner, cursor, limit } = query;
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new RangeError(`Cannot list ${limit} jobs: a whole number from 1 on is needed`);
    }
    if (cursor !== undefined && !CURSOR.test(cursor)) {
      throw new TypeError(
        `Cannot list jobs from ${JSON.stringify(cursor.slice(0, 50))} on: no page gave that cursor`,
      );
    }
    let index = cursor === undefined ? this.#entries.length - 1 : this.#indexBefore(Number(cursor));
    const jobs = [];
    for (let looked = 0; index >= 0; index--, looked++) {
      const entry = this.#entries[index]!;
      if (jobs.length === limit || looked === LOOKED_AT_MAX) {
        return { jobs, next: String(entry.order + 1) };
      }
      if (entry.isGone || (state !== undefined && entry.state !== state)) continue;
      if (runner === undefined || entry.spec.runner === runner) jobs.push(entry.record());
    }
    return { jobs, next: null };
  }

  /** Index of the last job whose number is below `order`; -1 when there is none. */
  #indexBefore(order: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.order < order) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
