/**
 * The buffers the kernel receives into: one ring of them for all connections, so that an idle one owns none.
 *
 * The kernel takes a buffer when bytes are there, not before. It comes back by its number in a completion, is lent to the
 * connection's protocol for the length of one call, and goes to the kernel again. When none is left, receiving ends with
 * ENOBUFS and is begun anew once some came back: every batch ends with all its buffers given back.
 *
 * Guard mode (tests): what is given back is poisoned, so that who keeps bytes on loan reads nonsense; a red zone behind each
 * buffer must stay as it is; a buffer that is given back twice, or used without being lent, is a breach.
 *
 * @module
 */
import { ContractError, UnsupportedError } from "../errors.ts";
import type { MappedMemory, UringKernel } from "../ffi/uring_kernel.ts";
import { BUFFER_ENTRY, BUFFER_REGISTRATION, REGISTER } from "../ffi/uring_layout.ts";

/** 512 buffers: as many connections may have bytes in one batch. They are used in turn, so a page of each comes to exist. */
const COUNT_DEFAULT = 512;

/** 8 KiB: most requests are whole in one, and a connection that is paused late has received no more than 256 KiB. */
const BYTES_DEFAULT = 8 * 1024;

/** The pieces memory is mapped in. */
const PAGE_BYTES = 64 * 1024;

/** Length of a red zone in guard mode: a cache line. */
const RED_BYTES = 64;
/** What red zones are filled with: nobody's zeros and nobody's text. */
const RED = 0xa5;
/** What a buffer is filled with when its loan is over. */
const POISON = 0xdb;

/** How many buffers there are, and how large. */
export interface ReceiveBufferOptions {
  /** How many; a power of two, at most 32,768. Default 512. */
  readonly count?: number;
  /** Bytes of each. Default 8,192. */
  readonly bytes?: number;
  /** Whether they are guarded; see the module's text. Default false. */
  readonly isGuarded?: boolean;
}

/** See the module's text. */
export class ReceiveBuffers {
  /** How many there are. */
  readonly count: number;
  /** Breaches found so far, in guard mode. */
  readonly breaches: ContractError[] = [];
  readonly #kernel: UringKernel;
  readonly #ring: number;
  readonly #memory: MappedMemory;
  /** Length of each. */
  readonly bytes: number;
  readonly #stride: number;
  readonly #dataAt: number;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  /** Guard mode: which ones the kernel has; `null` otherwise. */
  readonly #isKernels: Uint8Array | null;
  #tail = 0;

  /**
   * Maps the buffers and gives them to a ring, as its group 0.
   *
   * @throws UnsupportedError when the kernel refuses
   * @throws RangeError for numbers that make no sense
   */
  constructor(kernel: UringKernel, ring: number, options: ReceiveBufferOptions = {}) {
    const { count = COUNT_DEFAULT, bytes = BYTES_DEFAULT, isGuarded = false } = options;
    if (!(count >= 1 && count <= 32_768 && (count & (count - 1)) === 0) || !(bytes >= 1 && bytes < 2 ** 31)) {
      throw new RangeError(
        `Cannot make ${count} buffers of ${bytes} bytes: the count must be a power of two up to 32,768`,
      );
    }
    this.#kernel = kernel;
    this.#ring = ring;
    this.count = count;
    this.bytes = bytes;
    this.#stride = isGuarded ? bytes + RED_BYTES : bytes;
    this.#dataAt = Math.ceil(count * BUFFER_ENTRY.words * 4 / PAGE_BYTES) * PAGE_BYTES;
    const mapped = Math.ceil((this.#dataAt + count * this.#stride) / PAGE_BYTES) * PAGE_BYTES;
    const memory = kernel.mapMemory(mapped);
    if (typeof memory === "number") throw refused("there is no memory for receive buffers", -memory);
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer, 0, count * BUFFER_ENTRY.words);
    this.#halves = new Uint16Array(memory.buffer, 0, count * BUFFER_ENTRY.words * 2);
    this.#isKernels = isGuarded ? new Uint8Array(count) : null;
    const argument = new Uint8Array(BUFFER_REGISTRATION.bytes);
    const view = new DataView(argument.buffer);
    view.setBigUint64(BUFFER_REGISTRATION.ringAddress, BigInt(memory.address), true);
    view.setUint32(BUFFER_REGISTRATION.ringEntries, count, true);
    const result = kernel.register(ring, REGISTER.bufferRing, argument, 1);
    if (result < 0) {
      kernel.unmap(memory.address, mapped);
      throw refused("this kernel takes no ring of receive buffers (Linux 6.0 or later is needed)", -result);
    }
    for (let number = 0; number < count; number++) {
      if (isGuarded) this.#fill(number);
      this.giveBack(number);
    }
    this.publish();
  }

  /** What a completion brought: `length` bytes in buffer `number`. On loan until `giveBack`. */
  view(number: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#isKernels !== null) {
      if (this.#isKernels[number] !== 1) {
        this.#breach(`receive buffer ${number} was used, but is not the kernel's`);
      }
      this.#isKernels[number] = 0;
    }
    return new Uint8Array(this.#memory.buffer, this.#dataAt + number * this.#stride, length);
  }

  /** Gives a buffer to the kernel, which sees it after `publish`. */
  giveBack(number: number): void {
    if (this.#isKernels !== null) this.#checkGuard(number);
    const address = this.#memory.address + this.#dataAt + number * this.#stride;
    const at = (this.#tail & (this.count - 1)) * BUFFER_ENTRY.words;
    const words = this.#words;
    words[at + BUFFER_ENTRY.addressLow] = address;
    words[at + BUFFER_ENTRY.addressHigh] = address / 2 ** 32;
    words[at + BUFFER_ENTRY.length] = this.bytes;
    this.#halves[(at + BUFFER_ENTRY.number) * 2] = number;
    this.#tail = (this.#tail + 1) & 0xffff;
  }

  /** Shows the kernel all that was given back. */
  publish(): void {
    Atomics.store(this.#halves, BUFFER_ENTRY.number * 2 + 1, this.#tail);
  }

  /**
   * Takes the buffers from the kernel, when nothing is being received any more. Their pages go back to the system; the
   * addresses stay, so that bytes somebody kept against the rules are zeros and not the end of the process.
   */
  close(): void {
    const argument = new Uint8Array(BUFFER_REGISTRATION.bytes);
    this.#kernel.register(this.#ring, REGISTER.unregisterBufferRing, argument, 1);
    this.#kernel.discard(this.#memory.address, this.#memory.buffer.byteLength);
  }

  #checkGuard(number: number): void {
    const isKernels = this.#isKernels!;
    if (isKernels[number] === 1) this.#breach(`receive buffer ${number} was given back twice`);
    isKernels[number] = 1;
    const end = this.#dataAt + number * this.#stride + this.bytes;
    const red = new Uint8Array(this.#memory.buffer, end, RED_BYTES);
    if (red.some((byte) => byte !== RED)) {
      this.#breach(`receive buffer ${number} was written to beyond its end`);
    }
    this.#fill(number);
  }

  #fill(number: number): void {
    const start = this.#dataAt + number * this.#stride;
    new Uint8Array(this.#memory.buffer, start, this.bytes).fill(POISON);
    new Uint8Array(this.#memory.buffer, start + this.bytes, RED_BYTES).fill(RED);
  }

  #breach(what: string): void {
    this.breaches.push(new ContractError(what));
  }
}

function refused(why: string, errno: number): UnsupportedError {
  return new UnsupportedError("Cannot use io_uring", `${why} (error ${errno})`);
}
