/**
 * A job store in one file: durable, and shared by the processes of one machine.
 *
 * Strategy: SQLite in WAL mode. Everything that is asked in one turn of the event loop is one transaction
 * (`sqlite_group_commit.ts`), answered when it is on the disk: what was answered outlives `kill -9` at any moment, and
 * with `"FULL"`, the default, a power cut. Time is wall time, since it must go on after a restart and mean the same to all
 * processes: a machine's clock that is set by an hour makes leases and delays end an hour early or late.
 *
 * Its bounds, and what happens then, are those of `MemoryJobStore`.
 *
 * Known limits: SQLite's calls are synchronous, so a slow disk holds up the event loop (a commit: 0.1 to 0.5 ms on an SSD). A
 * process learns of jobs that another one enqueued only by looking (`JobsOptions.pollMs`).
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import {
  JobKeyReusedError,
  JobQueueFullError,
  JobStoreClosedError,
  JobTooLargeError,
  StaleClaimError,
} from "./errors.ts";
import { JOB_OVERHEAD_BYTES } from "./job_entry.ts";
import type {
  JobClaim,
  JobFailure,
  JobPage,
  JobQuery,
  JobRecord,
  JobState,
  JobStore,
  NewJob,
} from "./job_store.ts";
import { type MemoryJobStoreOptions, type StoreSettings, storeSettings } from "./memory_job_store.ts";
import {
  checkDelay,
  checkLease,
  checkNewJob,
  hasMoreBytes,
  isSameJob,
  MESSAGE_LENGTH_MAX,
  newJobId,
  PRIORITY_MAX,
} from "./new_job.ts";
import { GroupCommit } from "./sqlite_group_commit.ts";
import { openJobDatabase } from "./sqlite_schema.ts";

/** Bounds of a `SqliteJobStore`, and what it waits for. */
export interface SqliteJobStoreOptions extends Omit<MemoryJobStoreOptions, "clock"> {
  /**
   * What an answer waits for: `"FULL"` for the disk, so that a power cut takes nothing back; `"NORMAL"` for the operating
   * system, which outlives the process only. Default `"FULL"`.
   */
  readonly synchronous?: "FULL" | "NORMAL";
  /** What time is read from. Default the machine's clock. */
  readonly clock?: Pick<Clock, "wallMs">;
}

/** Jobs that one call of `expire` moves at most, so that the loop goes on. */
const EXPIRE_MAX = 256;
/** A cursor: a job's number. */
const CURSOR = /^[1-9][0-9]{0,15}$/;

/** A row of the table. */
type Row = Readonly<Record<string, string | number | null>>;

/** The statements; `@` names are their parameters. */
const STATEMENTS = {
  insert: `INSERT INTO jobs (id, runner, state, input, key, priority, attempts_max, created_ms, due_ms)
    VALUES (@id, @runner, 'queued', @input, @key, @priority, @attemptsMax, @nowMs, @dueMs) RETURNING *`,
  byId: "SELECT * FROM jobs WHERE id = @id",
  byKey: "SELECT * FROM jobs WHERE key = @key",
  held: "SELECT * FROM jobs WHERE id = @id AND state = 'running' AND token = @token",
  firstDue:
    `SELECT seq, priority, due_ms FROM jobs WHERE state = 'queued' AND runner = @runner AND priority = @priority
    AND due_ms <= @nowMs ORDER BY due_ms, seq LIMIT 1`,
  token: "UPDATE tokens SET last = last + 1 RETURNING last",
  claim: `UPDATE jobs SET state = 'running', attempt = attempt + 1, token = @token, started_ms = @nowMs,
    lease_end_ms = @leaseEndMs WHERE seq = @seq RETURNING *`,
  renew: "UPDATE jobs SET lease_end_ms = @leaseEndMs WHERE seq = @seq RETURNING *",
  progress: "UPDATE jobs SET progress = @progress WHERE seq = @seq RETURNING *",
  fail: "UPDATE jobs SET failure_code = @code, failure_message = @message WHERE seq = @seq RETURNING *",
  succeed: "UPDATE jobs SET result = @result, failure_code = NULL, failure_message = NULL WHERE seq = @seq",
  finish: `UPDATE jobs SET state = @state, finished_ms = @nowMs, lease_end_ms = NULL, token = 0
    WHERE seq = @seq RETURNING *`,
  requeue:
    `UPDATE jobs SET state = 'queued', due_ms = @dueMs, attempt = attempt - @givenBack, lease_end_ms = NULL,
    token = 0 WHERE seq = @seq RETURNING *`,
  mark: "UPDATE jobs SET is_cancel_requested = 1 WHERE seq = @seq RETURNING *",
  expired: `SELECT * FROM jobs WHERE state = 'running' AND lease_end_ms <= @nowMs ORDER BY lease_end_ms, seq
    LIMIT ${EXPIRE_MAX}`,
  counts: "SELECT state, jobs, bytes FROM counts",
  nextDue: "SELECT min(due_ms) AS ms FROM jobs WHERE state = 'queued' AND runner = @runner",
  nextLease: "SELECT min(lease_end_ms) AS ms FROM jobs WHERE state = 'running'",
  forgetOld: "DELETE FROM jobs WHERE finished_ms IS NOT NULL AND finished_ms < @oldestMs",
  forgetOldest:
    `DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE finished_ms IS NOT NULL AND seq <> @kept
    ORDER BY finished_ms, seq LIMIT @count)`,
  list: `SELECT * FROM jobs WHERE seq < @before AND (@state IS NULL OR state = @state)
    AND (@runner IS NULL OR runner = @runner) ORDER BY seq DESC LIMIT @limit`,
} as const;

type StatementName = keyof typeof STATEMENTS;

/**
 * A `JobStore` in a file. Every method answers by a promise.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { SqliteJobStore } from "@sluice/kit/sqlite";
 *
 * const store = new SqliteJobStore(":memory:"); // or the path of a file
 * const { job } = await store.enqueue({ runner: "double", input: "21" });
 * const claim = await store.claim(["double"], 30_000);
 * assertEquals(claim?.job.id, job.id);
 * await store.complete(job.id, claim!.token, "42");
 * assertEquals((await store.get(job.id))?.result, "42");
 * await store.close();
 * ```
 */
export class SqliteJobStore implements JobStore {
  readonly #settings: StoreSettings;
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #database: DatabaseSync;
  readonly #group: GroupCommit;
  readonly #statements = new Map<StatementName, StatementSync>();
  readonly #listeners = new Set<() => void>();
  #isClosed = false;

  /**
   * Opens a store, and makes its file if there is none.
   *
   * @param path of the file; beside it SQLite keeps two more, `-wal` and `-shm`
   * @param options bounds, and what an answer waits for
   * @throws JobStoreFileError for a file that is something else; RangeError for a bound that is no whole number from 1 on
   */
  constructor(path: string, options: SqliteJobStoreOptions = {}) {
    const { synchronous = "FULL", clock = new SystemClock(), ...bounds } = options;
    if (synchronous !== "FULL" && synchronous !== "NORMAL") {
      throw new TypeError(`Cannot use ${JSON.stringify(synchronous)} as synchronous: "FULL" or "NORMAL"`);
    }
    this.#settings = storeSettings(bounds);
    this.#clock = clock;
    this.#database = openJobDatabase(path, synchronous);
    this.#group = new GroupCommit(this.#database);
  }

  /** See `JobStore.enqueue`. */
  async enqueue(job: NewJob): Promise<{ readonly job: JobRecord; readonly isNew: boolean }> {
    const enqueued = await this.#do("Cannot enqueue", () => this.#enqueue(job));
    if (enqueued.isNew) this.#tell();
    return enqueued;
  }

  /** See `JobStore.claim`. */
  async claim(runners: readonly string[], leaseMs: number): Promise<JobClaim | null> {
    return await this.#do("Cannot claim", (nowMs) => {
      checkLease(leaseMs);
      const first = this.#firstDue(runners, nowMs);
      if (first === null) return null;
      const token = Number(this.#row("token")!["last"]);
      const row = this.#row("claim", { seq: first, token, nowMs, leaseEndMs: nowMs + leaseMs })!;
      return { job: recordOf(row), token };
    });
  }

  /** See `JobStore.renew`. */
  async renew(id: string, token: number, leaseMs: number): Promise<JobRecord> {
    return await this.#do("Cannot renew", (nowMs, doing) => {
      const { seq } = this.#held(id, token, doing);
      checkLease(leaseMs);
      return recordOf(this.#row("renew", { seq, leaseEndMs: nowMs + leaseMs })!);
    });
  }

  /** See `JobStore.progress`. */
  async progress(id: string, token: number, progress: string): Promise<JobRecord> {
    return await this.#do("Cannot note the progress of", (_nowMs, doing) => {
      const { seq } = this.#held(id, token, doing);
      const { progressBytesMax } = this.#settings;
      if (hasMoreBytes(progress, progressBytesMax)) throw new JobTooLargeError("progress", progressBytesMax);
      return recordOf(this.#row("progress", { seq, progress })!);
    });
  }

  /** See `JobStore.complete`. */
  async complete(id: string, token: number, result: string): Promise<JobRecord> {
    return await this.#do("Cannot complete", (nowMs, doing) => {
      const row = this.#held(id, token, doing);
      const { resultBytesMax } = this.#settings;
      if (hasMoreBytes(result, resultBytesMax)) throw new JobTooLargeError("result", resultBytesMax);
      if (row["is_cancel_requested"] === 1) return this.#finish(row, "cancelled", nowMs);
      this.#run("succeed", { seq: row.seq, result });
      return this.#finish(row, "done", nowMs);
    });
  }

  /** See `JobStore.fail`. */
  async fail(
    id: string,
    token: number,
    failure: JobFailure,
    retryDelayMs: number | null,
  ): Promise<JobRecord> {
    const job = await this.#do("Cannot fail", (nowMs, doing) => {
      const row = this.#held(id, token, doing);
      if (retryDelayMs !== null) checkDelay(retryDelayMs);
      return this.#failed(row, failure, retryDelayMs, nowMs);
    });
    if (job.state === "queued") this.#tell();
    return job;
  }

  /** See `JobStore.release`. */
  async release(id: string, token: number): Promise<JobRecord> {
    const job = await this.#do("Cannot release", (nowMs, doing) => {
      const row = this.#held(id, token, doing);
      if (row["is_cancel_requested"] === 1) return this.#finish(row, "cancelled", nowMs);
      return recordOf(this.#row("requeue", { seq: row.seq, dueMs: nowMs, givenBack: 1 })!);
    });
    if (job.state === "queued") this.#tell();
    return job;
  }

  /** See `JobStore.cancel`. */
  async cancel(id: string): Promise<JobRecord | null> {
    return await this.#do("Cannot cancel", (nowMs) => {
      this.#forgetOld(nowMs);
      const row = this.#row("byId", { id });
      if (row === null) return null;
      if (row["state"] === "queued") return this.#finish(row, "cancelled", nowMs);
      return recordOf(row["state"] === "running" ? this.#row("mark", { seq: row["seq"]! })! : row);
    });
  }

  /** See `JobStore.expire`. */
  async expire(): Promise<readonly JobRecord[]> {
    const moved = await this.#do("Cannot expire", (nowMs) => {
      const message = "Cannot go on with the job: its worker was silent for longer than its lease";
      const failure = { code: "SLUICE_JOB_LEASE_EXPIRED", message };
      return this.#rows("expired", { nowMs }).map((row) => this.#failed(row, failure, 0, nowMs));
    });
    if (moved.some(({ state }) => state === "queued")) this.#tell();
    return moved;
  }

  /** See `JobStore.get`. */
  async get(id: string): Promise<JobRecord | null> {
    return await this.#do("Cannot get", (nowMs) => {
      this.#forgetOld(nowMs);
      const row = this.#row("byId", { id });
      return row === null ? null : recordOf(row);
    });
  }

  /** See `JobStore.list`. */
  async list(query: JobQuery): Promise<JobPage> {
    return await this.#do("Cannot list", (nowMs) => {
      const { state = null, runner = null, cursor, limit } = query;
      if (!Number.isSafeInteger(limit) || limit < 1) {
        throw new RangeError(`Cannot list ${limit} jobs: a whole number from 1 on is needed`);
      }
      if (cursor !== undefined && !CURSOR.test(cursor)) {
        throw new TypeError(
          `Cannot list jobs from ${JSON.stringify(cursor.slice(0, 50))} on: no page gave that cursor`,
        );
      }
      this.#forgetOld(nowMs);
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
      const rows = this.#rows("list", { before, state, runner, limit: limit + 1 });
      const page = rows.slice(0, limit);
      return { jobs: page.map(recordOf), next: rows.length > limit ? String(page.at(-1)!["seq"]) : null };
    });
  }

  /** See `JobStore.counts`. */
  async counts(): Promise<Readonly<Record<JobState, number>>> {
    return await this.#do("Cannot count", (nowMs) => {
      this.#forgetOld(nowMs);
      const counts = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
      for (const { state, jobs } of this.#rows("counts")) counts[state as JobState] = Number(jobs);
      return counts;
    });
  }

  /** See `JobStore.nextDelayMs`. */
  async nextDelayMs(runners: readonly string[]): Promise<number | null> {
    return await this.#do("Cannot tell the next job", (nowMs) => {
      const times = runners.map((runner) => this.#row("nextDue", { runner })!["ms"]);
      times.push(this.#row("nextLease")!["ms"]!);
      const nextMs = Math.min(...times.map((ms) => ms === null ? Infinity : Number(ms)));
      return nextMs === Infinity ? null : Math.max(0, nextMs - nowMs);
    });
  }

  /** See `JobStore.watch`; tells of what came through this object. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Commits what was asked, and closes the file. Idempotent. */
  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#group.commit();
    this.#listeners.clear();
    this.#statements.clear();
    this.#database.close();
    return Promise.resolve();
  }

  /** Does something in this turn's transaction, unless the store is closed. */
  #do<T>(doing: string, work: (nowMs: number, doing: string) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new JobStoreClosedError(doing));
    return this.#group.run(() => work(this.#clock.wallMs(), doing));
  }

  #enqueue(job: NewJob): { readonly job: JobRecord; readonly isNew: boolean } {
    const nowMs = this.#clock.wallMs();
    const { delayMs, ...spec } = checkNewJob(job, this.#settings.inputBytesMax);
    this.#forgetOld(nowMs);
    const existing = spec.key === null ? null : this.#row("byKey", { key: spec.key });
    if (existing !== null) {
      const record = recordOf(existing);
      if (!isSameJob({ ...spec, delayMs }, record)) throw new JobKeyReusedError(spec.key!);
      return { job: record, isNew: false };
    }
    this.#makeRoom(JOB_OVERHEAD_BYTES + spec.input.length + (spec.key?.length ?? 0));
    const row = this.#row("insert", { ...spec, id: newJobId(), nowMs, dueMs: nowMs + delayMs })!;
    return { job: recordOf(row), isNew: true };
  }

  /** Sees that one more job may be queued; jobs that are over make room for its bytes. */
  #makeRoom(bytes: number): void {
    const { queuedMax, bytesMax } = this.#settings;
    for (;;) {
      const rows = this.#rows("counts");
      if (rows.some(({ state, jobs }) => state === "queued" && Number(jobs) >= queuedMax)) {
        throw new JobQueueFullError("queuedMax", queuedMax);
      }
      if (bytesOf(rows) + bytes <= bytesMax) return;
      if (this.#run("forgetOldest", { count: 1, kept: 0 }) === 0) {
        throw new JobQueueFullError("bytesMax", bytesMax);
      }
    }
  }

  /** The job that is claimed next, by its number. */
  #firstDue(runners: readonly string[], nowMs: number): number | null {
    for (let priority = PRIORITY_MAX; priority >= 0; priority--) {
      let first: Row | null = null;
      for (const runner of runners) {
        const row = this.#row("firstDue", { runner, priority, nowMs });
        if (row !== null && (first === null || isBefore(row, first))) first = row;
      }
      if (first !== null) return Number(first["seq"]);
    }
    return null;
  }

  /** The job, if the claim holds. */
  #held(id: string, token: number, doing: string): Row & { readonly seq: number } {
    const row = Number.isSafeInteger(token) && token > 0 ? this.#row("held", { id, token }) : null;
    if (row === null) throw new StaleClaimError(id, doing);
    return row as Row & { readonly seq: number };
  }

  /** What follows from a failure: another attempt, or none. */
  #failed(row: Row, failure: JobFailure, retryDelayMs: number | null, nowMs: number): JobRecord {
    const message = failure.message.slice(0, MESSAGE_LENGTH_MAX);
    this.#run("fail", { seq: row["seq"]!, code: failure.code, message });
    if (row["is_cancel_requested"] === 1) return this.#finish(row, "cancelled", nowMs);
    if (retryDelayMs === null || Number(row["attempt"]) >= Number(row["attempts_max"])) {
      return this.#finish(row, "failed", nowMs);
    }
    return recordOf(this.#row("requeue", { seq: row["seq"]!, dueMs: nowMs + retryDelayMs, givenBack: 0 })!);
  }

  #finish(row: Row, state: JobState, nowMs: number): JobRecord {
    const job = recordOf(this.#row("finish", { seq: row["seq"]!, state, nowMs })!);
    const { finishedMax, bytesMax } = this.#settings;
    // Not this one, which is the oldest after the clock was set back, too: its end was not even told yet.
    const forget = (count: number) => this.#run("forgetOldest", { count, kept: row["seq"]! });
    for (let counts = this.#rows("counts");; counts = this.#rows("counts")) {
      const over = counts.filter(({ state }) => state !== "queued" && state !== "running");
      const surplus = over.reduce((sum, { jobs }) => sum + Number(jobs), 0) - finishedMax;
      if (surplus <= 0 && bytesOf(counts) <= bytesMax) break;
      if (forget(Math.max(surplus, 1)) === 0) break;
    }
    return job;
  }

  #forgetOld(nowMs: number): void {
    const { finishedAgeMs } = this.#settings;
    if (finishedAgeMs < Infinity) this.#run("forgetOld", { oldestMs: nowMs - finishedAgeMs });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #prepared(name: StatementName): StatementSync {
    let statement = this.#statements.get(name);
    if (statement === undefined) {
      this.#statements.set(name, statement = this.#database.prepare(STATEMENTS[name]));
    }
    return statement;
  }

  #row(name: StatementName, parameters: Record<string, string | number | null> = {}): Row | null {
    return (this.#prepared(name).get(named(parameters)) ?? null) as Row | null;
  }

  #rows(name: StatementName, parameters: Record<string, string | number | null> = {}): Row[] {
    return this.#prepared(name).all(named(parameters)) as Row[];
  }

  /** Runs a statement; returns how many rows it changed. */
  #run(name: StatementName, parameters: Record<string, string | number | null> = {}): number {
    return Number(this.#prepared(name).run(named(parameters)).changes);
  }
}

/** Parameters with the sign that they have in the statements: not every runtime adds it. */
function named(parameters: Record<string, string | number | null>): Record<string, string | number | null> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`@${name}`, value]));
}

/** Bytes of all jobs, by the rows of `counts`. */
function bytesOf(counts: readonly Row[]): number {
  return counts.reduce((sum, { bytes }) => sum + Number(bytes), 0);
}

function isBefore(one: Row, other: Row): boolean {
  const [dueMs, otherDueMs] = [Number(one["due_ms"]), Number(other["due_ms"])];
  return dueMs === otherDueMs ? Number(one["seq"]) < Number(other["seq"]) : dueMs < otherDueMs;
}

function recordOf(row: Row): JobRecord {
  const code = row["failure_code"];
  return {
    id: row["id"] as string,
    runner: row["runner"] as string,
    state: row["state"] as JobState,
    input: row["input"] as string,
    key: row["key"] as string | null,
    priority: row["priority"] as number,
    attempt: row["attempt"] as number,
    attemptsMax: row["attempts_max"] as number,
    createdAtMs: row["created_ms"] as number,
    dueAtMs: row["due_ms"] as number,
    startedAtMs: row["started_ms"] as number | null,
    finishedAtMs: row["finished_ms"] as number | null,
    progress: row["progress"] as string | null,
    result: row["result"] as string | null,
    failure: code === null ? null : { code: code as string, message: row["failure_message"] as string },
    isCancelRequested: row["is_cancel_requested"] === 1,
  };
}
