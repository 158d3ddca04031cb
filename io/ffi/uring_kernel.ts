/**
 * The calls io_uring is made of: its three system calls and the memory it is shared through.
 *
 * It is an interface, so that tests can have the kernel refuse, submit less than it was given, or be slow; `LibcKernel` is
 * the real one. Every call returns what the system returned, a failure being the error's number, negative.
 *
 * @module
 */
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "./constants.ts";
import type { Libc } from "./libc.ts";
import type { Size } from "./load.ts";
import { SYS_IO_URING_ENTER, SYS_IO_URING_REGISTER, SYS_IO_URING_SETUP } from "./uring_layout.ts";

/** Memory that stays where it is: both ends of it. */
export interface MappedMemory {
  /** Where it begins, as the kernel sees it. */
  readonly address: number;
  /** The same memory, as JavaScript sees it. */
  readonly buffer: ArrayBuffer;
}

/** See the module's text. Failures are returned as negative error numbers. */
export interface UringKernel {
  /** io_uring_setup(2); returns the ring's descriptor. */
  setup(entries: number, params: Uint8Array<ArrayBuffer>): number;
  /** io_uring_enter(2) without a signal mask; returns how many entries were taken. */
  enter(ring: number, submitCount: number, completionsMin: number, flags: number): number;
  /** io_uring_register(2). */
  register(ring: number, operation: number, argument: Uint8Array<ArrayBuffer> | null, count: number): number;
  /** Maps a ring's memory. */
  mapRing(ring: number, bytes: number, offset: number): MappedMemory | number;
  /** Maps memory that belongs to nobody else, of zeros; no page of it exists before it is touched. */
  mapMemory(bytes: number): MappedMemory | number;
  /** Maps such memory without looking at it; returns where it begins. */
  reserve(bytes: number): number;
  /** A buffer over memory that is mapped; it does not keep it. */
  viewOf(address: number, bytes: number): ArrayBuffer;
  /** Closes a ring's descriptor. */
  close(ring: number): number;
  /** Unmaps memory: touching a buffer over it afterwards is the end of the process. */
  unmap(address: number, bytes: number): number;
  /** Gives pages back to the system; they read as zeros. `address` and `bytes` must be multiples of 64 KiB. */
  discard(address: number, bytes: number): number;
}

/** The real kernel, through libc. */
export class LibcKernel implements UringKernel {
  readonly #libc: Libc;
  readonly #setupNumber: Size;
  readonly #enterNumber: Size;
  readonly #registerNumber: Size;
  readonly #zero: Size;

  /** @param libc libc, with `canView`: rings are shared memory */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#setupNumber = libc.size(SYS_IO_URING_SETUP);
    this.#enterNumber = libc.size(SYS_IO_URING_ENTER);
    this.#registerNumber = libc.size(SYS_IO_URING_REGISTER);
    this.#zero = libc.size(0);
  }

  setup(entries: number, params: Uint8Array<ArrayBuffer>): number {
    const libc = this.#libc;
    return this.#outcome(libc.call.ioUringSetup(this.#setupNumber, libc.size(entries), params));
  }

  enter(ring: number, submitCount: number, completionsMin: number, flags: number): number {
    const libc = this.#libc;
    const taken = libc.call.ioUringEnter(
      this.#enterNumber,
      libc.size(ring),
      libc.size(submitCount),
      libc.size(completionsMin),
      libc.size(flags),
      null,
      this.#zero,
    );
    return this.#outcome(taken);
  }

  register(ring: number, operation: number, argument: Uint8Array<ArrayBuffer> | null, count: number): number {
    const libc = this.#libc;
    const { ioUringRegister } = libc.call;
    return this.#outcome(
      ioUringRegister(
        this.#registerNumber,
        libc.size(ring),
        libc.size(operation),
        argument,
        libc.size(count),
      ),
    );
  }

  mapRing(ring: number, bytes: number, offset: number): MappedMemory | number {
    return this.#seen(this.#map(bytes, MAP_SHARED | MAP_POPULATE, ring, offset), bytes);
  }

  mapMemory(bytes: number): MappedMemory | number {
    return this.#seen(this.reserve(bytes), bytes);
  }

  reserve(bytes: number): number {
    return this.#map(bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }

  viewOf(address: number, bytes: number): ArrayBuffer {
    const { library } = this.#libc;
    return library.viewOf(library.pointerTo(address), bytes);
  }

  close(ring: number): number {
    return this.#outcome(this.#libc.call.close(ring));
  }

  unmap(address: number, bytes: number): number {
    const { call, library } = this.#libc;
    return this.#outcome(call.munmap(library.pointerTo(address), bytes));
  }

  discard(address: number, bytes: number): number {
    const { call, library } = this.#libc;
    return this.#outcome(call.madvise(library.pointerTo(address), bytes, MADV_DONTNEED));
  }

  #map(bytes: number, flags: number, descriptor: number, offset: number): number {
    const address = this.#libc.call.mmap(null, bytes, PROT_READ | PROT_WRITE, flags, descriptor, offset);
    return address === -1 ? -this.#libc.errno() : address;
  }

  /** What a mapping returned, with a buffer over it. */
  #seen(address: number, bytes: number): MappedMemory | number {
    return address < 0 ? address : { address, buffer: this.viewOf(address, bytes) };
  }

  #outcome(result: number): number {
    return result >= 0 ? result : -this.#libc.errno();
  }
}
