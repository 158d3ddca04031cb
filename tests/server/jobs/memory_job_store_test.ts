import { assertEquals, assertGreater, assertThrows } from "@std/assert";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { MemoryJobStore, type MemoryJobStoreOptions } from "../../../server/jobs/memory_job_store.ts";
import { SMALL, testJobStore } from "../../contracts/job_store_contract.ts";

testJobStore({
  name: "memory job store",
  open() {
    const clock = new VirtualClock();
    const store = new MemoryJobStore({ ...SMALL, clock });
    return Promise.resolve({
      store,
      advance: (ms: number) => clock.advance(ms),
      nowMs: () => clock.now(),
      bytes: () => store.bytes,
    });
  },
});

Deno.test("a wall clock that is set moves no job", async () => {
  const clock = new VirtualClock();
  const store = new MemoryJobStore({ clock });
  store.enqueue({ runner: "r", input: "1", delayMs: 1_000 });
  clock.setWall(clock.wallMs() + 3_600_000);
  assertEquals(store.claim(["r"], 10_000), null);
  await clock.advance(1_000);
  assertEquals(store.claim(["r"], 10_000)?.job.attempt, 1);
  clock.setWall(0);
  assertEquals(store.expire(), []);
});

Deno.test("its bytes are those of the jobs it has, whatever became of them", () => {
  const store = new MemoryJobStore({ finishedMax: 1 });
  const ids = Array.from(
    { length: 4 },
    (_, n) => store.enqueue({ runner: "r", input: "1".repeat(100), key: `${n}`, attemptsMax: 2 }).job.id,
  );
  const empty = store.bytes;
  assertGreater(empty, 400);
  const claims = ids.map(() => store.claim(["r"], 1_000)!);
  store.progress(ids[0]!, claims[0]!.token, "1".repeat(500));
  store.progress(ids[0]!, claims[0]!.token, "1".repeat(300));
  assertEquals(store.bytes, empty + 300);
  store.fail(ids[0]!, claims[0]!.token, { code: "X", message: "m".repeat(50) }, 0);
  assertEquals(store.bytes, empty + 350);
  const again = store.claim(["r"], 1_000)!;
  store.complete(again.job.id, again.token, "1".repeat(70));
  assertEquals(store.bytes, empty + 370);
  for (const { job, token } of claims.slice(1)) store.complete(job.id, token, "1");
  const { queued, running, done } = store.counts();
  assertEquals([queued, running, done], [0, 0, 1]);
  assertEquals(store.bytes, empty / 4 + 1);
});

Deno.test("a bound that is no whole number from 1 on is refused", () => {
  for (const name of [...Object.keys(SMALL)] as (keyof MemoryJobStoreOptions)[]) {
    for (const value of [0, -1, 1.5, NaN, Infinity]) {
      assertThrows(() => new MemoryJobStore({ [name]: value }), RangeError, name);
    }
  }
});

Deno.test("10,000 jobs are enqueued, claimed, renewed and completed in order", () => {
  const store = new MemoryJobStore();
  for (let n = 0; n < 10_000; n++) store.enqueue({ runner: "r", input: `${n}`, priority: n % 10 });
  let last = [10, -1];
  for (let n = 0; n < 10_000; n++) {
    const { job, token } = store.claim(["r"], 1_000)!;
    const here = [job.priority, Number(job.input)];
    assertEquals(here[0]! < last[0]! || (here[0] === last[0] && here[1]! > last[1]!), true);
    last = here;
    store.renew(job.id, token, 2_000);
    store.complete(job.id, token, "1");
  }
  assertEquals(store.counts().done, 1_024);
});
