/**
 * Makes sockets that listen, for the selectors that own their descriptors.
 *
 * @module
 */
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  O_NONBLOCK,
  SO_ACCEPTCONN,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "../ffi/constants.ts";
import { EINVAL } from "../ffi/errno.ts";
import { SocketAddress } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";
import { AddressNotAvailableError } from "../errors.ts";
import type { Addr } from "../selector.ts";
import { listenStatusError } from "./native_errors.ts";
import type { CheckedListenOptions } from "./native_listen_options.ts";
import { localAddrOf, switchOn, unlinkPath } from "./owned_socket.ts";

const ZERO = new Int32Array(new ArrayBuffer(64), 0, 1);

/** A socket that listens. */
export interface ListeningSocket {
  readonly descriptor: number;
  readonly addr: Addr;
  readonly connectionsMax: number;
  /** Whether it was handed over, and may be another process's too. */
  readonly isInherited: boolean;
}

/**
 * Binds and listens, or takes over what listens.
 *
 * @param isBlocking whether an `accept` may wait: for io_uring it had better, since kernels may tell it at once that there is none
 * @throws what `Selector.listen` throws
 */
export function openListening(
  libc: Libc,
  options: CheckedListenOptions,
  isBlocking: boolean,
): ListeningSocket {
  if (options.fd >= 0) return adopt(libc, options, isBlocking);
  const { address, port, family, text, backlog, connectionsMax } = options;
  const domain = family === -1 ? AF_UNIX : family === 6 ? AF_INET6 : AF_INET;
  const descriptor = libc.call.socket(
    domain,
    SOCK_STREAM | SOCK_CLOEXEC | (isBlocking ? 0 : SOCK_NONBLOCK),
    0,
  );
  if (descriptor < 0) throw listenStatusError(-libc.errno(), text);
  let isPathMade = false;
  try {
    const at = new SocketAddress();
    const isSet = family === -1 ? at.setPath(address) : at.setIp(libc, address, port);
    if (!isSet) throw listenStatusError(-EINVAL, text);
    if (family !== -1) {
      switchOn(libc, descriptor, SOL_SOCKET, SO_REUSEADDR);
      switchOn(libc, descriptor, IPPROTO_TCP, TCP_NODELAY);
      if (family === 6) libc.call.setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ZERO, 4);
      if (options.reusePort && !switchOn(libc, descriptor, SOL_SOCKET, SO_REUSEPORT)) {
        throw listenStatusError(-libc.errno(), text);
      }
    }
    if (libc.call.bind(descriptor, at.bytes, at.length) < 0) throw listenStatusError(-libc.errno(), text);
    isPathMade = family === -1;
    if (libc.call.listen(descriptor, backlog) < 0) throw listenStatusError(-libc.errno(), text);
    return { descriptor, addr: localAddrOf(libc, descriptor, at), connectionsMax, isInherited: false };
  } catch (error) {
    if (isPathMade) unlinkPath(libc, address);
    libc.call.close(descriptor);
    throw error;
  }
}

/**
 * Takes over a socket that listens already. Whether it blocks is shared with whoever else has it, so one that does not is left
 * so: who needs one that does must cope.
 */
function adopt(libc: Libc, options: CheckedListenOptions, isBlocking: boolean): ListeningSocket {
  const { fd, text, backlog, connectionsMax } = options;
  const value = new Int32Array(new ArrayBuffer(64), 0, 1);
  const length = new Uint32Array(new ArrayBuffer(64), 0, 1);
  length[0] = 4;
  if (libc.call.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value, length) < 0 || value[0] !== 1) {
    throw new AddressNotAvailableError(text, "it is no socket that can listen");
  }
  if (libc.call.listen(fd, backlog) < 0) throw listenStatusError(-libc.errno(), text);
  if (!isBlocking) libc.call.fcntl(fd, F_SETFL, O_NONBLOCK);
  libc.call.fcntl(fd, F_SETFD, FD_CLOEXEC);
  const addr = localAddrOf(libc, fd, new SocketAddress());
  if (addr.transport === "tcp") switchOn(libc, fd, IPPROTO_TCP, TCP_NODELAY);
  return { descriptor: fd, addr, connectionsMax, isInherited: true };
}
