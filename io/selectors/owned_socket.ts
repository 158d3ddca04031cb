/**
 * Calls on sockets of our own that more than one part of the selectors on descriptors makes.
 *
 * @module
 */
import { IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_INFO } from "../ffi/constants.ts";
import { LINGER_BYTES, type SocketAddress } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Addr } from "../selector.ts";

/** `struct linger`: on, for no time. Closing then resets. */
const LINGER_NONE = new Int32Array(new ArrayBuffer(64), 0, LINGER_BYTES / 4);
LINGER_NONE[0] = 1;

/** An `int` of 1. */
const ONE = new Int32Array(new ArrayBuffer(64), 0, 1);
ONE[0] = 1;

/** A `struct tcp_info`, with room for what later systems know, bytes. */
const INFO_BYTES = 256;
/** Where `tcpi_bytes_acked` is (64 bits, since Linux 4.1), in words. */
const INFO_ACKED = 30;

const encoder = new TextEncoder();

/** Switches an option on. Returns whether the system has it. */
export function switchOn({ call }: Libc, descriptor: number, level: number, option: number): boolean {
  return call.setsockopt(descriptor, level, option, ONE, 4) === 0;
}

/** Has the peer see a reset when the descriptor is closed, where it is of a kind that has one (a Unix socket has none). */
export function resetOnClose({ call }: Libc, descriptor: number): void {
  // It fails only for what is no socket that could be reset any more.
  call.setsockopt(descriptor, SOL_SOCKET, SO_LINGER, LINGER_NONE, LINGER_BYTES);
}

/** Closes a descriptor with a reset, where it is of a kind that has one. */
export function closeWithReset(libc: Libc, descriptor: number): void {
  resetOnClose(libc, descriptor);
  libc.call.close(descriptor);
}

/** Bytes that the peer of a TCP connection has confirmed; 0 where the system does not tell. */
export function confirmedBytesOf({ call }: Libc, descriptor: number): number {
  const info = new Uint32Array(new ArrayBuffer(INFO_BYTES)); // Not kept: this is asked seldom.
  const length = new Uint32Array(new ArrayBuffer(64), 0, 1);
  length[0] = INFO_BYTES;
  const status = call.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, length);
  if (status < 0 || length[0] < 4 * (INFO_ACKED + 2)) return 0;
  return info[INFO_ACKED]! + info[INFO_ACKED + 1]! * 2 ** 32;
}

/** Removes the path of a Unix socket. */
export function unlinkPath({ call }: Libc, path: string): void {
  call.unlink(encoder.encode(`${path}\0`));
}

/** A socket's own address. `scratch` is written to. */
export function localAddrOf(libc: Libc, descriptor: number, scratch: SocketAddress): Addr {
  scratch.clear();
  libc.call.getsockname(descriptor, scratch.bytes, scratch.lengthCell);
  return scratch.read(libc);
}

/** Who a socket is connected to; `null` when the connection was reset already. `scratch` is written to. */
export function remoteAddrOf(libc: Libc, descriptor: number, scratch: SocketAddress): Addr | null {
  scratch.clear();
  const status = libc.call.getpeername(descriptor, scratch.bytes, scratch.lengthCell);
  return status < 0 ? null : scratch.read(libc);
}
