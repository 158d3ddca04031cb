/**
 * The contract of the compute pool: what a task is, what may be asked of a pool, what it answers. Types only.
 *
 * - A task is a function that the task module exports: `(input, context) => output`, sync or async, or a generator of
 *   either kind, which `stream` runs. It runs in a worker; inputs and outputs are structured clones.
 * - Every call settles exactly once, whatever the task, its worker or the pool do.
 * - What goes wrong in a task rejects that task only, with the remote stack. The main thread dies of nothing a task does.
 * - Every queue and count is bounded, and each bound has its answer: an error with a code, and a counter in `stats`.
 * - Cancelling takes two steps: the task is asked (a flag in shared memory, an `AbortSignal`), and after `graceMs` it is
 *   stopped. The error says in `how` which of the two it took.
 *
 * @module
 */

/** What a task gets as its second argument: how to hear that nobody wants its result any more. */
export interface TaskContext {
  /** Aborts when the task is cancelled or its deadline passes. Heard by tasks that wait; a loop that never waits reads `isCancelled`. */
  readonly signal: AbortSignal;
  /** Whether the task is cancelled: read from shared memory, so it changes while the task computes. */
  readonly isCancelled: boolean;
  /** Milliseconds left until the deadline; `Infinity` without one. */
  readonly remainingMs: number;
  /** Throws when the task is cancelled; for the middle of long loops. */
  throwIfCancelled(): void;
}

/** Anything that a module can export as a task. */
export type Task = (input: never, context: never) => unknown;

/** The parameters of a task. */
export type TaskParameters<F> = F extends (...parameters: infer A) => unknown ? A : never;

/** What a task takes; `undefined` when it takes nothing. */
export type TaskInput<F> = TaskParameters<F> extends [] ? undefined
  : TaskParameters<F> extends [(infer I)?, ...unknown[]] ? I
  : never;

/** What comes after a task's name: its input, which may be left out when the task can do without, and options. */
export type TaskArguments<F, Options> = TaskParameters<F> extends [] ? [input?: undefined, options?: Options]
  : TaskParameters<F> extends [infer I, ...unknown[]] ? [input: I, options?: Options]
  : [input?: TaskInput<F>, options?: Options];

/** What a task gives in the end. */
export type TaskOutput<F> = F extends (...parameters: never) => infer R ? Awaited<R> : never;

/** What a generator yields; `never` for any other task. */
export type TaskItem<F> = F extends (...parameters: never) => infer R ? [R] extends [never] ? never
  : R extends AsyncGenerator<infer T, unknown, never> ? T
  : R extends Generator<infer T, unknown, never> ? T
  : never
  : never;

/** Names of a module's tasks that `stream` runs: its generators. */
export type StreamName<M> =
  & { [K in keyof M]: [TaskItem<M[K]>] extends [never] ? never : K }[keyof M]
  & string;

/** Names of a module's tasks that `run` and `map` run: all its other functions. */
export type RunName<M> =
  & { [K in Exclude<keyof M, StreamName<M>>]: M[K] extends Task ? K : never }[Exclude<keyof M, StreamName<M>>]
  & string;

/**
 * What contains a task: a thread, which shares memory and starts fast, or a child process, which can always be killed.
 *
 * A thread of Deno cannot be stopped while it computes: there a cancelled task that does not listen is abandoned (counted
 * and limited, see `PoolOptions.abandonedMax`) unless it has a deadline. A child process costs some hundred milliseconds
 * to start, about three times the round trip, and a copy of all that goes in and out.
 */
export type Isolation = "thread" | "process";

/** What is done with a task for which the queue has no room. */
export type QueuePolicy = "wait" | "reject" | "drop-oldest";

/**
 * What becomes of the buffers in an input: `"auto"` gives away those of 64 KiB or more, `"copy"` none, a list exactly these.
 * A buffer that was given away is empty for the caller (`ArrayBuffer.detached`).
 */
export type TransferMode = "auto" | "copy" | readonly Transferable[];

/** How one task is run. */
export interface RunOptions {
  /** Cancels the task. */
  readonly signal?: AbortSignal;
  /** Milliseconds from now by which it has to be done, waiting included; default none. */
  readonly deadlineMs?: number;
  /** Each step up is worth `agingMs` of waiting; whole number, default 0. */
  readonly priority?: number;
  /** What becomes of the input's buffers; default the pool's. */
  readonly transfer?: TransferMode;
  /** Whose task it is: tags take turns, so that one tenant's flood does not starve another. Default `""`. */
  readonly tag?: string;
  /** What contains it; default the pool's. */
  readonly isolation?: Isolation;
}

/** How one stream is run. */
export interface StreamOptions extends RunOptions {
  /** Items that may be on their way or wait for the reader; default 16. */
  readonly credits?: number;
}

/** How a series of tasks is run. */
export interface MapOptions extends RunOptions {
  /** Inputs that are taken before the result of the first is read; default 4 per worker. */
  readonly lookAhead?: number;
}

/** Items of a stream, in order; leaving the loop cancels the task. */
export interface TaskStream<T> extends AsyncIterableIterator<T>, AsyncDisposable {
  /** The next item; rejects with what the task failed with. */
  next(): Promise<IteratorResult<T, undefined>>;
  /** Ends the stream and cancels the task; resolves once that is done. */
  return(): Promise<IteratorResult<T, undefined>>;
}

/** Options of `createPool`. */
export interface PoolOptions {
  /** Workers kept even when idle; default 0. */
  readonly workersMin?: number;
  /** Workers at most; default the number of processors. */
  readonly workersMax?: number;
  /** An idle worker above `workersMin` ends after so long; default 30,000. Workers are reused, not churned. */
  readonly idleTimeoutMs?: number;
  /** Tasks a worker runs at once; default 1. More is for tasks that wait. */
  readonly concurrency?: number;
  /** Tasks that wait at most; default 16,384. */
  readonly queueMax?: number;
  /** What is done with a task beyond that; default `"reject"`. With `"wait"` another `queueMax` calls may wait. */
  readonly queuePolicy?: QueuePolicy;
  /** Milliseconds of waiting that one step of priority is worth; default 1,000. */
  readonly agingMs?: number;
  /** Time a cancelled task has before it is stopped; default 500. */
  readonly graceMs?: number;
  /** What contains tasks that do not say; default `"thread"`, with a heap limit `"process"`. */
  readonly isolation?: Isolation;
  /** Threads that were given up while busy, at most; beyond, the pool refuses tasks until one has come back. Default 2. */
  readonly abandonedMax?: number;
  /** Longest stretch a task may compute without waiting: after that it is interrupted. Costs 30–140 µs a task; default none. */
  readonly stretchMsMax?: number;
  /** Heap of a worker, MiB: what needs more loses its worker. Needs isolation by process; not on Bun. Default the runtime's. */
  readonly heapMibMax?: number;
  /** Bytes that are copied to a worker with one task at most; default 16 MiB. More has to be transferred or shared. */
  readonly copyBytesMax?: number;
  /** What becomes of inputs' and outputs' buffers; default `"auto"`. */
  readonly transfer?: "auto" | "copy";
  /** Starts in a row that may fail before the pool does; default 3. */
  readonly startAttemptsMax?: number;
  /** Hears of errors in workers that belong to no running task; they are counted in any case. Default: nobody. */
  readonly onStrayError?: (error: unknown) => void;
}

/** A pool of workers for the tasks of one module. */
export interface Pool<M> extends AsyncDisposable {
  /**
   * Runs a task.
   *
   * @param name the function's name in the module
   * @param rest its input and options
   * @returns what the task returns
   */
  run<N extends RunName<M>>(
    name: N,
    ...rest: TaskArguments<M[N], RunOptions>
  ): Promise<TaskOutput<M[N]>>;
  /**
   * Runs a generator.
   *
   * @param name the function's name in the module
   * @param rest its input and options
   * @returns its items; it is at most `credits` items ahead of the reader
   */
  stream<N extends StreamName<M>>(
    name: N,
    ...rest: TaskArguments<M[N], StreamOptions>
  ): TaskStream<TaskItem<M[N]>>;
  /**
   * Runs a task for each of many inputs; results come in the inputs' order.
   *
   * @param name the function's name in the module
   * @param inputs taken as results are read, `lookAhead` ahead
   * @param options for each of the tasks
   */
  map<N extends RunName<M>>(
    name: N,
    inputs: Iterable<TaskInput<M[N]>> | AsyncIterable<TaskInput<M[N]>>,
    options?: MapOptions,
  ): AsyncGenerator<TaskOutput<M[N]>, void, undefined>;
  /**
   * Runs a function by its source: it sees its arguments and globals, nothing around it.
   *
   * @param fn a function expression or declaration, not a method or a built-in one
   * @param args what it is called with
   * @param options as for `run`
   */
  exec<A extends readonly unknown[], R>(
    fn: (...args: A) => R,
    args: A,
    options?: RunOptions,
  ): Promise<Awaited<R>>;
  /** Resolves as soon as the queue has room; for producers. Rejects when the pool has ended. */
  ready(): Promise<void>;
  /** What the pool has done and does; a snapshot. */
  readonly stats: PoolSnapshot;
  /** Takes no more tasks, finishes those it has, and ends the workers. */
  close(): Promise<void>;
  /** Rejects all tasks and ends the workers at once. Resolves when they are gone, but for those that were abandoned. */
  destroy(): Promise<void>;
}

/** How a task was stopped. */
export type StopKind =
  | "before start" // it never ran
  | "obeyed" // it ended within the grace period
  | "interrupted" // its stretch of computing was broken off; the worker goes on
  | "terminated" // its thread was
  | "killed" // its process was
  | "abandoned"; // its thread computes on, and is counted until it ends

/** Quantiles of a histogram. */
export interface Distribution {
  /** Values recorded. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** Median; 0 when there is none. */
  readonly p50: number;
  /** 90th percentile. */
  readonly p90: number;
  /** 99th percentile. */
  readonly p99: number;
  /** Largest. */
  readonly max: number;
}

/** Counts of one task of the module. */
export interface TaskStats {
  /** Calls that gave a result. */
  readonly succeeded: number;
  /** Calls that did not, for whatever reason, once they had been accepted. */
  readonly failed: number;
  /** How long it computed or waited in its worker, milliseconds. */
  readonly runMs: Distribution;
}

/** Counts of one worker that lives. */
export interface WorkerStats {
  /** Number of the worker, rising. */
  readonly id: number;
  /** What contains it. */
  readonly isolation: Isolation;
  /** What it does. */
  readonly state: "starting" | "idle" | "busy" | "stopping" | "abandoned";
  /** Tasks it has finished. */
  readonly finished: number;
  /** Tasks it has now, those that it has not started included. */
  readonly inFlight: number;
  /** Share of its life in which it had tasks, 0 to 1. */
  readonly utilisation: number;
}

/** What a pool has done and does. */
export interface PoolSnapshot {
  /** Tasks: waiting in the queue, waiting for room in it, and sent to a worker; then how those that were accepted ended. */
  readonly tasks: {
    readonly queued: number;
    readonly parked: number;
    readonly inFlight: number;
    readonly accepted: number;
    readonly succeeded: number;
    readonly failed: number;
  };
  /** Tasks that were refused or given up by a bound of the pool, by the bound. */
  readonly refused: {
    readonly queueFull: number;
    readonly dropped: number;
    readonly hopeless: number;
    readonly tooLarge: number;
    readonly saturated: number;
  };
  /** Tasks that were cancelled, by how they were stopped; those whose deadline passed included. */
  readonly stopped: Readonly<Record<StopKind, number>>;
  /** Of the stopped ones, those whose deadline had passed. */
  readonly deadlinesPassed: number;
  /** Workers now, and in all: started, crashed (ended by themselves), abandoned now. */
  readonly workers: {
    readonly now: number;
    readonly busy: number;
    readonly abandoned: number;
    readonly started: number;
    readonly crashed: number;
  };
  /** Tasks taken from a busy worker's inbox for an idle one. */
  readonly stolen: number;
  /** Messages with tasks: how many tasks went in one on average is `tasksSent / messages`. */
  readonly messages: number;
  /** See `messages`. */
  readonly tasksSent: number;
  /** Errors in workers that belonged to no running task. */
  readonly strayErrors: number;
  /** Share of the workers' life in which they had tasks, 0 to 1. */
  readonly utilisation: number;
  /** Time from the call to the start, milliseconds; the ways to and from the worker are counted here. */
  readonly waitMs: Distribution;
  /** Time in the worker, milliseconds. */
  readonly runMs: Distribution;
  /** Time from the call to the result, milliseconds. */
  readonly totalMs: Distribution;
  /** By name; `"exec"` stands for all of `exec`. */
  readonly byTask: Readonly<Record<string, TaskStats>>;
  /** The workers that live. */
  readonly byWorker: readonly WorkerStats[];
}
