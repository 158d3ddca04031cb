/**
 * The calls that wait for a worker, in the order in which they are to run.
 *
 * - Tags take turns: next is the tag that has had the least work so far, where a tag that was idle starts from the
 *   present and not with a credit for the past (start-time fair queueing, Goyal et al. 1996). With one tag that costs nothing.
 * - Within a tag the earliest due comes first. A call is due at its deadline, or `HORIZON_MS` after the call without one, less `agingMs`
 *   for every step of priority. That is fixed when it is accepted, so what waits long enough is always next: nothing starves.
 * - Calls that are due in the order in which they came, which most are, stand in a plain ring; only others need a heap.
 * - What settles while it waits is taken out by `forget`, at once in the count and later in the ring.
 *
 * @module
 */
import { BinaryHeap } from "./binary_heap.ts";
import type { Task } from "./task.ts";

/** Calls without a deadline rank as if they had one of 10 s: in between those that hurry and those that need not. */
const HORIZON_MS = 10_000;

/** Dead entries that are kept before a sweep, at least: sweeping a few would cost more than they do. */
const DEAD_MIN = 64;

/** Cost of a call that is not known, in milliseconds: what tags are charged. */
const COST_MS_MIN = 0.001;

function isBefore(a: Task, b: Task): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
}

/** The calls of one tag. */
class Tenant {
  readonly tag: string;
  /** Work done for it, on the queue's virtual clock, milliseconds. */
  served: number;
  /** Calls in it that wait. */
  size = 0;
  /** Calls in order of both their coming and their due time; from `#head` on. */
  #ring: Task[] = [];
  #head = 0;
  /** All others. */
  readonly #heap = new BinaryHeap<Task>(isBefore);

  constructor(tag: string, served: number) {
    this.tag = tag;
    this.served = served;
  }

  push(task: Task): void {
    this.size++;
    const last = this.#ring.length > this.#head ? this.#ring[this.#ring.length - 1] : undefined;
    if (last === undefined || !isBefore(task, last)) this.#ring.push(task);
    else this.#heap.push(task);
  }

  /** The call that is due first; whatever settled while it waited is dropped on the way. */
  peek(): Task | undefined {
    for (;;) {
      const inRing = this.#ring[this.#head];
      const inHeap = this.#heap.peek();
      const isHeapFirst = inHeap !== undefined && (inRing === undefined || isBefore(inHeap, inRing));
      const task = isHeapFirst ? inHeap : inRing;
      if (task === undefined || task.state === "queued") return task;
      if (isHeapFirst) this.#heap.pop();
      else this.#shift();
    }
  }

  /** Takes the call that is due first. */
  pop(): Task | undefined {
    const task = this.peek();
    if (task === undefined) return undefined;
    if (task === this.#ring[this.#head]) this.#shift();
    else this.#heap.pop();
    this.size--;
    return task;
  }

  /** Whether a call is the last; `false` also when that is not known. */
  isLast(task: Task): boolean {
    return this.#heap.size === 0 && this.#ring[this.#ring.length - 1] === task;
  }

  /** The call that came first. */
  oldest(): Task | undefined {
    let oldest: Task | undefined;
    for (let at = this.#head; at < this.#ring.length && oldest === undefined; at++) {
      if (this.#ring[at]!.state === "queued") oldest = this.#ring[at];
    }
    for (const task of this.#heap.values()) {
      if (task.state === "queued" && (oldest === undefined || task.sequence < oldest.sequence)) oldest = task;
    }
    return oldest;
  }

  /** Drops entries of calls that are over, if there are many. */
  sweep(): void {
    const dead = this.#ring.length - this.#head + this.#heap.size - this.size;
    if (dead < DEAD_MIN || dead < this.size) return;
    this.#ring = this.#ring.slice(this.#head).filter(({ state }) => state === "queued");
    this.#head = 0;
    this.#heap.filter(({ state }) => state === "queued");
  }

  #shift(): Task | undefined {
    const ring = this.#ring;
    if (this.#head >= ring.length) return undefined;
    const task = ring[this.#head];
    ring[this.#head] = undefined as unknown as Task; // nothing is kept alive by what has left
    this.#head++;
    if (this.#head === ring.length || (this.#head > DEAD_MIN && this.#head * 2 > ring.length)) {
      this.#ring = ring.slice(this.#head);
      this.#head = 0;
    }
    return task;
  }
}

/** Calls that wait, in the order in which they are to run. */
export class TaskQueue {
  readonly #agingMs: number;
  readonly #costMs: (task: Task) => number;
  /** Tags with calls that wait. */
  readonly #tenants = new Map<string, Tenant>();
  /** The same, the next one first, and some whose last call was forgotten. */
  readonly #turns = new BinaryHeap<Tenant>((a, b) => a.served < b.served);
  /** The virtual clock: `served` of the tag whose turn was last. */
  #clock = 0;
  #size = 0;
  #sequence = 0;

  /**
   * Makes an empty queue.
   *
   * @param agingMs milliseconds of waiting that one step of priority is worth
   * @param costMs what a call is expected to take, milliseconds; what tags are charged
   */
  constructor(agingMs: number, costMs: (task: Task) => number) {
    this.#agingMs = agingMs;
    this.#costMs = costMs;
  }

  /** Calls that wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds a call. */
  push(task: Task): void {
    const { priority, tag } = task.call;
    task.due = Math.min(task.deadlineAt, task.calledAt + HORIZON_MS) - priority * this.#agingMs;
    task.sequence = this.#sequence++;
    this.#insert(task, tag);
  }

  /** Puts back a call that was taken and has not run; it keeps its place. */
  putBack(task: Task): void {
    this.#insert(task, task.call.tag);
  }

  /** Takes the next call; `undefined` when none waits. */
  pop(): Task | undefined {
    for (let tenant = this.#turns.pop(); tenant !== undefined; tenant = this.#turns.pop()) {
      const task = tenant.pop();
      if (task === undefined) continue; // all its calls were forgotten
      this.#size--;
      this.#clock = tenant.served;
      tenant.served += Math.max(COST_MS_MIN, this.#costMs(task));
      if (tenant.size === 0) this.#tenants.delete(tenant.tag);
      else this.#turns.push(tenant);
      return task;
    }
    return undefined;
  }

  /** The next call, which `pop` would take; `undefined` when none waits. */
  peek(): Task | undefined {
    for (let tenant = this.#turns.peek(); tenant !== undefined; tenant = this.#turns.peek()) {
      if (tenant.size > 0) return tenant.peek();
      this.#turns.pop(); // all its calls were forgotten
    }
    return undefined;
  }

  /** Whether a call that waits is the last to run, as things are; `false` also when that is not known. */
  isLast(task: Task): boolean {
    return this.#tenants.size === 1 && this.#tenants.get(task.call.tag)?.isLast(task) === true;
  }

  /** Takes the oldest call of the tag that has the most; `undefined` when none waits. */
  takeOldest(): Task | undefined {
    let most: Tenant | undefined;
    for (const tenant of this.#tenants.values()) {
      if (most === undefined || tenant.size > most.size) most = tenant;
    }
    const oldest = most?.oldest();
    if (oldest !== undefined) this.forget(oldest);
    return oldest;
  }

  /** Takes out a call that waits, wherever it is. It must not be put back. */
  forget(task: Task): void {
    const tenant = this.#tenants.get(task.call.tag);
    if (tenant === undefined || task.state !== "queued") return;
    task.state = "parked";
    tenant.size--;
    this.#size--;
    if (tenant.size > 0) return tenant.sweep();
    this.#tenants.delete(task.call.tag);
    if (this.#turns.size > 2 * this.#tenants.size + DEAD_MIN) this.#turns.filter(({ size }) => size > 0);
  }

  #insert(task: Task, tag: string): void {
    task.state = "queued";
    let tenant = this.#tenants.get(tag);
    if (tenant === undefined) {
      tenant = new Tenant(tag, this.#clock);
      this.#tenants.set(tag, tenant);
      this.#turns.push(tenant);
    }
    tenant.push(task);
    this.#size++;
  }
}
