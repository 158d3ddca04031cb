/**
 * The system's error numbers that decide what is done next. What they mean to a caller is in io/selectors/native_errors.ts,
 * which every selector shares.
 *
 * From `asm-generic/errno-base.h` and `errno.h`: the same on x86-64 and arm64.
 *
 * @module
 */

/** Refused by policy. */
export const EPERM = 1;
/** No such file. */
export const ENOENT = 2;
/** A signal came first: try again. */
export const EINTR = 4;
/** No such descriptor. */
export const EBADF = 9;
/** Nothing there now (also EWOULDBLOCK). */
export const EAGAIN = 11;
/** Out of memory. */
export const ENOMEM = 12;
/** No permission. */
export const EACCES = 13;
/** It is busy. */
export const EBUSY = 16;
/** It is there already. */
export const EEXIST = 17;
/** An argument makes no sense. */
export const EINVAL = 22;
/** The system has no descriptor left. */
export const ENFILE = 23;
/** The process has no descriptor left. */
export const EMFILE = 24;
/** The reader is gone. */
export const EPIPE = 32;
/** This kernel has no such system call. */
export const ENOSYS = 38;
/** Nothing of that name. */
export const ENODATA = 61;
/** Not a socket. */
export const ENOTSOCK = 88;
/** This kernel has no such address family. */
export const EAFNOSUPPORT = 97;
/** Somebody else has the address. */
export const EADDRINUSE = 98;
/** Not an address of this machine. */
export const EADDRNOTAVAIL = 99;
/** The connection was gone before it was accepted. */
export const ECONNABORTED = 103;
/** The peer reset the connection. */
export const ECONNRESET = 104;
/** No socket buffer left. */
export const ENOBUFS = 105;
/** It is connected already. */
export const EISCONN = 106;
/** It is not connected. */
export const ENOTCONN = 107;
/** The system gave up. */
export const ETIMEDOUT = 110;
/** Nobody listens there. */
export const ECONNREFUSED = 111;
/** It has begun and goes on. */
export const EINPROGRESS = 115;
/** It was cancelled. */
export const ECANCELED = 125;
