/**
 * The workers of one kind: started when there is work, reused, replaced when they are lost, ended when they are idle.
 *
 * - Starts: as many as asked for, up to `workersMax`. After a worker was lost, the next start is at once; after two or more in a row without a finished task
 *   there is a pause, doubled each time. `startAttemptsMax` starts in a row whose module does not load fail the crew for good.
 * - A thread that was told to stop and goes on computing is abandoned: counted until it is really gone.
 *
 * @module
 */
import type { Alarm, AlarmClock } from "./alarm_clock.ts";
import { PoolFailedError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import type { Isolation, WorkerStats } from "./pool_contract.ts";
import { PoolWorker } from "./pool_worker.ts";
import {
  type LinkOptions,
  LOAD_FAILED,
  type Message,
  READY,
  type RemoteError,
  type WorkerLink,
} from "./protocol.ts";
import type { Settings } from "./settings.ts";

/** How long an idle worker keeps the process alive, milliseconds: toggling that at every task would cost more than the task. */
const LINGER_MS = 50;
/** First pause between starts. */
const PAUSE_MS_MIN = 50;
/** Longest pause between starts. */
const PAUSE_MS_MAX = 5_000;
/** Calls in a worker's inbox beyond those under way: two batches. */
export const INBOX_MAX = 512;

/** Streams of a child process that may wait for their readers without taking a place; a thread's take some of its inbox. */
const LAGGING_MAX = 64;

/** What a crew tells. */
export interface CrewEvents {
  /** A worker has loaded the module. */
  ready(worker: PoolWorker): void;
  /** A worker said something besides that. */
  message(worker: PoolWorker, message: Message): void;
  /** A worker is gone, nothing of it runs any more. @param why what the runtime said */
  gone(worker: PoolWorker, exitCode: number | null, why: unknown): void;
  /** A pause between starts is over. */
  paused(): void;
  /** No worker starts, and none will be tried. */
  failed(errorFor: (doing: string) => PoolFailedError): void;
}

/** What a crew is made of. */
export interface CrewParts {
  readonly isolation: Isolation;
  readonly moduleUrl: string;
  readonly settings: Settings;
  readonly ledger: Ledger;
  /** Alarms that the process waits for. */
  readonly alarms: AlarmClock;
  /** Alarms that it does not. */
  readonly chores: AlarmClock;
  /** Opens a worker. */
  readonly open: (options: LinkOptions) => WorkerLink;
  /** Whether deadlines interrupt what computes; see `WorkerConfig`. */
  readonly interrupts: boolean;
  readonly events: CrewEvents;
}

/** Workers of one kind. */
export class Crew {
  readonly #parts: CrewParts;
  /** All that are not gone, by number. */
  readonly #workers = new Map<number, PoolWorker>();
  #lastId = 0;
  /** Workers lost in a row without a finished task. */
  #losses = 0;
  /** Starts in a row whose module did not load. */
  #failedStarts = 0;
  #isPausing = false;
  /** Rings when idle workers are to be seen to. */
  #chore: Alarm | null = null;
  #hasFailed = false;
  #isOver = false;

  /** Makes a crew without workers. */
  constructor(parts: CrewParts) {
    this.#parts = parts;
  }

  /** Workers that are starting or can be sent calls. */
  get active(): number {
    let count = 0;
    for (const worker of this.#workers.values()) if (isActive(worker)) count++;
    return count;
  }

  /** Threads that compute although they were told to stop. */
  get abandoned(): number {
    let count = 0;
    for (const worker of this.#workers.values()) if (worker.state === "abandoned") count++;
    return count;
  }

  /** Workers that are not gone and are expected to go when they are told to. */
  get lasting(): number {
    return this.#workers.size - this.abandoned;
  }

  /** All workers that are not gone. */
  get workers(): Iterable<PoolWorker> {
    return this.#workers.values();
  }

  /** A worker by its number. */
  find(id: number): PoolWorker | undefined {
    return this.#workers.get(id);
  }

  /** Starts workers until there are so many, `workersMax` at most. */
  grow(count: number, now: number): void {
    const wanted = Math.min(count, this.#parts.settings.workersMax);
    while (!this.#isPausing && !this.#hasFailed && !this.#isOver && this.active < wanted) this.#start(now);
  }

  /** Takes the finishing of a task as a sign of health. */
  noteHealth(): void {
    this.#losses = 0;
  }

  /** Sees to idle workers in a while. */
  noteIdle(now: number): void {
    const at = now + LINGER_MS;
    if (this.#isOver || (this.#chore !== null && this.#chore.at <= at)) return;
    this.#setChore(at);
  }

  /** Lets a worker finish what it has and then end. */
  retire(worker: PoolWorker): void {
    worker.isRetiring = true;
    if (worker.inFlight === 0) worker.stop("stopping");
  }

  /** Ends all workers at once, and starts none any more. */
  end(): void {
    this.#isOver = true;
    for (const worker of this.#workers.values()) {
      if (worker.state !== "abandoned") worker.stop("stopping");
    }
  }

  /** Counts of all workers. */
  stats(now: number): WorkerStats[] {
    return [...this.#workers.values()].map((worker) => worker.stats(now));
  }

  #start(now: number): void {
    const { settings, isolation, ledger, moduleUrl, interrupts } = this.#parts;
    const isThread = isolation === "thread";
    const slots = settings.concurrency + (isThread ? INBOX_MAX : LAGGING_MAX);
    const control = new Int32Array(isThread ? new SharedArrayBuffer(4 * slots) : new ArrayBuffer(4 * slots));
    const id = ++this.#lastId;
    ledger.counters.started++;
    let worker: PoolWorker | null = null;
    try {
      const link = this.#parts.open({
        config: {
          moduleUrl,
          control: isThread ? control : null,
          slots,
          concurrency: settings.concurrency,
          stretchMsMax: settings.stretchMsMax,
          interrupts,
          graceMs: settings.graceMs,
          transfers: settings.transfer === "auto",
        },
        heapMibMax: settings.heapMibMax,
        events: {
          message: (message) => worker !== null && this.#receive(worker, message),
          ended: (code, why) => worker !== null && this.#ended(worker, code, why),
        },
      });
      worker = new PoolWorker(id, link, control, now);
      this.#workers.set(id, worker);
    } catch (error) {
      this.#noteFailedStart(error instanceof Error ? error.message : String(error), error);
    }
  }

  #receive(worker: PoolWorker, message: Message): void {
    const [kind, detail] = message;
    if (kind === READY) {
      if (worker.state !== "starting") return;
      worker.state = "ready";
      this.#failedStarts = 0;
      this.#parts.events.ready(worker);
    } else if (kind === LOAD_FAILED) {
      const remote = detail as RemoteError;
      worker.stop("stopping");
      this.#noteFailedStart(`${remote.name}: ${remote.message}`, remote);
    } else this.#parts.events.message(worker, message);
  }

  #ended(worker: PoolWorker, exitCode: number | null, why: unknown): void {
    const { state } = worker;
    const { ledger, events } = this.#parts;
    const [busyMs, lifeMs] = worker.busyAndLifeMs(performance.now());
    ledger.busyMs += busyMs;
    ledger.lifeMs += lifeMs;
    this.#workers.delete(worker.id);
    worker.state = "ended";
    if (state === "ready" || state === "starting") {
      ledger.counters.crashed++;
      this.#losses++;
      if (this.#losses > 1) this.#pause(this.#losses - 1);
    }
    if (state === "starting") {
      this.#noteFailedStart(why === undefined ? `it exited with code ${exitCode}` : String(why), why);
    }
    events.gone(worker, exitCode, why);
  }

  #noteFailedStart(reason: string, cause: unknown): void {
    this.#failedStarts++;
    if (this.#failedStarts < this.#parts.settings.startAttemptsMax) return this.#pause(this.#failedStarts);
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#parts.events.failed((doing) => new PoolFailedError(doing, reason, { cause }));
  }

  /** Starts nothing for a while. @param times how many times in a row it went wrong */
  #pause(times: number): void {
    if (this.#isPausing || this.#isOver) return;
    this.#isPausing = true;
    const ms = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(times - 1, 16));
    this.#parts.alarms.set(performance.now() + ms, () => {
      this.#isPausing = false;
      this.#parts.events.paused();
    });
  }

  /** Lets go of idle workers: soon of the process's life, later of their own. */
  #keepHouse(): void {
    this.#chore = null;
    const { idleTimeoutMs, workersMin } = this.#parts.settings;
    const now = performance.now();
    let left = this.active;
    let nextAt = Infinity;
    for (const worker of this.#workers.values()) {
      if (!worker.isUsable || worker.inFlight > 0) continue;
      const idleMs = now - worker.idleSince;
      if (idleMs >= idleTimeoutMs && left > workersMin) {
        left--;
        worker.stop("stopping");
        continue;
      }
      if (idleMs >= LINGER_MS) worker.keepAlive(false);
      else nextAt = Math.min(nextAt, worker.idleSince + LINGER_MS);
      if (left > workersMin) nextAt = Math.min(nextAt, worker.idleSince + Math.max(LINGER_MS, idleTimeoutMs));
    }
    if (nextAt !== Infinity && !this.#isOver) this.#setChore(nextAt);
  }

  #setChore(at: number): void {
    if (this.#chore !== null) this.#parts.chores.cancel(this.#chore);
    this.#chore = this.#parts.chores.set(at, () => this.#keepHouse());
  }
}

function isActive(worker: PoolWorker): boolean {
  return worker.state === "starting" || worker.isUsable;
}
