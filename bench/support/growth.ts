/**
 * Tells a leak from a heap that breathes: how much more memory a process holds at the end of a long load than after its
 * warm-up, and whether the load was long enough to say so.
 *
 * Strategy: in its first minute a process compiles its code, its heap takes the size it works with, and logs fill up to
 * their bounds, which is growth and no leak. So that minute is left out; then the median of the last sixth of the samples
 * stands against that of the first. Between two collections a heap moves by some MiB, so that much says nothing; and
 * a load so short that a leak would drown in that is not judged but refused.
 *
 * @module
 */
import { median } from "./report.ts";

/** One look at a process. */
export interface MemorySample {
  /** Its resident memory, bytes. */
  readonly rssBytes: number;
  /** What it was used for so far: requests, streams, events. */
  readonly uses: number;
}

/** What was found. */
export interface Growth {
  /** Bytes more at the end than after warm-up; `NaN` without samples after it. */
  readonly grownBytes: number;
  /** Uses between the two. */
  readonly uses: number;
  /** What is wrong; `null` when memory is flat. */
  readonly fault: string | null;
}

/** Samples of the warm-up, one a second. */
export const WARM_UP_SAMPLES = 60;

/** How much more may be held: below this, garbage that is not collected yet looks like growth. */
export const GROWTH_BYTES_MAX = 16 * 1024 * 1024;

/** The leak that must be found, bytes a use: less than any object with a field or two and a place in a list. */
export const LEAK_BYTES = 100;

/** Twice the uses at which such a leak reaches the limit, so that it is found though the heap just happens to be small. */
export const USES_MIN = 2 * GROWTH_BYTES_MAX / LEAK_BYTES;

/** Judges a load by its samples, one a second from its start. */
export function judgeGrowth(samples: readonly MemorySample[]): Growth {
  const warm = samples.slice(WARM_UP_SAMPLES);
  const sixth = Math.max(1, Math.floor(warm.length / 6));
  const [first, last] = [warm.slice(0, sixth), warm.slice(-sixth)];
  const middle = (part: readonly MemorySample[], of: keyof MemorySample) =>
    median(part.map((sample) => sample[of]));
  const grownBytes = middle(last, "rssBytes") - middle(first, "rssBytes");
  const uses = warm.length === 0 ? 0 : middle(last, "uses") - middle(first, "uses");
  if (grownBytes > GROWTH_BYTES_MAX) return { grownBytes, uses, fault: "memory grew" };
  const isShort = uses < USES_MIN;
  return {
    grownBytes,
    uses,
    fault: isShort
      ? `too short to judge memory: ${uses} uses after warm-up, not ${Math.ceil(USES_MIN)}`
      : null,
  };
}
