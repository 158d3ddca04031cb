import { assert, assertEquals, assertThrows } from "@std/assert";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import type { MemoryJobStoreOptions } from "../../../server/jobs/memory_job_store.ts";
import { SqliteJobStore } from "../../../server/jobs/sqlite_job_store.ts";
import { SMALL, testJobStore } from "../../contracts/job_store_contract.ts";

testJobStore({
  name: "sqlite job store",
  open() {
    const clock = new VirtualClock();
    const store = new SqliteJobStore(":memory:", { ...SMALL, clock });
    return Promise.resolve({
      store,
      advance: (ms: number) => clock.advance(ms),
      nowMs: () => clock.wallMs(),
      setWall: (wallMs: number) => clock.setWall(wallMs),
    });
  },
});

/** Runs `play` with the path of a file that is not there yet. */
async function withFile(play: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await play(`${folder}/jobs.sqlite`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a store that is closed and opened again has everything, and its tokens go on rising", () =>
  withFile(async (path) => {
    const clock = new VirtualClock();
    const first = new SqliteJobStore(path, { clock });
    const { job } = await first.enqueue({
      runner: "r",
      input: '"ü 🌊"',
      key: "k",
      priority: 3,
      attemptsMax: 4,
    });
    const claim = await first.claim(["r"], 10_000);
    await first.progress(job.id, claim!.token, "0.5");
    const before = await first.get(job.id);
    await first.close();
    const second = new SqliteJobStore(path, { clock });
    assertEquals(await second.get(job.id), before);
    assertEquals(
      (await second.enqueue({ runner: "r", input: '"ü 🌊"', key: "k", priority: 3, attemptsMax: 4 })).isNew,
      false,
    );
    assertEquals((await second.complete(job.id, claim!.token, "1")).state, "done"); // the claim outlives its process
    await second.enqueue({ runner: "r", input: "2" });
    assert((await second.claim(["r"], 10_000))!.token > claim!.token);
    await second.close();
  }));

Deno.test("two processes' stores on one file share the jobs, each to one of them", () =>
  withFile(async (path) => {
    const clock = new VirtualClock();
    const stores = [new SqliteJobStore(path, { clock }), new SqliteJobStore(path, { clock })];
    for (let n = 0; n < 20; n++) await stores[n % 2]!.enqueue({ runner: "r", input: `${n}` });
    const claimed: string[] = [];
    for (let n = 0; n < 20; n++) claimed.push((await stores[n % 2]!.claim(["r"], 10_000))!.job.input);
    assertEquals(claimed.map(Number), Array.from({ length: 20 }, (_, n) => n));
    assertEquals(await stores[0]!.claim(["r"], 10_000), null);
    for (const store of stores) await store.close();
  }));

Deno.test("after its clock was set back, what ends is kept, and not the first to go", async () => {
  const clock = new VirtualClock();
  const store = new SqliteJobStore(":memory:", { clock, finishedMax: 2 });
  const end = async () => {
    const { job } = await store.enqueue({ runner: "r", input: "1" });
    await store.complete(job.id, (await store.claim(["r"], 10_000))!.token, "1");
    return job.id;
  };
  const before = [await end(), await end()];
  clock.setWall(clock.wallMs() - 3_600_000);
  const after = await end();
  assertEquals((await store.get(after))?.state, "done");
  assertEquals(await store.get(before[0]!), null);
  await store.close();
});

Deno.test("what is asked in one turn is one transaction, and each call is refused on its own", async () => {
  const store = new SqliteJobStore(":memory:", { queuedMax: 3 });
  const answers = await Promise.allSettled(
    Array.from({ length: 5 }, (_, n) => store.enqueue({ runner: "r", input: `${n}` })),
  );
  assertEquals(answers.map(({ status }) => status), [
    "fulfilled",
    "fulfilled",
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  assertEquals((await store.counts()).queued, 3);
  await store.close();
});

Deno.test("what was asked before close is committed", () =>
  withFile(async (path) => {
    const first = new SqliteJobStore(path);
    const asked = first.enqueue({ runner: "r", input: "1" });
    await first.close();
    const { job } = await asked;
    const second = new SqliteJobStore(path);
    assertEquals((await second.get(job.id))?.id, job.id);
    await second.close();
  }));

Deno.test("bounds and modes that make no sense are refused", () => {
  for (const name of Object.keys(SMALL) as (keyof MemoryJobStoreOptions)[]) {
    assertThrows(() => new SqliteJobStore(":memory:", { [name]: 0 }), RangeError, name);
  }
  assertThrows(() => new SqliteJobStore(":memory:", { synchronous: "OFF" as never }), TypeError);
});
