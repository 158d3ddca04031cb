/**
 * A log-linear histogram: any number of durations in a fixed 3.4 KiB, quantiles within 1.6 % of the true value.
 *
 * Strategy (as HdrHistogram's, http://hdrhistogram.org): values are whole microseconds. Below 64 each has a bucket of its own; above, every
 * power of two is cut into 32 buckets of equal width. A bucket's middle is at most half a width away from what is in
 * it: 1/64 of the value. What is above the range counts in the last bucket, and as itself in `max` and `sum`.
 *
 * @module
 */
import type { Distribution } from "./pool_contract.ts";

/** log2 of the buckets in each power of two: 32 of them, for 1.6 %. */
const SUB_BITS = 5;
/** Buckets in each power of two above the first two. */
const SUB_COUNT = 1 << SUB_BITS;
/** Powers of two covered: 2^31 µs is 36 minutes; longer ones are told apart by `max` alone. */
const BITS = 31;
/** Microseconds in a millisecond. */
const US_PER_MS = 1000;
/** Above this the index is computed from this: 32-bit arithmetic ends there. */
const US_MAX = 2 ** BITS - 1;

/** Durations in milliseconds, counted. */
export class Histogram {
  readonly #counts: Uint32Array = new Uint32Array((BITS - SUB_BITS + 1) * SUB_COUNT);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** Values recorded. */
  get count(): number {
    return this.#count;
  }

  /** Records a duration. @param ms milliseconds; below 0, which a clock can make of nothing, counts as 0 */
  record(ms: number): void {
    const value = ms > 0 ? ms : 0;
    this.#count++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
    this.#counts[bucketOf(value)]! += 1;
  }

  /**
   * The value that a share of all values does not exceed.
   *
   * @param share 0 to 1
   * @returns milliseconds, the middle of its bucket but never above the largest value; 0 when there is none
   */
  quantile(share: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return Math.min(this.#max, middleOf(bucket));
    }
    return this.#max;
  }

  /** Count, sum and the usual quantiles. */
  snapshot(): Distribution {
    return {
      count: this.#count,
      sum: this.#sum,
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
      max: this.#max,
    };
  }
}

/** The bucket of a value. @param ms milliseconds from 0 on */
function bucketOf(ms: number): number {
  const us = Math.min(US_MAX, Math.round(ms * US_PER_MS));
  if (us < SUB_COUNT) return us;
  const shift = 31 - Math.clz32(us) - SUB_BITS; // so that us >> shift has SUB_BITS + 1 bits
  return (shift << SUB_BITS) + (us >> shift);
}

/** The middle of a bucket, milliseconds. */
function middleOf(bucket: number): number {
  if (bucket < 2 * SUB_COUNT) return bucket / US_PER_MS;
  const shift = (bucket >> SUB_BITS) - 1;
  const low = (bucket - (shift << SUB_BITS)) * 2 ** shift;
  return (low + (2 ** shift - 1) / 2) / US_PER_MS;
}
