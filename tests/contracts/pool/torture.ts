/**
 * A pool under torture: calls, streams, series and functions by source at random, that end well, throw, give what cannot be
 * cloned, exit their worker, wait or compute until they are stopped; cancelled at any moment, with deadlines, tags,
 * priorities and buffers; a queue that is short; readers that are slow, leave or ask for many items at once; a pool that is
 * closed or destroyed in their midst.
 *
 * What must hold: each call settles, with the value that follows from its seed or an error that it may end with; a stream gives its items
 * in order, none left out and none twice, all of them before its end or failure, and is no more than its credits ahead of its
 * reader; counters add up, and in the end nothing waits, nothing is under way and no worker is left. Everything that is asked follows from
 * one seed; when workers do it does not.
 */
import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../../io/testing/prng.ts";
import {
  createPool,
  type Isolation,
  type Pool,
  PoolClosedError,
  type PoolOptions,
  QueueFullError,
  type RunOptions,
  TaskCancelledError,
  TaskCloneError,
  TaskDeadlineError,
  TaskDroppedError,
  TaskFailedError,
  WorkerLostError,
} from "../../../pool/mod.ts";
import { type TortureEnd, valueOf } from "../../support/pool_torture_tasks.ts";
import { forSeeds } from "../../support/seeds.ts";
import { isBun, title } from "./harness.ts";
import { readStream } from "./torture_reader.ts";

type Tasks = typeof import("../../support/pool_torture_tasks.ts");

/** What kind of torture. */
export interface PoolTortureOptions {
  readonly seed: number;
  readonly calls: number;
  readonly isolation: Isolation;
}

/** How long until something counts as never settled, milliseconds: only a failure takes it. */
const SETTLED_WITHIN_MS = 60_000;
const TASKS = new URL("../../support/pool_torture_tasks.ts", import.meta.url);

/** The pool's contract, by chance. */
export function pooledTorture(isolation: Isolation): void {
  const name = `pool of ${title(isolation)} under torture: each call comes to what it may`;
  const [seeds, calls] = isolation === "thread" ? [3, 80] : [2, 25];
  Deno.test(name, () =>
    forSeeds(name, seeds, async (seed) => {
      await torturePool({ seed, calls, isolation });
    }));
}

/** Torments a pool. @throws AssertionError for what must not be @returns how many calls gave what they should */
export async function torturePool(options: PoolTortureOptions): Promise<number> {
  const torture = new PoolTorture(options);
  for (let call = 0; call < options.calls; call++) await torture.step();
  await torture.finish();
  return torture.right;
}

class PoolTorture {
  /** Calls that gave a value, or failed as they had to. */
  right = 0;
  readonly #prng: Prng;
  readonly #pool: Pool<Tasks>;
  readonly #settings: PoolOptions;
  readonly #isolation: Isolation;
  /** Whether some tasks end their worker, so that others are lost. */
  readonly #loses: boolean;
  readonly #open = new Set<Promise<void>>();
  readonly #signals = new Set<AbortController>();
  readonly #faults: unknown[] = [];
  readonly #seen = { queueFull: 0, dropped: 0, cancelled: 0, deadlines: 0, refused: 0 };
  #calls = 0;
  #isEnding = false;

  constructor({ seed, isolation }: PoolTortureOptions) {
    const prng = this.#prng = Prng.derive(seed, 41);
    this.#isolation = isolation;
    this.#loses = seed % 2 === 1;
    this.#settings = {
      isolation,
      workersMax: prng.integer(1, 3),
      concurrency: prng.integer(1, 3),
      queueMax: prng.chance(0.5) ? 1_000 : prng.integer(2, 20),
      queuePolicy: (["reject", "wait", "drop-oldest"] as const)[prng.integer(0, 2)]!,
      graceMs: SETTLED_WITHIN_MS,
    };
    this.#pool = createPool<Tasks>(TASKS, this.#settings);
  }

  /** One call, and perhaps something else. */
  async step(): Promise<void> {
    const prng = this.#prng;
    const what = prng.next();
    if (what < 0.6) this.#run();
    else if (what < 0.8) this.#stream();
    else if (what < 0.85) this.#map();
    else if (what < 0.93) this.#exec();
    else this.#exchange();
    if (prng.chance(0.2)) this.#abortOne();
    for (let turns = prng.chance(0.5) ? 0 : prng.integer(1, 4); turns > 0; turns--) await turn();
    if (this.#faults.length > 0) throw this.#faults[0];
  }

  /** Ends everything, in one of several ways, and looks at what is left. */
  async finish(): Promise<void> {
    this.#isEnding = true;
    let ending: Promise<void> | null = null;
    if (this.#prng.chance(0.3)) ending = this.#pool.destroy();
    else if (this.#prng.chance(0.5)) ending = this.#pool.close();
    while (this.#signals.size > 0) {
      this.#abortOne();
      await turn();
    }
    await this.#within(Promise.all(this.#open), () => `${this.#open.size} calls never settled`);
    await this.#within(ending ?? this.#pool.close(), () => "the pool never ended");
    await this.#within(this.#gone(), () => "a thread that was told to stop goes on");
    if (this.#faults.length > 0) throw this.#faults[0];
    this.#checkCounters();
  }

  #run(): void {
    const ends: TortureEnd[] = ["value", "value", "value", "throw", "reject", "uncloneable", "wait"];
    if (this.#isolation === "thread") ends.push("spin");
    if (this.#loses) ends.push(this.#prng.chance(0.3) ? "exit" : "value");
    // On Bun a test fails for an uncaught error, in a worker as well.
    if (this.#loses && !isBun()) ends.push(this.#prng.chance(0.5) ? "uncaught" : "value");
    const end = ends[this.#prng.integer(0, ends.length - 1)]!;
    const seed = this.#calls;
    const options = this.#options(end === "wait" || end === "spin" || end === "uncaught");
    const { signal } = options;
    this.#expect(this.#pool.run("work", { seed, end }, options), options, (value, error) => {
      if (end === "value") return value === valueOf(seed, 0);
      if (end === "throw" || end === "reject") return isFailure(error, `no ${seed}`);
      if (end === "uncloneable") return error instanceof TaskCloneError;
      if (end === "exit") return error instanceof WorkerLostError;
      if (end === "uncaught") return isFailure(error, `uncaught ${seed}`);
      return error instanceof TaskCancelledError && error.cause === signal?.reason;
    });
  }

  #stream(): void {
    const prng = this.#prng;
    const end = (["value", "value", "throw", "uncloneable"] as const)[prng.integer(0, 3)]!;
    const seed = this.#calls;
    const count = prng.skewed(80) - 1;
    const credits = prng.skewed(20);
    const made = this.#isolation === "thread" ? new Int32Array(new SharedArrayBuffer(4)) : null;
    const options = this.#options(false);
    const name = prng.chance(0.5) ? "items" : "itemsAtOnce";
    const stream = this.#pool.stream(name, { seed, count, end, made }, { ...options, credits });
    const reading = readStream(stream, { seed, count, credits, made }, Prng.derive(seed, this.#calls), turn);
    this.#expect(reading, options, (value, error) => {
      if (value === "left") return true;
      if (end === "value") return value === count;
      const isOwn = end === "throw" ? isFailure(error, `no ${seed}`) : error instanceof TaskCloneError;
      if (isOwn) assertEquals((error as { read?: number }).read, count, `items before ${error}`);
      return isOwn;
    });
  }

  #map(): void {
    const prng = this.#prng;
    const seed = this.#calls;
    const count = prng.integer(0, 12);
    const failing = prng.chance(0.3) ? prng.integer(0, count) : count;
    const options = this.#options(false);
    const inputs = Array.from({ length: count }, (_, index) => ({
      seed: seed + index,
      end: index === failing ? "throw" as const : "value" as const,
    }));
    const results = this.#pool.map("work", inputs, { ...options, lookAhead: prng.integer(1, 6) });
    const reading = (async () => {
      let at = 0;
      for await (const value of results) {
        assertEquals(value, valueOf(seed + at++, 0), "results in their order");
      }
      return at;
    })();
    this.#expect(
      reading,
      options,
      (value, error) => failing < count ? isFailure(error, `no ${seed + failing}`) : value === count,
      true,
    );
  }

  #exec(): void {
    const seed = this.#calls;
    const options = this.#options(false);
    const call = this.#pool.exec((a: number, b: number) => a * 1_000 + b, [seed, 7], options);
    this.#expect(call, options, (value) => value === seed * 1_000 + 7);
  }

  #exchange(): void {
    const seed = this.#calls;
    const length = this.#prng.chance(0.5) ? 70_000 : 100;
    const options = this.#options(false);
    const call = this.#pool.run("exchange", { seed, bytes: new Uint8Array(length).fill(3) }, options);
    this.#expect(call, options, (value, error) => {
      if (error !== undefined) return false;
      const { sum, bytes } = value as { sum: number; bytes: Uint8Array };
      const byte = valueOf(seed, 0) & 255;
      return sum === length * 3 && bytes.length === length && bytes.every((one) => one === byte);
    });
  }

  /** Options by chance. @param needsSignal whether the call does not end by itself */
  #options(needsSignal: boolean): RunOptions {
    const prng = this.#prng;
    this.#calls++;
    const options = { tag: `tag ${prng.integer(0, 3)}`, priority: prng.integer(0, 2) };
    const deadline = prng.chance(0.1) ? { deadlineMs: prng.skewed(300) } : {};
    if (!needsSignal && prng.chance(0.6)) return { ...options, ...deadline };
    const controller = new AbortController();
    this.#signals.add(controller);
    if (prng.chance(0.05)) controller.abort(new RangeError("before"));
    return { ...options, ...deadline, signal: controller.signal };
  }

  #abortOne(): void {
    const all = [...this.#signals];
    const controller = all[this.#prng.integer(0, Math.max(0, all.length - 1))];
    if (controller === undefined) return;
    this.#signals.delete(controller);
    controller.abort(new RangeError("by chance"));
  }

  /** Notes how a call ends. @param isRight whether that is what its task makes of it @param isMany whether it is many calls */
  #expect(
    call: Promise<unknown>,
    { signal, deadlineMs }: RunOptions,
    isRight: (value: unknown, error: unknown) => boolean,
    isMany = false,
  ): void {
    const check = (value: unknown, error: unknown): void => {
      if (!isMany) this.#count(error);
      if (isRight(value, error)) return void this.right++;
      const mayBe = (error instanceof TaskCancelledError && signal?.aborted === true) ||
        (error instanceof TaskDeadlineError && deadlineMs !== undefined) ||
        error instanceof QueueFullError || error instanceof TaskDroppedError ||
        (error instanceof PoolClosedError && this.#isEnding) ||
        (error instanceof WorkerLostError && this.#loses) ||
        (error instanceof TaskFailedError && this.#loses && /^uncaught/.test(error.remote.message));
      assert(mayBe, `a call gave ${value} and ${error instanceof Error ? error.stack : error}`);
    };
    const settled = call.then((value) => check(value, undefined), (error) => check(undefined, error))
      .catch((fault) => void this.#faults.push(fault))
      .then(() => void this.#open.delete(settled));
    this.#open.add(settled);
  }

  #count(error: unknown): void {
    if (error instanceof QueueFullError) this.#seen.queueFull++;
    if (error instanceof TaskDroppedError) this.#seen.dropped++;
    if (error instanceof TaskCancelledError) this.#seen.cancelled++;
    if (error instanceof TaskDeadlineError) {
      if (error.how === "refused") this.#seen.refused++;
      else this.#seen.deadlines++;
    }
  }

  /** Threads that took longer to obey than they are waited for. */
  async #gone(): Promise<void> {
    for (let left = SETTLED_WITHIN_MS; left > 0 && this.#pool.stats.workers.now > 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #checkCounters(): void {
    const { tasks, workers, stopped, refused, deadlinesPassed, byTask } = this.#pool.stats;
    assertEquals([tasks.queued, tasks.parked, tasks.inFlight], [0, 0, 0], "nothing waits or is under way");
    assertEquals(tasks.succeeded + tasks.failed, tasks.accepted, "each call is counted once");
    assertEquals([workers.now, workers.busy, workers.abandoned], [0, 0, 0], "no worker is left");
    const sum = Object.values(byTask).reduce((all, { succeeded, failed }) => all + succeeded + failed, 0);
    assertEquals(sum, tasks.accepted, "and once by its task");
    // Those of `map`, and of readers that have left, are seen by the pool alone.
    const all = Object.values(stopped).reduce((a, b) => a + b, 0);
    assert(all >= this.#seen.cancelled + this.#seen.deadlines, "all that were stopped are counted");
    assert(deadlinesPassed >= this.#seen.deadlines && deadlinesPassed <= all, "and by their deadlines");
    assert(refused.queueFull >= this.#seen.queueFull && refused.dropped >= this.#seen.dropped);
    assert(refused.hopeless >= this.#seen.refused);
  }

  async #within(promise: Promise<unknown>, what: () => string): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new Error(`${what()}: ${JSON.stringify([this.#settings, this.#pool.stats])}`));
    }, SETTLED_WITHIN_MS);
    try {
      await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function isFailure(error: unknown, message: string): boolean {
  return error instanceof TaskFailedError && error.remote.message === message;
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
