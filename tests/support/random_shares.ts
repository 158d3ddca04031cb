/** Random numbers from 0 to 1 that come again for the same seed. */

import { seededRandom } from "../vectors/seeded_random.ts";

/** Makes a generator. @param seed any 32-bit number @returns gives a number from 0 up to, not including, 1 */
export function randomShares(seed: number): () => number {
  const random = seededRandom(seed);
  return () => random(2 ** 30) / 2 ** 30;
}
