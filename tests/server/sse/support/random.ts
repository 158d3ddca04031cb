/** Random numbers and texts that repeat: the same seed gives the same ones. */

/** A generator of random numbers (mulberry32). */
export interface SeededRandom {
  /** A number from 0 up to, not including, 1. */
  next(): number;
  /** A whole number from 0 up to, not including, `below`. */
  int(below: number): number;
}

/** Makes a generator that gives the same numbers for the same seed. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, int: (below) => Math.floor(next() * below) };
}

/** Pieces that event streams trip over: line ends, colons, spaces, marks, wide characters. */
const PIECES = ["a", "b", " ", ":", "\n", "\r", "\r\n", "\0", "ü", "€", "🐢", "\ufeff", "data:", "id", "\t"];

/** A text of up to `pieces` pieces that event streams trip over. */
export function randomText(random: SeededRandom, pieces: number): string {
  let text = "";
  for (let left = random.int(pieces + 1); left > 0; left--) text += PIECES[random.int(PIECES.length)];
  return text;
}
