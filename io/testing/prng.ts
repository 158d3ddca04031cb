/**
 * A small seeded generator of pseudo-random numbers, so that a test which failed can be run again exactly.
 *
 * splitmix32: one 32-bit word of state, every seed good, the same numbers on every runtime. Source: G. Steele, D. Lea,
 * C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (its 32-bit form, constants of MurmurHash3).
 * Not for secrets.
 *
 * @module
 */

/** Odd number closest to 2^32 / golden ratio: the step between states. */
const GOLDEN_STEP = 0x9e3779b9;

/**
 * A seeded generator.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Prng } from "@sluice/kit/testing";
 *
 * assertEquals(new Prng(7).integer(1, 6), new Prng(7).integer(1, 6));
 * ```
 */
export class Prng {
  #state: number;

  /** Begins a sequence. @param seed any integer; its lowest 32 bits count */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + GOLDEN_STEP) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x85ebca6b);
    mixed ^= mixed >>> 13;
    mixed = Math.imul(mixed, 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    return (mixed >>> 0) / 2 ** 32;
  }

  /**
   * An integer from `min` to `max`, both included, all equally likely.
   *
   * @throws RangeError when `min` is above `max`
   */
  integer(min: number, max: number): number {
    if (!(min <= max)) throw new RangeError(`Cannot draw an integer: ${min} is above ${max}`);
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /**
   * An integer from 1 to `max`, small ones far more likely: equally likely in each order of magnitude.
   *
   * @throws RangeError when `max` is below 1
   */
  skewed(max: number): number {
    if (!(max >= 1)) throw new RangeError(`Cannot draw a skewed integer: ${max} is below 1`);
    return Math.min(max, Math.floor((max + 1) ** this.next()));
  }

  /** `true` with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A generator of its own for the part called `label`, independent of how much this one is used. */
  static derive(seed: number, ...labels: readonly number[]): Prng {
    let state = seed | 0;
    for (const label of labels) {
      state = new Prng(state ^ Math.imul(label + 1, GOLDEN_STEP)).integer(0, 0xffffffff) | 0;
    }
    return new Prng(state);
  }
}
