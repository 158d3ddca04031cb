/** Jobs that do not run to their end, and what bounds a store. */
import { assert, assertEquals, assertGreater, assertNotEquals, assertRejects } from "@std/assert";
import {
  JobKeyReusedError,
  JobQueueFullError,
  JobStoreClosedError,
  JobTooLargeError,
  StaleClaimError,
} from "../../../server/jobs/errors.ts";
import type { JobRecord, JobState, NewJob } from "../../../server/jobs/job_store.ts";
import { seededRandom } from "../../server/sse/support/random.ts";
import {
  add,
  call,
  FAILURE,
  LEASE_MS,
  listed,
  OVER,
  type Register,
  SMALL,
  stateOf,
  take,
} from "./harness.ts";

/** Jobs that are cancelled. */
export function testCancelling(test: Register): void {
  test("a queued job that is cancelled never runs", async ({ store, advance }) => {
    const [due, delayed] = [await add(store), await add(store, { delayMs: 1_000 })];
    for (const { id } of [due, delayed]) {
      assertEquals((await store.cancel(id))?.state, "cancelled");
      assertEquals((await store.cancel(id))?.state, "cancelled");
    }
    await advance(2_000);
    assertEquals(await store.claim(["r"], LEASE_MS), null);
    assertEquals((await store.counts()).cancelled, 2);
  });

  test("a running job is marked, its worker learns it, and nothing but cancelled becomes of it", async ({ store, advance }) => {
    const endings: ((id: string, token: number) => unknown)[] = [
      (id, token) => store.complete(id, token, "1"),
      (id, token) => store.fail(id, token, FAILURE, 0),
      (id, token) => store.fail(id, token, FAILURE, null),
      (id, token) => store.release(id, token),
      async () => {
        await advance(LEASE_MS);
        await store.expire();
      },
    ];
    for (const end of endings) {
      const { id } = await add(store, { attemptsMax: 5 });
      const { token } = await take(store);
      const marked = await store.cancel(id);
      assertEquals([marked?.state, marked?.isCancelRequested], ["running", true]);
      assertEquals((await store.renew(id, token, LEASE_MS)).isCancelRequested, true);
      assertEquals((await store.progress(id, token, "1")).isCancelRequested, true);
      await end(id, token);
      const job = await store.get(id);
      assertEquals([job?.state, job?.result], ["cancelled", null]);
    }
  });

  test("a job that is over stays what it is", async ({ store }) => {
    const { id } = await add(store);
    const done = await store.complete(id, (await take(store)).token, "1");
    assertEquals(await store.cancel(id), done);
  });
}

/** Idempotency keys. */
export function testKeys(test: Register): void {
  test("the same job under the same key is one job, whatever its state", async ({ store }) => {
    const job = { runner: "r", input: '{"a":1}', key: "order-1" } as const;
    const first = await store.enqueue(job);
    assertEquals([first.isNew, first.job.key], [true, "order-1"]);
    const ids: unknown[] = [];
    const again = async () => {
      const { job: { id, state }, isNew } = await store.enqueue(job);
      ids.push([id, state, isNew]);
    };
    await again();
    const { token } = await take(store);
    await again();
    await store.complete(first.job.id, token, "1");
    await again();
    assertEquals(ids, ["queued", "running", "done"].map((state) => [first.job.id, state, false]));
    assertEquals(await store.claim(["r"], LEASE_MS), null);
  });

  test("another job under the same key is refused", async ({ store }) => {
    await add(store, { key: "k" });
    for (const other of [{ input: "1" }, { runner: "s" }, { priority: 1 }, { attemptsMax: 2 }]) {
      await assertRejects(() => add(store, { key: "k", ...other }), JobKeyReusedError);
    }
    assertEquals((await store.counts()).queued, 1);
  });

  test("keys are refused that a header cannot carry, and free again when their job is gone", async ({ store, advance }) => {
    for (const key of ["", "a b", "ü", "a\n", "x".repeat(256)]) {
      await assertRejects(() => add(store, { key }), TypeError);
    }
    const { id } = await add(store, { key: "k" });
    await store.cancel(id);
    await advance(SMALL.finishedAgeMs + 1);
    assertNotEquals((await add(store, { key: "k", input: "2" })).id, id);
  });

  test("many at once under one key are one job", async ({ store }) => {
    const all = await Promise.all(Array.from({ length: 10 }, () => add(store, { key: "k" })));
    assertEquals(new Set(all.map(({ id }) => id)).size, 1);
    assertEquals((await store.counts()).queued, 1);
  });
}

/** What is refused, and what goes. */
export function testBounds(test: Register): void {
  test("a full queue refuses, delayed jobs count, and there is room again when one is claimed", async ({ store }) => {
    for (let n = 0; n < SMALL.queuedMax; n++) await add(store, n % 2 ? { delayMs: 9_999 } : {});
    const error = await assertRejects(() => add(store), JobQueueFullError);
    assertEquals([error.code, error.status, error.limit], ["SLUICE_JOB_QUEUE_FULL", 503, "queuedMax"]);
    await take(store);
    await add(store);
    await assertRejects(() => add(store), JobQueueFullError);
  });

  test("an attempt that failed comes back although the queue is full", async ({ store }) => {
    const { id } = await add(store, { attemptsMax: 2 });
    const { token } = await take(store);
    for (let n = 0; n < SMALL.queuedMax; n++) await add(store);
    assertEquals((await store.fail(id, token, FAILURE, 0)).state, "queued");
  });

  test("what is too large is refused, by bytes and not by characters", async ({ store }) => {
    const text = (bytes: number) => `"${"ü".repeat((bytes - 2) / 2)}"`;
    const input = await assertRejects(
      () => add(store, { input: text(SMALL.inputBytesMax + 2) }),
      JobTooLargeError,
    );
    assertEquals([input.part, input.bytesMax, input.status], ["input", SMALL.inputBytesMax, 413]);
    const { id } = await add(store, { input: text(SMALL.inputBytesMax) });
    const { job, token } = await take(store);
    assertEquals(job.input, text(SMALL.inputBytesMax));
    const large = text(SMALL.resultBytesMax + 2);
    await assertRejects(() => call(() => store.complete(id, token, large)), JobTooLargeError);
    await assertRejects(() => call(() => store.progress(id, token, large)), JobTooLargeError);
    assertEquals(await stateOf(store, id), "running");
    assertEquals((await store.complete(id, token, text(SMALL.resultBytesMax))).state, "done");
  });

  test("jobs that are over go by count, the oldest first, and by age", async ({ store, advance }) => {
    const ids: string[] = [];
    for (let n = 0; n < SMALL.finishedMax + 2; n++) {
      const { id } = await add(store);
      ids.unshift(id);
      await store.complete(id, (await take(store)).token, "1");
      await advance(1);
    }
    const kept = ids.slice(0, SMALL.finishedMax);
    assertEquals(await listed(store), kept);
    assertEquals(await store.get(ids.at(-1)!), null);
    await advance(SMALL.finishedAgeMs - 1);
    assertEquals(await listed(store), kept.slice(0, 1));
    await advance(1);
    assertEquals(await store.counts(), { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 });
    for (const id of ids) assertEquals(await store.get(id), null);
  });

  test("bytes in all are bounded: jobs that are over make room, others do not", async ({ store }) => {
    const input = `"${"x".repeat(7_000)}"`;
    const over = await add(store, { input });
    await store.cancel(over.id);
    let added = 0;
    const error = await assertRejects(async () => {
      for (;; added++) await add(store, { input });
    }, JobQueueFullError);
    assertEquals([error.limit, error.max], ["bytesMax", SMALL.bytesMax]);
    assertGreater(added, 5);
    assertEquals(await store.get(over.id), null);
    assertEquals((await store.counts()).queued, added);
  });

  test("a job that is refused for its bytes makes none of those go that are over", async ({ store }) => {
    const over = await add(store);
    await store.cancel(over.id);
    const input = `"${"x".repeat(7_000)}"`;
    for (let n = 0; n < 13; n++) await add(store, { input });
    await assertRejects(() => add(store, { input }), JobQueueFullError);
    assertEquals(await stateOf(store, over.id), "cancelled");
  });

  test("a job that has just ended is kept, though its result takes more bytes than there are", async ({ store }) => {
    const { id } = await add(store);
    const { token } = await take(store);
    const input = `"${"x".repeat(7_000)}"`;
    for (let n = 0; n < 12; n++) await add(store, { input });
    await store.complete(id, token, `"${"y".repeat(7_900)}"`);
    assertEquals(await stateOf(store, id), "done");
  });

  test("what no job can be is refused, and nothing is changed by it", async ({ store }) => {
    const bad: [Partial<NewJob>, new () => Error][] = [
      ...["", "a b", "ü", "-a", "x".repeat(65)].map((runner) => [{ runner }, TypeError] as never),
      ...[-1, 10, 0.5, NaN].map((priority) => [{ priority }, RangeError] as never),
      ...[-1, NaN, Infinity].map((delayMs) => [{ delayMs }, RangeError] as never),
      ...[0, 101, 1.5].map((attemptsMax) => [{ attemptsMax }, RangeError] as never),
    ];
    for (const [job, error] of bad) {
      await assertRejects(() => add(store, job), error, "", JSON.stringify(job));
    }
    assertEquals(await listed(store), []);
  });

  test("a closed store refuses everything, and closing twice is closing", async ({ store }) => {
    const { id } = await add(store);
    const { token } = await take(store);
    await store.close();
    await store.close();
    const asks: (() => unknown)[] = [
      () => store.enqueue({ runner: "r", input: "1" }),
      () => store.claim(["r"], LEASE_MS),
      () => store.renew(id, token, LEASE_MS),
      () => store.progress(id, token, "1"),
      () => store.complete(id, token, "1"),
      () => store.fail(id, token, FAILURE, null),
      () => store.release(id, token),
      () => store.cancel(id),
      () => store.expire(),
      () => store.get(id),
      () => store.list({ limit: 1 }),
      () => store.counts(),
      () => store.nextDelayMs(["r"]),
    ];
    for (const ask of asks) {
      await assertRejects(() => call(ask as () => Promise<unknown>), JobStoreClosedError);
    }
  });
}

/** How a worker learns that there is something to do. */
export function testWaiting(test: Register): void {
  test("it says how long nothing can happen by itself", async ({ store, advance }) => {
    assertEquals(await store.nextDelayMs(["r"]), null);
    await add(store, { delayMs: 3_000 });
    assertEquals(await store.nextDelayMs(["r"]), 3_000);
    await advance(3_000);
    assertEquals(await store.nextDelayMs(["r"]), 0);
    const { job, token } = await take(store);
    assertEquals(await store.nextDelayMs(["r"]), LEASE_MS);
    await advance(LEASE_MS - 1_000);
    assertEquals(await store.nextDelayMs([]), 1_000);
    await advance(5_000);
    assertEquals(await store.nextDelayMs([]), 0);
    await store.complete(job.id, token, "1");
    assertEquals(await store.nextDelayMs(["r"]), null);
    await add(store, { runner: "other" });
    assertEquals(await store.nextDelayMs(["r"]), null);
    assertEquals(await store.nextDelayMs(["r", "other"]), 0);
  });

  test("who watches is told of jobs that were enqueued, released and failed, until he stops", async ({ store }) => {
    let told = 0;
    const stop = store.watch(() => told++);
    const toldBy = async (act: () => unknown) => {
      const before = told;
      await act();
      return told > before;
    };
    assert(await toldBy(() => add(store, { attemptsMax: 5 })));
    const first = await take(store);
    assert(await toldBy(() => store.release(first.job.id, first.token)));
    const second = await take(store);
    assert(await toldBy(() => store.fail(second.job.id, second.token, FAILURE, 0)));
    stop();
    assertEquals(await toldBy(() => add(store)), false);
  });
}

/** Any order of everything. */
export function testRandomly(test: Register): void {
  for (const seed of [1, 2, 3]) {
    test(`whatever happens in whichever order, a job has one holder and one end (seed ${seed})`, async ({ store, advance }) => {
      const random = seededRandom(seed);
      const holders = new Map<string, number>();
      const stale: [string, number][] = [];
      const ended = new Map<string, JobState>();
      const ids: string[] = [];
      const settle = (job: JobRecord) => {
        const token = holders.get(job.id);
        if (token !== undefined) stale.push([job.id, token]);
        holders.delete(job.id);
        if (!OVER.includes(job.state)) return;
        assertEquals(ended.has(job.id), false, "two ends");
        ended.set(job.id, job.state);
      };
      const pick = <T>(items: readonly T[]): T | undefined => items[random.int(Math.max(1, items.length))];
      const steps: (() => Promise<void>)[] = [
        async () => {
          if ((await store.counts()).queued < SMALL.queuedMax) {
            ids.push((await add(store, { attemptsMax: 1 + random.int(3), priority: random.int(3) })).id);
          }
        },
        async () => {
          const claim = await store.claim(["r"], LEASE_MS);
          if (claim === null) return;
          assertEquals(holders.has(claim.job.id), false, "two holders");
          assertEquals(ended.has(claim.job.id), false, "claimed after its end");
          holders.set(claim.job.id, claim.token);
        },
        async () => {
          const held = pick([...holders]);
          if (held === undefined) return;
          const [id, token] = held;
          const how = random.int(4);
          if (how === 0) settle(await store.complete(id, token, "1"));
          else if (how === 1) settle(await store.fail(id, token, FAILURE, random.int(2) ? 500 : null));
          else if (how === 2) settle(await store.release(id, token));
          else await store.renew(id, token, LEASE_MS);
        },
        async () => {
          const id = pick(ids);
          const before = id === undefined ? null : await store.get(id);
          if (before?.state === "queued") settle((await store.cancel(before.id))!);
          else if (before !== null) await store.cancel(before.id);
        },
        async () => {
          await advance(random.int(4_000));
          for (const job of await store.expire()) settle(job);
        },
        async () => {
          const old = pick(stale);
          if (old !== undefined) {
            await assertRejects(() => call(() => store.complete(old[0], old[1], "1")), StaleClaimError);
          }
        },
      ];
      for (let step = 0; step < 400; step++) await pick(steps)!();
      for (const [id, state] of ended) {
        const job = await store.get(id);
        if (job !== null) assertEquals(job.state, state);
      }
      const { running } = await store.counts();
      assertEquals(running, holders.size);
      assertGreater(ended.size, 10);
    });
  }
}
