/**
 * io_uring's numbers: operation codes, flags, and where the fields of its structures lie.
 *
 * From include/uapi/linux/io_uring.h; the layouts are part of Linux's stable interface and alike on all 64-bit
 * little-endian machines. Offsets of an entry are in words of 32 bits, because entries are written as such; those of
 * other structures in bytes.
 *
 * @module
 */

/** System call numbers, the same on every architecture since Linux 5.1. */
export const SYS_IO_URING_SETUP = 425;
/** See io_uring_enter(2). */
export const SYS_IO_URING_ENTER = 426;
/** See io_uring_register(2). */
export const SYS_IO_URING_REGISTER = 427;

/** `struct io_uring_params`: its size, and where its fields are, in bytes. */
export const PARAMS = {
  bytes: 120,
  sqEntries: 0,
  cqEntries: 4,
  flags: 8,
  features: 20,
  sqOffsets: 40,
  cqOffsets: 80,
} as const;

/** `struct io_sqring_offsets`: where its fields are, in bytes. */
export const SQ_OFFSETS = { head: 0, tail: 4, ringMask: 8, flags: 16, dropped: 20, array: 24 } as const;

/** `struct io_cqring_offsets`: where its fields are, in bytes. */
export const CQ_OFFSETS = { head: 0, tail: 4, ringMask: 8, overflow: 16, cqes: 20, flags: 24 } as const;

/** Setup flags: see io_uring_setup(2). */
export const SETUP = {
  /** The size of the completion ring is given. */
  cqSize: 1 << 3,
  /** An entry that is refused does not keep the others back. */
  submitAll: 1 << 7,
  /** No interrupt for work that can wait until the thread is in the kernel anyway. */
  coopTaskrun: 1 << 8,
  /** A flag in the ring says that work is deferred. */
  taskrunFlag: 1 << 9,
  /** Only one thread submits. */
  singleIssuer: 1 << 12,
  /** Completions are worked on only when the thread asks for them: as a batch, and never in the midst of its own work. */
  deferTaskrun: 1 << 13,
} as const;

/** Features the kernel reports at setup. */
export const FEATURES = {
  /** Both rings are one mapping. */
  singleMmap: 1 << 0,
  /** No completion is ever dropped: the kernel keeps those that do not fit. */
  noDrop: 1 << 1,
  /** What an entry points to besides the data itself is the caller's again once it is submitted. */
  submitStable: 1 << 2,
} as const;

/** Offsets to map at. */
export const MAP_AT = { rings: 0, entries: 0x10000000 } as const;

/** Flags of io_uring_enter(2). */
export const ENTER_GETEVENTS = 1;

/** Flags in the submission ring. */
export const SQ_CQ_OVERFLOW = 1 << 1;
/** Work is deferred until the thread asks for completions. */
export const SQ_TASKRUN = 1 << 2;

/** Flags in the completion ring. */
export const CQ_EVENTFD_DISABLED = 1;

/** Operations of io_uring_register(2). */
export const REGISTER = { eventfd: 4, probe: 8, bufferRing: 22, unregisterBufferRing: 23 } as const;

/** Words of an entry of the submission ring. */
export const SQE = {
  words: 16,
  /** Operation, flags and priority: 8, 8 and 16 bits. */
  head: 0,
  descriptor: 1,
  offsetLow: 2,
  offsetHigh: 3,
  addressLow: 4,
  addressHigh: 5,
  length: 6,
  operationFlags: 7,
  userLow: 8,
  userHigh: 9,
  /** Buffer group and personality: 16 bits each. */
  group: 10,
} as const;

/** Words of an entry of the completion ring. */
export const CQE = { words: 4, userLow: 0, userHigh: 1, result: 2, flags: 3 } as const;

/** Operations of entries. */
export const OP = {
  nop: 0,
  pollAdd: 6,
  sendMessage: 9,
  accept: 13,
  asyncCancel: 14,
  connect: 16,
  close: 19,
  send: 26,
  receive: 27,
} as const;

/** The entry takes a buffer of a group (`IOSQE_BUFFER_SELECT`). */
export const ENTRY_SELECTS_BUFFER = 1 << 5;

/** Priority field of `accept`: goes on after the first connection. */
export const ACCEPT_MULTISHOT = 1;

/** Priority field of `receive`: goes on after the first bytes. */
export const RECEIVE_MULTISHOT = 2;

/** Flags of a completion. */
export const COMPLETION = {
  /** A buffer was used; its number is in the upper 16 bits. */
  buffer: 1 << 0,
  /** More completions of this entry follow. */
  more: 1 << 1,
} as const;

/** Bits by which the number of a buffer is shifted in a completion's flags. */
export const BUFFER_SHIFT = 16;

/** `struct io_uring_buf_reg`: its size, and where its fields are, in bytes. */
export const BUFFER_REGISTRATION = { bytes: 40, ringAddress: 0, ringEntries: 8, group: 12 } as const;

/** `struct io_uring_buf`: in words; the tail of the ring lies in the upper half of the first one's last word. */
export const BUFFER_ENTRY = { words: 4, addressLow: 0, addressHigh: 1, length: 2, number: 3 } as const;

/** `struct io_uring_probe` and its operations: sizes and places in bytes. */
export const PROBE = { headBytes: 16, opBytes: 8, opFlags: 2, opSupported: 1, opsMax: 256 } as const;

/** `struct msghdr` on 64-bit Linux: its size and places in bytes. */
export const MESSAGE = { bytes: 56, vectors: 16, vectorCount: 24 } as const;

/** `struct iovec` on 64-bit Linux. */
export const VECTOR_BYTES = 16;

/** `POLLIN`: there is something to read. */
export const POLLIN = 1;

/** `poll`: there is room to write. */
export const POLLOUT = 4;
