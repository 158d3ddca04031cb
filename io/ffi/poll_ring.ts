/**
 * Has the kernel say through a descriptor that another one became readable, with no thread waiting for it: a tiny
 * io_uring with one request, `POLL_ADD`. This is how an event queue of our own (an epoll, a ring) wakes the runtime's loop,
 * which can wait for an eventfd or a socket, but not for an epoll.
 *
 * Strategy: `arm` submits one poll of the watched descriptor. When that is readable, or is already, the kernel writes to
 * the *signal* descriptor, once; after that it is quiet until it is armed again. The signal is an eventfd that is
 * registered with the ring, or one end of a socket pair that the poll is linked to a send on (`IOSQE_IO_LINK`).
 *
 * Memory: the kernel writes to the ring for as long as a poll is out, whatever becomes of this thread. So the ring is in
 * pages that we map and that no garbage collector frees (`IORING_SETUP_NO_MMAP`, Linux 6.5, lets us bring them). They are
 * unmapped only when no poll is out; a thread that is stopped without `close` leaves them mapped. The pages are written with
 * `memcpy`: laying a buffer over them would need permission for all of FFI.
 *
 * | memory                  | who writes it                       | until                                  |
 * | ----------------------- | ----------------------------------- | -------------------------------------- |
 * | requests, byte to send  | this file, once, before the first use | the ring is closed                   |
 * | submission tail         | this file, before each `enter`      | the ring is closed                     |
 * | completion tail, entries | the kernel, while a poll is out    | the poll's completion was signalled    |
 * | completion head         | this file, after each signal        | the ring is closed                     |
 *
 * Sources: io_uring_setup(2), io_uring_enter(2), io_uring_register(2); `linux/io_uring.h` for offsets and numbers.
 *
 * @module
 */
import {
  MAP_ANONYMOUS,
  MAP_POPULATE,
  MAP_PRIVATE,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLIN,
  PROT_READ,
  PROT_WRITE,
} from "./constants.ts";
import { EINTR } from "./errno.ts";
import type { Libc } from "./libc.ts";
import type { Pointer, Probe, Size } from "./load.ts";

/** Numbers of the system calls, the same on x86-64 and arm64. */
const SYS_IO_URING_SETUP = 425;
/** See above. */
const SYS_IO_URING_ENTER = 426;
/** See above. */
const SYS_IO_URING_REGISTER = 427;

/** The rings are in memory that we bring. */
const IORING_SETUP_NO_MMAP = 1 << 14;
/** Registers the eventfd that completions are signalled by. */
const IORING_REGISTER_EVENTFD = 4;
/** Waits for completions. */
const IORING_ENTER_GETEVENTS = 1;
/** The next request starts when this one succeeded. */
const IOSQE_IO_LINK = 1 << 2;
/** Waits until a descriptor is ready. */
const IORING_OP_POLL_ADD = 6;
/** Ends a poll, by its user data. */
const IORING_OP_POLL_REMOVE = 7;
/** send(2). */
const IORING_OP_SEND = 26;

/** `io_uring_params`: 120 bytes; flags, offsets into the rings, and where their memory is. */
const PARAMS_BYTES = 120;
/** Where the flags are. */
const PARAMS_FLAGS_AT = 8;
/** `io_sqring_offsets`: head, tail, mask, entries, flags, dropped, array (32 bits each), and the address of the requests. */
const SQ_OFFSETS_AT = 40;
/** `io_cqring_offsets`: head first; the address of the rings last. */
const CQ_OFFSETS_AT = 80;
/** Where the address is in both. */
const OFFSETS_ADDRESS_AT = 32;
/** `io_uring_sqe`: 64 bytes, here as words of 32 bits. */
const SQE_WORDS = 16;

/** Room for the poll, its linked send and a removal, and as many completions as the kernel makes of it: twice that. */
const ENTRIES = 4;

/** The pages: one for the requests and the byte to send, one for both rings (which take 192 bytes with 4 entries). */
const PAGE_BYTES = 4096;
/** Where the byte to send is: in the page of the requests, behind them. */
const BYTE_AT = 2048;

/** User data by which the poll is removed. */
const POLL_ID = 1;

/** How the kernel says it. */
export type Signal =
  /** Writes to this eventfd. */
  | { readonly eventfd: number }
  /** Sends a byte on this socket. */
  | { readonly socket: number };

/** See the module's text. */
export class PollRing {
  readonly #libc: Libc;
  readonly #ring: number;
  readonly #pages: Pointer;
  readonly #requestsAt: number;
  readonly #sqTailAt: Pointer;
  readonly #cqHeadAt: Pointer;
  readonly #cell = new Uint32Array(new ArrayBuffer(256), 0, 1);
  readonly #perArm: number;
  readonly #sizes: { readonly number: Size; readonly ring: Size; readonly four: Size };
  #sqTail = 0;
  #cqHead = 0;
  #isArmed = false;

  private constructor(libc: Libc, ring: number, address: number, params: DataView, perArm: number) {
    this.#libc = libc;
    this.#ring = ring;
    this.#perArm = perArm;
    this.#pages = libc.library.pointerTo(address);
    this.#requestsAt = address;
    const rings = address + PAGE_BYTES;
    this.#sqTailAt = libc.library.pointerTo(rings + params.getUint32(SQ_OFFSETS_AT + 4, true));
    this.#cqHeadAt = libc.library.pointerTo(rings + params.getUint32(CQ_OFFSETS_AT, true));
    this.#sizes = { number: libc.size(SYS_IO_URING_ENTER), ring: libc.size(ring), four: libc.size(4) };
  }

  /**
   * Makes a ring that watches `fd`.
   *
   * @param libc libc
   * @param fd what to watch; it must stay open until `close`
   * @param signal how to say it
   * @returns the ring, or why this system has none
   */
  static probe(libc: Libc, fd: number, signal: Signal): Probe<PollRing> {
    const { call, library } = libc;
    const mapped = call.mmap(
      null,
      2 * PAGE_BYTES,
      PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
      -1,
      0,
    );
    if (mapped === -1) return { found: null, refusal: `mmap fails with error ${libc.errno()}` };
    const params = new DataView(new ArrayBuffer(256), 0, PARAMS_BYTES);
    params.setUint32(PARAMS_FLAGS_AT, IORING_SETUP_NO_MMAP, true);
    params.setBigUint64(SQ_OFFSETS_AT + OFFSETS_ADDRESS_AT, BigInt(mapped), true);
    params.setBigUint64(CQ_OFFSETS_AT + OFFSETS_ADDRESS_AT, BigInt(mapped + PAGE_BYTES), true);
    const fail = (what: string): Probe<PollRing> => {
      const refusal = `${what} fails with error ${libc.errno()}`;
      call.munmap(library.pointerTo(mapped), 2 * PAGE_BYTES);
      return { found: null, refusal };
    };
    const ring = call.ioUringSetup(libc.size(SYS_IO_URING_SETUP), libc.size(ENTRIES), params);
    if (ring < 0) return fail("io_uring_setup");
    if ("eventfd" in signal) {
      const cell = new Int32Array(new ArrayBuffer(256), 0, 1);
      cell[0] = signal.eventfd;
      const operation = libc.size(IORING_REGISTER_EVENTFD);
      const number = libc.size(SYS_IO_URING_REGISTER);
      if (call.ioUringRegister(number, libc.size(ring), operation, cell, libc.size(1)) < 0) {
        const failed = fail("io_uring_register");
        call.close(ring);
        return failed;
      }
    }
    const made = new PollRing(libc, ring, mapped, params, "eventfd" in signal ? 1 : 2);
    made.#writeRequests(fd, signal, mapped + PAGE_BYTES + params.getUint32(SQ_OFFSETS_AT + 24, true));
    return { found: made, refusal: null };
  }

  /** Whether a poll is out. */
  get isArmed(): boolean {
    return this.#isArmed;
  }

  /** Has the next readiness signalled, once; or the present one. Returns `false` if the kernel would not have it. */
  arm(): boolean {
    if (this.#isArmed) return true;
    this.#isArmed = this.#submit(this.#perArm);
    return this.#isArmed;
  }

  /** The signal came. */
  takeSignal(): void {
    if (!this.#isArmed) return;
    this.#isArmed = false;
    this.#cqHead += this.#perArm;
    this.#store(this.#cqHeadAt, this.#cqHead);
  }

  /** Ends the watch. The signal may still be given once. */
  close(): void {
    const { call } = this.#libc;
    const isQuiet = !this.#isArmed || this.#remove();
    call.close(this.#ring);
    if (isQuiet) call.munmap(this.#pages, 2 * PAGE_BYTES);
  }

  /** Every slot is written once: the requests never change. The array of slots says that each is in its own place. */
  #writeRequests(fd: number, signal: Signal, arrayAt: number): void {
    const poll = new Uint32Array(new ArrayBuffer(256), 0, SQE_WORDS);
    const isLinked = "socket" in signal;
    poll.set([IORING_OP_POLL_ADD | (isLinked ? IOSQE_IO_LINK << 8 : 0), fd], 0);
    poll.set([0, POLLIN, POLL_ID], 6); // Length, events, user data.
    const send = new Uint32Array(new ArrayBuffer(256), 0, SQE_WORDS);
    if (isLinked) {
      send.set([IORING_OP_SEND, signal.socket], 0);
      new DataView(send.buffer).setBigUint64(16, BigInt(this.#requestsAt + BYTE_AT), true);
      send.set([1, MSG_DONTWAIT | MSG_NOSIGNAL], 6);
    }
    const slots = new Uint32Array(new ArrayBuffer(256), 0, ENTRIES);
    for (let slot = 0; slot < ENTRIES; slot++) {
      this.#writeRequest(slot, slot % this.#perArm === 0 ? poll : send);
      slots[slot] = slot;
    }
    const { call, library } = this.#libc;
    call.copyTo(library.pointerTo(arrayAt), slots, this.#libc.size(slots.byteLength));
  }

  #writeRequest(slot: number, request: Uint32Array<ArrayBuffer>): void {
    const { call, library } = this.#libc;
    const at = library.pointerTo(this.#requestsAt + slot * SQE_WORDS * 4);
    call.copyTo(at, request, this.#libc.size(SQE_WORDS * 4));
  }

  #submit(count: number, minComplete = 0): boolean {
    const { call } = this.#libc;
    const { number, ring } = this.#sizes;
    const size = (value: number): Size => this.#libc.size(value);
    this.#sqTail += count;
    this.#store(this.#sqTailAt, this.#sqTail);
    const flags = minComplete > 0 ? IORING_ENTER_GETEVENTS : 0;
    for (let left = count; left > 0;) {
      const done = call.ioUringEnter(number, ring, size(left), size(minComplete), size(flags), null, size(0));
      if (done > 0) left -= done;
      else if (done === 0 || this.#libc.errno() !== EINTR) return false;
    }
    return true;
  }

  /** Ends the poll that is out, and waits until all its completions are there: the kernel is done with the memory. */
  #remove(): boolean {
    const remove = new Uint32Array(new ArrayBuffer(256), 0, SQE_WORDS);
    remove.set([IORING_OP_POLL_REMOVE, 0xffff_ffff], 0);
    remove[4] = POLL_ID;
    this.#writeRequest(this.#sqTail % ENTRIES, remove);
    return this.#submit(1, this.#perArm + 1);
  }

  #store(at: Pointer, value: number): void {
    this.#cell[0] = value;
    this.#libc.call.copyTo(at, this.#cell, this.#sizes.four);
  }
}
