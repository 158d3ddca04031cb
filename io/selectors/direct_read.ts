/**
 * Reading by a system call of its own, into one buffer that all sockets share: what epoll always does, and io_uring for who
 * receives much.
 *
 * Strategy: who fills the buffer has more, and is read on. A large body is then through before the next one is begun, as far as it
 * has come, and whatever it is copied to is still in the cache: sixteen uploads of 1 MiB at once cost a third of what they cost
 * in turns of 64 KiB. The others of a turn wait for that, so a turn has a bound of such reads, for all sockets in it.
 *
 * @module
 */
import { MSG_DONTWAIT } from "../ffi/constants.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Size } from "../ffi/load.ts";
import { FrontView } from "../front_view.ts";

/** 64 KiB per read: what one system call usually finds on a fast link; larger ones gained nothing measurable. */
const READ_BYTES = 64 * 1024;

/** How many reads a turn has beyond one a socket: 1.5 MiB, or about 0.5 ms. Half of it gained nothing, more not much. */
const MORE_READS_MAX = 24;

/** Who takes what is read. */
export interface ReadTaker {
  /** Gets bytes, on loan; returns whether it takes more now. */
  takeRead(bytes: Uint8Array): boolean;
}

/** See the module's text. One is enough for all sockets of a thread. */
export class DirectReader {
  readonly #libc: Libc;
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #view = new FrontView(this.#buffer);
  readonly #size: Size;
  #moreReads = 0;

  /** @param libc what is called */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#size = libc.size(READ_BYTES);
  }

  /** A turn begins: there are `MORE_READS_MAX` reads more than one a socket. */
  openTurn(): void {
    this.#moreReads = MORE_READS_MAX;
  }

  /**
   * Reads once, and on while that fills the buffer, `taker` takes more, and the turn has reads left.
   *
   * @param descriptor a socket
   * @param taker gets the bytes
   * @returns what the last call did: bytes read, 0 at the end of what the peer sends, below 0 an error number, negated; of that
   *   EAGAIN and EINTR mean that nothing more is there now
   */
  read(descriptor: number, taker: ReadTaker): number {
    let count: number;
    let takesMore: boolean;
    do {
      count = this.#libc.call.recv(descriptor, this.#buffer, this.#size, MSG_DONTWAIT);
      if (count <= 0) return count === 0 ? 0 : -this.#libc.errno();
      takesMore = taker.takeRead(this.#view.front(count));
    } while (takesMore && count === READ_BYTES && this.#moreReads-- > 0);
    return count;
  }
}
