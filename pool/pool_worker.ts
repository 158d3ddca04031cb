/**
 * A worker from the pool's side: which calls it has, in which slots, and what may still be done about each.
 *
 * - What was sent and has not begun can be taken back, by an atomic exchange on its slot; what has begun can be asked to stop.
 * - The slot of a call that was taken back stays occupied until the worker has said that it skipped it: the word must not
 *   change its meaning while the worker may read it.
 * - A child process shares no memory: it is sent no more than it begins at once, so all it has counts as begun when it is lost.
 *
 * @module
 */
import { TaskCloneError } from "./errors.ts";
import type { WorkerStats } from "./pool_contract.ts";
import {
  CANCEL,
  CREDIT,
  DONE_STRIDE,
  type Message,
  RUN,
  RUN_STRIDE,
  SENT,
  STARTED,
  STOPPING,
  TAKEN,
  type WorkerLink,
} from "./protocol.ts";
import type { Task, TaskOwner } from "./task.ts";

/** Where a worker is in its life. */
export type WorkerState = "starting" | "ready" | "stopping" | "abandoned" | "ended";

/**
 * What hears how a call ended in its worker.
 *
 * `kind` is `SUCCEEDED`, `FAILED`, …; `value` goes with it; `runMs` is how long it ran, and `now` when the pool heard of it.
 */
export type OutcomeListener = (
  worker: PoolWorker,
  task: Task,
  kind: number,
  value: unknown,
  runMs: number,
  now: number,
) => void;

/** One worker. */
export class PoolWorker implements TaskOwner {
  /** Its number. */
  readonly id: number;
  /** How it is reached. */
  readonly link: WorkerLink;
  /** Where it is in its life. */
  state: WorkerState = "starting";
  /** Whether it gets no more calls and ends when it has finished those it has. */
  isRetiring = false;
  /** Calls that it has and that are not over for it, those taken back included. */
  inFlight = 0;
  /** Of these, streams whose reader lags: they do not take a place. */
  lagging = 0;
  /** Calls it has finished. */
  finished = 0;
  /** Expected work of what it has, milliseconds. */
  expectedMs = 0;
  /** When it became idle; for the idle timeout. */
  idleSince: number;
  /** When it was last heard of, or sent anything while idle. */
  heardAt: number;
  readonly #isShared: boolean;
  readonly #control: Int32Array;
  readonly #tasks: (Task | null)[];
  readonly #free: number[] = [];
  readonly #bornAt: number;
  #busySince = -1;
  #busyMs = 0;
  #isKept = true;

  /**
   * Makes the pool's side of a worker.
   *
   * @param id its number
   * @param link how it is reached
   * @param control its control block; one that nobody shares for a child process
   * @param now the time
   */
  constructor(id: number, link: WorkerLink, control: Int32Array, now: number) {
    this.id = id;
    this.link = link;
    this.#control = control;
    this.#isShared = link.isolation === "thread";
    this.#tasks = new Array(control.length).fill(null);
    for (let slot = control.length - 1; slot >= 0; slot--) this.#free.push(slot);
    this.#bornAt = now;
    this.idleSince = now;
    this.heardAt = now;
  }

  /** Whether it can be sent calls. */
  get isUsable(): boolean {
    return this.state === "ready" && !this.isRetiring;
  }

  /** Slots that are free. */
  get room(): number {
    return this.#free.length;
  }

  /** Milliseconds it had calls so far, and of its life. */
  busyAndLifeMs(now: number): [busyMs: number, lifeMs: number] {
    return [this.#busyMs + (this.#busySince < 0 ? 0 : now - this.#busySince), now - this.#bornAt];
  }

  /** Counts of it. */
  stats(now: number): WorkerStats {
    const [busyMs, lifeMs] = this.busyAndLifeMs(now);
    const { id, finished, inFlight, state } = this;
    return {
      id,
      isolation: this.link.isolation,
      state: state === "ready" ? (inFlight > 0 ? "busy" : "idle") : state === "ended" ? "stopping" : state,
      finished,
      inFlight,
      utilisation: lifeMs > 0 ? busyMs / lifeMs : 0,
    };
  }

  /**
   * Sends calls in one message, those that give buffers away in one of their own: on Deno a message that fails has given
   * them away all the same. What cannot be cloned fails by itself.
   *
   * @param tasks at least one, at most as many as there is room for
   * @param now the time
   * @returns how many messages it took
   */
  send(tasks: readonly Task[], now: number): number {
    let messages = 0;
    let together: Task[] = [];
    for (const task of tasks) {
      if (task.transfer.length === 0) {
        together.push(task);
        continue;
      }
      messages += this.#send(together, [], now) + this.#send([task], task.transfer, now);
      together = [];
    }
    return messages + this.#send(together, [], now);
  }

  /** Lets a stream go on. */
  grant(task: Task, credits: number): void {
    if (this.state === "ready") this.link.post([CREDIT, task.slot, credits], []);
  }

  /**
   * Takes back a call that has not begun.
   *
   * @returns whether it had not begun; it is then the caller's
   */
  takeBack(task: Task): boolean {
    if (!this.#isShared || task.slot < 0) return false;
    if (Atomics.compareExchange(this.#control, task.slot, SENT, TAKEN) !== SENT) return false;
    this.#tasks[task.slot] = null;
    this.#release(task);
    return true;
  }

  /** Asks a call that has begun to stop. */
  requestStop(task: Task): void {
    if (this.state !== "ready") return; // it is being stopped itself
    if (this.#isShared) Atomics.compareExchange(this.#control, task.slot, STARTED, STOPPING);
    this.link.post([CANCEL, task.slot], []);
  }

  /** Calls that it has, as far as they were not taken back. */
  tasks(): Task[] {
    return this.#tasks.filter((task) => task !== null);
  }

  /** Takes the outcomes of a message. */
  receive(message: Message, now: number, listener: OutcomeListener): void {
    this.heardAt = now;
    for (let at = 1; at < message.length; at += DONE_STRIDE) {
      const slot = message[at] as number;
      const kind = message[at + 1] as number;
      const task = this.#tasks[slot];
      this.#tasks[slot] = null;
      this.#free.push(slot);
      this.inFlight--;
      if (task === null || task === undefined) continue; // it was taken back
      this.#release(task);
      this.finished++;
      listener(this, task, kind, message[at + 2], message[at + 3] as number, now);
    }
    if (this.inFlight === 0) this.#noteIdle(now);
  }

  /** The stream in a slot, if it is still one's. */
  taskAt(slot: number): Task | null {
    return this.#tasks[slot] ?? null;
  }

  /** Ends it at once. @param state what becomes of it: "abandoned" for one that goes on computing */
  stop(state: "stopping" | "abandoned"): void {
    this.state = state;
    this.link.stop();
  }

  /** Lets the process end although it lives, or not. */
  keepAlive(isKept: boolean): void {
    if (isKept === this.#isKept) return;
    this.#isKept = isKept;
    this.link.keepAlive(isKept);
  }

  #send(tasks: readonly Task[], transfer: readonly Transferable[], now: number): number {
    if (tasks.length === 0) return 0;
    const message: [number, ...unknown[]] = [RUN];
    for (const task of tasks) this.#occupy(task, message, now);
    this.#noteBusy(now);
    try {
      this.link.post(message, [...transfer]);
    } catch (error) {
      if (tasks.length === 1) this.#failToSend(tasks[0]!, error);
      else this.#sendSingly(message);
    }
    return 1;
  }

  #occupy(task: Task, message: unknown[], now: number): void {
    const slot = this.#free.pop();
    if (slot === undefined) throw new RangeError("Cannot send: all slots of the worker are taken");
    Atomics.store(this.#control, slot, SENT);
    this.#tasks[slot] = task;
    task.slot = slot;
    task.owner = this;
    task.state = "sent";
    this.expectedMs += task.expectedMs;
    this.inFlight++;
    const { call } = task;
    // 0 stands for no deadline; what is late gets the shortest one.
    const leftMs = call.deadlineMs === Infinity ? 0 : Math.max(0.001, task.deadlineAt - now);
    message.push(slot, call.name, call.credits, leftMs, call.input);
  }

  #sendSingly(message: Message): void {
    for (let at = 1; at < message.length; at += RUN_STRIDE) {
      const task = this.#tasks[message[at] as number];
      if (task === null || task === undefined) continue;
      try {
        this.link.post([RUN, ...message.slice(at, at + RUN_STRIDE)], []);
      } catch (error) {
        this.#failToSend(task, error);
      }
    }
  }

  #failToSend(task: Task, error: unknown): void {
    const { slot } = task;
    this.#tasks[slot] = null;
    this.#free.push(slot);
    this.inFlight--;
    this.#release(task);
    if (this.inFlight === 0) this.#noteIdle(performance.now());
    const why = error instanceof Error ? error.message : String(error);
    task.fail(new TaskCloneError(task.call.label, "input", why, { cause: error }));
  }

  #release(task: Task): void {
    task.slot = -1;
    task.owner = null;
    this.expectedMs = this.inFlight === 0 ? 0 : Math.max(0, this.expectedMs - task.expectedMs);
    if (!task.isLagging) return;
    task.isLagging = false;
    this.lagging--;
  }

  #noteBusy(now: number): void {
    if (this.#busySince >= 0) return;
    this.#busySince = now;
    this.heardAt = now;
    this.keepAlive(true);
  }

  #noteIdle(now: number): void {
    if (this.#busySince < 0) return;
    this.#busyMs += now - this.#busySince;
    this.#busySince = -1;
    this.idleSince = now;
  }
}
