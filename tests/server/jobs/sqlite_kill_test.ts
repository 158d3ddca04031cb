/** `kill -9` of a process that works on a job store in a file, between any two steps: what was answered stays. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { MemoryJobStore } from "../../../server/jobs/memory_job_store.ts";
import { SqliteJobStore } from "../../../server/jobs/sqlite_job_store.ts";
import { spawnChild } from "../../support/spawn_child.ts";
import { contentOf, scriptOf } from "./support/store_script.ts";

const CHILD = new URL("support/store_child.ts", import.meta.url).pathname;

/** Starts the process that dies. */
const start = (...args: string[]) =>
  spawnChild("deno", ["run", "--no-check", "--allow-read", "--allow-write", "--allow-run", CHILD, ...args]);

/** What is in a store after each of the script's steps; the first entry is before all. */
async function expectedContents(): Promise<unknown[][]> {
  const store = new MemoryJobStore();
  const contents = [await contentOf(store)];
  for (const step of scriptOf(store)) {
    await step();
    contents.push(await contentOf(store));
  }
  return contents;
}

/** The file is whole, and its counts are those of its jobs. */
function assertSound(path: string): void {
  const database = new DatabaseSync(path);
  const value = (sql: string) => Object.values(database.prepare(sql).get()!)[0];
  assertEquals(value("PRAGMA integrity_check"), "ok");
  assertEquals(value("SELECT sum(jobs) FROM counts"), value("SELECT count(*) FROM jobs"));
  assertEquals(value("SELECT sum(bytes) FROM counts"), value("SELECT coalesce(sum(bytes), 0) FROM jobs"));
  database.close();
}

/** Another worker comes when all leases are over, and brings every job to its end. */
async function finishAll(path: string): Promise<void> {
  const store = new SqliteJobStore(path, {
    clock: { wallMs: () => Date.now() + 3_600_000 },
    finishedAgeMs: null,
  });
  await store.expire();
  for (let claim = await store.claim(["r"], 1_000); claim !== null; claim = await store.claim(["r"], 1_000)) {
    await store.complete(claim.job.id, claim.token, "1");
  }
  const { queued, running } = await store.counts();
  assertEquals([queued, running], [0, 0]);
  await store.close();
}

async function inFolder(play: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await play(`${folder}/jobs.sqlite`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CONTENTS = await expectedContents();

for (let step = 0; step + 1 < CONTENTS.length; step++) {
  Deno.test(`killed when step ${step + 1} of ${CONTENTS.length - 1} was asked for, or answered, nothing answered is lost`, async () => {
    for (const moment of ["asked", "answered"] as const) {
      await inFolder(async (path) => {
        await using child = start(path, String(step), moment);
        const { signal } = await child.status;
        assertEquals(signal, "SIGKILL", child.stderr.text);
        assertSound(path);
        const store = new SqliteJobStore(path);
        const content = JSON.stringify(await contentOf(store));
        await store.close();
        const allowed = moment === "answered" ? [step + 1] : [step, step + 1];
        assert(allowed.some((index) => JSON.stringify(CONTENTS[index]) === content), content);
        await finishAll(path);
      });
    }
  });
}

Deno.test("killed again and again while it enqueues at full speed, every job that was answered is there", () =>
  inFolder(async (path) => {
    const answered = new Set<string>();
    for (let round = 1; round <= 4; round++) {
      await using child = start(path);
      await child.stdout.match(new RegExp(`(\\w+\\n){${round * 70}}`));
      await child.stop("SIGKILL");
      await child.stdout.ended;
      for (const [id] of child.stdout.text.matchAll(/\w{16}(?=\n)/g)) answered.add(id);
      assertSound(path);
      const store = new SqliteJobStore(path, { queuedMax: 1_000_000 });
      for (const id of answered) assert(await store.get(id) !== null, `${id} is lost`);
      await store.close();
    }
    assert(answered.size > 500, `${answered.size} jobs`);
  }));

Deno.test("killed again and again while it does everything at random, what was answered is so, and tokens go on rising", () =>
  inFolder(async (path) => {
    const said = new Map<string, string>();
    let lastToken = 0;
    for (let round = 1; round <= 3; round++) {
      await using child = start(path, "work", `${round}`);
      await child.stdout.match(new RegExp(`(.+\\n){${round * 150}}`));
      await child.stop("SIGKILL");
      await child.stdout.ended;
      const tokenBefore = lastToken;
      for (const [, id, state, token] of child.stdout.text.matchAll(/^(\w{16}) (\w+) (\d+)$/gm)) {
        if (state === "running" && !said.has(`${id} ${token}`)) {
          assert(Number(token) > tokenBefore, "a token was used twice");
        }
        said.set(`${id} ${token}`, state!);
        lastToken = Math.max(lastToken, Number(token));
        said.set(id!, state!);
      }
      assertSound(path);
      const store = new SqliteJobStore(path, { queuedMax: 1_000_000, finishedAgeMs: null });
      for (const [id, state] of said) {
        if (id.includes(" ")) continue;
        const job = await store.get(id);
        assert(job !== null, `${id} is lost`);
        if (["done", "failed", "cancelled"].includes(state)) assertEquals(job.state, state, id);
      }
      await store.close();
    }
    assert(said.size > 300, `${said.size} answers`);
  }));
