/** The heap against a sorted array. */

import { assertEquals } from "@std/assert";
import { BinaryHeap } from "../../pool/binary_heap.ts";
import { randomShares } from "../support/random_shares.ts";

Deno.test("items come out in order, whatever goes in between", () => {
  const random = randomShares(1);
  const heap = new BinaryHeap<number>((a, b) => a < b);
  let sorted: number[] = [];
  for (let step = 0; step < 5_000; step++) {
    const choice = random();
    if (choice < 0.6) {
      const value = Math.floor(random() * 1_000);
      heap.push(value);
      sorted.push(value);
      sorted.sort((a, b) => a - b);
    } else if (choice < 0.99) assertEquals(heap.pop(), sorted.shift());
    else {
      heap.filter((value) => value % 2 === 0);
      sorted = sorted.filter((value) => value % 2 === 0);
    }
    assertEquals([heap.peek(), heap.size], [sorted[0], sorted.length]);
  }
  assertEquals([...heap.values()].sort((a, b) => a - b), sorted);
});

Deno.test("an empty heap gives nothing", () => {
  const heap = new BinaryHeap<string>((a, b) => a < b);
  assertEquals([heap.pop(), heap.peek(), heap.size], [undefined, undefined, 0]);
  heap.push("only");
  assertEquals([heap.pop(), heap.pop(), heap.size], ["only", undefined, 0]);
});
