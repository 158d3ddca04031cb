/**
 * The worker's side: takes calls from its inbox, runs them, and reports how they ended.
 *
 * - No more than `concurrency` tasks are under way at once, but for streams whose reader lags: they give their place away
 *   until they may go on.
 * - A call is begun by turning its slot from `SENT` to `STARTED`; if the pool has taken it back, it is skipped.
 * - An outcome is reported once. What a task does after it (a promise that settles later, a second error) has no effect.
 *
 * The runtime's own things come in through `HostRuntime`; `worker_main.ts` has them.
 *
 * @module
 */
import { HostedTask } from "./hosted_task.ts";
import { Outbox } from "./outbox.ts";
import {
  CANCEL,
  CREDIT,
  EXEC,
  FAILED,
  INTERRUPTED,
  type Message,
  RUN,
  RUN_STRIDE,
  SENT,
  SKIPPED,
  STARTED,
  STRAY,
  STRUCK,
  SUCCEEDED,
  TAKEN,
  UNCLONEABLE,
  type WorkerConfig,
} from "./protocol.ts";
import { describeError } from "./remote_error.ts";
import { SourceCache } from "./source_cache.ts";

/** What a host needs of its runtime. */
export interface HostRuntime {
  /** Sends to the pool. */
  post(message: Message, transfer: Transferable[]): void;
  /** Runs something in a turn of its own. */
  soon(run: () => void): void;
  /** Runs something for so long at most; `INTERRUPTION` when that was not enough, whatever the task catches. */
  interrupt(run: () => unknown, ms: number): unknown;
}

/** What `HostRuntime.interrupt` returns for a task that it broke off. */
export const INTERRUPTION: unique symbol = Symbol("interruption");

/** Items in a message at most: enough to hide its cost, few enough that a slow generator's items do not wait. */
const ITEMS_MAX = 32;

/** Items that follow each other faster than this wait for each other, milliseconds: about what a message costs. */
const QUICK_MS = 0.05;

/** A generator of either kind. */
interface AnyGenerator {
  next(): IteratorResult<unknown, unknown> | Promise<IteratorResult<unknown, unknown>>;
  return?(value: unknown): unknown;
}

type TaskFunction = (input: unknown, context: HostedTask) => unknown;

/** The worker's side of the protocol. */
export class TaskHost {
  readonly #runtime: HostRuntime;
  readonly #config: WorkerConfig;
  readonly #control: Int32Array;
  readonly #outbox: Outbox;
  readonly #functions = new Map<string, TaskFunction>();
  readonly #sources = new SourceCache();
  /** Messages with calls that have not begun, and where in the first of them the next one is. */
  readonly #inbox: Message[] = [];
  #cursor = 1;
  /** Tasks under way, by slot. */
  readonly #running = new Map<number, HostedTask>();
  /** Of these, streams that wait for credits. */
  #lagging = 0;
  #isPumping = false;

  /**
   * Makes a host.
   *
   * @param module the task module
   * @param config what the worker was told
   * @param runtime the runtime's things
   */
  constructor(module: Readonly<Record<string, unknown>>, config: WorkerConfig, runtime: HostRuntime) {
    this.#config = config;
    this.#runtime = runtime;
    this.#control = config.control ?? new Int32Array(config.slots);
    this.#outbox = new Outbox((message, transfer) => runtime.post(message, transfer), config.transfers);
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === "function") this.#functions.set(name, value as TaskFunction);
    }
    this.#functions.set(EXEC, (input) => this.#sources.call(input));
  }

  /** Takes a message from the pool. */
  receive(message: Message): void {
    const [kind, slot, credits] = message;
    if (kind === RUN) {
      this.#inbox.push(message);
      if (this.#config.control === null) this.#resetSlots(message);
      this.#pump();
    } else if (kind === CANCEL) {
      const task = this.#running.get(slot as number);
      if (task !== undefined) task.cancel();
      else if (this.#config.control === null) this.#control[slot as number] = TAKEN; // it is in the inbox
    } else if (kind === CREDIT) {
      const task = this.#running.get(slot as number);
      if (task === undefined) return; // it has ended meanwhile
      task.credits += credits as number;
      task.wake?.();
    }
  }

  /** Takes an error that nobody handled: it is the running task's if there is one, and just one. */
  strike(error: unknown): void {
    const remote = describeError(error);
    if (this.#running.size !== 1) return this.#runtime.post([STRAY, remote], []);
    for (const task of this.#running.values()) this.#end(task, STRUCK, remote, performance.now());
    this.#outbox.flush();
  }

  /** A child's control block is its own: nobody but the host sets its words. */
  #resetSlots(message: Message): void {
    for (let at = 1; at < message.length; at += RUN_STRIDE) this.#control[message[at] as number] = SENT;
  }

  /** Begins what may begin. */
  #pump(): void {
    if (this.#isPumping) return; // a task that ended at once has called back; the loop below goes on
    this.#isPumping = true;
    let now = performance.now();
    while (this.#inbox.length > 0 && this.#running.size - this.#lagging < this.#config.concurrency) {
      const message = this.#inbox[0]!;
      const at = this.#cursor;
      if (at + RUN_STRIDE >= message.length) {
        this.#inbox.shift();
        this.#cursor = 1;
      } else this.#cursor = at + RUN_STRIDE;
      this.#begin(message, at, now);
      now = performance.now();
      if (this.#outbox.isDue(now)) this.#outbox.flush();
    }
    this.#isPumping = false;
    this.#outbox.flush();
  }

  #begin(message: Message, at: number, now: number): void {
    const slot = message[at] as number;
    const name = message[at + 1] as string;
    const credits = message[at + 2] as number;
    const deadlineMs = message[at + 3] as number;
    if (Atomics.compareExchange(this.#control, slot, SENT, STARTED) !== SENT) {
      this.#outbox.add(slot, SKIPPED, undefined, 0, now);
      return;
    }
    const task = new HostedTask(slot, this.#control, credits, deadlineMs, now);
    this.#running.set(slot, task);
    let result: unknown;
    try {
      result = this.#call(name, message[at + 4], task, deadlineMs);
    } catch (error) {
      return this.#end(task, FAILED, describeError(error), performance.now());
    }
    if (result === INTERRUPTION) this.#end(task, INTERRUPTED, undefined, performance.now());
    else if (typeof result === "object" && result !== null) this.#follow(name, task, result);
    else if (credits > 0) this.#refuse(name, task);
    else this.#end(task, SUCCEEDED, result, performance.now());
  }

  #call(name: string, input: unknown, task: HostedTask, deadlineMs: number): unknown {
    const run = this.#functions.get(name);
    if (run === undefined) throw new TypeError(`the module exports no function "${name}"`);
    const { stretchMsMax, interrupts, graceMs } = this.#config;
    if (stretchMsMax === 0 && !(interrupts && deadlineMs > 0)) return run(input, task);
    const byDeadline = interrupts && deadlineMs > 0 ? deadlineMs + graceMs : Infinity;
    const ms = Math.ceil(Math.min(byDeadline, stretchMsMax === 0 ? Infinity : stretchMsMax));
    return this.#runtime.interrupt(() => run(input, task), ms);
  }

  /** Goes on with a task that returned an object: a promise, a generator, or just a result. */
  #follow(name: string, task: HostedTask, result: object): void {
    if (isGenerator(result)) {
      if (task.credits === 0) return this.#refuse(name, task);
      this.#stream(task, result).then(
        (value) => this.#endLater(task, SUCCEEDED, value),
        (error) => this.#endLater(task, FAILED, describeError(error)),
      );
    } else if (typeof (result as { then?: unknown }).then === "function") {
      Promise.resolve(result).then(
        (value) => this.#endLater(task, SUCCEEDED, value),
        (error) => this.#endLater(task, FAILED, describeError(error)),
      );
    } else if (task.credits > 0) this.#refuse(name, task);
    else this.#end(task, SUCCEEDED, result, performance.now());
  }

  #refuse(name: string, task: HostedTask): void {
    const why = task.credits > 0 ? "is no generator: call run()" : "is a generator: call stream()";
    this.#end(task, FAILED, describeError(new TypeError(`${name} ${why}`)), performance.now());
  }

  #end(task: HostedTask, outcome: number, value: unknown, now: number): void {
    if (task.isOver) return;
    task.isCancelled; // read for the last time while the slot is still its own
    task.isOver = true;
    this.#running.delete(task.slot);
    this.#outbox.add(task.slot, outcome, value, now - task.startedAt, now);
  }

  /** Ends a task outside the pump, and begins the next. */
  #endLater(task: HostedTask, outcome: number, value: unknown): void {
    this.#end(task, outcome, value, performance.now());
    this.#pump();
  }

  /** Runs a generator to its end, as far ahead of its reader as there are credits; returns what it returns. */
  async #stream(task: HostedTask, generator: AnyGenerator): Promise<unknown> {
    let items: unknown[] = [];
    let isFlushSoon = false;
    const flush = (): void => {
      if (items.length === 0 || task.isOver) return;
      const all = items;
      items = [];
      const failure = this.#outbox.sendItems(task.slot, all);
      if (failure === null) return;
      this.#end(task, UNCLONEABLE, failure, performance.now());
      this.#outbox.flush();
    };
    let itemAt = 0;
    while (!task.isCancelled && !task.isOver) {
      if (task.credits === 0) {
        flush();
        await this.#lag(task);
        continue;
      }
      let result: IteratorResult<unknown, unknown>;
      try {
        const next = generator.next();
        result = next instanceof Promise ? await next : next;
      } catch (error) {
        flush(); // what it yielded before it failed comes before its failure
        throw error;
      }
      const { done, value } = result;
      if (done) {
        flush();
        return undefined;
      }
      items.push(value);
      task.credits--;
      const now = performance.now();
      const isQuick = now - itemAt < QUICK_MS;
      itemAt = now;
      if (!isQuick || items.length >= ITEMS_MAX) flush(); // the next one may take long, and hold up the turn
      else if (!isFlushSoon) {
        isFlushSoon = true;
        this.#runtime.soon(() => {
          isFlushSoon = false;
          flush();
        });
      }
    }
    await generator.return?.(undefined);
    task.throwIfCancelled(); // what was broken off is not complete
    return undefined;
  }

  /** Waits for credits, or for being cancelled; meanwhile others may run. */
  async #lag(task: HostedTask): Promise<void> {
    this.#lagging++;
    const woken = new Promise<void>((resolve) => task.wake = resolve);
    this.#pump();
    await woken;
    task.wake = null;
    this.#lagging--;
  }
}

function isGenerator(value: object): value is AnyGenerator {
  return typeof (value as { next?: unknown }).next === "function" &&
    (Symbol.asyncIterator in value || Symbol.iterator in value);
}
