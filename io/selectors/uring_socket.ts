/**
 * Makes sockets that listen, for the selectors that own their descriptors.
 *
 * @module
 */
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_ACCEPTCONN,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "../ffi/constants.ts";
import { EINVAL } from "../ffi/errno.ts";
import { SocketAddress } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";
import { AddressNotAvailableError } from "../errors.ts";
import { listenStatusError } from "./native_errors.ts";
import type { CheckedListenOptions } from "./native_listen_options.ts";
import type { ListeningSocket } from "./uring_listener.ts";

const ONE = new Int32Array(new ArrayBuffer(64), 0, 1);
ONE[0] = 1;
const ZERO = new Int32Array(new ArrayBuffer(64), 0, 1);

/** Binds and listens; throws what `Selector.listen` throws. */
export function openListening(libc: Libc, options: CheckedListenOptions): ListeningSocket {
  if (options.fd >= 0) return adopt(libc, options);
  const { address, port, family, text, backlog, connectionsMax } = options;
  const domain = family === -1 ? AF_UNIX : family === 6 ? AF_INET6 : AF_INET;
  const descriptor = libc.call.socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw listenStatusError(-libc.errno(), text);
  try {
    const at = new SocketAddress();
    const isSet = family === -1 ? at.setPath(address) : at.setIp(libc, address, port);
    if (!isSet) throw listenStatusError(-EINVAL, text);
    if (family !== -1) {
      libc.call.setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, ONE, 4);
      libc.call.setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
      if (family === 6) libc.call.setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, ZERO, 4);
      if (options.reusePort) libc.call.setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, ONE, 4);
    }
    if (libc.call.bind(descriptor, at.bytes, at.length) < 0) throw listenStatusError(-libc.errno(), text);
    if (libc.call.listen(descriptor, backlog) < 0) throw listenStatusError(-libc.errno(), text);
    at.clear();
    libc.call.getsockname(descriptor, at.bytes, at.lengthCell);
    return { descriptor, addr: at.read(libc), connectionsMax, isInherited: false };
  } catch (error) {
    libc.call.close(descriptor);
    throw error;
  }
}

/** Takes over a socket that listens already. */
function adopt(libc: Libc, { fd, text, backlog, connectionsMax }: CheckedListenOptions): ListeningSocket {
  const value = new Int32Array(new ArrayBuffer(64), 0, 1);
  const length = new Uint32Array(new ArrayBuffer(64), 0, 1);
  length[0] = 4;
  if (libc.call.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value, length) < 0 || value[0] !== 1) {
    throw new AddressNotAvailableError(text, "it is no socket that listens");
  }
  if (libc.call.listen(fd, backlog) < 0) throw listenStatusError(-libc.errno(), text);
  const at = new SocketAddress();
  at.clear();
  libc.call.getsockname(fd, at.bytes, at.lengthCell);
  const addr = at.read(libc);
  if (addr.transport === "tcp") libc.call.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
  return { descriptor: fd, addr, connectionsMax, isInherited: true };
}
