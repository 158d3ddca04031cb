import { assert, assertEquals, assertThrows } from "@std/assert";
import { BELOW_MAX, checkPrimes, primes, type PrimesMessage } from "../../../server/demo/primes.ts";

/** The last message, and how far it was before each. */
function run(below: number): { result: PrimesMessage["result"]; parts: number[] } {
  const parts: number[] = [];
  let result: PrimesMessage["result"];
  for (const message of primes({ below })) {
    if (message.progress !== undefined) parts.push(message.progress.part);
    if (message.result !== undefined) result = message.result;
  }
  return { result, parts };
}

Deno.test("it counts as many primes as there are (OEIS A006880), and names the largest", () => {
  const known = [[10, 4, 7], [100, 25, 97], [1_000, 168, 997], [1_000_000, 78_498, 999_983], [
    10_000_000,
    664_579,
    9_999_991,
  ]];
  for (const [below, count, largest] of known) {
    assertEquals(run(below!).result, { count: count!, largest: largest! });
  }
});

Deno.test("it agrees with trial division below every small number", () => {
  const isPrime = (n: number) => {
    for (let factor = 2; factor * factor <= n; factor++) if (n % factor === 0) return false;
    return n > 1;
  };
  let count = 0;
  let largest = 0;
  for (let below = 2; below < 500; below++) {
    assertEquals(run(below).result, { count, largest }, `${below}`);
    if (isPrime(below)) [count, largest] = [count + 1, below];
  }
});

Deno.test("it says how far it is, and ends at all of it", () => {
  const { parts } = run(10_000_000);
  assert(parts.length > 5);
  assertEquals(parts, parts.toSorted((a, b) => a - b));
  assertEquals(parts.at(-1), 1);
});

Deno.test("only a whole number within the bounds is taken", () => {
  for (const below of [2, 3, BELOW_MAX]) checkPrimes({ below });
  for (
    const input of [null, undefined, 7, "x", {}, { below: "9" }, { below: 1 }, { below: 2.5 }, {
      below: BELOW_MAX + 1,
    }]
  ) {
    assertThrows(() => checkPrimes(input), TypeError, '"below"');
  }
});
