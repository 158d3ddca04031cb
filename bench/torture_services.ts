/**
 * `bench/torture_services.ts [--minutes 3] [--parts stores,jobs,hub,pool]`, part of `deno task soak`: what is above HTTP under
 * torture for long.
 *
 * The torture of the tests goes on with one seed after the other, longer ones than in the tests: job stores against a model, jobs
 * services whose store fails and answers late, event hubs, pools of threads and of processes. Exits 1 for the first seed that
 * fails, and says how to run it again.
 *
 * @module
 */
import { VirtualClock } from "../io/testing/virtual_clock.ts";
import { MemoryJobStore } from "../server/jobs/memory_job_store.ts";
import { SqliteJobStore } from "../server/jobs/sqlite_job_store.ts";
import { SMALL } from "../tests/contracts/job_store/harness.ts";
import { tortureStore } from "../tests/contracts/job_store/torture.ts";
import { torturePool } from "../tests/contracts/pool/torture.ts";
import { tortureJobs } from "../tests/server/jobs/support/jobs_torture.ts";
import { tortureHub } from "../tests/server/sse/support/hub_torture.ts";
import { flags } from "./support/command_line.ts";

/** Seeds below belong to the tests. */
const SEED_MIN = 1_000;

/** Runs one seed of a part; gives how much came of it. */
const PARTS: Readonly<Record<string, (seed: number) => Promise<number>>> = {
  async stores(seed) {
    const clock = new VirtualClock();
    const advance = (ms: number) => clock.advance(ms);
    if (seed % 4 > 0) {
      const store = new MemoryJobStore({ ...SMALL, clock });
      return await tortureStore(
        { store, advance, nowMs: () => clock.now(), bytes: () => store.bytes },
        seed,
        600,
      );
    }
    const store = new SqliteJobStore(":memory:", { ...SMALL, clock });
    try {
      const setWall = (wallMs: number) => clock.setWall(wallMs);
      return await tortureStore({ store, advance, nowMs: () => clock.wallMs(), setWall }, seed, 600);
    } finally {
      await store.close();
    }
  },
  async jobs(seed) {
    const store = { failing: seed % 3 === 0 ? 0 : 0.08, late: seed % 2 === 0 ? 0 : 0.3 };
    return await tortureJobs({ seed, steps: 800, services: 1 + seed % 3, store });
  },
  async hub(seed) {
    const log = {
      failing: seed % 3 === 0 ? 0.03 : 0,
      lateReads: seed % 4 === 0 ? 0 : 0.4,
      lateAppends: seed % 5 < 3 ? 0 : 0.3,
    };
    return await tortureHub({ seed, steps: 800, isTight: seed % 2 === 0, log });
  },
  async pool(seed) {
    const isProcess = seed % 5 === 4;
    return await torturePool({
      seed,
      calls: isProcess ? 60 : 200,
      isolation: isProcess ? "process" : "thread",
    });
  },
};

async function torment(part: string, milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds;
  let [seed, done] = [SEED_MIN, 0];
  for (; performance.now() < until; seed++) {
    try {
      done += await PARTS[part]!(seed);
    } catch (error) {
      console.error(`${part}: seed ${seed} failed; again: --parts ${part} --seed ${seed}`);
      throw error;
    }
  }
  console.log(`${part}: ${JSON.stringify({ seeds: seed - SEED_MIN, done })}`);
}

const { minutes, parts, seed } = flags(Deno.args, { minutes: "3", parts: "stores,jobs,hub,pool", seed: "" });
const names = parts.split(",");
for (const part of names) {
  if (!Object.hasOwn(PARTS, part)) {
    throw new RangeError(`Cannot torture "${part}": accepted are ${Object.keys(PARTS).join(", ")}`);
  }
  if (seed !== "") await PARTS[part]!(Number(seed));
  else await torment(part, Number(minutes) * 60_000 / names.length);
}
