/** Jobs that run: their order, claims and attempts. */
import { assert, assertEquals, assertGreater, assertNotEquals, assertRejects } from "@std/assert";
import { StaleClaimError } from "../../../server/jobs/errors.ts";
import type { JobState } from "../../../server/jobs/job_store.ts";
import { add, call, FAILURE, LEASE_MS, listed, type Register, stateOf, take } from "./harness.ts";

/** A job from its enqueuing to its end, and lists of jobs. */
export function testLife(test: Register): void {
  test("a job is queued, running and done, and says so with its times", async ({ store, advance }) => {
    const queued = await add(store, { input: '{"n":1}', priority: 3, attemptsMax: 2 });
    assertEquals([queued.state, queued.attempt, queued.attemptsMax, queued.priority], ["queued", 0, 2, 3]);
    assertEquals([queued.startedAtMs, queued.finishedAtMs, queued.key], [null, null, null]);
    await advance(1_000);
    const { job, token } = await take(store);
    assertEquals([job.id, job.state, job.attempt, job.input], [queued.id, "running", 1, '{"n":1}']);
    assertEquals(job.startedAtMs! - job.createdAtMs, 1_000);
    assertEquals((await store.progress(job.id, token, "50")).progress, "50");
    await advance(500);
    const done = await store.complete(job.id, token, '"yes"');
    assertEquals([done.state, done.result, done.progress], ["done", '"yes"', "50"]);
    assertEquals(done.finishedAtMs! - done.startedAtMs!, 500);
    assertEquals(await store.get(job.id), done);
    assertEquals(await store.counts(), { queued: 0, running: 0, done: 1, failed: 0, cancelled: 0 });
  });

  test("what is asked of a job that is not there is null, and ids are names for URLs", async ({ store }) => {
    assertEquals(await store.get("nobody"), null);
    assertEquals(await store.cancel("nobody"), null);
    const ids = new Set<string>();
    for (let n = 0; n < 10; n++) ids.add((await add(store)).id);
    assertEquals(ids.size, 10);
    for (const id of ids) assert(/^[A-Za-z0-9_-]{1,64}$/.test(id), id);
  });

  test("jobs are listed page by page, the newest first, by state and runner", async ({ store }) => {
    const ids: string[] = [];
    for (let n = 0; n < 8; n++) ids.unshift((await add(store, { runner: n % 2 ? "odd" : "even" })).id);
    assertEquals(await listed(store), ids);
    assertEquals(await listed(store, {}, 100), ids);
    assertEquals(await listed(store, { runner: "odd" }), ids.filter((_, index) => index % 2 === 0));
    const { job, token } = await take(store, ["odd"]);
    assertEquals(await listed(store, { state: "running" }), [job.id]);
    await store.complete(job.id, token, "1");
    assertEquals(await listed(store, { state: "done", runner: "odd" }), [job.id]);
    assertEquals(await listed(store, { state: "done", runner: "even" }), []);
    assertEquals(await listed(store, { state: "queued" }), ids.filter((id) => id !== job.id));
  });

  test("a page goes on where the last one ended, whatever came meanwhile", async ({ store }) => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift((await add(store)).id);
    const first = await store.list({ limit: 2 });
    await add(store);
    await add(store);
    const second = await store.list({ limit: 9, cursor: first.next! });
    assertEquals([...first.jobs, ...second.jobs].map(({ id }) => id), ids);
    for (const limit of [0, -1, 1.5, NaN]) {
      await assertRejects(() => call(() => store.list({ limit })), RangeError);
    }
    await assertRejects(() => call(() => store.list({ limit: 1, cursor: "nonsense" })), TypeError);
  });
}

/** Which job is claimed first. */
export function testOrder(test: Register): void {
  test("jobs are claimed by priority, then in the order in which they were enqueued", async ({ store, advance }) => {
    const expected: [priority: number, name: string][] = [];
    for (const [name, priority] of [["a", 0], ["b", 5], ["c", 0], ["d", 9], ["e", 5]] as const) {
      await add(store, { input: `"${name}"`, priority });
      await advance(1);
      expected.push([priority, `"${name}"`]);
    }
    const claimed: string[] = [];
    for (let n = 0; n < 5; n++) claimed.push((await take(store)).job.input);
    assertEquals(claimed, ['"d"', '"b"', '"e"', '"a"', '"c"']);
    assertEquals(await store.claim(["r"], LEASE_MS), null);
  });

  test("jobs enqueued at the same time keep their order", async ({ store }) => {
    for (let n = 0; n < 10; n++) await add(store, { input: `${n}` });
    const claimed: string[] = [];
    for (let n = 0; n < 10; n++) claimed.push((await take(store)).job.input);
    assertEquals(claimed.join(""), "0123456789");
  });

  test("a worker gets jobs of its runners only, the first of all of them", async ({ store, advance }) => {
    for (const runner of ["a", "b", "c", "a"]) {
      await add(store, { runner });
      await advance(1);
    }
    assertEquals(await store.claim(["d"], LEASE_MS), null);
    assertEquals(await store.claim([], LEASE_MS), null);
    const claimed: string[] = [];
    for (let n = 0; n < 3; n++) claimed.push((await take(store, ["c", "a"])).job.runner);
    assertEquals(claimed, ["a", "c", "a"]);
    assertEquals((await take(store, ["a", "b", "c"])).job.runner, "b");
  });

  test("a delayed job is not claimed before its time, and then in the order of due times", async ({ store, advance }) => {
    const late = await add(store, { delayMs: 5_000 });
    const early = await add(store, { delayMs: 1_000 });
    assertEquals(late.dueAtMs - late.createdAtMs, 5_000);
    await advance(999);
    assertEquals(await store.claim(["r"], LEASE_MS), null);
    await advance(1);
    assertEquals((await take(store)).job.id, early.id);
    const now = await add(store);
    await advance(4_000);
    assertEquals([(await take(store)).job.id, (await take(store)).job.id], [now.id, late.id]);
  });
}

/** Claims, tokens and leases. */
export function testClaims(test: Register): void {
  test("a job is given to one worker only, however many ask at once", async ({ store }) => {
    for (let n = 0; n < 5; n++) await add(store);
    const claims = await Promise.all(
      Array.from({ length: 20 }, () => call(() => store.claim(["r"], LEASE_MS))),
    );
    const ids = claims.flatMap((claim) => claim === null ? [] : [claim.job.id]);
    assertEquals([ids.length, new Set(ids).size], [5, 5]);
  });

  test("tokens rise with every claim, over all jobs", async ({ store }) => {
    for (let n = 0; n < 3; n++) await add(store);
    const tokens: number[] = [];
    for (let n = 0; n < 3; n++) {
      const { job, token } = await take(store);
      tokens.push(token);
      if (n === 0) await store.release(job.id, token);
    }
    for (let n = 1; n < tokens.length; n++) assertGreater(tokens[n]!, tokens[n - 1]!);
    assertGreater(tokens[0]!, 0);
  });

  test("everything a worker says needs the token of the present claim", async ({ store, advance }) => {
    await add(store, { attemptsMax: 9 });
    const old = await take(store);
    const { id } = old.job;
    await advance(LEASE_MS + 1);
    assertEquals((await store.expire()).map(({ id, state }) => [id, state]), [[id, "queued"]]);
    const stale = async (token: number) => {
      await assertRejects(() => call(() => store.renew(id, token, LEASE_MS)), StaleClaimError);
      await assertRejects(() => call(() => store.progress(id, token, "1")), StaleClaimError);
      await assertRejects(() => call(() => store.complete(id, token, "1")), StaleClaimError);
      await assertRejects(() => call(() => store.fail(id, token, FAILURE, 0)), StaleClaimError);
      await assertRejects(() => call(() => store.release(id, token)), StaleClaimError);
    };
    await stale(old.token); // queued again
    const now = await take(store);
    for (const token of [old.token, now.token + 1, 0, -1, NaN]) await stale(token);
    assertEquals(await store.get(id), now.job);
    await store.complete(id, now.token, "1");
    await stale(now.token); // over
    await assertRejects(() => call(() => store.renew("nobody", 1, LEASE_MS)), StaleClaimError);
  });

  test("a claim holds until somebody takes it away, even beyond its lease", async ({ store, advance }) => {
    await add(store);
    const { job, token } = await take(store);
    await advance(3 * LEASE_MS);
    assertEquals(await store.claim(["r"], LEASE_MS), null);
    await store.renew(job.id, token, LEASE_MS);
    assertEquals(await store.expire(), []);
    assertEquals((await store.complete(job.id, token, "1")).state, "done");
  });

  test("a lease that is renewed does not end, one that is not ends in time", async ({ store, advance }) => {
    const [first, second] = [await add(store), await add(store)];
    const renewed = await take(store);
    await take(store);
    await advance(LEASE_MS - 1);
    assertEquals(await store.expire(), []);
    await store.renew(first.id, renewed.token, LEASE_MS);
    await advance(1);
    const moved = await store.expire();
    assertEquals(moved.map(({ id, state, failure }) => [id, state, failure?.code]), [
      [second.id, "failed", "SLUICE_JOB_LEASE_EXPIRED"],
    ]);
    await advance(LEASE_MS - 1);
    assertEquals((await store.expire()).map(({ id }) => id), [first.id]);
    assertEquals(await store.expire(), [], "each is told once");
  });

  test("a lease that is no time is refused", async ({ store }) => {
    await add(store);
    for (const leaseMs of [0, -1, NaN, Infinity]) {
      await assertRejects(() => call(() => store.claim(["r"], leaseMs)), RangeError);
    }
    const { job, token } = await take(store);
    await assertRejects(() => call(() => store.renew(job.id, token, 0)), RangeError);
  });

  test("a job that is given back has lost no attempt", async ({ store }) => {
    await add(store);
    for (let n = 0; n < 3; n++) {
      const { job, token } = await take(store);
      assertEquals(job.attempt, 1);
      assertEquals((await store.release(job.id, token)).state, "queued");
    }
  });
}

/** Attempts that fail. */
export function testRetries(test: Register): void {
  test("a failed attempt is repeated after its delay, until none is left; then the job is kept as failed", async ({ store, advance }) => {
    const { id } = await add(store, { attemptsMax: 3 });
    for (const attempt of [1, 2]) {
      const { job, token } = await take(store);
      assertEquals(job.attempt, attempt);
      const again = await store.fail(id, token, FAILURE, 2_000);
      assertEquals([again.state, again.failure, again.finishedAtMs], ["queued", FAILURE, null]);
      await advance(1_999);
      assertEquals(await store.claim(["r"], LEASE_MS), null);
      await advance(1);
    }
    const { token } = await take(store);
    const dead = await store.fail(id, token, FAILURE, 2_000);
    assertEquals([dead.state, dead.attempt, dead.failure], ["failed", 3, FAILURE]);
    assertNotEquals(dead.finishedAtMs, null);
    assertEquals(await listed(store, { state: "failed" }), [id]);
  });

  test("a failure for good leaves no further attempt", async ({ store }) => {
    const { id } = await add(store, { attemptsMax: 3 });
    const { token } = await take(store);
    assertEquals((await store.fail(id, token, FAILURE, null)).state, "failed");
    assertEquals(await store.claim(["r"], LEASE_MS), null);
  });

  test("a later success forgets the failure", async ({ store }) => {
    const { id } = await add(store, { attemptsMax: 2 });
    await store.fail(id, (await take(store)).token, FAILURE, 0);
    const done = await store.complete(id, (await take(store)).token, "1");
    assertEquals([done.state, done.failure, done.attempt], ["done", null, 2]);
  });

  test("a worker that dies costs an attempt each time", async ({ store, advance }) => {
    const { id } = await add(store, { attemptsMax: 2 });
    const states: JobState[] = [];
    for (let n = 0; n < 2; n++) {
      await take(store);
      await advance(LEASE_MS);
      states.push(...(await store.expire()).map(({ state }) => state));
    }
    assertEquals(states, ["queued", "failed"]);
    assertEquals((await store.get(id))?.failure?.code, "SLUICE_JOB_LEASE_EXPIRED");
  });

  test("a delay that is no time is refused, and the job runs on", async ({ store }) => {
    const { id } = await add(store, { attemptsMax: 2 });
    const { token } = await take(store);
    for (const delayMs of [-1, NaN, Infinity]) {
      await assertRejects(() => call(() => store.fail(id, token, FAILURE, delayMs)), RangeError);
    }
    assertEquals(await stateOf(store, id), "running");
  });
}
