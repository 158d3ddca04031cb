/**
 * A binary heap: the smallest item first, by an order that is given. Adding and taking cost O(log n), adding in order O(1).
 *
 * @module
 */

/** Items, the smallest at hand. */
export class BinaryHeap<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  #items: T[] = [];

  /** Makes an empty heap. @param isBefore whether `a` comes before `b`; a strict order */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  /** Items in it. */
  get size(): number {
    return this.#items.length;
  }

  /** The smallest item; `undefined` when there is none. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item. */
  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isBefore(item, items[above]!)) break;
      items[at] = items[above]!;
      at = above;
    }
    items[at] = item;
  }

  /** Takes the smallest item; `undefined` when there is none. */
  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    this.#sink(0, last);
    return first;
  }

  /** Takes out every item that does not pass. @param keeps whether an item stays */
  filter(keeps: (item: T) => boolean): void {
    this.#items = this.#items.filter(keeps);
    for (let at = (this.#items.length >> 1) - 1; at >= 0; at--) this.#sink(at, this.#items[at]!);
  }

  /** The items, in no order. */
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /** Puts an item where it belongs, at a place or below it. */
  #sink(from: number, item: T): void {
    const items = this.#items;
    const size = items.length;
    let at = from;
    for (let below = 2 * at + 1; below < size; below = 2 * at + 1) {
      if (below + 1 < size && this.#isBefore(items[below + 1]!, items[below]!)) below++;
      if (!this.#isBefore(items[below]!, item)) break;
      items[at] = items[below]!;
      at = below;
    }
    items[at] = item;
  }
}
