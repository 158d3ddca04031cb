/**
 * What the pool and its workers say to each other: flat arrays, since they are the cheapest thing to clone.
 *
 * - `RUN` carries many calls and `DONE` many outcomes, `RUN_STRIDE` and `DONE_STRIDE` entries each: a message costs 2–16 µs
 *   whatever is in it, a call in it a fraction of one.
 * - A call is known by its *slot*, an index into the worker's control block, from being sent until the worker says that it
 *   is done with it. The control block is shared memory with threads: both sides change a slot's word by atomic operations only, so the pool can
 *   take back what has not begun (`TAKEN`) and ask what runs to stop (`STOPPING`) while the worker is computing.
 * - A child process shares no memory. The pool sends it no more than it can begin at once, and asks it by `CANCEL` alone.
 *
 * @module
 */
import type { RemoteError } from "./errors.ts";
import type { Isolation } from "./pool_contract.ts";

/** To the worker: `[RUN, (slot, name, credits, deadlineMs, input)*]`; `deadlineMs` is what is left, 0 for none. */
export const RUN = 0;
/** To the worker: `[CANCEL, slot]`. */
export const CANCEL = 1;
/** To the worker: `[CREDIT, slot, credits]`. */
export const CREDIT = 2;
/** To a child process, first of all: `[INIT, WorkerConfig]`; a thread gets it as `workerData`. */
export const INIT = 3;

/** From the worker, when its module has loaded: `[READY]`. */
export const READY = 0;
/** From the worker: `[DONE, (slot, outcome, value, runMs)*]`. */
export const DONE = 1;
/** From the worker: `[ITEMS, slot, item…]`. */
export const ITEMS = 2;
/** From the worker, when its module does not load; the last thing it says: `[LOAD_FAILED, RemoteError]`. */
export const LOAD_FAILED = 3;
/** From the worker: `[STRAY, RemoteError]`, an error that belongs to no running task. It should be replaced. */
export const STRAY = 4;

/** Entries per call of a `RUN`. */
export const RUN_STRIDE = 5;
/** Entries per outcome of a `DONE`. */
export const DONE_STRIDE = 4;

/** Outcome: the value is what the task returned. */
export const SUCCEEDED = 0;
/** Outcome: the value is the `RemoteError` it threw. */
export const FAILED = 1;
/** Outcome: it was taken back before it began. */
export const SKIPPED = 2;
/** Outcome: its stretch of computing was too long and was broken off. */
export const INTERRUPTED = 3;
/** Outcome: what it returned or yielded cannot be cloned; the value is the runtime's reason. */
export const UNCLONEABLE = 4;
/** Outcome: an error that nobody handled was put down to it, and the worker should be replaced; the value is the `RemoteError`. */
export const STRUCK = 5;

/** A slot's word: the call is in the worker's inbox. */
export const SENT = 0;
/** A slot's word: the worker has begun it. */
export const STARTED = 1;
/** A slot's word: the pool has taken it back; the worker skips it. */
export const TAKEN = 2;
/** A slot's word: it has begun and is asked to stop. */
export const STOPPING = 3;

/** The host's own task that runs a function by its source; no module can export such a name by accident. */
export const EXEC = " exec";

/** What a worker is told when it starts. */
export interface WorkerConfig {
  /** The task module. */
  readonly moduleUrl: string;
  /** The control block; `null` in a child process, which has one of its own. */
  readonly control: Int32Array | null;
  /** Slots in it. */
  readonly slots: number;
  /** Tasks it runs at once. */
  readonly concurrency: number;
  /** Longest stretch of computing, milliseconds; 0 for none. */
  readonly stretchMsMax: number;
  /** Whether a deadline interrupts what computes: where nothing else can. */
  readonly interrupts: boolean;
  /** Time a task has after its deadline before it is interrupted, milliseconds. */
  readonly graceMs: number;
  /** Whether outputs' large buffers are given away. */
  readonly transfers: boolean;
}

/** A message of either direction. */
export type Message = readonly [kind: number, ...rest: unknown[]];

/** A worker as the pool sees it; made by `openThread` and `openProcess`. */
export interface WorkerLink {
  /** What contains it. */
  readonly isolation: Isolation;
  /** Sends; throws what the runtime throws for what cannot be cloned. */
  post(message: Message, transfer: Transferable[]): void;
  /** Ends it at once. */
  stop(): void;
  /** Makes the process wait for it (or not) before it ends by itself. */
  keepAlive(isKept: boolean): void;
}

/** What a link tells; nothing after `ended`. */
export interface LinkEvents {
  /** A message came. */
  message(message: Message): void;
  /** The worker is really gone, nothing of it runs any more. @param why what the runtime said, if anything */
  ended(exitCode: number | null, why: unknown): void;
}

/** How to open a worker. */
export interface LinkOptions {
  /** What it is told. */
  readonly config: WorkerConfig;
  /** Its heap's limit, MiB; 0 for the runtime's. Kept by child processes only. */
  readonly heapMibMax: number;
  /** What hears of it. */
  readonly events: LinkEvents;
}

/** What is sent of an error. */
export type { RemoteError };
