/**
 * Stops calls: asks first, then uses force, and says which it took.
 *
 * 1. A call that has not begun is taken back: `"before start"`.
 * 2. One that has begun is asked, by its word in shared memory and a message. It has `graceMs`; if it ends meanwhile, whatever its
 *    result: `"obeyed"`. A worker that interrupts tasks by their deadline does it then, by itself: `"interrupted"`.
 * 3. Then its worker is stopped: `"terminated"`, or `"killed"` for a process. What else that worker had and had not begun waits again; what
 *    had begun is lost. A thread that goes on after `STOP_MS` is given up: `"abandoned"`.
 *
 * @module
 */
import type { AlarmClock } from "./alarm_clock.ts";
import type { Crew } from "./crew.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { type PoolError, TaskCancelledError, TaskDeadlineError, WorkerLostError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import type { StopKind } from "./pool_contract.ts";
import type { PoolWorker } from "./pool_worker.ts";
import type { Settings } from "./settings.ts";
import type { Task } from "./task.ts";
import type { WaitingRoom } from "./waiting_room.ts";

/** Time a thread that was told to end has before it counts as abandoned, where threads cannot be stopped while they compute. */
const STOP_MS = 250;
/** The same where they can: then it only means that the machine is busy. */
const STOP_SURE_MS = 5_000;
/** Where deadlines interrupt: time the interruption has beyond the grace period before force is used. */
const INTERRUPT_MS = 500;

/** Stops calls. */
export class Stopper {
  readonly #settings: Settings;
  readonly #room: WaitingRoom;
  readonly #crew: Crew;
  readonly #dispatcher: Dispatcher;
  readonly #ledger: Ledger;
  readonly #alarms: AlarmClock;
  readonly #interrupts: boolean;
  /** Calls whose workers were stopped because of them. */
  readonly #victims = new Map<PoolWorker, Task>();

  /** Joins the parts. @param interrupts whether deadlines interrupt what computes */
  constructor(
    settings: Settings,
    room: WaitingRoom,
    crew: Crew,
    dispatcher: Dispatcher,
    ledger: Ledger,
    alarms: AlarmClock,
    interrupts: boolean,
  ) {
    this.#settings = settings;
    this.#room = room;
    this.#crew = crew;
    this.#dispatcher = dispatcher;
    this.#ledger = ledger;
    this.#alarms = alarms;
    this.#interrupts = interrupts;
  }

  /** Stops a call. @param isDeadline whether because of its deadline @param reason its signal's reason otherwise */
  stop(task: Task, isDeadline: boolean, reason: unknown): void {
    if (task.isSettled || task.stop !== null) return;
    task.stop = { isDeadline, reason };
    if (task.alarm !== null) this.#alarms.cancel(task.alarm);
    task.alarm = null;
    const { owner } = task;
    if (owner === null) this.#room.forget(task);
    if (owner === null || owner.takeBack(task)) return this.settle(task, "before start");
    owner.requestStop(task);
    const { graceMs } = this.#settings;
    const isInterrupted = this.#interrupts && task.deadlineAt !== Infinity && isDeadline;
    const at = performance.now() + graceMs + (isInterrupted ? INTERRUPT_MS : 0);
    task.alarm = this.#alarms.set(at, () => this.#force(task));
  }

  /** Time that a worker which was told to end has to do so, milliseconds. @param isBusy whether it has calls */
  stopMs(isBusy: boolean): number {
    return isBusy && this.#interrupts ? STOP_MS : STOP_SURE_MS;
  }

  /** Fails a call that was stopped. @param how how @param cause why, unless its signal says */
  settle(task: Task, how: StopKind, cause: unknown = task.stop?.reason): void {
    const { stop, call } = task;
    if (task.isSettled) return;
    const { label, deadlineMs } = call;
    this.#ledger.stopped[how]++;
    if (stop?.isDeadline) this.#ledger.counters.deadlinesPassed++;
    const error: PoolError = stop?.isDeadline
      ? new TaskDeadlineError(label, deadlineMs, how)
      : new TaskCancelledError(label, how, { cause });
    task.fail(error);
  }

  /** Fails all calls that a worker had when it went. @param exitCode its exit code @param why what the runtime said */
  lose(worker: PoolWorker, exitCode: number | null, why: unknown): void {
    const victim = this.#victims.get(worker);
    this.#victims.delete(worker);
    if (victim !== undefined) {
      this.settle(victim, worker.link.isolation === "process" ? "killed" : "terminated");
    }
    this.#dispatcher.reclaim(worker);
    const said = why === undefined ? "" : `: ${why instanceof Error ? why.message : String(why)}`;
    const reason = victim === undefined
      ? `its worker ended with code ${exitCode}${said}`
      : "its worker was stopped because of another task";
    for (const task of worker.tasks()) {
      if (task.stop === null) {
        task.fail(new WorkerLostError(task.call.label, reason, exitCode, { cause: why }));
      } else this.settle(task, worker.link.isolation === "process" ? "killed" : "terminated");
    }
  }

  /** Stops the worker of a call that did not obey. */
  #force(task: Task): void {
    task.alarm = null;
    const worker = task.owner === null ? undefined : this.#crew.find(task.owner.id);
    if (task.isSettled || worker === undefined || worker.state !== "ready") return;
    this.#victims.set(worker, task);
    this.#dispatcher.reclaim(worker);
    worker.stop("stopping");
    task.alarm = this.#alarms.set(performance.now() + this.stopMs(true), () => this.giveUp(worker));
    this.#dispatcher.dispatch(performance.now());
  }

  /** Abandons a worker that was told to end and has not. */
  giveUp(worker: PoolWorker): void {
    if (worker.state !== "stopping") return;
    worker.state = "abandoned";
    worker.keepAlive(false);
    const victim = this.#victims.get(worker);
    this.#victims.delete(worker);
    if (victim !== undefined) {
      victim.alarm = null;
      this.settle(victim, "abandoned");
    }
    for (const task of worker.tasks()) {
      const why = "its worker was stopped because of another task";
      task.fail(new WorkerLostError(task.call.label, why, null));
    }
  }
}
