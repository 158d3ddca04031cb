/** A job store that fails, and answers late and in any order, as one behind a network does: for tests of who asks. */
import type { Prng } from "../../../../io/testing/prng.ts";
import type { JobStore } from "../../../../server/jobs/job_store.ts";

/** What the store fails with. */
export class StoreDownError extends Error {}

/** How a store behaves. */
export interface FlakyOptions {
  /** Share of the calls that fail, and change nothing. */
  readonly failing: number;
  /** Share of the calls that take effect and are answered by `answer()`. */
  readonly late: number;
}

/** See the file's text. */
export class FlakyJobStore {
  /** What it is asked through. */
  readonly store: JobStore;
  /** Calls that failed. */
  failures = 0;
  /** How it behaves from now on. */
  options: FlakyOptions;
  readonly #prng: Prng;
  #late: (() => void)[] = [];

  /** @param inner where the jobs are; must answer at once @param prng decides @param options how it behaves */
  constructor(inner: JobStore, prng: Prng, options: FlakyOptions) {
    this.#prng = prng;
    this.options = options;
    this.store = new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name === "watch" || name === "close") return value.bind(target);
        return (...parameters: unknown[]) => this.#call(() => value.apply(target, parameters));
      },
    });
  }

  /** Answers that are held back. */
  get waiting(): number {
    return this.#late.length;
  }

  /** Lets one answer go, whichever. */
  answer(): void {
    const at = this.#prng.integer(0, Math.max(0, this.#late.length - 1));
    this.#late.splice(at, 1)[0]?.();
  }

  /** Lets all answers go. */
  answerAll(): void {
    while (this.#late.length > 0) this.answer();
  }

  #call(ask: () => unknown): unknown {
    const { failing, late } = this.options;
    const what = this.#prng.next();
    if (what < failing) {
      this.failures++;
      const error = new StoreDownError("the store is down");
      return this.#prng.chance(0.5) ? this.#later(() => Promise.reject(error)) : Promise.reject(error);
    }
    if (what >= failing + late) return ask();
    try {
      const answer = ask();
      return this.#later(() => Promise.resolve(answer));
    } catch (error) {
      return this.#later(() => Promise.reject(error));
    }
  }

  #later(answer: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve) => this.#late.push(() => resolve(answer())));
  }
}
