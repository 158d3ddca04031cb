/**
 * Jobs services under torture, on a clock that is moved by hand: jobs enqueued, cancelled and followed at random, runners that work,
 * fail, obey or do not, leases that end, clocks that jump, services that stop and start again, several of them on one
 * store, and a store that fails or answers late and in any order.
 *
 * What must hold whatever happens: each promise settles; a job that was accepted is over in the end; it is done by one attempt, the one that
 * had it last, with that one's result; what was said to be cancelled is cancelled; no runner has more attempts at work than it may; counters add up;
 * a story has one beginning and at most one end, the right one, nothing after it, and outputs in order. Who follows a story gets
 * all of it once, however often it breaks off, and is told the end. Everything at random follows from one seed.
 */
import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../../../io/testing/prng.ts";
import { VirtualClock } from "../../../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../../../io/timer_wheel.ts";
import { StaleClaimError } from "../../../../server/jobs/errors.ts";
import type { JobRecord } from "../../../../server/jobs/job_store.ts";
import { Jobs } from "../../../../server/jobs/jobs.ts";
import { MemoryJobStore } from "../../../../server/jobs/memory_job_store.ts";
import { MemoryLog } from "../../../../server/log/memory_log.ts";
import { EventHub } from "../../../../server/sse/event_hub.ts";
import { HubClosedError } from "../../../../server/sse/hub_errors.ts";
import { FlakyJobStore, type FlakyOptions, StoreDownError } from "./flaky_job_store.ts";
import { checkStory, type Told } from "./story_check.ts";
import { StoryReader } from "./story_reader.ts";
import { TortureRunners } from "./torture_runner.ts";

/** What kind of torture. */
export interface JobsTortureOptions {
  readonly seed: number;
  readonly steps: number;
  /** Services on the one store. */
  readonly services: number;
  /** How the store behaves. */
  readonly store: FlakyOptions;
}

const OVER = ["done", "failed", "cancelled"];
/** No runner may have more attempts at work. */
const CONCURRENCY = { quick: 6, few: 2 } as const;
const LEASE_MS = 3_000;
/** Rounds in which all must be over once nothing is in the way. */
const ROUNDS_MAX = 400;

/** A service, and what is known of it from outside. */
interface Service {
  readonly jobs: Jobs;
  readonly hub: EventHub;
  readonly runners: Record<keyof typeof CONCURRENCY, { running: number }>;
  readonly errors: unknown[];
  readonly readers: Set<StoryReader>;
  stopped: Promise<void> | null;
}

/** Torments services. @throws AssertionError for what must not be @returns how many jobs were accepted */
export async function tortureJobs(options: JobsTortureOptions): Promise<number> {
  const torture = new JobsTorture(options);
  for (let step = 0; step < options.steps; step++) await torture.step();
  await torture.drain();
  await torture.check();
  await torture.close();
  return torture.accepted.size;
}

class JobsTorture {
  /** Jobs whose enqueuing was answered, and with which key. */
  readonly accepted = new Map<string, string | null>();
  readonly #options: JobsTortureOptions;
  readonly #prng: Prng;
  readonly #clock = new VirtualClock();
  readonly #timers = new TimerWheel(this.#clock);
  readonly #inner: MemoryJobStore;
  readonly #flaky: FlakyJobStore;
  readonly #attempts: TortureRunners;
  readonly #services: Service[] = [];
  /** All services there ever were. */
  readonly #all: Service[] = [];
  readonly #keys = new Map<string, string>();
  readonly #cancelled = new Set<string>();
  /** Promises that must settle. */
  readonly #asked = new Set<Promise<unknown>>();
  /** What they rejected with and must not. */
  readonly #faults: unknown[] = [];
  #enqueued = 0;
  #repeated = 0;

  constructor(options: JobsTortureOptions) {
    this.#options = options;
    this.#prng = Prng.derive(options.seed, 23);
    this.#inner = new MemoryJobStore({ clock: this.#clock, finishedAgeMs: null, finishedMax: 100_000 });
    this.#flaky = new FlakyJobStore(this.#inner, Prng.derive(options.seed, 24), options.store);
    this.#attempts = new TortureRunners(Prng.derive(options.seed, 25));
    for (let n = 0; n < options.services; n++) this.#services.push(this.#start());
  }

  /** Something happens. */
  async step(): Promise<void> {
    const prng = this.#prng;
    const what = prng.next();
    if (what < 0.18) this.#enqueue();
    else if (what < 0.24) this.#cancel();
    else if (what < 0.5) this.#attempts.step();
    else if (what < 0.65) this.#follow();
    else if (what < 0.8) this.#flaky.answer();
    else if (what < 0.97) await this.#clock.advance(prng.skewed(1_500));
    else if (what < 0.985) await this.#clock.jumpTo(this.#clock.now() + prng.skewed(2 * LEASE_MS));
    else if (what < 0.99) this.#clock.setWall(this.#clock.wallMs() + prng.integer(-100_000, 100_000));
    else await this.#restart();
    if (prng.chance(0.6)) await turn();
    if (this.#faults.length > 0) throw this.#faults[0];
    for (const { runners } of this.#all) {
      assert(runners.quick.running <= CONCURRENCY.quick, "more attempts at work than may be");
      assert(runners.few.running <= CONCURRENCY.few, "more attempts at work than may be");
    }
  }

  /** Nothing is in the way any more: everything must come to its end. */
  async drain(): Promise<void> {
    this.#flaky.options = { failing: 0, late: 0 };
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.#flaky.answerAll();
      for (const attempt of this.#attempts.working) this.#attempts.finish(attempt);
      await this.#clock.advance(500);
      await new Promise((resolve) => setTimeout(resolve, 0)); // a look at the jobs may have given way to the loop
      const { queued, running } = this.#inner.counts();
      if (queued + running + this.#asked.size + this.#attempts.working.size + this.#flaky.waiting === 0) {
        break;
      }
    }
    assertEquals(this.#inner.counts().queued + this.#inner.counts().running, 0, "jobs never ended");
    if (this.#faults.length > 0) throw this.#faults[0];
    assertEquals(this.#asked.size, 0, "promises never settled");
    await this.#clock.advance(2 * LEASE_MS);
  }

  async check(): Promise<void> {
    for (const id of this.accepted.keys()) this.#checkJob(this.#inner.get(id));
    for (const service of this.#all) await this.#checkService(service);
    const sum = (pick: (jobs: Jobs) => number) => this.#all.reduce((all, { jobs }) => all + pick(jobs), 0);
    assertEquals(sum(({ stats }) => stats.enqueued), this.#enqueued);
    assertEquals(sum(({ stats }) => stats.repeated), this.#repeated);
    const attempts = sum(({ stats }) =>
      Object.values(stats.runners).flatMap(({ outcomes }) => Object.values(outcomes)).reduce(
        (a, b) => a + b,
        0,
      )
    );
    assertEquals(attempts, this.#attempts.attempts.length, "each attempt is counted once");
  }

  async close(): Promise<void> {
    for (const service of this.#services) await service.jobs.shutdown({ graceMs: 0 });
    for (const { hub } of this.#all) {
      await hub.close();
      await hub.log.close();
    }
    await this.#inner.close();
    this.#timers.close();
    assertEquals(this.#clock.pendingCount, 0, "timers are left");
  }

  #start(): Service {
    const log = new MemoryLog({ clock: this.#clock, ageMs: null, topicsMax: 10_000 });
    const hub = new EventHub({ heartbeatMs: null, log, readerBufferBytesMax: 400 });
    const errors: unknown[] = [];
    const runners = {
      quick: this.#attempts.runner({ concurrencyMax: CONCURRENCY.quick, attemptsMax: 3, timeoutMs: null }),
      few: this.#attempts.runner({ concurrencyMax: CONCURRENCY.few, attemptsMax: 2, timeoutMs: 4_000 }),
    };
    const jobs = new Jobs({
      runners,
      hub,
      store: this.#flaky.store,
      time: { clock: this.#clock, timers: this.#timers },
      leaseMs: LEASE_MS,
      abortGraceMs: 700,
      pollMs: this.#options.services > 1 ? 900 : null,
      onError: (error) => void errors.push(error),
    });
    const service = { jobs, hub, runners, errors, readers: new Set<StoryReader>(), stopped: null };
    this.#all.push(service);
    return service;
  }

  /** A service stops, and another one comes: at once if it is one of several, else when it has stopped. */
  async #restart(): Promise<void> {
    const at = this.#prng.integer(0, this.#services.length - 1);
    const service = this.#services[at]!;
    service.readers.clear();
    let hasStopped = false;
    service.stopped = service.jobs.shutdown({ graceMs: this.#prng.integer(0, 1_000) }).then(
      async (report) => {
        hasStopped = true;
        const left = [...this.#attempts.working].filter((attempt) =>
          attempt.runner === service.runners.quick || attempt.runner === service.runners.few
        );
        assert(left.every(({ context }) => context.signal.aborted), "a runner was not told to stop");
        assert(left.length <= report.abandoned, "a runner is at work after the stop that was not counted");
        await service.hub.close();
      },
    );
    this.#must(service.stopped);
    while (!hasStopped && this.#options.services === 1) {
      this.#flaky.answer();
      await this.#clock.advance(100);
    }
    this.#services[at] = this.#start();
  }

  #enqueue(): void {
    const prng = this.#prng;
    const service = this.#service();
    const key = prng.chance(0.2) ? `key-${prng.integer(0, 30)}` : null;
    const request = {
      runner: key !== null || prng.chance(0.6) ? "quick" : "few",
      input: key,
      key,
      priority: key === null ? prng.integer(0, 2) : 0,
      delayMs: prng.chance(0.3) ? prng.skewed(4_000) : 0,
    };
    this.#must(
      service.jobs.enqueue(request).then(({ job, isNew }) => {
        if (isNew) this.#enqueued++;
        else this.#repeated++;
        if (key !== null) {
          assertEquals(this.#keys.get(key) ?? job.id, job.id, "one job for a key");
          this.#keys.set(key, job.id);
        }
        this.accepted.set(job.id, key);
        if (prng.chance(0.5)) this.#read(service, job.id);
      }, expected),
    );
  }

  #cancel(): void {
    const id = this.#anyId();
    if (id === null) return;
    this.#must(
      this.#service().jobs.cancel(id).then((job) => {
        assert(job !== null, "a job that was accepted is gone");
        if (job.state === "cancelled" || (job.state === "running" && job.isCancelRequested)) {
          this.#cancelled.add(id);
        }
      }, expected),
    );
  }

  /** Readers take, leave and come back. */
  #follow(): void {
    const service = this.#service();
    const readers = [...service.readers];
    const reader = readers[this.#prng.integer(0, Math.max(0, readers.length - 1))];
    if (reader === undefined || this.#prng.chance(0.1)) {
      const id = this.#anyId();
      if (id !== null) this.#read(service, id);
    } else if (reader.isOff) this.#must(reader.connect(service.jobs).catch(expected));
    else if (this.#prng.chance(0.2)) reader.leave();
    else reader.take(this.#prng.skewed(600));
  }

  #read(service: Service, id: string): void {
    if (service.readers.size >= 12) return;
    const reader = new StoryReader(id);
    service.readers.add(reader);
    this.#must(reader.connect(service.jobs).catch(expected));
  }

  #must(promise: Promise<unknown>): void {
    const asked = promise.catch((error) => void this.#faults.push(error)).then(() =>
      void this.#asked.delete(asked)
    );
    this.#asked.add(asked);
  }

  #service(): Service {
    return this.#services[this.#prng.integer(0, this.#services.length - 1)]!;
  }

  #anyId(): string | null {
    const ids = [...this.accepted.keys()].slice(-15);
    return ids[this.#prng.integer(0, Math.max(0, ids.length - 1))] ?? null;
  }

  #checkJob(job: JobRecord | null): void {
    assert(job !== null, "a job that was accepted is gone");
    assert(OVER.includes(job.state), `job ${job.id} is ${job.state}`);
    if (this.#cancelled.has(job.id)) assertEquals(job.state, "cancelled", "what was cancelled stays so");
    if (job.state !== "done") return;
    const attempt = this.#attempts.attempts[Number(JSON.parse(job.result!))];
    assertEquals(attempt?.context.id, job.id, "its own result");
    assertEquals(attempt?.context.attempt, job.attempt, "the result of the attempt that had it last");
  }

  async #checkService(service: Service): Promise<void> {
    const { jobs, errors } = service;
    for (const error of errors) {
      const isLate = service.stopped !== null && error instanceof HubClosedError;
      const isExpected = error instanceof StoreDownError || error instanceof StaleClaimError || isLate;
      assert(isExpected, `${(error as Error).stack}`);
    }
    const { runners, storyFailures } = jobs.stats;
    for (const { running, abandoned } of Object.values(runners)) assertEquals([running, abandoned], [0, 0]);
    if (service.stopped !== null) return; // its hub is closed
    assertEquals(storyFailures, 0);
    for (const id of this.accepted.keys()) checkStory(await this.#story(service, id), this.#inner.get(id)!);
    for (const reader of service.readers) {
      await reader.readAll(jobs, await this.#story(service, reader.id), turn);
    }
  }

  /** What was told of a job at a service. */
  async #story({ hub }: Service, id: string): Promise<Told[]> {
    const { entries } = await hub.log.read(`jobs/${id}`, null, { entriesMax: 100_000, bytesMax: 1e9 });
    const decoder = new TextDecoder();
    return entries.map(({ bytes }) => {
      const [, event = "", data = ""] = /^event: (\w+)\ndata: (.*)\n$/s.exec(decoder.decode(bytes)) ?? [];
      return { event, data };
    });
  }
}

/** A refusal that a store which fails brings about. */
function expected(error: unknown): void {
  if (!(error instanceof StoreDownError)) throw error;
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
