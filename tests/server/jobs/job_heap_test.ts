import { assertEquals } from "@std/assert";
import { JobHeap } from "../../../server/jobs/job_heap.ts";
import { seededRandom } from "../sse/support/random.ts";

interface Item {
  readonly value: number;
  heapIndex: number;
}

Deno.test("the first is always the least, whatever is put in and taken out", () => {
  const random = seededRandom(11);
  const heap = new JobHeap<Item>((one, other) => one.value < other.value);
  const items: Item[] = [];
  for (let step = 0; step < 5_000; step++) {
    if (items.length === 0 || random.int(5) < 3) {
      const item = { value: random.int(100), heapIndex: -1 };
      items.push(item);
      heap.add(item);
    } else {
      const [item] = items.splice(random.int(items.length), 1);
      heap.remove(item!);
      assertEquals(item!.heapIndex, -1);
    }
    assertEquals(heap.size, items.length);
    const least = items.length === 0 ? undefined : Math.min(...items.map(({ value }) => value));
    assertEquals(heap.first?.value, least);
  }
});
