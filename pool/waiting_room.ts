/**
 * Where calls wait: a bounded queue, what is done when it is full, and the producers that wait for room.
 *
 * With the policy `"wait"` a call that finds the queue full is parked: it keeps its deadline and its signal, and enters in the order of
 * coming. As many calls may be parked as queued; beyond that they are refused under every policy.
 *
 * @module
 */
import { QueueFullError, TaskDroppedError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import type { Settings } from "./settings.ts";
import type { Task } from "./task.ts";
import { TaskQueue } from "./task_queue.ts";

/** Producers are told to go on when a quarter of the queue is free, so that they come with a batch and not with one. */
const ROOM_SHARE = 0.25;

/** Producers that wait for room: they share one promise. */
interface Producers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Calls that wait for a worker or for room. */
export class WaitingRoom {
  /** Expected work of all calls in the queue, milliseconds. */
  expectedMs = 0;
  readonly #settings: Settings;
  readonly #ledger: Ledger;
  readonly #queue: TaskQueue;
  /** Calls that wait for room in the queue, in the order of coming. */
  readonly #parked = new Set<Task>();
  #producers: Producers | null = null;
  /** Why all were failed: then whoever is put back is, too. */
  #refusal: ((doing: string) => Error) | null = null;

  /** Makes an empty one. */
  constructor(settings: Settings, ledger: Ledger) {
    this.#settings = settings;
    this.#ledger = ledger;
    this.#queue = new TaskQueue(settings.agingMs, (task) => task.expectedMs);
  }

  /** Calls that wait for a worker. */
  get size(): number {
    return this.#queue.size;
  }

  /** Calls that wait for room. */
  get parked(): number {
    return this.#parked.size;
  }

  /** Takes a call in. @throws QueueFullError */
  admit(task: Task): void {
    const { queueMax, queuePolicy } = this.#settings;
    if (this.#queue.size < queueMax && this.#parked.size === 0) return this.#enter(task);
    if (queuePolicy === "wait" && this.#parked.size < queueMax) {
      this.#parked.add(task);
      return;
    }
    if (queuePolicy !== "drop-oldest") {
      this.#ledger.refused.queueFull++;
      throw new QueueFullError(task.call.label, queueMax);
    }
    const oldest = this.#queue.takeOldest();
    if (oldest !== undefined) {
      this.expectedMs -= oldest.expectedMs;
      this.#ledger.refused.dropped++;
      oldest.fail(new TaskDroppedError(oldest.call.label));
    }
    this.#enter(task);
  }

  /** Whether a call that is in the queue is the last that will run, as things are. */
  isLast(task: Task): boolean {
    return this.#queue.isLast(task);
  }

  /** The call that is next; `undefined` when none waits. */
  peek(): Task | undefined {
    return this.#queue.peek();
  }

  /** Takes the next call; `undefined` when none waits. */
  take(): Task | undefined {
    const task = this.#queue.pop();
    if (task !== undefined) this.#left(task);
    return task;
  }

  /** Puts back a call that a worker had and did not begin; it keeps its place, and needs no room. One that is over stays so. */
  putBack(task: Task): void {
    if (task.isSettled) return;
    if (this.#refusal !== null) return void task.fail(this.#refusal(`Cannot run ${task.call.label}`));
    this.expectedMs += task.expectedMs;
    this.#queue.putBack(task);
  }

  /** Takes out a call, wherever it waits. */
  forget(task: Task): void {
    if (this.#parked.delete(task) || task.state !== "queued") return;
    this.#queue.forget(task);
    this.#left(task);
  }

  /** Resolves when the queue has room. */
  ready(): Promise<void> {
    if (this.#queue.size < this.#settings.queueMax && this.#parked.size === 0) return Promise.resolve();
    return (this.#producers ??= Promise.withResolvers<void>()).promise;
  }

  /** Fails all that wait, and all that are put back later. */
  failAll(errorFor: (doing: string) => Error): void {
    this.#refusal = errorFor;
    const all = [...this.#parked];
    this.#parked.clear();
    for (let task = this.#queue.pop(); task !== undefined; task = this.#queue.pop()) all.push(task);
    this.expectedMs = 0;
    for (const task of all) task.fail(errorFor(`Cannot run ${task.call.label}`));
    this.#producers?.reject(errorFor("Cannot wait for room"));
    this.#producers = null;
  }

  #enter(task: Task): void {
    this.expectedMs += task.expectedMs;
    this.#queue.push(task);
  }

  #left(task: Task): void {
    this.expectedMs = this.#queue.size === 0 ? 0 : this.expectedMs - task.expectedMs;
    const { queueMax } = this.#settings;
    for (const parked of this.#parked) {
      if (this.#queue.size >= queueMax) return;
      this.#parked.delete(parked);
      this.#enter(parked);
    }
    if (this.#producers !== null && this.#queue.size <= queueMax * (1 - ROOM_SHARE)) {
      this.#producers.resolve();
      this.#producers = null;
    }
  }
}
