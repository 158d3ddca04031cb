/** An event log that fails, and answers late: appends in their order, reads in any. For tests of who asks. */
import type { Prng } from "../../../../io/testing/prng.ts";
import type {
  EventLog,
  LogEntry,
  LogPage,
  LogReadLimits,
  MaybePromise,
} from "../../../../server/log/event_log.ts";

/** What the log fails with. */
export class LogDownError extends Error {}

/** How a log behaves: shares of its calls. */
export interface FlakyLogOptions {
  /** Those that fail, and change nothing. */
  readonly failing: number;
  /** Reads that take effect at once and are answered by `answer()`. */
  readonly lateReads: number;
  /** Appends of that kind. */
  readonly lateAppends: number;
}

/** See the file's text. */
export class FlakyLog implements EventLog {
  readonly inner: EventLog;
  /** How it behaves from now on. */
  options: FlakyLogOptions;
  /** Hears of every entry that became visible. */
  onAppended: (topic: string, entry: LogEntry) => void = () => {};
  readonly #prng: Prng;
  #appends: (() => void)[] = [];
  #reads: (() => void)[] = [];

  /** @param inner answers at once @param prng decides @param options how it behaves */
  constructor(inner: EventLog, prng: Prng, options: FlakyLogOptions) {
    this.inner = inner;
    this.#prng = prng;
    this.options = options;
  }

  get epoch(): string {
    return this.inner.epoch;
  }

  /** Answers that are held back. */
  get waiting(): number {
    return this.#appends.length + this.#reads.length;
  }

  append(topic: string, bytes: Uint8Array, key?: string | null): MaybePromise<LogEntry> {
    // What waits behind another append is answered after it.
    const mustWait = this.#appends.length > 0;
    return this.#call(this.#appends, mustWait, () => {
      const entry = this.inner.append(topic, bytes, key) as LogEntry;
      this.onAppended(topic, entry);
      return entry;
    });
  }

  read(topic: string, after: string | number | null, limits: LogReadLimits): MaybePromise<LogPage> {
    return this.#call(this.#reads, false, () => this.inner.read(topic, after, limits) as LogPage);
  }

  end(topic: string): MaybePromise<number> {
    return this.#call(this.#reads, false, () => this.inner.end(topic) as number);
  }

  drop(topic: string): MaybePromise<void> {
    return this.inner.drop(topic);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  /** Lets the oldest answer to an append go, or any to a read. */
  answer(): void {
    const isRead = this.#reads.length > 0 && (this.#appends.length === 0 || this.#prng.chance(0.5));
    const waiting = isRead ? this.#reads : this.#appends;
    const at = isRead ? this.#prng.integer(0, waiting.length - 1) : 0;
    waiting.splice(at, 1)[0]?.();
  }

  #call<T>(waiting: (() => void)[], mustWait: boolean, ask: () => T): MaybePromise<T> {
    const what = this.#prng.next();
    const { failing, lateReads, lateAppends } = this.options;
    const late = waiting === this.#reads ? lateReads : lateAppends;
    if (what < failing) {
      const error = new LogDownError("the log is down");
      if (!mustWait && this.#prng.chance(0.5)) throw error;
      return new Promise((_, reject) => waiting.push(() => reject(error)));
    }
    const answer = ask();
    if (!mustWait && what >= failing + late) return answer;
    return new Promise((resolve) => waiting.push(() => resolve(answer)));
  }
}
