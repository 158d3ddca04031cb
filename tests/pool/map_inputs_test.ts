/** Order, look-ahead and ending of `map`, without workers. */

import { assertEquals, assertRejects } from "@std/assert";
import { mapInputs } from "../../pool/map_inputs.ts";

Deno.test("no more than lookAhead inputs are under way", async () => {
  let underWay = 0;
  let most = 0;
  const run = async (value: number) => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setTimeout(resolve));
    underWay--;
    return value * 2;
  };
  const results = await Array.fromAsync(mapInputs([1, 2, 3, 4, 5, 6, 7], 3, run));
  assertEquals([results, most], [[2, 4, 6, 8, 10, 12, 14], 3]);
});

Deno.test("the first failure ends it, cancels the others and closes the source", async () => {
  let isClosed = false;
  const signals: AbortSignal[] = [];
  function* source() {
    try {
      for (let value = 0;; value++) yield value;
    } finally {
      isClosed = true;
    }
  }
  const results = mapInputs(source(), 4, (value, signal) => {
    signals.push(signal);
    return value === 2 ? Promise.reject(new RangeError("two")) : Promise.resolve(value);
  });
  await assertRejects(() => Array.fromAsync(results), RangeError, "two");
  assertEquals([isClosed, signals.every(({ aborted }) => aborted)], [true, true]);
});

Deno.test("nothing gives nothing", async () => {
  assertEquals(await Array.fromAsync(mapInputs([], 4, () => Promise.resolve(1))), []);
});
