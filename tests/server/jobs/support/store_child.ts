/**
 * A process that dies at work on a store: `store_child.ts <file> <step> asked|answered` takes the script's steps and kills
 * itself when that one was asked for, or answered; `store_child.ts <file>` enqueues as fast as it can, and says the id
 * of each job whose enqueuing was answered; `store_child.ts <file> work <seed>` does everything at random, several things in one turn, and
 * says of each answer: the job, where it is, and with which token.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { Prng } from "../../../../io/testing/prng.ts";
import type { JobRecord } from "../../../../server/jobs/job_store.ts";
import { SqliteJobStore } from "../../../../server/jobs/sqlite_job_store.ts";
import { scriptOf } from "./store_script.ts";

const [path = "", last, moment] = Deno.args;
const store = new SqliteJobStore(path, { queuedMax: 1_000_000, finishedMax: 1_000_000 });
const die = () => process.kill(process.pid, "SIGKILL");

if (last === undefined) {
  for (let n = 0;; n++) {
    const batch = Array.from({ length: 1 + n % 20 }, () => store.enqueue({ runner: "r", input: "1" }));
    for (const { job } of await Promise.all(batch)) writeSync(1, `${job.id}\n`);
  }
}
if (last === "work") await work(Prng.derive(Number(moment), 61));
const steps = scriptOf(store);
for (let index = 0; index < Number(last); index++) await steps[index]!();
const asked = steps[Number(last)]!();
if (moment === "asked") die();
await asked;
die();

/** Enqueues, claims, and ends jobs at random, for ever. */
async function work(prng: Prng): Promise<never> {
  const held: { id: string; token: number }[] = [];
  const say = ({ id, state }: JobRecord, token = 0) => void writeSync(1, `${id} ${state} ${token}\n`);
  const things: (() => Promise<void>)[] = [
    async () => say((await store.enqueue({ runner: "r", input: "1", attemptsMax: 3 })).job),
    async () => {
      const claim = await store.claim(["r"], 60_000);
      if (claim === null) return;
      say(claim.job, claim.token);
      held.push({ id: claim.job.id, token: claim.token });
    },
    async () => {
      const one = held.splice(prng.integer(0, Math.max(0, held.length - 1)), 1)[0];
      if (one === undefined) return;
      const { id, token } = one;
      const failure = { code: "TEST", message: "by chance" };
      const what = prng.next();
      if (what < 0.6) say(await store.complete(id, token, JSON.stringify(token)));
      else if (what < 0.8) say(await store.fail(id, token, failure, what < 0.7 ? 0 : null));
      else if (what < 0.9) say(await store.release(id, token));
      else say((await store.cancel(id))!, token);
    },
  ];
  for (;;) {
    const asked = Array.from({ length: prng.integer(1, 8) }, () => things[prng.integer(0, 2)]!());
    await Promise.all(asked);
  }
}
