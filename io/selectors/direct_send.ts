/**
 * Sending by a system call of its own, at once and from where the bytes lie: what epoll always does, and io_uring for what does
 * not lie in memory the kernel may read later.
 *
 * The kernel copies what it takes before the call returns, so nobody's memory is lent beyond it.
 *
 * @module
 */
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../ffi/constants.ts";
import { EAGAIN, EINTR } from "../ffi/errno.ts";
import { MessageHeader } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";

/** As many parts as a transport offers at once (see transport.ts). */
const PARTS_MAX = 64;

/** Never waits, whatever the socket is set to, and never raises a signal. */
const FLAGS = MSG_NOSIGNAL | MSG_DONTWAIT;

/** See the module's text. One is enough for all sockets of a thread. */
export class DirectSender {
  readonly #libc: Libc;
  readonly #header: MessageHeader;

  /** @param libc what is called */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#header = new MessageHeader(libc, PARTS_MAX);
  }

  /** Sends bytes. Returns how many the kernel took, 0 when it takes none now; below 0 an error number, negated. */
  sendOne(descriptor: number, bytes: Uint8Array): number {
    const { call } = this.#libc;
    const size = this.#libc.size(bytes.length);
    return this.#taken(call.send(descriptor, bytes as Uint8Array<ArrayBuffer>, size, FLAGS));
  }

  /** Like `sendOne`, for at most 64 parts in order. */
  sendMany(descriptor: number, parts: readonly Uint8Array[]): number {
    const { library, call } = this.#libc;
    const header = this.#header;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]! as Uint8Array<ArrayBuffer>;
      header.set(i, library.addressOf(part), part.length);
    }
    header.setCount(parts.length);
    return this.#taken(call.sendmsg(descriptor, header.bytes, FLAGS));
  }

  #taken(count: number): number {
    if (count >= 0) return count;
    const errno = this.#libc.errno();
    return errno === EAGAIN || errno === EINTR ? 0 : -errno;
  }
}

/** Bytes of all parts. */
export function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += parts[i]!.length; // Not by an iterator: it is called for every send.
  return length;
}
