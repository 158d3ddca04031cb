/**
 * Counts the connections of each address, to bound them.
 *
 * @module
 */
import type { Addr } from "../io/selector.ts";

/** How many connections each address has, and may have. */
export class AddressCounter {
  readonly #max: number;
  readonly #counts: Map<string, number> = new Map();

  /** @param max connections one address may have; `Infinity` for any number, which is then not counted */
  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more; `false`, and not counted, when the address has as many as it may. Unix sockets have no address. */
  enter(addr: Addr): boolean {
    if (this.#max === Infinity || addr.transport !== "tcp") return true;
    const count = this.#counts.get(addr.hostname) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(addr.hostname, count + 1);
    return true;
  }

  /** Counts one less, of those that entered. */
  leave(addr: Addr): void {
    if (this.#max === Infinity || addr.transport !== "tcp") return;
    const count = this.#counts.get(addr.hostname) ?? 0;
    if (count > 1) this.#counts.set(addr.hostname, count - 1);
    else this.#counts.delete(addr.hostname);
  }
}
