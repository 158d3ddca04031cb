/**
 * Stores in SQLite files: durable, for one machine. An entry point of its own, since not every runtime has `node:sqlite`:
 * Deno 2.9, Node 24 and Bun 1.4 do.
 *
 * @module
 */
export { SqliteJobStore, type SqliteJobStoreOptions } from "../jobs/sqlite_job_store.ts";
export { JobStoreFileError } from "../jobs/sqlite_schema.ts";
