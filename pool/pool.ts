/**
 * The pool as its users see it: checks what it is asked, makes calls of it, and hands them to the lane of their isolation.
 *
 * @module
 */
import { AlarmClock } from "./alarm_clock.ts";
import { InputTooLargeError, PoolUnsupportedError } from "./errors.ts";
import { Lane } from "./lane.ts";
import { Ledger } from "./ledger.ts";
import { mapInputs } from "./map_inputs.ts";
import type {
  Isolation,
  MapOptions,
  Pool,
  PoolOptions,
  PoolSnapshot,
  RunName,
  RunOptions,
  StreamName,
  StreamOptions,
  TaskArguments,
  TaskInput,
  TaskItem,
  TaskOutput,
  TaskStream,
  TransferMode,
} from "./pool_contract.ts";
import { EXEC } from "./protocol.ts";
import { ResultStream } from "./result_stream.ts";
import { type Settings, settle } from "./settings.ts";
import { Task, type TaskSink } from "./task.ts";
import { pack, type Parcel } from "./transfer_list.ts";
import { openProcess } from "./worker_process.ts";
import { keepsHeapLimits, startChoreTimer, startTimer, stopsBusyThreads } from "./worker_runtime.ts";
import { openThread } from "./worker_thread.ts";

/** Enough for a reader that is a message behind, little enough for large items. */
const CREDITS = 16;
/** Inputs taken ahead per worker: one that runs, and some that fill its inbox. */
const LOOK_AHEAD_PER_WORKER = 4;

const NO_OPTIONS: RunOptions = {};

/** What sending a number takes. */
const NOTHING: Parcel = { copyBytes: 0, transfer: [] };

/** What a function's source looks like when it is the runtime's own. */
const NATIVE_CODE = /\{\s*\[native code\]\s*\}\s*$/;

/**
 * Makes a pool of workers for the tasks of a module.
 *
 * Workers start with the first tasks; a module that does not load fails the tasks, and the pool, with `PoolFailedError`.
 *
 * @param moduleUrl the task module, usually `new URL("./tasks.ts", import.meta.url)`
 * @param options bounds and policies
 * @throws RangeError or TypeError for options that cannot be, PoolUnsupportedError for a heap limit on Bun
 * @example
 * ```ts ignore
 * // tasks.ts
 * import type { TaskContext } from "@sluice/kit/pool";
 *
 * export function countPrimes(limit: number, context: TaskContext): number {
 *   let count = 0;
 *   for (let n = 2; n < limit; n++) {
 *     if (n % 1024 === 0) context.throwIfCancelled();
 *     if (isPrime(n)) count++;
 *   }
 *   return count;
 * }
 *
 * // main.ts
 * import { createPool } from "@sluice/kit/pool";
 *
 * await using pool = createPool<typeof import("./tasks.ts")>(new URL("./tasks.ts", import.meta.url));
 * console.log(await pool.run("countPrimes", 1_000_000, { deadlineMs: 2_000 }));
 * ```
 */
export function createPool<M>(moduleUrl: URL | string, options: PoolOptions = {}): Pool<M> {
  return new ModulePool<M>(String(moduleUrl), settle(options));
}

/** What runs a module's tasks. */
class ModulePool<M> implements Pool<M> {
  readonly #moduleUrl: string;
  readonly #settings: Settings;
  readonly #ledger = new Ledger();
  readonly #alarms = new AlarmClock(startTimer);
  readonly #chores = new AlarmClock(startChoreTimer);
  readonly #lanes = new Map<Isolation, Lane>();
  #ending: Promise<void> | null = null;

  constructor(moduleUrl: string, settings: Settings) {
    this.#moduleUrl = moduleUrl;
    this.#settings = settings;
    if (settings.workersMin > 0 || settings.heapMibMax > 0) this.#lane(settings.isolation);
  }

  run<N extends RunName<M>>(name: N, ...rest: TaskArguments<M[N], RunOptions>): Promise<TaskOutput<M[N]>> {
    return this.#run(name, name, rest[0], rest[1] ?? NO_OPTIONS) as Promise<TaskOutput<M[N]>>;
  }

  stream<N extends StreamName<M>>(
    name: N,
    ...[input, given = {}]: TaskArguments<M[N], StreamOptions>
  ): TaskStream<TaskItem<M[N]>> {
    const options = given as StreamOptions;
    const credits = options.credits ?? CREDITS;
    needCount("credits", credits);
    const lane = this.#lane(options.isolation ?? this.#settings.isolation);
    const stream: ResultStream<TaskItem<M[N]>> = new ResultStream(credits, {
      grant: (more) => lane.grant(task, more),
      setLagging: (isLagging) => lane.setLagging(task, isLagging),
      cancel: () => lane.cancel(task, new DOMException("The reader has left the stream.", "AbortError")),
    });
    const task = this.#task(name, name, input, options, credits, stream);
    if (!task.isSettled) lane.submit(task);
    return stream;
  }

  map<N extends RunName<M>>(
    name: N,
    inputs: Iterable<TaskInput<M[N]>> | AsyncIterable<TaskInput<M[N]>>,
    options: MapOptions = {},
  ): AsyncGenerator<TaskOutput<M[N]>, void, undefined> {
    const { workersMax, concurrency } = this.#settings;
    const lookAhead = options.lookAhead ?? LOOK_AHEAD_PER_WORKER * workersMax * concurrency;
    needCount("lookAhead", lookAhead);
    return mapInputs(inputs, lookAhead, (input, left) => {
      const signal = options.signal === undefined ? left : AbortSignal.any([left, options.signal]);
      return this.#run(name, name, input, { ...options, signal }) as Promise<TaskOutput<M[N]>>;
    });
  }

  exec<A extends readonly unknown[], R>(
    fn: (...args: A) => R,
    args: A,
    options: RunOptions = {},
  ): Promise<Awaited<R>> {
    const source = String(fn);
    if (NATIVE_CODE.test(source)) {
      return Promise.reject(
        new TypeError("Cannot run the function elsewhere: its source is the runtime's own"),
      );
    }
    return this.#run(EXEC, "exec", { source, args }, options) as Promise<Awaited<R>>;
  }

  ready(): Promise<void> {
    return this.#lane(this.#settings.isolation).ready();
  }

  get stats(): PoolSnapshot {
    const now = performance.now();
    const { counters, refused, stopped } = this.#ledger;
    const lanes = [...this.#lanes.values()];
    const byWorker = lanes.flatMap((lane) => lane.crew.stats(now));
    const sum = (pick: (lane: Lane) => number): number => lanes.reduce((all, lane) => all + pick(lane), 0);
    let { busyMs, lifeMs } = this.#ledger;
    for (const lane of lanes) {
      for (const worker of lane.crew.workers) {
        const [busy, life] = worker.busyAndLifeMs(now);
        busyMs += busy;
        lifeMs += life;
      }
    }
    return {
      tasks: {
        queued: sum(({ counts }) => counts.queued),
        parked: sum(({ counts }) => counts.parked),
        inFlight: sum(({ counts }) => counts.inFlight),
        accepted: counters.accepted,
        succeeded: counters.succeeded,
        failed: counters.failed,
      },
      refused: { ...refused },
      stopped: { ...stopped },
      deadlinesPassed: counters.deadlinesPassed,
      workers: {
        now: byWorker.length,
        busy: byWorker.filter(({ inFlight }) => inFlight > 0).length,
        abandoned: sum(({ crew }) => crew.abandoned),
        started: counters.started,
        crashed: counters.crashed,
      },
      stolen: counters.stolen,
      messages: counters.messages,
      tasksSent: counters.tasksSent,
      strayErrors: counters.strayErrors,
      utilisation: lifeMs > 0 ? busyMs / lifeMs : 0,
      ...this.#ledger.snapshot(),
      byWorker,
    };
  }

  close(): Promise<void> {
    return this.#ending ??= this.#end((lane) => lane.close());
  }

  destroy(): Promise<void> {
    return this.#ending = this.#end((lane) => lane.destroy());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(end: (lane: Lane) => Promise<void>): Promise<void> {
    this.#lane(this.#settings.isolation); // so that one that was never used refuses as well
    await Promise.all([...this.#lanes.values()].map(end));
    this.#alarms.clear();
    this.#chores.clear();
  }

  /** The lane of an isolation, made when it is first needed. */
  #lane(isolation: Isolation): Lane {
    let lane = this.#lanes.get(isolation);
    if (lane === undefined) {
      if (this.#settings.heapMibMax > 0) needLimits(isolation);
      const isOwn = isolation === this.#settings.isolation;
      lane = new Lane({
        isolation,
        moduleUrl: this.#moduleUrl,
        settings: isOwn ? this.#settings : { ...this.#settings, workersMin: 0 },
        ledger: this.#ledger,
        alarms: this.#alarms,
        chores: this.#chores,
        open: isolation === "thread" ? openThread : openProcess,
        interrupts: isolation === "thread" && !stopsBusyThreads(),
      });
      this.#lanes.set(isolation, lane);
    }
    return lane;
  }

  #run(name: string, label: string, input: unknown, options: RunOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const task = this.#task(name, label, input, options, 0, { succeed: resolve, fail: reject });
      if (!task.isSettled) this.#lane(options.isolation ?? this.#settings.isolation).submit(task);
    });
  }

  /** Makes a call; one that is too large has failed. @throws RangeError for options that cannot be */
  #task(
    name: string,
    label: string,
    input: unknown,
    options: RunOptions,
    credits: number,
    sink: TaskSink,
  ): Task {
    const { deadlineMs = Infinity, priority = 0, tag = "", signal } = options;
    if (!(deadlineMs > 0)) throw new RangeError(`Cannot use ${deadlineMs} as deadlineMs: it must be above 0`);
    if (!Number.isSafeInteger(priority)) {
      throw new RangeError(`Cannot use ${priority} as priority: it must be a whole number`);
    }
    const isProcess = (options.isolation ?? this.#settings.isolation) === "process";
    const mode = isProcess ? "copy" : options.transfer ?? this.#settings.transfer;
    const parcel = isSmall(input, mode) ? NOTHING : packed(input, mode);
    const call = { name, label, input, tag, priority, deadlineMs, credits, signal };
    const task = new Task(call, this.#ledger.record(label), parcel.transfer, sink, performance.now());
    const { copyBytesMax } = this.#settings;
    if (parcel.copyBytes > copyBytesMax) {
      this.#ledger.refused.tooLarge++;
      task.fail(new InputTooLargeError(label, parcel.copyBytes, copyBytesMax));
    }
    return task;
  }
}

/** Whether there is nothing to look at: numbers and the like are the most common input. */
function isSmall(input: unknown, mode: TransferMode): boolean {
  return typeof input !== "object" && typeof input !== "string" && typeof mode === "string";
}

function packed(input: unknown, mode: TransferMode): Parcel {
  const parcel: Parcel = { copyBytes: 0, transfer: [] };
  pack(input, mode, parcel);
  return parcel;
}

/** Throws where a heap limit is not kept. A thread's is not kept for sure: V8 ends the process when one step goes too far beyond it. */
function needLimits(isolation: Isolation): void {
  if (isolation === "process" && keepsHeapLimits()) return;
  const why = isolation === "thread" ? "a thread's limit does not protect the process" : "Bun keeps to none";
  throw new PoolUnsupportedError("Cannot limit the heap of workers", why);
}

function needCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RangeError(`Cannot use ${value} as ${name}: it must be a whole number from 1 on`);
}
