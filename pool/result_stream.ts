/**
 * The reader's end of a stream: items in order, bounded by credits.
 *
 * The worker may be `credits` items ahead. Credits go back in lots of half the window, so that a message grants many and the worker
 * never waits for a reader that keeps up. When the worker has none left the task is lagging, and gives its place to others.
 *
 * @module
 */
import type { TaskStream } from "./pool_contract.ts";
import type { TaskSink } from "./task.ts";

/** What a stream asks of the pool. */
export interface StreamControl {
  /** Lets the worker send more. */
  grant(credits: number): void;
  /** Notes whether the worker waits for the reader. */
  setLagging(isLagging: boolean): void;
  /** Cancels the task. */
  cancel(): void;
}

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Items of a stream, for one reader. */
export class ResultStream<T> implements TaskStream<T>, TaskSink {
  readonly #window: number;
  readonly #control: StreamControl;
  /** Items that came and were not read, from `#head` on. */
  #items: T[] = [];
  #head = 0;
  /** Items the worker may yet send. */
  #credits: number;
  /** Items that were read since credits were returned. */
  #owed = 0;
  /** Calls of `next` that wait: no more than were made. */
  #readers: Reader<T>[] = [];
  #outcome: { readonly error: unknown } | "ended" | null = null;
  /** Resolves when the task has settled; for `return`. */
  readonly #settled = Promise.withResolvers<void>();
  #isReturned = false;

  /** Makes a stream without items. @param window credits, as many as its task was started with @param control the pool */
  constructor(window: number, control: StreamControl) {
    this.#window = window;
    this.#credits = window;
    this.#control = control;
  }

  /** See `TaskSink`. */
  items(items: readonly unknown[]): void {
    if (this.#isReturned) return; // they were on their way when the reader left
    this.#credits -= items.length;
    for (const item of items as readonly T[]) {
      const reader = this.#readers.shift();
      if (reader === undefined) this.#items.push(item);
      else {
        this.#owed++;
        reader.resolve({ done: false, value: item });
      }
    }
    this.#settleCredits();
  }

  /** See `TaskSink`. */
  succeed(): void {
    this.#end("ended");
  }

  /** See `TaskSink`. What the reader itself has cancelled is no failure to it. */
  fail(error: unknown): void {
    this.#end(this.#isReturned ? "ended" : { error });
  }

  /** See `TaskStream`. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#items.length) {
      const value = this.#items[this.#head]!;
      this.#items[this.#head++] = undefined as T; // nothing is kept alive by what has been read
      if (this.#head === this.#items.length) {
        this.#items = [];
        this.#head = 0;
      }
      this.#owed++;
      this.#settleCredits();
      return Promise.resolve({ done: false, value });
    }
    if (this.#outcome !== null) return this.#final();
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** See `TaskStream`. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#isReturned = true;
    this.#items = [];
    this.#head = 0;
    if (this.#outcome === null) this.#control.cancel();
    else this.#outcome = "ended";
    await this.#settled.promise;
    return { done: true, value: undefined };
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** As `return`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #settleCredits(): void {
    if (this.#outcome !== null) return;
    if (this.#owed > 0 && this.#owed >= Math.min(this.#window, Math.max(1, this.#window >> 1))) {
      const credits = this.#owed;
      this.#owed = 0;
      this.#credits += credits;
      this.#control.setLagging(false);
      this.#control.grant(credits);
    } else if (this.#credits === 0) this.#control.setLagging(true);
  }

  #end(outcome: { readonly error: unknown } | "ended"): void {
    this.#outcome = outcome;
    const readers = this.#readers;
    this.#readers = [];
    for (const { resolve, reject } of readers) this.#final().then(resolve, reject);
    this.#settled.resolve();
  }

  /** What a reader gets after the last item: the failure once, and then the end. */
  #final(): Promise<IteratorResult<T, undefined>> {
    const outcome = this.#outcome;
    this.#outcome = "ended";
    if (outcome === "ended" || outcome === null) return Promise.resolve({ done: true, value: undefined });
    return Promise.reject(outcome.error);
  }
}
