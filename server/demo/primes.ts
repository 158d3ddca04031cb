/**
 * The demo's job that computes: counts the primes below a number, by the sieve of Eratosthenes in segments.
 *
 * A module for workers: it imports nothing, and its generator is a task of a pool. Between two segments, some milliseconds
 * of work each, it says how far it is, and can be stopped.
 *
 * @module
 */

/** What the task says; the shape that `streamRunner` understands. */
export interface PrimesMessage {
  /** How far it is. */
  readonly progress?: { readonly part: number; readonly found: number };
  /** The result. */
  readonly result?: { readonly count: number; readonly largest: number };
}

/** Input of the task. */
export interface PrimesInput {
  /** Counts the primes below this: a whole number from 2 to `BELOW_MAX`. */
  readonly below: number;
}

/** Largest input: half a minute on one core, and its square root's primes fit in no memory worth naming. */
export const BELOW_MAX = 5_000_000_000;
/** Odd numbers in one segment: a byte each, so that a segment stays in the second-level cache. */
const SEGMENT = 512 * 1024;

/**
 * Checks an input.
 *
 * @param input as a client sent it
 * @throws TypeError with what is wrong
 */
export function checkPrimes(input: unknown): void {
  const below = (input as PrimesInput | null | undefined)?.below;
  if (Number.isSafeInteger(below) && below! >= 2 && below! <= BELOW_MAX) return;
  throw new TypeError(
    `Cannot run primes: its input is { "below": N }, a whole number from 2 to ${BELOW_MAX}`,
  );
}

/**
 * Counts the primes below a number.
 *
 * @param input up to where
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { primes } from "./primes.ts";
 *
 * const messages = [...primes({ below: 100 })];
 * assertEquals(messages.at(-1), { result: { count: 25, largest: 97 } });
 * ```
 */
export function* primes({ below }: PrimesInput): Generator<PrimesMessage> {
  const factors = oddPrimesUpTo(Math.floor(Math.sqrt(below)));
  const marks = new Uint8Array(SEGMENT);
  let count = below > 2 ? 1 : 0;
  let largest = below > 2 ? 2 : 0;
  for (let start = 3; start < below; start += 2 * SEGMENT) {
    const length = Math.min(SEGMENT, Math.ceil((below - start) / 2));
    marks.fill(0, 0, length);
    for (const factor of factors) {
      if (factor * factor >= start + 2 * length) break;
      let multiple = Math.max(factor * factor, Math.ceil(start / factor) * factor);
      if (multiple % 2 === 0) multiple += factor;
      for (let index = (multiple - start) / 2; index < length; index += factor) marks[index] = 1;
    }
    for (let index = 0; index < length; index++) {
      if (marks[index] !== 0) continue;
      count++;
      largest = start + 2 * index;
    }
    yield { progress: { part: Math.min(1, (start + 2 * length) / below), found: count } };
  }
  yield { result: { count, largest } };
}

function oddPrimesUpTo(max: number): number[] {
  const isComposite = new Uint8Array(max + 1);
  const found: number[] = [];
  for (let n = 3; n <= max; n += 2) {
    if (isComposite[n] !== 0) continue;
    found.push(n);
    for (let multiple = n * n; multiple <= max; multiple += 2 * n) isComposite[multiple] = 1;
  }
  return found;
}
