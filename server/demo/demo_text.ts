/**
 * The demo model: text that looks like prose, the same every time for the same prompt, without any intelligence.
 *
 * Strategy: the prompt's hash seeds a small generator, which picks words from a fixed list. Some of the words are not
 * ASCII (accents, CJK, emoji outside the basic plane), so that whoever splits UTF-8 or UTF-16 in the wrong place shows it.
 *
 * @module
 */

/** What the demo says; one entry is one token. */
const WORDS: readonly string[] = [
  "a",
  "stream",
  "of",
  "tokens",
  "flows",
  "from",
  "the",
  "selector",
  "to",
  "reader",
  "and",
  "waits",
  "for",
  "nobody",
  "while",
  "bytes",
  "keep",
  "their",
  "order",
  "über",
  "naïve",
  "façade",
  "流れ",
  "数据",
  "토큰",
  "поток",
  "🌊",
  "🚰",
  "👩‍💻",
  "each",
  "one",
  "bounded",
  "by",
  "what",
  "is",
  "read",
];

/** A sentence has this many words at least, and up to `SENTENCE_EXTRA` more: about as long as people write them. */
const SENTENCE_WORDS = 5;
/** See `SENTENCE_WORDS`. */
const SENTENCE_EXTRA = 8;

/** FNV-1a's 32-bit parameters (draft-eastlake-fnv): a hash that is short to write and good enough for a seed. */
const FNV_OFFSET = 0x811c9dc5;
/** See `FNV_OFFSET`. */
const FNV_PRIME = 0x01000193;

/** Hashes a text to 32 bits, never 0 (which the generator could not leave). */
export function seedOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return (hash >>> 0) || 1;
}

/** One token after another, for ever: joined they are the text. */
export class DemoText {
  #state: number;
  #left = 0;
  #isFirst = true;

  /** @param seed from `seedOf` */
  constructor(seed: number) {
    this.#state = seed;
  }

  /** The next token, with the space in front that belongs to it. */
  next(): string {
    const space = this.#isFirst ? "" : " ";
    this.#isFirst = false;
    let word = WORDS[this.#random(WORDS.length)]!;
    if (this.#left === 0) {
      this.#left = SENTENCE_WORDS + this.#random(SENTENCE_EXTRA + 1);
      word = word.charAt(0).toUpperCase() + word.slice(1);
    }
    this.#left--;
    return space + word + (this.#left === 0 ? "." : "");
  }

  /** A number from 0 on, below `bound` (Marsaglia's xorshift32, 2003). */
  #random(bound: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % bound;
  }
}

/**
 * The first tokens of the answer to a prompt.
 *
 * @param seed from `seedOf`
 * @param count how many tokens
 */
export function demoTokens(seed: number, count: number): string[] {
  const text = new DemoText(seed);
  return Array.from({ length: count }, () => text.next());
}
