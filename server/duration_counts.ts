/**
 * Durations counted in fixed buckets, so that a scrape costs nothing to prepare and the counts of many processes can be added up.
 *
 * @module
 */

/** Counts of durations in fixed buckets. */
export interface DurationHistogram {
  /** Upper bounds of the buckets, milliseconds, rising; the last bucket, above all of them, has none. */
  readonly boundsMs: readonly number[];
  /** How many durations fell into each bucket; one more than there are bounds. Not cumulative. */
  readonly counts: readonly number[];
  /** Sum of all durations, milliseconds. */
  readonly sumMs: number;
  /** How many durations there were. */
  readonly count: number;
}

/**
 * Bounds of the buckets, milliseconds: from a cached answer on the same machine to a model that thinks for a minute, in
 * steps of 2 to 2.5, as Prometheus's client libraries have them.
 */
const BOUNDS_MS: readonly number[] = [
  1,
  2.5,
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1_000,
  2_500,
  5_000,
  10_000,
  30_000,
  60_000,
];

/** Counts durations. */
export class DurationCounts implements DurationHistogram {
  readonly boundsMs: readonly number[] = BOUNDS_MS;
  readonly counts: number[] = new Array(BOUNDS_MS.length + 1).fill(0);
  sumMs = 0;
  count = 0;

  /** Counts one duration, milliseconds. */
  add(ms: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > BOUNDS_MS[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sumMs += ms;
    this.count++;
  }
}
