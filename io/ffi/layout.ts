/**
 * C's structures as the kernel reads them: where their fields are, and how addresses are written and read.
 *
 * Offsets are Linux's on 64-bit, little-endian machines. One differs by architecture: `epoll_event` is packed on x86-64
 * only (`linux/eventpoll.h`, EPOLL_PACKED). `checkLayouts` compares all of them with what this kernel does, once at start.
 *
 * @module
 */
import type { Addr } from "../selector.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLLIN,
  EPOLLOUT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "./constants.ts";
import type { Libc } from "./libc.ts";

/** `sockaddr_storage`: as long as the longest address. */
export const SOCKADDR_BYTES_MAX = 128;
/** `sockaddr_in`: family (host order), port (network order), address. */
export const SOCKADDR_IN_BYTES = 16;
/** Where the port is, in both internet families. */
export const SOCKADDR_PORT_AT = 2;
/** Where the address is in `sockaddr_in`: 4 bytes. */
export const SOCKADDR_IN_ADDRESS_AT = 4;
/** `sockaddr_in6`: family, port, flow label, address, scope. */
export const SOCKADDR_IN6_BYTES = 28;
/** Where the address is in `sockaddr_in6`: 16 bytes, after the flow label. */
export const SOCKADDR_IN6_ADDRESS_AT = 8;
/** `sockaddr_un`: family, path with its NUL. */
export const SOCKADDR_UN_BYTES = 110;
/** Where the path is in `sockaddr_un`. */
export const SOCKADDR_UN_PATH_AT = 2;

/** `iovec`: address, length, 64 bits each. */
export const IOVEC_BYTES = 16;
/** `msghdr`: name, its length, vectors, their number, control, its length, flags. */
export const MSGHDR_BYTES = 56;
/** Where the address of the vectors is, 64 bits. */
export const MSGHDR_IOV_AT = 16;
/** Where their number is, 64 bits in glibc; in musl 32, and zeros behind. */
export const MSGHDR_IOVLEN_AT = 24;

/** `pollfd`: descriptor (32 bits), wanted and seen events (16 bits each). */
export const POLLFD_BYTES = 8;

/** `linger`: on (32 bits), seconds (32 bits). */
export const LINGER_BYTES = 8;

/** Where the fields of an `epoll_event` are, in words of 32 bits. The events are the first. */
export interface EpollEventLayout {
  /** Words from one event to the next. */
  readonly words: number;
  /** The word where the 64 bits of data begin. */
  readonly dataAt: number;
}

/** The layout of `epoll_event` on an architecture, in Node's words. */
export function epollEventLayout(arch: string): EpollEventLayout {
  return arch === "x64" ? { words: 3, dataAt: 1 } : { words: 4, dataAt: 2 };
}

/** INET6_ADDRSTRLEN: the longest IPv6 address as text, with its NUL. */
const IPV6_TEXT_BYTES = 46;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A socket address as bytes. Long enough that its memory does not move. */
export class SocketAddress {
  /** The memory: 128 bytes. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(SOCKADDR_BYTES_MAX));
  /** Its length as a `socklen_t`, that the kernel reads and writes. */
  readonly lengthCell: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(SOCKADDR_BYTES_MAX), 0, 1);
  readonly #view = new DataView(this.bytes.buffer);
  readonly #text = new Uint8Array(new ArrayBuffer(SOCKADDR_BYTES_MAX));

  /** How many of the bytes are the address. */
  get length(): number {
    return this.lengthCell[0]!;
  }

  /** Its family, `AF_…`. */
  get family(): number {
    return this.#view.getUint16(0, true);
  }

  /** Makes all of the memory available to the kernel, which writes an address and its length. */
  clear(): void {
    this.lengthCell[0] = SOCKADDR_BYTES_MAX;
    this.#view.setUint16(0, 0, true);
  }

  /** Becomes an IP address; returns `false` if the text is none. */
  setIp(libc: Libc, hostname: string, port: number): boolean {
    const family = hostname.includes(":") ? AF_INET6 : AF_INET;
    const isV4 = family === AF_INET;
    this.bytes.fill(0);
    this.#view.setUint16(0, family, true);
    this.#view.setUint16(SOCKADDR_PORT_AT, port, false);
    this.lengthCell[0] = isV4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
    const text = encoder.encode(hostname);
    if (text.length >= IPV6_TEXT_BYTES) return false;
    this.#text.fill(0);
    this.#text.set(text);
    const at = isV4 ? SOCKADDR_IN_ADDRESS_AT : SOCKADDR_IN6_ADDRESS_AT;
    return libc.call.inetPton(family, this.#text, this.bytes.subarray(at)) === 1;
  }

  /** Becomes the path of a Unix socket; returns `false` if it is too long, or holds a NUL. */
  setPath(path: string): boolean {
    const text = encoder.encode(path);
    if (text.length >= SOCKADDR_UN_BYTES - SOCKADDR_UN_PATH_AT || text.includes(0)) return false;
    this.bytes.fill(0);
    this.#view.setUint16(0, AF_UNIX, true);
    this.bytes.set(text, SOCKADDR_UN_PATH_AT);
    this.lengthCell[0] = SOCKADDR_UN_PATH_AT + text.length + 1;
    return true;
  }

  /** What it says. An address that is of no known family, or of nobody, is `0.0.0.0:0`. */
  read(libc: Libc): Addr {
    const { bytes, family } = this;
    if (family === AF_UNIX) {
      const path = bytes.subarray(SOCKADDR_UN_PATH_AT, Math.max(this.length, SOCKADDR_UN_PATH_AT));
      const end = path.indexOf(0);
      return { transport: "unix", path: decoder.decode(end < 0 ? path : path.subarray(0, end)) };
    }
    const port = this.#view.getUint16(SOCKADDR_PORT_AT, false);
    if (family === AF_INET6) return { transport: "tcp", hostname: this.#readIpv6(libc), port };
    if (family !== AF_INET) return { transport: "tcp", hostname: "0.0.0.0", port: 0 };
    const at = SOCKADDR_IN_ADDRESS_AT;
    const hostname = `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
    return { transport: "tcp", hostname, port };
  }

  #readIpv6(libc: Libc): string {
    const address = this.bytes.subarray(SOCKADDR_IN6_ADDRESS_AT);
    if (libc.call.inetNtop(AF_INET6, address, this.#text, IPV6_TEXT_BYTES) === null) return "::";
    return decoder.decode(this.#text.subarray(0, this.#text.indexOf(0)));
  }
}

/**
 * A `msghdr` with up to `partsMax` vectors, for sendmsg(2): memory of its own that stays where it is, so that a call costs
 * two stores a part.
 */
export class MessageHeader {
  /** The memory of the header. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(
    new ArrayBuffer(SOCKADDR_BYTES_MAX),
    0,
    MSGHDR_BYTES,
  );
  readonly #vectors: Uint32Array<ArrayBuffer>;
  readonly #header = new Uint32Array(this.bytes.buffer, 0, MSGHDR_BYTES / 4);

  /** @param libc to learn the vectors' address @param partsMax how many there are at most */
  constructor(libc: Libc, partsMax: number) {
    this.#vectors = new Uint32Array(new ArrayBuffer(partsMax * IOVEC_BYTES));
    setWide(this.#header, MSGHDR_IOV_AT / 4, libc.library.addressOf(this.#vectors));
  }

  /** Says where part number `index` is. */
  set(index: number, address: number, length: number): void {
    setWide(this.#vectors, index * 4, address);
    this.#vectors[index * 4 + 2] = length; // The upper halves of lengths stay 0.
  }

  /** Says how many parts there are. */
  setCount(count: number): void {
    this.#header[MSGHDR_IOVLEN_AT / 4] = count;
  }
}

/** Writes a number of more than 32 bits as two words, the lower first. */
function setWide(words: Uint32Array, at: number, value: number): void {
  words[at] = value % 2 ** 32;
  words[at + 1] = Math.floor(value / 2 ** 32);
}

/**
 * Compares the layouts with what this kernel does.
 *
 * @param libc libc
 * @param arch the architecture, in Node's words
 * @returns one clause about what differs or fails; `null` when all is well
 */
export function checkLayouts(libc: Libc, arch: string): string | null {
  const opened: number[] = [];
  const open = (fd: number): number => (fd >= 0 && opened.push(fd), fd);
  try {
    return checkSockets(libc, open) ?? checkAddress(libc, open) ?? checkEpoll(libc, arch, open);
  } finally {
    for (const fd of opened) libc.call.close(fd);
  }
}

type Open = (fd: number) => number;

/** Bytes of two parts go through a pair of sockets, which have no name. */
function checkSockets(libc: Libc, open: Open): string | null {
  const { call } = libc;
  const pair = new Int32Array(new ArrayBuffer(SOCKADDR_BYTES_MAX), 0, 2);
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (call.socketpair(AF_UNIX, type, 0, pair) < 0) return `socketpair fails with error ${libc.errno()}`;
  for (const fd of pair) open(fd);
  const parts = new Uint8Array([1, 2, 3, 4]);
  const header = new MessageHeader(libc, 2);
  const address = libc.library.addressOf(parts);
  header.set(0, address + 2, 2);
  header.set(1, address, 1);
  header.setCount(2);
  const got = new Uint8Array(new ArrayBuffer(SOCKADDR_BYTES_MAX));
  if (call.sendmsg(pair[0]!, header.bytes, 0) !== 3) return `sendmsg fails with error ${libc.errno()}`;
  const count = call.recv(pair[1]!, got, libc.size(got.length), 0);
  // Compared with the parts themselves, which keeps their memory alive until the kernel has read it.
  const isSame = count === 3 && got[0] === parts[2] && got[1] === parts[3] && got[2] === parts[0];
  if (!isSame) return "msghdr or iovec differs here";
  const name = new SocketAddress();
  name.clear();
  call.getsockname(pair[0]!, name.bytes, name.lengthCell);
  return name.family === AF_UNIX && name.length === SOCKADDR_UN_PATH_AT ? null : "sockaddr_un differs here";
}

/** The kernel tells the address back that a socket was bound to. */
function checkAddress(libc: Libc, open: Open): string | null {
  const fd = open(libc.call.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const address = new SocketAddress();
  if (!address.setIp(libc, "127.0.0.1", 0)) return "inet_pton differs here";
  if (fd < 0 || libc.call.bind(fd, address.bytes, address.length) < 0) {
    return `a socket cannot be bound (error ${libc.errno()})`;
  }
  address.clear();
  libc.call.getsockname(fd, address.bytes, address.lengthCell);
  const read = address.read(libc);
  const isSame = read.transport === "tcp" && read.hostname === "127.0.0.1" && read.port !== 0;
  return isSame && address.length === SOCKADDR_IN_BYTES ? null : "sockaddr_in differs here";
}

/** Two descriptors are reported by one wait, each with its own data. */
function checkEpoll(libc: Libc, arch: string, open: Open): string | null {
  const { call } = libc;
  const { words, dataAt } = epollEventLayout(arch);
  const epoll = open(call.epollCreate1(EPOLL_CLOEXEC));
  const fds = [open(call.eventfd(1, 0)), open(call.eventfd(1, 0))];
  if (epoll < 0) return `epoll_create1 fails with error ${libc.errno()}`;
  const events = new Int32Array(new ArrayBuffer(SOCKADDR_BYTES_MAX));
  for (const [index, fd] of fds.entries()) {
    events.set([EPOLLIN | (index === 0 ? EPOLLOUT : 0), 0, 0, 0]);
    events.set([0x1234 + index, 0x7654 + index], dataAt);
    if (call.epollCtl(epoll, EPOLL_CTL_ADD, fd, events) < 0) {
      return `epoll_ctl fails with error ${libc.errno()}`;
    }
  }
  events.fill(0);
  if (call.epollWait(epoll, events, 2, 0) !== 2) return `epoll_wait fails with error ${libc.errno()}`;
  const isSame = fds.every((_fd, index) =>
    events[index * words] === (EPOLLIN | (index === 0 ? EPOLLOUT : 0)) &&
    events[index * words + dataAt] === 0x1234 + index && events[index * words + dataAt + 1] === 0x7654 + index
  );
  return isSame ? null : "epoll_event differs here";
}
