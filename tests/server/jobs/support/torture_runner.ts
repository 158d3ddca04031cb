/** A runner whose attempts are driven at random from outside: they work, tell, end, fail, and obey or do not. */
import type { Prng } from "../../../../io/testing/prng.ts";
import { JobRejectedError } from "../../../../server/jobs/errors.ts";
import type { JobContext, JobRunner } from "../../../../server/jobs/job_runner.ts";

/** One attempt. */
export interface TortureAttempt {
  readonly context: JobContext;
  /** Whose it is. */
  readonly runner: object;
  /** Its number among all attempts. */
  readonly number: number;
  /** Outputs it has told so far. */
  told: number;
  isOver: boolean;
  /** What it gave. */
  value: string | null;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Who has all attempts, of all services. */
export class TortureRunners {
  readonly attempts: TortureAttempt[] = [];
  /** Those that are at work. */
  readonly working = new Set<TortureAttempt>();
  readonly #prng: Prng;

  /** @param prng decides what attempts do */
  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** A runner for one service. @param options its bounds */
  runner(options: Omit<JobRunner, "run">): JobRunner & { running: number } {
    const runner = {
      ...options,
      running: 0,
      backoffMs: (attempt: number) => 300 * attempt,
      run: async (_input: unknown, context: JobContext) => {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>();
        const number = this.attempts.length;
        const attempt = { runner, context, number, told: 0, isOver: false, value: null, resolve, reject };
        this.attempts.push(attempt);
        this.working.add(attempt);
        runner.running++;
        if (this.#prng.chance(0.7)) {
          context.signal.addEventListener("abort", () => reject(context.signal.reason));
        }
        try {
          return await promise;
        } finally {
          attempt.isOver = true;
          this.working.delete(attempt);
          runner.running--;
        }
      },
    };
    return runner;
  }

  /** Has one of the attempts do something. */
  step(): void {
    const all = [...this.working];
    const attempt = all[this.#prng.integer(0, Math.max(0, all.length - 1))];
    if (attempt === undefined) return;
    const what = this.#prng.next();
    if (what < 0.35) this.tell(attempt);
    else if (what < 0.55) attempt.context.progress(this.#prng.next()).catch(() => {});
    else if (what < 0.8) this.finish(attempt);
    else if (what < 0.95) attempt.reject(new Error("by chance"));
    else attempt.reject(new JobRejectedError("by chance"));
  }

  /** Tells an output, which says whose it is and which one. */
  tell(attempt: TortureAttempt): void {
    attempt.context.output(`${attempt.number}:${attempt.told++}`).catch(() => {});
  }

  /** Ends an attempt with a result of its own. */
  finish(attempt: TortureAttempt): void {
    if (this.#prng.chance(0.3)) this.tell(attempt);
    attempt.value = `${attempt.number}`;
    attempt.resolve(attempt.value);
  }
}
