/** Random numbers that come again for the same seed. */

/**
 * Makes a generator (mulberry32: small, fast, good enough to choose test cases).
 *
 * @param seed any 32-bit number
 * @returns a function that gives a whole number from 0 up to, not including, `below`
 */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}
