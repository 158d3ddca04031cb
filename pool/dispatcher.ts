/**
 * Which worker gets which calls, and how many in one message.
 *
 * - A worker always gets as many calls as it runs at once. Beyond that its inbox is filled only with calls that are known to be
 *   small: `BUDGET_MS` of expected work, so that a message carries hundreds of no-ops and one task of a millisecond or more. An inbox is filled again
 *   when half of it is done: full messages, and no worker that runs dry.
 * - Calls are spread evenly: no worker takes more than its share of what waits.
 * - Expectations can be wrong. When a worker is idle, nothing waits, and another has not been heard of for `SILENCE_MS`, half of what that one
 *   has not begun is taken back and given to the idle one.
 *
 * @module
 */
import type { Alarm, AlarmClock } from "./alarm_clock.ts";
import { type Crew, INBOX_MAX } from "./crew.ts";
import { TaskDeadlineError, WorkerLostError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import type { PoolWorker } from "./pool_worker.ts";
import type { Settings } from "./settings.ts";
import type { Task } from "./task.ts";
import type { WaitingRoom } from "./waiting_room.ts";

/** Expected work in an inbox at most, milliseconds: far above a message's cost, and nothing that anybody would notice waiting for. */
const BUDGET_MS = 2;
/** A worker with small tasks is heard of every millisecond; one that is silent for longer computes something else than expected. */
const SILENCE_MS = 5;
/** What is expected of a small task at least, milliseconds: taking it in and sending its outcome. */
const TASK_MS_MIN = 0.002;

/** Gives calls to workers. */
export class Dispatcher {
  readonly #settings: Settings;
  readonly #room: WaitingRoom;
  readonly #crew: Crew;
  readonly #ledger: Ledger;
  readonly #alarms: AlarmClock;
  #watch: Alarm | null = null;

  /** Joins the parts. */
  constructor(settings: Settings, room: WaitingRoom, crew: Crew, ledger: Ledger, alarms: AlarmClock) {
    this.#settings = settings;
    this.#room = room;
    this.#crew = crew;
    this.#ledger = ledger;
    this.#alarms = alarms;
  }

  /** Sends what can be sent, and asks for workers where there are too few. */
  dispatch(now: number): void {
    if (this.#room.size > 0) {
      const workers = this.#hungry();
      let left = workers.length;
      for (const worker of workers) {
        if (this.#room.size === 0) break;
        while (this.#fill(worker, Math.ceil(this.#room.size / left), now)); // again if nothing of it could be sent
        left--;
      }
    }
    if (this.#room.size === 0) this.#balance(now);
    this.#grow(now);
  }

  /** Takes back what a worker has not begun; it waits again, unless part of it is the worker's already. */
  reclaim(worker: PoolWorker): void {
    for (const task of worker.tasks()) {
      if (!worker.takeBack(task)) continue;
      if (task.transfer.length === 0) this.#room.putBack(task);
      else {
        const why = "its worker was lost before it began, and its input had been given to it";
        task.fail(new WorkerLostError(task.call.label, why, null));
      }
    }
  }

  /** Workers that may take more, those with the least first. */
  #hungry(): PoolWorker[] {
    const { concurrency } = this.#settings;
    const workers: PoolWorker[] = [];
    for (const worker of this.#crew.workers) {
      if (!worker.isUsable || worker.room === 0) continue;
      const places = worker.inFlight - worker.lagging;
      if (places < concurrency || (worker.expectedMs < BUDGET_MS / 2 && places < INBOX_MAX / 2)) {
        workers.push(worker);
      }
    }
    return workers.length < 2 ? workers : workers.sort((a, b) => a.inFlight - b.inFlight);
  }

  /** Sends a worker its share; returns whether it should get more at once. */
  #fill(worker: PoolWorker, share: number, now: number): boolean {
    const { concurrency } = this.#settings;
    const isThread = worker.link.isolation === "thread";
    const free = concurrency - (worker.inFlight - worker.lagging);
    const most = Math.min(worker.room, isThread ? INBOX_MAX / 2 : free);
    const batch: Task[] = [];
    let expectedMs = worker.expectedMs;
    while (batch.length < most) {
      const next = this.#room.peek();
      if (next === undefined) break;
      const ms = this.#expect(next);
      const isAllowed = batch.length < free ||
        (ms > 0 && batch.length < share && expectedMs + ms <= BUDGET_MS);
      if (!isAllowed) break;
      this.#room.take();
      if (this.#refuseHopeless(next, now)) continue;
      next.expectedMs = ms;
      expectedMs += ms;
      batch.push(next);
    }
    if (batch.length === 0) return false;
    this.#ledger.counters.tasksSent += batch.length;
    this.#ledger.counters.messages += worker.send(batch, now);
    return worker.inFlight === 0 && this.#room.size > 0;
  }

  /** What a call is expected to take, milliseconds; 0 when that is not known. */
  #expect(task: Task): number {
    const { meanMs } = task.record;
    return meanMs === 0 ? 0 : Math.max(TASK_MS_MIN, meanMs);
  }

  /** Refuses a call that would not be done in time even if it took half as long as usual. */
  #refuseHopeless(task: Task, now: number): boolean {
    const { deadlineMs, label } = task.call;
    if (deadlineMs === Infinity || now + this.#expect(task) / 2 <= task.deadlineAt) return false;
    this.#ledger.refused.hopeless++;
    task.fail(new TaskDeadlineError(label, deadlineMs, "refused"));
    return true;
  }

  /** Takes from a silent worker's inbox for an idle one. */
  #balance(now: number): void {
    const { concurrency } = this.#settings;
    let idle: PoolWorker | undefined;
    let victim: PoolWorker | undefined;
    for (const worker of this.#crew.workers) {
      if (!worker.isUsable || worker.link.isolation !== "thread") continue;
      const places = worker.inFlight - worker.lagging;
      if (places < concurrency) {
        if (idle === undefined || worker.inFlight < idle.inFlight) idle = worker;
      } else if (places > concurrency && (victim === undefined || worker.inFlight > victim.inFlight)) {
        victim = worker;
      }
    }
    if (idle === undefined || victim === undefined) return;
    if (now - victim.heardAt < SILENCE_MS) return this.#watchOut(victim.heardAt + SILENCE_MS);
    this.#steal(victim, idle, now);
  }

  #steal(victim: PoolWorker, idle: PoolWorker, now: number): void {
    const candidates = victim.tasks().filter(({ transfer }) => transfer.length === 0)
      .sort((a, b) => b.sequence - a.sequence);
    const wanted = Math.min(idle.room, Math.max(1, candidates.length >> 1));
    const stolen: Task[] = [];
    for (const task of candidates) {
      if (stolen.length === wanted) break;
      if (!victim.takeBack(task)) continue;
      task.expectedMs = 0; // what was expected of it was wrong
      stolen.push(task);
    }
    if (stolen.length > 0) {
      this.#ledger.counters.stolen += stolen.length;
      this.#ledger.counters.tasksSent += stolen.length;
      this.#ledger.counters.messages += idle.send(stolen.reverse(), now);
    }
    victim.heardAt = now; // and it has as long again before it is looked at the next time
  }

  /** Looks again when a worker will have been silent for too long. */
  #watchOut(at: number): void {
    if (this.#watch !== null && this.#watch.ring !== null) return;
    this.#watch = this.#alarms.set(at, () => {
      this.#watch = null;
      this.dispatch(performance.now());
    });
  }

  /** Asks for as many workers as there is work for. */
  #grow(now: number): void {
    let work = this.#room.size;
    for (const worker of this.#crew.workers) if (worker.isUsable) work += worker.inFlight - worker.lagging;
    if (work > 0) this.#crew.grow(Math.ceil(work / this.#settings.concurrency), now);
  }
}
