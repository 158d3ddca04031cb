/**
 * Runs a test for many seeds, and says how to run the one that failed again.
 *
 * @module
 */

/** The variable that picks one seed. */
const VARIABLE = "SLUICE_SEED";

/** One run with a seed failed; the cause is what it threw. */
export class SeedError extends Error {
  /** The seed. */
  readonly seed: number;
  constructor(seed: number, replay: string, cause: unknown) {
    super(`Seed ${seed} failed. Again: ${replay}\n${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
    this.name = "SeedError";
    this.seed = seed;
  }
}

/**
 * Runs `run` for the seeds 0 to `count` - 1, one after the other; or, with `SLUICE_SEED` set, for that one only.
 *
 * @param test name of the test it is called in, for the message
 * @param count how many seeds
 * @param run the test of one seed
 * @throws SeedError for the first seed that fails
 */
export async function forSeeds(test: string, count: number, run: (seed: number) => Promise<void> | void) {
  const picked = Deno.env.get(VARIABLE);
  if (picked !== undefined && !/^\d+$/.test(picked)) {
    throw new RangeError(`Cannot run seeds: ${VARIABLE} must be a number from 0 on, not "${picked}"`);
  }
  const seeds = picked === undefined ? Array.from({ length: count }, (_, seed) => seed) : [Number(picked)];
  for (const seed of seeds) {
    try {
      await run(seed);
    } catch (error) {
      throw new SeedError(seed, `${VARIABLE}=${seed} deno task test --filter ${JSON.stringify(test)}`, error);
    }
  }
}
