import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { GroupCommit } from "../../../server/jobs/sqlite_group_commit.ts";

/** A database with a table, that notes its commits. */
function setUp() {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (n INTEGER CHECK (n < 100))");
  const commits: string[] = [];
  const exec = database.exec.bind(database);
  database.exec = (sql: string) => {
    if (/^(BEGIN|COMMIT)/.test(sql)) commits.push(sql);
    exec(sql);
  };
  const group = new GroupCommit(database);
  const insert = (n: number) => group.run(() => void database.prepare("INSERT INTO t VALUES (?)").run(n));
  const rows = () => database.prepare("SELECT n FROM t ORDER BY n").all().map(({ n }) => n);
  return { database, group, insert, rows, commits };
}

Deno.test("what is asked in one turn is committed once, and answered then", async () => {
  const { insert, rows, commits, database } = setUp();
  const all = Promise.all([insert(1), insert(2), insert(3)]);
  assertEquals(commits, ["BEGIN IMMEDIATE"]);
  await all;
  assertEquals([rows(), commits], [[1, 2, 3], ["BEGIN IMMEDIATE", "COMMIT"]]);
  await insert(4);
  assertEquals(commits.length, 4);
  database.close();
});

Deno.test("a call that fails undoes what it wrote, and the others are kept", async () => {
  const { insert, rows, group, database } = setUp();
  const failing = group.run(() => {
    database.prepare("INSERT INTO t VALUES (50)").run();
    throw new RangeError("no");
  });
  const all = await Promise.allSettled([insert(1), failing, insert(200), insert(2)]);
  assertEquals(all.map(({ status }) => status), ["fulfilled", "rejected", "rejected", "fulfilled"]);
  assertEquals(rows(), [1, 2]);
  database.close();
});

Deno.test("a commit that fails rejects every call of its turn, and the next turn goes on", async () => {
  const { insert, rows, database } = setUp();
  const { exec } = database;
  database.exec = (sql: string) => {
    if (sql === "COMMIT") throw new TypeError("the disk is full");
    exec.call(database, sql);
  };
  const all = [insert(1), insert(2)];
  for (const call of all) await assertRejects(() => call, TypeError, "the disk is full");
  database.exec = exec;
  await insert(3);
  assertEquals(rows(), [3]);
  database.close();
});

Deno.test("a call with which the database gives up the transaction fails those before it, and none after it", async () => {
  const { insert, rows, group, database } = setUp();
  database.exec(`CREATE TABLE full (n);
    CREATE TRIGGER gives_up BEFORE INSERT ON full BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END`);
  const failing = () => group.run(() => void database.prepare("INSERT INTO full VALUES (1)").run());
  const all = await Promise.allSettled([insert(1), failing(), insert(2), failing(), insert(3), insert(4)]);
  assertEquals(all.map((one) => one.status === "fulfilled" ? "kept" : one.reason.message), [
    ...Array.from({ length: 4 }, () => "the disk is full"),
    ...["kept", "kept"],
  ]);
  assertEquals(rows(), [3, 4]);
  database.close();
});

Deno.test("so many calls are committed before the turn ends", async () => {
  const { insert, commits, database } = setUp();
  await Promise.all(Array.from({ length: 2_500 }, () => insert(1)));
  assertEquals(commits.filter((sql) => sql === "COMMIT").length, 3);
  database.close();
});
