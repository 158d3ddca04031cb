/**
 * All calls of one kind of isolation, from being accepted to being settled: joins the waiting room, the crew, the dispatcher and the stopper.
 *
 * Calls that are made in one turn are dispatched together, in a microtask after it: that is what fills messages.
 *
 * @module
 */
import type { AlarmClock } from "./alarm_clock.ts";
import { Crew, type CrewParts } from "./crew.ts";
import { Dispatcher } from "./dispatcher.ts";
import {
  PoolClosedError,
  PoolSaturatedError,
  TaskCloneError,
  TaskDeadlineError,
  TaskFailedError,
} from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import type { OutcomeListener, PoolWorker } from "./pool_worker.ts";
import {
  DONE,
  INTERRUPTED,
  ITEMS,
  type Message,
  type RemoteError,
  SKIPPED,
  STRAY,
  STRUCK,
  SUCCEEDED,
  UNCLONEABLE,
} from "./protocol.ts";
import type { Settings } from "./settings.ts";
import { Stopper } from "./stopper.ts";
import type { Task } from "./task.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** What a lane is made of. */
export type LaneParts = Omit<CrewParts, "events">;

/** The calls of one kind of isolation. */
export class Lane {
  readonly #settings: Settings;
  readonly #ledger: Ledger;
  readonly #alarms: AlarmClock;
  readonly #room: WaitingRoom;
  readonly #crew: Crew;
  readonly #dispatcher: Dispatcher;
  readonly #stopper: Stopper;
  /** How many calls are accepted and have not settled. */
  #live = 0;
  #isDispatchSoon = false;
  /** Why nothing is accepted any more. */
  #refusal: ((doing: string) => Error) | null = null;
  /** Called when something has ended that `close` or `destroy` waits for. */
  #onChange: (() => void) | null = null;

  /** Makes a lane; `workersMin` workers start at once. */
  constructor(parts: LaneParts) {
    const { settings, ledger, alarms } = parts;
    this.#settings = settings;
    this.#ledger = ledger;
    this.#alarms = alarms;
    this.#room = new WaitingRoom(settings, ledger);
    const events = {
      ready: (worker: PoolWorker) => this.#ready(worker),
      message: (worker: PoolWorker, message: Message) => this.#receive(worker, message),
      gone: (worker: PoolWorker, exitCode: number | null, why: unknown) => this.#lost(worker, exitCode, why),
      paused: () => this.#refill(),
      failed: (errorFor: (doing: string) => Error) => this.#fail(errorFor),
    };
    this.#crew = new Crew({ ...parts, events });
    this.#dispatcher = new Dispatcher(settings, this.#room, this.#crew, ledger, alarms);
    this.#stopper = new Stopper(
      settings,
      this.#room,
      this.#crew,
      this.#dispatcher,
      ledger,
      alarms,
      parts.interrupts,
    );
    this.#crew.grow(settings.workersMin, performance.now());
  }

  /** Calls that wait for a worker, that wait for room, and that a worker has. */
  get counts(): { queued: number; parked: number; inFlight: number } {
    const { size: queued, parked } = this.#room;
    return { queued, parked, inFlight: this.#live - queued - parked };
  }

  /** The workers. */
  get crew(): Crew {
    return this.#crew;
  }

  /** Accepts a call, or fails it. */
  submit(task: Task): void {
    const refusal = this.#refusalOf(task);
    if (refusal !== null) return void task.fail(refusal);
    const { call } = task;
    task.expectedMs = task.record.meanMs;
    try {
      this.#room.admit(task);
    } catch (error) {
      task.fail(error);
      return;
    }
    this.#ledger.counters.accepted++;
    this.#live++;
    task.onSettled = this.#onSettled;
    if (call.deadlineMs !== Infinity) {
      if (this.#isHopeless(task)) return this.#refuseDeadline(task);
      task.alarm = this.#alarms.set(task.deadlineAt, () => this.#stopper.stop(task, true, undefined));
    }
    if (call.signal !== undefined) this.#listen(task, call.signal);
    this.#dispatchSoon();
  }

  /** Cancels a call. @param reason why */
  cancel(task: Task, reason: unknown): void {
    this.#stopper.stop(task, false, reason);
  }

  /** Lets a stream go on. */
  grant(task: Task, credits: number): void {
    if (!task.isSettled) task.owner?.grant(task, credits);
  }

  /** Notes whether a stream waits for its reader; if so, another call may have its place. */
  setLagging(task: Task, isLagging: boolean): void {
    const { owner } = task;
    if (owner === null || task.isLagging === isLagging) return;
    task.isLagging = isLagging;
    owner.lagging += isLagging ? 1 : -1;
    if (isLagging) this.#dispatchSoon();
  }

  /** Resolves when the queue has room. */
  ready(): Promise<void> {
    const refusal = this.#refusal?.("Cannot wait for room");
    return refusal === undefined ? this.#room.ready() : Promise.reject(refusal);
  }

  /** Takes no more calls, finishes those it has, ends the workers. */
  async close(): Promise<void> {
    this.#refusal ??= (doing) => new PoolClosedError(doing);
    await this.#until(() => this.#live === 0);
    await this.#end();
  }

  /** Fails all calls and ends the workers. */
  async destroy(): Promise<void> {
    this.#refusal = (doing) => new PoolClosedError(doing, "the pool was destroyed");
    this.#room.failAll(this.#refusal);
    for (const worker of this.#crew.workers) {
      for (const task of worker.tasks()) {
        // What has not begun never does, and a thread that computes is gone as soon as it has obeyed.
        if (!worker.takeBack(task)) worker.requestStop(task);
        task.fail(this.#refusal(`Cannot finish ${task.call.label}`));
      }
    }
    await this.#end();
  }

  /** Ends the workers and waits until they are gone, but for threads that compute on. */
  async #end(): Promise<void> {
    this.#crew.end();
    const now = performance.now();
    const alarms = [true, false].map((isBusy) =>
      this.#alarms.set(now + this.#stopper.stopMs(isBusy), () => {
        for (const worker of [...this.#crew.workers]) {
          if (worker.inFlight > 0 || !isBusy) this.#stopper.giveUp(worker);
        }
        this.#onChange?.();
      })
    );
    await this.#until(() => this.#crew.lasting === 0);
    for (const alarm of alarms) this.#alarms.cancel(alarm);
  }

  #until(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onChange;
      this.#onChange = () => {
        before?.();
        if (isSo()) resolve();
      };
    });
  }

  #refusalOf(task: Task): Error | null {
    const { label } = task.call;
    if (this.#refusal !== null) return this.#refusal(`Cannot run ${label}`);
    const { abandoned } = this.#crew;
    if (abandoned <= this.#settings.abandonedMax) return null;
    this.#ledger.refused.saturated++;
    return new PoolSaturatedError(label, abandoned);
  }

  /** Whether a call that was just queued cannot be done in time, even if everything took half as long as usual. */
  #isHopeless(task: Task): boolean {
    const places = this.#settings.workersMax * this.#settings.concurrency;
    const aheadMs = this.#room.isLast(task) ? (this.#room.expectedMs - task.expectedMs) / places : 0;
    return (aheadMs + task.expectedMs) / 2 > task.call.deadlineMs;
  }

  #refuseDeadline(task: Task): void {
    this.#room.forget(task);
    this.#ledger.refused.hopeless++;
    task.fail(new TaskDeadlineError(task.call.label, task.call.deadlineMs, "refused"));
  }

  #listen(task: Task, signal: AbortSignal): void {
    const stop = (): void => this.#stopper.stop(task, false, signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    task.unlisten = () => signal.removeEventListener("abort", stop);
  }

  readonly #onSettled = (task: Task): void => {
    this.#live--;
    const { counters } = this.#ledger;
    if (task.hasSucceeded) {
      counters.succeeded++;
      task.record.succeeded++;
    } else {
      counters.failed++;
      task.record.failed++;
    }
    if (task.alarm !== null) this.#alarms.cancel(task.alarm);
    task.alarm = null;
    task.unlisten?.();
    task.unlisten = null;
    if (this.#live === 0) this.#onChange?.();
  };

  #dispatchSoon(): void {
    if (this.#isDispatchSoon) return;
    this.#isDispatchSoon = true;
    queueMicrotask(() => {
      this.#isDispatchSoon = false;
      this.#dispatcher.dispatch(performance.now());
    });
  }

  #refill(): void {
    const now = performance.now();
    if (this.#refusal === null) this.#crew.grow(this.#settings.workersMin, now);
    this.#dispatcher.dispatch(now);
  }

  #ready(worker: PoolWorker): void {
    const now = performance.now();
    worker.idleSince = now;
    this.#dispatcher.dispatch(now);
    if (worker.inFlight === 0) this.#crew.noteIdle(now);
  }

  #receive(worker: PoolWorker, message: Message): void {
    const [kind, detail] = message;
    if (kind === DONE) {
      const now = performance.now();
      worker.receive(message, now, this.#settle);
      if (worker.isRetiring) {
        this.#dispatcher.reclaim(worker);
        if (worker.inFlight === 0) this.#crew.retire(worker);
      }
      this.#dispatcher.dispatch(now);
      if (worker.inFlight === 0) this.#crew.noteIdle(now);
    } else if (kind === ITEMS) {
      worker.heardAt = performance.now();
      worker.taskAt(detail as number)?.items(message.slice(2));
    } else if (kind === STRAY) {
      this.#noteStray(detail as RemoteError);
      this.#crew.retire(worker);
      this.#dispatcher.reclaim(worker);
      this.#refill();
    }
  }

  #noteStray(remote: RemoteError): void {
    this.#ledger.counters.strayErrors++;
    this.#settings.onStrayError?.(new TaskFailedError("a task that had ended", remote));
  }

  readonly #settle: OutcomeListener = (worker, task, kind, value, runMs, now): void => {
    const { label } = task.call;
    if (kind === STRUCK) worker.isRetiring = true;
    else this.#crew.noteHealth();
    if (task.isSettled) return;
    if (kind === SKIPPED) return this.#stopper.settle(task, "before start");
    this.#ledger.ran(task.record, now - task.calledAt, runMs);
    // The deadline may have passed for the worker before it is noticed here; what was given in spite of it is welcome.
    if (kind !== SUCCEEDED && now > task.deadlineAt) task.stop ??= { isDeadline: true, reason: undefined };
    if (task.stop !== null) {
      return this.#stopper.settle(task, kind === INTERRUPTED ? "interrupted" : "obeyed");
    }
    if (kind === SUCCEEDED) return void task.succeed(value);
    if (kind === INTERRUPTED) return this.#stopper.settle(task, "interrupted", this.#stretchError());
    if (kind === UNCLONEABLE) return void task.fail(new TaskCloneError(label, "output", String(value)));
    task.fail(new TaskFailedError(label, value as RemoteError));
  };

  #stretchError(): Error {
    return new RangeError(`it computed for more than ${this.#settings.stretchMsMax} ms without waiting`);
  }

  #lost(worker: PoolWorker, exitCode: number | null, why: unknown): void {
    this.#stopper.lose(worker, exitCode, why);
    this.#refill();
    this.#onChange?.();
  }

  #fail(errorFor: (doing: string) => Error): void {
    this.#refusal ??= errorFor;
    this.#room.failAll(errorFor);
    this.#onChange?.();
  }
}
