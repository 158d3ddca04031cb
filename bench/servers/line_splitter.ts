/**
 * Cuts what a socket delivers into lines, for the raw servers that have no line reader of their own.
 *
 * As little as a careful program would write by hand: views where a delivery holds whole lines, a copy only of what is
 * left over. Not bounded, unlike a library's: the bench's peers send short lines.
 *
 * @module
 */

/** The byte that ends a line. */
const LF = 0x0a;

/** Splits one connection's bytes. */
export class LineSplitter {
  #rest: Uint8Array | null = null;

  /**
   * Calls `onLine` with every line that is whole now, its LF included.
   *
   * @param bytes what came
   * @param onLine gets views that hold until `bytes` is used again
   */
  push(bytes: Uint8Array, onLine: (line: Uint8Array) => void): void {
    let from = bytes;
    if (this.#rest !== null) {
      from = new Uint8Array(this.#rest.length + bytes.length);
      from.set(this.#rest);
      from.set(bytes, this.#rest.length);
      this.#rest = null;
    }
    let start = 0;
    for (let end = from.indexOf(LF); end >= 0; end = from.indexOf(LF, start)) {
      onLine(from.subarray(start, end + 1));
      start = end + 1;
    }
    // Not `slice()`, which on a Node `Buffer` is a view.
    if (start < from.length) this.#rest = new Uint8Array(from.subarray(start));
  }
}
