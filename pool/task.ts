/**
 * One call of a task, from when it is accepted until it settles; which it does exactly once.
 *
 * @module
 */
import type { Alarm } from "./alarm_clock.ts";
import type { TaskRecord } from "./ledger.ts";

/** Where a call is. */
export type TaskState = "parked" | "queued" | "sent" | "settled";

/** What a call is made of. */
export interface TaskCall {
  /** The task's name in its module, or one of the host's own. */
  readonly name: string;
  /** What it is known by in errors and counters. */
  readonly label: string;
  /** What it takes. */
  readonly input: unknown;
  /** Whose it is. */
  readonly tag: string;
  /** Steps of priority. */
  readonly priority: number;
  /** Milliseconds from the call by which it has to be done; `Infinity` for none. */
  readonly deadlineMs: number;
  /** Items it may send before the reader asks for more; 0 for a task that is no stream. */
  readonly credits: number;
  /** Cancels it. */
  readonly signal: AbortSignal | undefined;
}

/** Where a call's outcome goes. */
export interface TaskSink {
  /** It gave its result. */
  succeed(value: unknown): void;
  /** It did not. */
  fail(error: unknown): void;
  /** It yielded; streams only. */
  items?(items: readonly unknown[]): void;
}

/** The worker that has a call. */
export interface TaskOwner {
  /** Its number. */
  readonly id: number;
  /** Takes the call back, if it has not begun; returns whether that was so. */
  takeBack(task: Task): boolean;
  /** Asks it to stop. */
  requestStop(task: Task): void;
  /** Lets it send more items. */
  grant(task: Task, credits: number): void;
  /** Streams of it that wait for their reader. */
  lagging: number;
}

/** One call. */
export class Task {
  /** What was asked. */
  readonly call: TaskCall;
  /** When, on the clock of `performance.now()`. */
  readonly calledAt: number;
  /** By when it has to be done, on the same clock. */
  readonly deadlineAt: number;
  /** Rank among calls of the same tag: the earlier first. Set by the queue. */
  due = 0;
  /** Order of acceptance: tells equal ranks apart. Set by the queue. */
  sequence = 0;
  /** Where it is. */
  state: TaskState = "parked";
  /** Whether it has given a result. */
  hasSucceeded = false;
  /** The worker's slot it has; -1 while it has none. */
  slot = -1;
  /** Whether it was asked to stop, and why: its deadline passed, or its signal aborted with this reason. */
  stop: { readonly isDeadline: boolean; readonly reason: unknown } | null = null;
  /** What of its input is given away when it is sent; with anything here it cannot be sent a second time. */
  readonly transfer: readonly Transferable[];
  /** The worker that has it. */
  owner: TaskOwner | null = null;
  /** What it is expected to take, milliseconds; 0 for not known. Set when it is accepted. */
  expectedMs = 0;
  /** Whether it is a stream that waits for its reader. */
  isLagging = false;
  /** Rings when its deadline passes, or the time it has to stop. */
  alarm: Alarm | null = null;
  /** Takes its listener off its signal. */
  unlisten: (() => void) | null = null;
  /** Called once when it has settled, before its caller hears of it. */
  onSettled: ((task: Task) => void) | null = null;
  /** What is known of its task. */
  readonly record: TaskRecord;
  readonly #sink: TaskSink;

  /**
   * Makes a call.
   *
   * @param call what is asked
   * @param record what is known of its task
   * @param transfer what of its input is given away
   * @param sink where the outcome goes
   * @param now the time
   */
  constructor(
    call: TaskCall,
    record: TaskRecord,
    transfer: readonly Transferable[],
    sink: TaskSink,
    now: number,
  ) {
    this.record = record;
    this.transfer = transfer;
    this.call = call;
    this.calledAt = now;
    this.deadlineAt = now + call.deadlineMs;
    this.#sink = sink;
  }

  /** Whether it is over. */
  get isSettled(): boolean {
    return this.state === "settled";
  }

  /** Ends it with a result; returns whether it was not over yet. */
  succeed(value: unknown): boolean {
    if (!this.#settle(true)) return false;
    this.#sink.succeed(value);
    return true;
  }

  /** Ends it with an error; returns whether it was not over yet. */
  fail(error: unknown): boolean {
    if (!this.#settle(false)) return false;
    this.#sink.fail(error);
    return true;
  }

  /** Hands on what it yielded, unless it is over. */
  items(items: readonly unknown[]): void {
    if (!this.isSettled) this.#sink.items?.(items);
  }

  #settle(hasSucceeded: boolean): boolean {
    if (this.state === "settled") return false;
    this.hasSucceeded = hasSucceeded;
    this.state = "settled";
    const { onSettled } = this;
    this.onSettled = null;
    onSettled?.(this);
    return true;
  }
}
