/**
 * A binary heap whose items know their place, so that any of them can be taken out: jobs by due time, leases by their end.
 *
 * @module
 */

/** What can be in a heap, and in one at a time. */
export interface HeapItem {
  /** Its place in the heap; the heap's own. -1 when it is in none. */
  heapIndex: number;
}

/** Items by an order, the first of them at hand. Everything but looking costs O(log n). */
export class JobHeap<Item extends HeapItem> {
  readonly #items: Item[] = [];
  readonly #isBefore: (one: Item, other: Item) => boolean;

  /** Makes an empty heap. @param isBefore a strict order; it must not change for items that are in the heap */
  constructor(isBefore: (one: Item, other: Item) => boolean) {
    this.#isBefore = isBefore;
  }

  /** How many items are in it. */
  get size(): number {
    return this.#items.length;
  }

  /** The first item, which stays in; `undefined` when it is empty. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  /** Puts an item in that is in no heap. */
  add(item: Item): void {
    this.#place(item, this.#items.length);
    this.#rise(item);
  }

  /** Takes an item out that is in this heap. */
  remove(item: Item): void {
    const index = item.heapIndex;
    const last = this.#items.pop()!;
    item.heapIndex = -1;
    if (last === item) return;
    this.#place(last, index);
    this.#rise(last);
    this.#sink(last);
  }

  #place(item: Item, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }

  #rise(item: Item): void {
    while (item.heapIndex > 0) {
      const index = item.heapIndex;
      const parent = this.#items[(index - 1) >> 1]!;
      if (!this.#isBefore(item, parent)) return;
      this.#place(item, parent.heapIndex);
      this.#place(parent, index);
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const index = item.heapIndex;
      let child = this.#items[2 * index + 1];
      if (child === undefined) return;
      const right = this.#items[2 * index + 2];
      if (right !== undefined && this.#isBefore(right, child)) child = right;
      if (!this.#isBefore(child, item)) return;
      this.#place(item, child.heapIndex);
      this.#place(child, index);
    }
  }
}
