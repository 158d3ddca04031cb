/**
 * The tables of a job store in SQLite, and how a database gets them.
 *
 * Counts and bytes by state are kept by triggers, so that a bound is checked by reading five rows, and no statement can
 * forget them. Partial indexes hold just the jobs that are looked for: those queued, those running, those over.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { JobError } from "./errors.ts";
import { JOB_OVERHEAD_BYTES } from "./job_entry.ts";

/** Version of the tables, kept as `user_version`. */
const SCHEMA_VERSION = 1;
/** Marks the file as a job store of ours, kept as `application_id`: "SLUJ". */
const APPLICATION_ID = 0x534c554a;
/** How long to wait for another process's transaction, milliseconds: a slow disk's sync, several times. The loop stands still meanwhile. */
const BUSY_TIMEOUT_MS = 2_000;

/** The tables. */
const TABLES = `
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  runner TEXT NOT NULL,
  state TEXT NOT NULL,
  input TEXT NOT NULL,
  key TEXT UNIQUE,
  priority INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  attempts_max INTEGER NOT NULL,
  created_ms REAL NOT NULL,
  due_ms REAL NOT NULL,
  started_ms REAL,
  finished_ms REAL,
  lease_end_ms REAL,
  token INTEGER NOT NULL DEFAULT 0,
  progress TEXT,
  result TEXT,
  failure_code TEXT,
  failure_message TEXT,
  is_cancel_requested INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL AS (${JOB_OVERHEAD_BYTES} + length(input) + coalesce(length(key), 0)
    + coalesce(length(progress), 0) + coalesce(length(result), 0) + coalesce(length(failure_message), 0)) STORED
) STRICT;
CREATE INDEX jobs_queued ON jobs (runner, priority, due_ms, seq) WHERE state = 'queued';
CREATE INDEX jobs_due ON jobs (runner, due_ms) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (lease_end_ms, seq) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_ms, seq) WHERE finished_ms IS NOT NULL;
CREATE TABLE counts (state TEXT PRIMARY KEY, jobs INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counts VALUES ('queued', 0, 0), ('running', 0, 0), ('done', 0, 0), ('failed', 0, 0), ('cancelled', 0, 0);
CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs BEGIN
  UPDATE counts SET jobs = jobs + 1, bytes = bytes + NEW.bytes WHERE state = NEW.state;
END;
CREATE TRIGGER jobs_deleted AFTER DELETE ON jobs BEGIN
  UPDATE counts SET jobs = jobs - 1, bytes = bytes - OLD.bytes WHERE state = OLD.state;
END;
CREATE TRIGGER jobs_updated AFTER UPDATE ON jobs WHEN OLD.state <> NEW.state OR OLD.bytes <> NEW.bytes BEGIN
  UPDATE counts SET jobs = jobs - 1, bytes = bytes - OLD.bytes WHERE state = OLD.state;
  UPDATE counts SET jobs = jobs + 1, bytes = bytes + NEW.bytes WHERE state = NEW.state;
END;
CREATE TABLE tokens (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL) STRICT;
INSERT INTO tokens VALUES (1, 0);
`;

/** The file is no job store, or one of a later version. */
export class JobStoreFileError extends JobError {
  /** The file. */
  readonly path: string;
  /** Makes the error. @param path the file @param why what is wrong with it */
  constructor(path: string, why: string, options?: ErrorOptions) {
    super("SLUICE_JOB_STORE_FILE", `Cannot open ${path} as a job store: ${why}`, 500, options);
    this.path = path;
  }
}

/**
 * Opens a database and sees that it has the tables.
 *
 * @param path of the file, made if it is not there; `":memory:"` for none
 * @param synchronous what a commit waits for: `"FULL"` for the disk, `"NORMAL"` for the operating system
 * @throws JobStoreFileError when it is something else, cannot be read, or is of a later version
 */
export function openJobDatabase(path: string, synchronous: "FULL" | "NORMAL"): DatabaseSync {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path);
  } catch (cause) {
    throw new JobStoreFileError(path, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec(`PRAGMA synchronous = ${synchronous}`);
    createTables(database, path);
    return database;
  } catch (cause) {
    database.close();
    if (cause instanceof JobStoreFileError) throw cause;
    throw new JobStoreFileError(path, cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function createTables(database: DatabaseSync, path: string): void {
  const pragma = (name: string): number =>
    Number(Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0]);
  database.exec("BEGIN IMMEDIATE"); // Two processes may open it at once for the first time.
  try {
    const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()!;
    const version = pragma("user_version");
    if (tables === 0 && version === 0) {
      database.exec(TABLES);
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    } else if (pragma("application_id") !== APPLICATION_ID) {
      throw new JobStoreFileError(path, "it is another program's database");
    } else if (version !== SCHEMA_VERSION) {
      throw new JobStoreFileError(path, `its version is ${version}, and this is for ${SCHEMA_VERSION}`);
    }
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
