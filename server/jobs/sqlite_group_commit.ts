/**
 * One transaction for everything that is asked within a turn of the event loop: a commit waits for the disk, and that
 * takes as long for a hundred jobs as for one.
 *
 * - What is asked takes effect at once, in order, within the open transaction. It is answered when that is committed,
 *   reads too: nobody is told of what a crash could take back.
 * - What is refused (it throws) has changed nothing: each call that writes has a savepoint of its own.
 * - A commit that fails takes back everything of its turn, and every call of it rejects with that. So does a call with which SQLite
 *   gives the transaction up, as when the disk is full; those after it begin another one.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";

/** Calls of one transaction at most: then it is committed, though the turn goes on. */
const CALLS_MAX = 1_000;

/** See the file's text. */
export class GroupCommit {
  readonly #database: DatabaseSync;
  /** Those who wait for the open transaction; `null` when none is open. */
  #waiting: { resolve(): void; reject(error: unknown): void }[] | null = null;

  /** @param database open, with no transaction */
  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Does something within the transaction of this turn.
   *
   * @param work done at once; what it throws is thrown, and what it wrote is undone
   * @returns what it gives, when that is committed
   */
  async run<T>(work: () => T): Promise<T> {
    const waiting = this.#begin();
    let result: T;
    try {
      this.#database.exec("SAVEPOINT call");
      result = work();
    } catch (error) {
      this.#undo(error);
      throw error;
    }
    this.#database.exec("RELEASE call");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.push({ resolve, reject });
    if (waiting.length >= CALLS_MAX) this.commit();
    await promise;
    return result;
  }

  /** Commits what is open, now. */
  commit(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    try {
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      for (const { reject } of waiting) reject(error);
      return;
    }
    for (const { resolve } of waiting) resolve();
  }

  /** Undoes the call that failed; a full disk and the like have undone the whole transaction by themselves. */
  #undo(error: unknown): void {
    if (this.#database.isTransaction) {
      this.#database.exec("ROLLBACK TO call");
      this.#database.exec("RELEASE call");
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const { reject } of waiting ?? []) reject(error);
  }

  #begin(): { resolve(): void; reject(error: unknown): void }[] {
    if (this.#waiting !== null) return this.#waiting;
    this.#database.exec("BEGIN IMMEDIATE");
    setImmediate(() => this.commit());
    return this.#waiting = [];
  }
}
