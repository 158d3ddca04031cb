/**
 * A scope for concurrent work: what is started in it is over when it is over.
 *
 * Strategy: as in asyncio's TaskGroup and Trio's nurseries. Every task gets the group's signal. The first that fails
 * aborts it, and so the others; the group ends when all of them have ended, and then says what failed. JavaScript cannot
 * stop a task from outside, so a task that does not heed its signal is waited for no longer than `graceMs` and then
 * reported by name: a leak is an error, never silence.
 *
 * - What a task throws because the group was cancelled (the signal's reason, something caused by it, or an `AbortError`)
 *   is not a failure.
 * - Failures are thrown by `join()`, and by leaving the scope only when nobody joined: none is lost or told twice.
 * - `spawn` is refused once the group is cancelled or over, and above `tasksMax`.
 * - Groups nest by passing a task's signal to the inner group: cancelling the outer one cancels the inner one.
 *
 * Sources: https://docs.python.org/3/library/asyncio-task.html#task-groups; N. J. Smith, "Notes on structured
 * concurrency", 2018.
 *
 * @module
 */
import type { WaitOptions } from "./deadline.ts";
import { SluiceError } from "./errors.ts";
import type { Timer, Timers } from "./selector.ts";
import { SystemClock } from "./system_clock.ts";
import { TimerWheel } from "./timer_wheel.ts";
import { WaitQueue } from "./wait_queue.ts";

/** Default of `TaskGroupOptions.tasksMax`: as many as there may be connections on a listener. */
const TASKS_MAX = 16_384;
/** Default of `TaskGroupOptions.graceMs`: heeding a signal takes turns, not seconds; cleaning up may take some. */
const GRACE_MS = 5_000;
/** Names that the message of `TaskLeakError` spells out: more say nothing more. `names` has them all. */
const NAMES_SHOWN_MAX = 10;

/** Options of a `TaskGroup`. */
export interface TaskGroupOptions {
  /** Cancels the group when aborted; `join()` then throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Tasks at once. Default 16,384. */
  readonly tasksMax?: number | undefined;
  /** How long tasks may take to end after the group was cancelled, milliseconds. Default 5,000. */
  readonly graceMs?: number | undefined;
  /** What deadlines go by. Default: the machine's clock. */
  readonly timers?: Timers | undefined;
}

/** The reason of the group's signal when the group was cancelled; `cause` says why. */
export class TaskGroupCancelledError extends SluiceError {
  /** Makes the error. @param why what cancelled it */
  constructor(why: string, options?: ErrorOptions) {
    super("SLUICE_TASK_GROUP_CANCELLED", `Cannot go on with the task: ${why}`, options);
  }
}

/** `spawn` on a group that is cancelled or over. */
export class TaskGroupClosedError extends SluiceError {
  /** Takes no detail. */
  constructor() {
    super("SLUICE_TASK_GROUP_CLOSED", "Cannot spawn a task: its group is cancelled or over");
  }
}

/** `spawn` above `tasksMax`. */
export class TaskLimitError extends SluiceError {
  /** The bound that was reached. */
  readonly tasksMax: number;
  /** Makes the error. @param tasksMax the bound that was reached */
  constructor(tasksMax: number) {
    super("SLUICE_TASK_LIMIT", `Cannot spawn a task: ${tasksMax} are running already`);
    this.tasksMax = tasksMax;
  }
}

/** Tasks that were still running `graceMs` after their group was cancelled. */
export class TaskLeakError extends SluiceError {
  /** Their names. */
  readonly names: readonly string[];
  /** Makes the error. @param names of the tasks @param graceMs how long they were waited for */
  constructor(names: readonly string[], graceMs: number) {
    const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
    const rest = names.length > NAMES_SHOWN_MAX ? `, and ${names.length - NAMES_SHOWN_MAX} more` : "";
    super(
      "SLUICE_TASK_LEAK",
      `Cannot end the group: not over ${graceMs} ms after being cancelled: ${shown}${rest}`,
    );
    this.names = names;
  }
}

/** Deadlines by the machine's clock; the wheel is made when the first one is armed, since most groups arm none. */
class LazyTimers implements Timers {
  #wheel: TimerWheel | null = null;

  after(delayMs: number, callback: () => void): Timer {
    return this.#get().after(delayMs, callback);
  }

  idle(callback: () => void): Timer {
    return this.#get().idle(callback);
  }

  #get(): TimerWheel {
    return this.#wheel ??= new TimerWheel(new SystemClock());
  }
}

/** A running task; the object is its identity. */
interface Task {
  readonly name: string;
}

/**
 * A scope that cancels and awaits what was started in it.
 *
 * @example
 * ```ts
 * import { TaskGroup } from "@sluice/kit/io";
 *
 * await using group = new TaskGroup();
 * const one = group.spawn((_signal) => Promise.resolve(1));
 * const two = group.spawn((_signal) => Promise.resolve(2), "the second");
 * await group.join(); // throws what a task threw, after the others were cancelled and ended
 * console.log(await one + await two); // 3
 * ```
 */
export class TaskGroup implements AsyncDisposable {
  /** Tells the tasks to end. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onOuterAbort = () => this.#cancelWith(this.#outer!.reason);
  readonly #tasksMax: number;
  readonly #graceMs: number;
  readonly #timers: Timers;
  readonly #tasks = new Set<Task>();
  /** Who waits for the last task to end. */
  readonly #joins: WaitQueue<void>;
  readonly #failures: unknown[] = [];
  #graceTimer: Timer | null = null;
  #isOver = false;
  #spawned = 0;

  /**
   * Makes an empty group.
   *
   * @param options bounds, the outer signal, and what deadlines go by
   * @throws RangeError for a bound out of range
   */
  constructor(options: TaskGroupOptions = {}) {
    this.#tasksMax = options.tasksMax ?? TASKS_MAX;
    this.#graceMs = options.graceMs ?? GRACE_MS;
    if (!Number.isSafeInteger(this.#tasksMax) || this.#tasksMax < 1) {
      throw new RangeError(
        `Cannot make a task group: tasksMax must be a whole number above 0, not ${this.#tasksMax}`,
      );
    }
    if (!(this.#graceMs >= 0 && this.#graceMs < Infinity)) {
      throw new RangeError(
        `Cannot make a task group: graceMs must be finite and from 0 on, not ${this.#graceMs}`,
      );
    }
    this.#timers = options.timers ?? new LazyTimers();
    this.#joins = new WaitQueue(this.#timers);
    this.signal = this.#controller.signal;
    this.#outer = options.signal;
    if (this.#outer?.aborted) this.#cancelWith(this.#outer.reason);
    else this.#outer?.addEventListener("abort", this.#onOuterAbort);
  }

  /** Tasks that are running. */
  get size(): number {
    return this.#tasks.size;
  }

  /**
   * Starts a task; it runs up to its first `await` at once.
   *
   * @param task gets the group's signal and should end soon after it is aborted
   * @param name for the report of leaks. Default `task 1`, `task 2`, …
   * @returns the task's result; its failure is the group's to report, so the promise may be left alone
   * @throws TaskGroupClosedError, TaskLimitError
   */
  spawn<T>(task: (signal: AbortSignal) => T | PromiseLike<T>, name?: string): Promise<T> {
    if (this.#isOver || this.signal.aborted) throw new TaskGroupClosedError();
    if (this.#tasks.size >= this.#tasksMax) throw new TaskLimitError(this.#tasksMax);
    this.#spawned++;
    const entry: Task = { name: name ?? `task ${this.#spawned}` };
    this.#tasks.add(entry);
    const result = this.#run(task, entry);
    result.catch(() => {}); // reported by the group
    return result;
  }

  async #run<T>(task: (signal: AbortSignal) => T | PromiseLike<T>, entry: Task): Promise<T> {
    try {
      return await task(this.signal);
    } catch (error) {
      if (this.#isOwnCancellation(error)) throw error;
      // A task that was given up as a leak has nobody left to report to but whoever kept its promise.
      if (this.#tasks.has(entry)) this.#failures.push(error);
      this.#cancelWith(new TaskGroupCancelledError("another task of its group failed", { cause: error }));
      throw error;
    } finally {
      if (this.#tasks.delete(entry) && this.#tasks.size === 0) this.#ended();
    }
  }

  /**
   * Tells all tasks to end; no more can be spawned. Idempotent. `join()` waits for them and does not take it for a failure.
   *
   * @param reason the `cause` of the signal's reason
   */
  cancel(reason?: unknown): void {
    this.#cancelWith(new TaskGroupCancelledError("its group was cancelled", { cause: reason }));
  }

  /**
   * Waits until every task has ended, those that are spawned meanwhile included; then the group is over.
   *
   * @param options signal and deadline of this wait only; giving it up leaves the group as it is
   * @throws the error of the task that failed, or an AggregateError of several; the outer signal's reason; TaskLeakError
   *   for tasks that did not end after being cancelled; what `WaitOptions` says
   */
  async join(options: WaitOptions = {}): Promise<void> {
    while (this.#tasks.size > 0) await this.#joins.wait(options, "Cannot join the tasks");
    this.#isOver = true;
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
    const failures = this.#failures;
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) {
      throw new AggregateError(failures, `Cannot go on: ${failures.length} tasks failed`);
    }
    if (this.#outer?.aborted && this.signal.reason === this.#outer.reason) throw this.#outer.reason;
  }

  /** Leaves the scope: cancels what is running and waits for it; throws what `join` would, unless that was thrown. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.cancel("its scope was left");
    await this.join();
  }

  #cancelWith(reason: unknown): void {
    if (this.#isOver || this.signal.aborted) return;
    this.#controller.abort(reason);
    if (this.#tasks.size > 0) this.#graceTimer = this.#timers.after(this.#graceMs, () => this.#giveUp());
  }

  /** Whether `error` only says that the group was cancelled. */
  #isOwnCancellation(error: unknown): boolean {
    if (!this.signal.aborted) return false;
    const { reason } = this.signal;
    return error === reason ||
      (error instanceof Error && (error.name === "AbortError" || error.cause === reason));
  }

  /** Stops waiting for tasks that do not end. */
  #giveUp(): void {
    this.#failures.push(new TaskLeakError([...this.#tasks].map((task) => task.name), this.#graceMs));
    this.#tasks.clear();
    this.#ended();
  }

  /** The last task ended. */
  #ended(): void {
    this.#graceTimer?.cancel();
    this.#joins.wakeAll();
  }
}
