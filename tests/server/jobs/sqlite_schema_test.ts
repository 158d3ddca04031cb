import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { JobStoreFileError, openJobDatabase } from "../../../server/jobs/sqlite_schema.ts";

async function withFolder(play: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    play(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file is made, opened again, and syncs as it is told", () =>
  withFolder((folder) => {
    for (const [mode, number] of [["FULL", 2], ["NORMAL", 1]] as const) {
      const database = openJobDatabase(`${folder}/jobs`, mode);
      assertEquals(Object.values(database.prepare("PRAGMA synchronous").get()!), [number]);
      assertEquals(Object.values(database.prepare("PRAGMA journal_mode").get()!), ["wal"]);
      database.close();
    }
  }));

Deno.test("what is no job store, or a later one's, is refused and left as it is", () =>
  withFolder((folder) => {
    const path = `${folder}/other`;
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE t (a)");
    other.close();
    const error = assertThrows(() => openJobDatabase(path, "FULL"), JobStoreFileError, "another program's");
    assertEquals([error.path, error.code], [path, "SLUICE_JOB_STORE_FILE"]);
    openJobDatabase(`${folder}/jobs`, "FULL").close();
    const later = new DatabaseSync(`${folder}/jobs`);
    later.exec("PRAGMA user_version = 99");
    later.close();
    assertThrows(() => openJobDatabase(`${folder}/jobs`, "FULL"), JobStoreFileError, "its version is 99");
    Deno.writeTextFileSync(
      `${folder}/text`,
      "this is no database, but a text that is long enough ".repeat(20),
    );
    assertThrows(() => openJobDatabase(`${folder}/text`, "FULL"), JobStoreFileError, "not a database");
    assertThrows(() => openJobDatabase(`${folder}/nowhere/jobs`, "FULL"), JobStoreFileError);
  }));

Deno.test("counts and bytes follow every change", () => {
  const database = openJobDatabase(":memory:", "FULL");
  const add = database.prepare(
    "INSERT INTO jobs (id, runner, state, input, priority, attempts_max, created_ms, due_ms) VALUES (?, 'r', 'queued', ?, 0, 1, 0, 0)",
  );
  for (let n = 0; n < 3; n++) add.run(`${n}`, "x".repeat(100));
  database.exec("UPDATE jobs SET state = 'done', result = 'yes' WHERE id = '1'");
  database.exec("DELETE FROM jobs WHERE id = '2'");
  const kept = database.prepare("SELECT state, jobs, bytes FROM counts WHERE jobs > 0 ORDER BY state").all();
  const real = database.prepare(
    "SELECT state, count(*) AS jobs, sum(bytes) AS bytes FROM jobs GROUP BY state ORDER BY state",
  ).all();
  assertEquals(kept.map((row) => ({ ...row })), real.map((row) => ({ ...row })));
  database.close();
});
