/**
 * Parking: sleeping in the runtime's own loop until a descriptor of ours is readable, at no cost while it is not.
 *
 * Two ways, the first that is there is taken:
 *
 * 1. *by the kernel*: a tiny io_uring watches the descriptor, and wakes the runtime's loop by a descriptor that this waits
 *    for anyway (poll_ring.ts, native_wake.ts). No thread is involved.
 * 2. *by a thread*: `poll` on one of the runtime's helper threads (Deno). For systems that refuse io_uring. Such a
 *    call keeps the process alive, so an unref'ed one looks by a timer instead.
 *
 * @module
 */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  POLLIN,
  PROT_READ,
  PROT_WRITE,
} from "../ffi/constants.ts";
import { POLLFD_BYTES } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Pointer, Probe } from "../ffi/load.ts";
import { PollRing } from "../ffi/poll_ring.ts";
import { setUnrefTimer } from "./native_turn.ts";
import { probeWake, type Wake } from "./native_wake.ts";

/** One descriptor's sleep. */
export interface Parking {
  /** In which way, for logs. */
  readonly how: string;
  /** Has `onReady` called once, as soon as the descriptor is readable; at the earliest from the runtime's next turn. Idempotent. */
  park(): void;
  /** Lets the process live while parked; at first it does not. */
  ref(): void;
  /** Lets the process exit. */
  unref(): void;
  /** Ends it; `onReady` is not called any more. Resolves when everything is released. Call it once. */
  close(): Promise<void>;
}

/** A way to park. */
export type ParkingWay = (libc: Libc, fd: number, onReady: () => void) => Probe<Parking>;

/**
 * Makes the parking of a descriptor, by the first way that works here.
 *
 * @param libc libc
 * @param fd what to wait for; it must stay open until it is closed
 * @param onReady runs when it is readable
 * @param ways the ways to try; default: by the kernel, then by a thread
 * @returns it, or why no way works
 */
export function probeParking(
  libc: Libc,
  fd: number,
  onReady: () => void,
  ways: readonly ParkingWay[] = [parkByKernel, parkByThread],
): Probe<Parking> {
  const refusals: string[] = [];
  for (const way of ways) {
    const probe = way(libc, fd, onReady);
    if (probe.found !== null) return probe;
    refusals.push(probe.refusal);
  }
  return { found: null, refusal: `nothing can wait for it: ${refusals.join("; ")}` };
}

/** The first way; see the module's text. */
export function parkByKernel(libc: Libc, fd: number, onReady: () => void): Probe<Parking> {
  let parking: KernelParking | null = null;
  const wake = probeWake(libc, () => parking?.takeSignal());
  if (wake.found === null) return wake;
  const ring = PollRing.probe(libc, fd, wake.found.signal);
  if (ring.found === null) {
    void wake.found.close();
    return ring;
  }
  parking = new KernelParking(ring.found, wake.found, onReady);
  return { found: parking, refusal: null };
}

class KernelParking implements Parking {
  readonly how = "woken by io_uring";
  readonly #ring: PollRing;
  readonly #wake: Wake;
  readonly #onReady: () => void;
  #cancelTimer: (() => void) | null = null;
  #isClosed = false;

  constructor(ring: PollRing, wake: Wake, onReady: () => void) {
    this.#ring = ring;
    this.#wake = wake;
    this.#onReady = onReady;
  }

  park(): void {
    if (this.#ring.arm()) return;
    this.#cancelTimer?.(); // The kernel is out of memory: look again later.
    this.#cancelTimer = setUnrefTimer(RETRY_MS, this.#onReady);
  }

  takeSignal(): void {
    if (this.#isClosed || !this.#ring.isArmed) return;
    this.#ring.takeSignal();
    this.#onReady();
  }

  ref(): void {
    this.#wake.ref();
  }

  unref(): void {
    this.#wake.unref();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#ring.close();
    return this.#wake.close();
  }
}

/** 10 ms: late for whom it hits, which is nobody unless the kernel refuses or nothing keeps the process alive; and cheap. */
const RETRY_MS = 10;

/** A page: what mmap gives at least. */
const PAGE_BYTES = 4096;

/** The second way; see the module's text. */
export function parkByThread(libc: Libc, fd: number, onReady: () => void): Probe<Parking> {
  const { call } = libc;
  if (call.pollThreaded === undefined) {
    return { found: null, refusal: "this runtime calls no C function on another thread" };
  }
  const stop = call.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (stop < 0) return { found: null, refusal: `eventfd fails with error ${libc.errno()}` };
  const memory = call.mmap(null, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory === -1) {
    const refusal = `mmap fails with error ${libc.errno()}`;
    call.close(stop);
    return { found: null, refusal };
  }
  return { found: new ThreadParking(libc, fd, stop, libc.library.pointerTo(memory), onReady), refusal: null };
}

class ThreadParking implements Parking {
  readonly how = "woken by a thread";
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #stop: number;
  readonly #memory: Pointer;
  readonly #onReady: () => void;
  readonly #bytes = new Uint8Array(new ArrayBuffer(256));
  #call: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #isParked = false;
  #isWanted = false;
  #isClosed = false;

  constructor(libc: Libc, fd: number, stop: number, memory: Pointer, onReady: () => void) {
    this.#libc = libc;
    this.#fd = fd;
    this.#stop = stop;
    this.#memory = memory;
    this.#onReady = onReady;
  }

  park(): void {
    if (this.#isParked || this.#isClosed) return;
    this.#isParked = true;
    this.#wait();
  }

  ref(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    if (this.#isParked) this.#wait();
  }

  unref(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.#interrupt();
    if (this.#isParked) this.#wait();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#interrupt();
    await this.#call;
    this.#libc.call.close(this.#stop);
    this.#libc.call.munmap(this.#memory, PAGE_BYTES);
  }

  /** In a thread if the process shall live for it, else by a timer. One of the two at a time; the call before is let end. */
  #wait(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (!this.#isWanted) this.#cancelTimer = setUnrefTimer(RETRY_MS, () => this.#ready());
    else if (this.#call === null) this.#call = this.#poll();
  }

  async #poll(): Promise<void> {
    const { call } = this.#libc;
    const words = new Int32Array(this.#bytes.buffer);
    words.set([this.#fd, POLLIN, this.#stop, POLLIN]);
    call.copyTo(this.#memory, this.#bytes, this.#libc.size(2 * POLLFD_BYTES));
    await call.pollThreaded!(this.#memory, this.#libc.size(2), -1);
    this.#call = null;
    call.read(this.#stop, this.#bytes, this.#libc.size(8)); // Empties it, if it was what ended the call.
    if (this.#isClosed || !this.#isParked) return;
    this.#ready();
  }

  #ready(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#isParked = false;
    this.#onReady();
  }

  /** Ends the call that is out, if any. */
  #interrupt(): void {
    if (this.#call === null) return;
    this.#bytes.fill(0, 0, 8);
    this.#bytes[0] = 1;
    this.#libc.call.write(this.#stop, this.#bytes, this.#libc.size(8));
  }
}
