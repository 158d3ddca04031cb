/**
 * A runner for jobs that compute: each takes one of a fixed number of slots, and is a stream of what a worker says.
 *
 * This layer knows no pool. What it needs of one is the shape of `ComputeStream`, which `pool.stream` fits:
 * `streamRunner((input, options) => pool.stream("primes", input, options), { slots: 2 })`.
 *
 * @module
 */
import type { JobContext, JobRunner } from "./job_runner.ts";

/** What a worker says: how far it is, a piece of output, or the result; any of them, in this order. */
export interface ComputeMessage {
  /** See `JobContext.progress`. */
  readonly progress?: unknown;
  /** See `JobContext.output`. */
  readonly output?: unknown;
  /** What the job gives; the last one counts. */
  readonly result?: unknown;
}

/** Starts a computation: what it says comes as a stream, which must end when the signal aborts, with an error. */
export type ComputeStream = (
  input: unknown,
  options: { readonly signal: AbortSignal },
) => AsyncIterable<ComputeMessage>;

/** Options of `streamRunner`: those of a runner, with slots. */
export type StreamRunnerOptions = Omit<JobRunner, "run" | "concurrencyMax"> & {
  /** Computations at once: as many as the pool has workers. Others wait in the store, where they cost nothing. */
  readonly slots: number;
};

/**
 * Makes a runner of a computation.
 *
 * @param start begins one
 * @param options slots, and what a runner has
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Jobs, streamRunner } from "@sluice/kit/server";
 *
 * async function* count(input: unknown) {
 *   for (let n = 1; n <= Number(input); n++) yield { progress: n / Number(input) };
 *   yield { result: "counted" };
 * }
 * await using jobs = new Jobs({ runners: { count: streamRunner(count, { slots: 2 }) } });
 * const { job } = await jobs.enqueue({ runner: "count", input: 3 });
 * const story = await jobs.subscribe(new Request("http://localhost/"), job.id);
 * assertEquals(/"result":"counted"/.test(await story.text()), true);
 * ```
 */
export function streamRunner(start: ComputeStream, options: StreamRunnerOptions): JobRunner {
  const { slots, ...rest } = options;
  return {
    ...rest,
    concurrencyMax: slots,
    async run(input: unknown, context: JobContext): Promise<unknown> {
      let result: unknown = null;
      for await (const message of start(input, { signal: context.signal })) {
        if (message.progress !== undefined) await context.progress(message.progress);
        if (message.output !== undefined) await context.output(message.output);
        if (message.result !== undefined) result = message.result;
      }
      return result;
    },
  };
}
