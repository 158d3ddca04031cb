/**
 * C's constants that the selectors need, under C's names, from Linux's generic headers: the same on x86-64 and arm64.
 *
 * Sources: `asm-generic/socket.h`, `asm-generic/fcntl.h`, `linux/socket.h`, `linux/eventpoll.h`, `linux/tcp.h`, `linux/mman.h`.
 *
 * @module
 */

/** Address families: Unix, IPv4, IPv6. */
export const AF_UNIX = 1;
/** See `AF_UNIX`. */
export const AF_INET = 2;
/** See `AF_UNIX`. */
export const AF_INET6 = 10;

/** A stream of bytes: socket(2). */
export const SOCK_STREAM = 1;
/** Calls on the socket never wait. */
export const SOCK_NONBLOCK = 0x800;
/** A program that is started does not get the descriptor. */
export const SOCK_CLOEXEC = 0x80000;

/** Level of the socket's own options: socket(7). */
export const SOL_SOCKET = 1;
/** Binds although old connections of the port are still dying. */
export const SO_REUSEADDR = 2;
/** The error that waits on the socket; reading it clears it. */
export const SO_ERROR = 4;
/** Bytes that may wait to be sent. */
export const SO_SNDBUF = 7;
/** What close does with bytes not yet sent; on, with 0 seconds: drops them and resets. */
export const SO_LINGER = 13;
/** Shares the port. */
export const SO_REUSEPORT = 15;
/** Whether the socket listens. */
export const SO_ACCEPTCONN = 30;
/** Level of TCP's options: tcp(7). */
export const IPPROTO_TCP = 6;
/** Sends small segments at once. */
export const TCP_NODELAY = 1;
/** What the system knows of a TCP connection: `struct tcp_info` of linux/tcp.h. */
export const TCP_INFO = 11;
/** Level of IPv6's options: ipv6(7). */
export const IPPROTO_IPV6 = 41;
/** Whether a socket bound to `::` leaves IPv4 alone. */
export const IPV6_V6ONLY = 26;

/** No signal when the reader is gone: send(2). */
export const MSG_NOSIGNAL = 0x4000;
/** This call does not wait, whatever the socket's mode. */
export const MSG_DONTWAIT = 0x40;
/** Looks at the bytes and leaves them. */
export const MSG_PEEK = 2;

/** `shutdown`: no more is received, or accepted. */
export const SHUT_RD = 0;
/** `shutdown`: no more is sent. */
export const SHUT_WR = 1;

/** `fcntl`: reads the status flags. */
export const F_GETFL = 3;
/** `fcntl`: sets them. */
export const F_SETFL = 4;
/** `fcntl`: sets the descriptor's flags. */
export const F_SETFD = 2;
/** The descriptor's only flag: close it when a program is started. */
export const FD_CLOEXEC = 1;
/** Calls on the descriptor never wait. */
export const O_NONBLOCK = 0x800;

/** `eventfd`: as `O_NONBLOCK`. */
export const EFD_NONBLOCK = 0x800;
/** `eventfd`: as `SOCK_CLOEXEC`. */
export const EFD_CLOEXEC = 0x80000;

/** `epoll_create1`: as `SOCK_CLOEXEC`. */
export const EPOLL_CLOEXEC = 0x80000;
/** Operations of `epoll_ctl`: epoll_ctl(2). */
export const EPOLL_CTL_ADD = 1;
/** See `EPOLL_CTL_ADD`. */
export const EPOLL_CTL_DEL = 2;
/** See `EPOLL_CTL_ADD`. */
export const EPOLL_CTL_MOD = 3;
/** There is something to read, or to accept. */
export const EPOLLIN = 0x1;
/** There is room to write. */
export const EPOLLOUT = 0x4;
/** It failed; always reported. */
export const EPOLLERR = 0x8;
/** Both directions are over; always reported. */
export const EPOLLHUP = 0x10;
/** The peer sent FIN. */
export const EPOLLRDHUP = 0x2000;
/** Of several epolls that wait on one socket, only one is woken. */
export const EPOLLEXCLUSIVE = 1 << 28;
/** Reports changes, not states. */
export const EPOLLET = 1 << 31;

/** `poll`: there is something to read. */
export const POLLIN = 0x1;

/** `getrlimit`: how many descriptors. */
export const RLIMIT_NOFILE = 7;

/** `mmap`: pages that can be read. */
export const PROT_READ = 1;
/** `mmap`: pages that can be written. */
export const PROT_WRITE = 2;
/** `mmap`: shared with the kernel. */
export const MAP_SHARED = 1;
/** `mmap`: our own. */
export const MAP_PRIVATE = 2;
/** `mmap`: of no file. */
export const MAP_ANONYMOUS = 0x20;
/** `mmap`: with its pages at once. */
export const MAP_POPULATE = 0x8000;
/** `mmap`: without setting memory aside for it. */
export const MAP_NORESERVE = 0x4000;
/** `madvise`: the pages may go; they read as zeros afterwards. */
export const MADV_DONTNEED = 4;
