/**
 * Everything that can be asked of a job store, at random and several things in one turn, held against a model answer by
 * answer: who gets which job, what is refused and why, what is kept and what goes, whose word about a job counts.
 *
 * Tokens must only rise, and one whose claim is over must be worth nothing for ever. Every few turns all that the store
 * lists is compared with all that the model has. Everything at random follows from one seed.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { Prng } from "../../../io/testing/prng.ts";
import type { JobClaim, JobRecord, JobStore, NewJob } from "../../../server/jobs/job_store.ts";
import { forSeeds } from "../../support/seeds.ts";
import { call, FAILURE, type JobStoreKind, type JobStoreUnderTest, listed, SMALL } from "./harness.ts";
import { type ModelJob, ModelStore, type Refusal, shownBy, shownOf } from "./model.ts";

/** Turns of each seed in the contract. */
const TURNS = 150;
/** Things asked in one turn at most. */
const ASKED_MAX = 6;
const RUNNERS = ["a", "b", "c"];
/** Leases that are claimed for, milliseconds. */
const LEASES = [500, 3_000, 20_000];

/** The contract, by chance. */
export function testTorture(kind: JobStoreKind): void {
  const name = "whatever is asked, it answers as the model does";
  Deno.test(`${kind.name}: ${name}`, () =>
    forSeeds(name, 8, async (seed) => {
      const under = await kind.open();
      try {
        assertGreater(await tortureStore(under, seed, TURNS), TURNS);
      } finally {
        await under.store.close();
      }
    }));
}

/**
 * Torments a store that is empty.
 *
 * @param under the store
 * @param seed what everything at random follows from
 * @param turns how long
 * @returns how many things were asked
 * @throws AssertionError where it differs from the model
 */
export async function tortureStore(under: JobStoreUnderTest, seed: number, turns: number): Promise<number> {
  const torture = new Torture(under, seed);
  for (let turn = 0; turn < turns; turn++) await torture.turn(turn % 10 === 9);
  await torture.close();
  return torture.asked;
}

/** Something that was asked: whether it was answered as it must be. */
type Check = (answer: { readonly value: unknown } | { readonly error: unknown }) => void;

class Torture {
  asked = 0;
  readonly #under: JobStoreUnderTest;
  readonly #store: JobStore;
  readonly #prng: Prng;
  readonly #model: ModelStore;
  /** All jobs there ever were. */
  readonly #known: ModelJob[] = [];
  readonly #unwatch: () => void;
  #told = 0;
  #lastToken = 0;

  constructor(under: JobStoreUnderTest, seed: number) {
    this.#under = under;
    this.#store = under.store;
    this.#prng = Prng.derive(seed, 17);
    this.#model = new ModelStore(under.nowMs(), under.setWall !== undefined);
    this.#unwatch = under.store.watch(() => this.#told++);
  }

  /** Lets time pass, asks some things at once, and compares. */
  async turn(comparesAll: boolean): Promise<void> {
    const { setWall } = this.#under;
    if (this.#prng.chance(0.5)) await this.#under.advance(this.#prng.skewed(8_000));
    else if (this.#prng.chance(0.1)) await this.#under.advance(SMALL.finishedAgeMs / 2);
    if (setWall !== undefined && this.#prng.chance(0.05)) {
      setWall(this.#under.nowMs() + this.#prng.integer(-20_000, 20_000));
    }
    this.#model.nowMs = this.#under.nowMs();
    const told = [this.#told, this.#model.told];
    const checks: Check[] = [];
    const answers: Promise<{ value: unknown } | { error: unknown }>[] = [];
    for (let left = this.#prng.integer(1, ASKED_MAX); left > 0; left--) {
      const [ask, check] = this.#pick();
      answers.push(call(ask).then((value) => ({ value }), (error) => ({ error })));
      checks.push(check);
      this.asked++;
    }
    for (const [index, answer] of (await Promise.all(answers)).entries()) checks[index]!(answer);
    if (this.#model.told > told[1]!) {
      assertGreater(this.#told, told[0]!, "nobody was told that a job may be due");
    }
    if (comparesAll) await this.#compareAll();
  }

  async close(): Promise<void> {
    await this.#compareAll();
    this.#unwatch();
  }

  #pick(): [ask: () => unknown, check: Check] {
    const what = this.#prng.next();
    if (what < 0.25) return this.#enqueue();
    if (what < 0.45) return this.#claim();
    if (what < 0.8) return this.#speak();
    if (what < 0.87) return this.#cancel();
    if (what < 0.93) return this.#expire();
    return this.#look();
  }

  #enqueue(): [() => unknown, Check] {
    const prng = this.#prng;
    const key = prng.chance(0.3) ? `k${prng.integer(0, 8)}` : null;
    const lengths = [2, 2, 2, 300, 7_000, SMALL.inputBytesMax + 1];
    const job: Required<NewJob> = {
      runner: RUNNERS[prng.integer(0, 2)]!,
      input: JSON.stringify("x".repeat(lengths[prng.integer(0, prng.chance(0.1) ? 5 : 4)]! - 2)),
      key,
      priority: prng.integer(0, 2),
      delayMs: prng.chance(0.3) ? prng.skewed(5_000) : 0,
      attemptsMax: prng.integer(1, 3),
    };
    // Under a key mostly the same thing is meant.
    const named = key === null ? undefined : this.#known.findLast(({ spec }) => spec.key === key);
    const spec = named !== undefined && prng.chance(0.8) ? { ...named.spec, delayMs: job.delayMs } : job;
    const expected = this.#model.enqueue(spec);
    if (typeof expected === "function") return [() => this.#store.enqueue(spec), refused(expected)];
    const { job: modelJob, isNew } = expected;
    if (isNew) this.#known.push(modelJob);
    const shown = shownBy(modelJob);
    return [() => this.#store.enqueue(spec), (answer) => {
      const enqueued = valueOf<{ job: JobRecord; isNew: boolean }>(answer);
      assertEquals(enqueued.isNew, isNew, "is it new?");
      if (isNew) modelJob.id = enqueued.job.id;
      assertEquals(enqueued.job.id, modelJob.id);
      assertEquals(shownOf(enqueued.job), shown);
    }];
  }

  #claim(): [() => unknown, Check] {
    const runners = RUNNERS.filter(() => this.#prng.chance(0.7));
    const leaseMs = LEASES[this.#prng.integer(0, 2)]!;
    const job = this.#model.claim(runners, leaseMs);
    const shown = job === null ? null : shownBy(job);
    return [() => this.#store.claim(runners, leaseMs), (answer) => {
      const claim = valueOf<JobClaim | null>(answer);
      assertEquals(claim?.job.id ?? null, job?.id ?? null, "the first in order");
      if (claim === null || job === null) return;
      assertEquals(shownOf(claim.job), shown);
      assertGreater(claim.token, this.#lastToken, "tokens rise");
      this.#lastToken = claim.token;
      if (Number.isNaN(job.token)) job.token = claim.token;
      else job.stale.push(claim.token); // it was lost again within the turn
    }];
  }

  /** A worker says something about a job: mostly one that has it, sometimes one that has not. */
  #speak(): [() => unknown, Check] {
    const prng = this.#prng;
    const held = this.#known.filter(({ token }) => token > 0);
    const once = this.#known.filter(({ id, stale }) => id !== "" && stale.length > 0);
    const isStale = held.length === 0 || prng.chance(0.2);
    const from = isStale ? once : held;
    const job = from[prng.integer(0, Math.max(0, from.length - 1))];
    if (job === undefined) return this.#look();
    const wrong = [0, -1, 0.5, NaN, job.token + 1, Number.MAX_SAFE_INTEGER];
    const token = !isStale
      ? job.token
      : prng.chance(0.8)
      ? job.stale[prng.integer(0, job.stale.length - 1)]!
      : wrong[prng.integer(0, wrong.length - 1)]!;
    const { id } = job;
    const store = this.#store;
    const text = (max: number) => JSON.stringify("y".repeat(prng.chance(0.1) ? max : prng.skewed(max) >> 1));
    switch (prng.integer(0, 6)) {
      case 0: {
        const leaseMs = LEASES[prng.integer(0, 2)]!;
        return [() => store.renew(id, token, leaseMs), this.#shows(this.#model.renew(job, token, leaseMs))];
      }
      case 1: {
        const progress = text(SMALL.progressBytesMax);
        const expected = this.#shows(this.#model.progress(job, token, progress));
        return [() => store.progress(id, token, progress), expected];
      }
      case 2:
        return [() => store.release(id, token), this.#shows(this.#model.release(job, token))];
      case 3:
      case 4: {
        const delayMs = [null, 0, prng.skewed(3_000)][prng.integer(0, 2)]!;
        const expected = this.#shows(this.#model.fail(job, token, FAILURE, delayMs));
        return [() => store.fail(id, token, FAILURE, delayMs), expected];
      }
      default: {
        const result = text(SMALL.resultBytesMax);
        const expected = this.#shows(this.#model.complete(job, token, result));
        return [() => store.complete(id, token, result), expected];
      }
    }
  }

  #cancel(): [() => unknown, Check] {
    const job = this.#any();
    const id = job?.id ?? "nobody";
    return [() => this.#store.cancel(id), this.#shows(this.#model.cancel(job))];
  }

  #expire(): [() => unknown, Check] {
    const moved = this.#model.expire().map((job) => ({ job, shown: shownBy(job) }));
    return [() => this.#store.expire(), (answer) => {
      const byId = new Map(valueOf<JobRecord[]>(answer).map((record) => [record.id, shownOf(record)]));
      assertEquals(byId, new Map(moved.map(({ job, shown }) => [job.id, shown])), "whose lease was over");
    }];
  }

  #look(): [() => unknown, Check] {
    const job = this.#any();
    if (job !== null && this.#prng.chance(0.6)) {
      this.#model.forgetOld();
      const isKept = this.#model.jobs.includes(job);
      return [() => this.#store.get(job.id), this.#shows(isKept ? job : null)];
    }
    const runners = RUNNERS.filter(() => this.#prng.chance(0.7));
    const expected = this.#model.nextDelayMs(runners);
    return [() => this.#store.nextDelayMs(runners), (answer) => {
      const delayMs = valueOf<number | null>(answer);
      if (expected === null) return assert(delayMs !== 0, "it may be asked again at once, for ever");
      assert(delayMs !== null && delayMs <= expected, `${delayMs} ms, but something happens in ${expected}`);
      assert(delayMs > 0 || expected === 0, "it may be asked again at once, for ever");
    }];
  }

  /** A job that the store has named, kept or not. */
  #any(): ModelJob | null {
    const named = this.#known.filter(({ id }) => id !== "");
    const recent = this.#prng.chance(0.8) ? named.slice(-20) : named;
    return recent[this.#prng.integer(0, Math.max(0, recent.length - 1))] ?? null;
  }

  #shows(expected: ModelJob | Refusal | null): Check {
    if (typeof expected === "function") return refused(expected);
    if (expected === null) return (answer) => assertEquals(valueOf(answer), null);
    const shown = shownBy(expected);
    return (answer) => {
      const record = valueOf<JobRecord | null>(answer);
      assert(record !== null, `job ${expected.id} is gone`);
      assertEquals(record.id, expected.id);
      assertEquals(shownOf(record), shown);
    };
  }

  async #compareAll(): Promise<void> {
    const model = this.#model;
    model.forgetOld();
    assertEquals((await listed(this.#store)).reverse(), model.jobs.map(({ id }) => id), "what is kept");
    const states = ["queued", "running", "done", "failed", "cancelled"] as const;
    assertEquals(
      { ...await this.#store.counts() },
      Object.fromEntries(states.map((state) => [state, model.count(state)])),
    );
    for (const job of model.jobs) assertEquals(shownOf((await this.#store.get(job.id))!), shownBy(job));
    const bytes = this.#under.bytes?.();
    if (bytes !== undefined) assertEquals(bytes, model.bytes, "bytes");
  }
}

function valueOf<T>(answer: { readonly value: unknown } | { readonly error: unknown }): T {
  if ("error" in answer) throw answer.error;
  return answer.value as T;
}

function refused(by: Refusal): Check {
  return (answer) => {
    assert("error" in answer, `it was not refused by ${by.name}`);
    assert(answer.error instanceof by, `${answer.error} is no ${by.name}`);
  };
}
