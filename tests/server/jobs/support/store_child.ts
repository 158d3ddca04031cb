/**
 * A process that dies at work on a store: `store_child.ts <file> <step> asked|answered` takes the script's steps and kills
 * itself when that one was asked for, or answered; `store_child.ts <file>` enqueues as fast as it can, and says the id
 * of each job whose enqueuing was answered.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { SqliteJobStore } from "../../../../server/jobs/sqlite_job_store.ts";
import { scriptOf } from "./store_script.ts";

const [path = "", last, moment] = Deno.args;
const store = new SqliteJobStore(path, { queuedMax: 1_000_000 });
const die = () => process.kill(process.pid, "SIGKILL");

if (last === undefined) {
  for (let n = 0;; n++) {
    const batch = Array.from({ length: 1 + n % 20 }, () => store.enqueue({ runner: "r", input: "1" }));
    for (const { job } of await Promise.all(batch)) writeSync(1, `${job.id}\n`);
  }
}
const steps = scriptOf(store);
for (let index = 0; index < Number(last); index++) await steps[index]!();
const asked = steps[Number(last)]!();
if (moment === "asked") die();
await asked;
die();
