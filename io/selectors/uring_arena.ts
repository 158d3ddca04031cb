/**
 * Memory the kernel reads what is sent from: mapped, so that it stays where it is, and never given back while it is lent.
 *
 * Strategy: one range of addresses is reserved at the start, of which a page exists only once it is touched. It is dealt
 * out in frames of 64 KiB. What is smaller shares a frame with others of its size class (1, 2, 4, … 32 KiB); what is larger
 * has as many frames in a row. Frames that come back are kept up to a bound; beyond it their pages go back to the system.
 *
 * When there is no room, `allocate` says so, and the caller has to do without: that is the bound.
 *
 * JavaScript sees it through *windows*: an ArrayBuffer for each MiB of the first eight, then for the next 8, 16, 32 MiB and so
 * on, made when the first piece of it is dealt out. One for all of it would do, but a garbage collector takes every buffer for
 * memory in use, as long as it is, and lets garbage grow in proportion: 256 MiB that hardly a page exists of were answered by
 * more than 100 MiB of garbage on Bun. Windows that nothing is used of are closed when a connection ends, and once more than
 * eight times what is used is seen. Since a piece lies in one window, none is longer than the last.
 *
 * Guard mode (tests): every piece has a red zone on both sides, which must be as it was when the piece comes back; what
 * came back is poisoned, and must be so still when it is dealt out again. A breach is a `ContractError`, and is kept.
 *
 * @module
 */
import { ContractError } from "../errors.ts";
import type { UringKernel } from "../ffi/uring_kernel.ts";

/** 64 KiB: the largest block a write is cut into, and a multiple of every page size Linux has. */
export const FRAME_BYTES = 64 * 1024;

/** 1 MiB: what a server that is not busy uses. */
const SMALL_WINDOW_FRAMES = 16;
/** 8 MiB are in small windows: what a pool keeps, and as much again. From there on each is as large as all before it. */
const SMALL_WINDOWS_FRAMES = 128;

/**
 * Windows are closed when more than eight times what is used is seen. A collector that is shown a new window has one reason
 * more to collect, so what a busy server's turns use and give back must not open and close them.
 */
const SEEN_PER_USED_MAX = 8;

/** 1 KiB: most events of a stream; smaller pieces would need longer tables for no memory worth mentioning. */
const CLASS_BYTES_MIN = 1024;

/** 128 free frames are 8 MiB kept: what a busy server has under way. */
const FREE_FRAMES_MAX = 128;

/** Length of a red zone in guard mode: a cache line, so that pieces stay aligned to it. */
const RED_BYTES = 64;
/** What red zones are filled with. */
const RED = 0xa5;
/** What memory that came back is filled with. */
const POISON = 0xdb;

/** A frame that was never used, or whose pages were given back. */
const FREE = 0;
/** A free frame whose pages exist. */
const FREE_TOUCHED = 1;
/** A frame in a run that is dealt out as a whole. */
const RUN = 2;
/** From here on: a frame of the size class `state - SLICED`. */
const SLICED = 3;

/** How an arena is made. */
export interface ArenaOptions {
  /** Bytes to reserve; a multiple of 64 KiB. */
  readonly bytes: number;
  /** Whether pieces are guarded; see the module's text. Default false. */
  readonly isGuarded?: boolean;
}

/** A part of the arena, as JavaScript sees it. */
interface Window {
  /** Where it begins in the arena. */
  readonly start: number;
  /** All of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** See the module's text. */
export class PinnedArena {
  /** Where it begins, as the kernel sees it. */
  readonly address: number;
  /** Breaches found so far, in guard mode. */
  readonly breaches: ContractError[] = [];
  readonly #kernel: UringKernel;
  readonly #bytes: number;
  /** The windows by number; none where nothing is dealt out. */
  readonly #windows: (Window | undefined)[] = [];
  /** Those there are, in the order they came to be: usually few, and the first has nearly everything. */
  #opened: Window[] = [];
  /** Frames in use of each window. */
  readonly #usedFrames = new Uint32Array(32);
  #usedFramesAll = 0;
  #seenBytes = 0;
  readonly #isGuarded: boolean;
  readonly #states: Uint8Array;
  /** Frames of a run, at its first frame. */
  readonly #runs: Uint16Array;
  /** Slots of a sliced frame that are dealt out, as bits: two words for each frame. */
  readonly #slots: Uint32Array;
  /** Frames of each size class that have a free slot. */
  readonly #partial: Set<number>[] = [];
  /** No frame below it is free. */
  #hint = 0;
  #freeTouched = 0;
  #usedBytes = 0;
  /** Guard mode: what is dealt out, and what was poisoned; by where it begins. */
  readonly #lent = new Map<number, number>();
  readonly #poisoned = new Map<number, number>();

  /** @param address where `options.bytes` are reserved */
  constructor(kernel: UringKernel, address: number, options: ArenaOptions) {
    const frames = options.bytes / FRAME_BYTES;
    this.#kernel = kernel;
    this.address = address;
    this.#bytes = options.bytes;
    this.#isGuarded = options.isGuarded ?? false;
    this.#states = new Uint8Array(frames);
    this.#runs = new Uint16Array(frames);
    this.#slots = new Uint32Array(frames * 2);
    for (let bytes = CLASS_BYTES_MIN; bytes < FRAME_BYTES; bytes *= 2) this.#partial.push(new Set());
  }

  /** Bytes dealt out now, as they were asked for. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes that JavaScript sees now: what its garbage collector takes for used. */
  get seenBytes(): number {
    return this.#seenBytes;
  }

  /** Whether a view is of this memory. */
  owns(view: Uint8Array): boolean {
    return this.addressOf(view) >= 0;
  }

  /** Where a view begins, as the kernel sees it; -1 for what is not of this memory. */
  addressOf(view: Uint8Array): number {
    const { buffer } = view;
    for (const { bytes, start } of this.#opened) {
      if (bytes.buffer === buffer) return this.address + start + view.byteOffset;
    }
    return -1;
  }

  /**
   * Deals out memory; what is in it is undefined.
   *
   * @param length bytes, at least 1
   * @returns a view of exactly that length; `null` when there is no room
   */
  allocate(length: number): Uint8Array<ArrayBuffer> | null {
    const outer = this.#isGuarded ? length + 2 * RED_BYTES : length;
    const offset = outer > FRAME_BYTES / 2
      ? this.#takeRun(Math.ceil(outer / FRAME_BYTES))
      : this.#takeSlot(outer);
    if (offset < 0) return null;
    this.#usedBytes += length;
    const { start, bytes } = this.#windowOf(offset);
    if (!this.#isGuarded) return new Uint8Array(bytes.buffer, offset - start, length);
    this.#guard(offset, outer);
    return new Uint8Array(bytes.buffer, offset - start + RED_BYTES, length);
  }

  /** Takes memory back: `view` must be what `allocate` returned, and must not be used any more, by the kernel neither. */
  free(view: Uint8Array): void {
    this.#usedBytes -= view.length;
    let offset = this.addressOf(view) - this.address;
    if (this.#isGuarded) {
      offset -= RED_BYTES;
      if (!this.#checkGuard(offset, view.length + 2 * RED_BYTES)) return;
    }
    const frame = Math.floor(offset / FRAME_BYTES);
    const state = this.#states[frame]!;
    if (state === RUN) return this.#freeFrames(frame, this.#runs[frame]!);
    this.#freeSlot(frame, state - SLICED, (offset % FRAME_BYTES) / (CLASS_BYTES_MIN << (state - SLICED)));
  }

  /** Closes the windows that nothing is used of: for times when less is likely to be used from now on. */
  closeUnused(): void {
    let closed = 0;
    for (let number = 0; number < this.#windows.length; number++) {
      const window = this.#windows[number];
      if (window === undefined || this.#usedFrames[number]! > 0) continue;
      this.#windows[number] = undefined;
      this.#seenBytes -= window.bytes.length;
      closed++;
    }
    if (closed === 0) return;
    this.#opened = this.#opened.filter(({ start }) =>
      this.#windows[windowOf(start / FRAME_BYTES)] !== undefined
    );
  }

  /** Gives all pages back to the system. What views still show reads as zeros, and harms nobody. */
  discard(): void {
    this.#kernel.discard(this.address, this.#bytes);
  }

  /** The window that an offset is in. */
  #windowOf(offset: number): Window {
    const number = windowOf(Math.floor(offset / FRAME_BYTES));
    return this.#windows[number] ??= this.#openWindow(number);
  }

  #openWindow(number: number): Window {
    const start = firstFrameOf(number) * FRAME_BYTES;
    const end = Math.min(firstFrameOf(number + 1) * FRAME_BYTES, this.#bytes);
    const made = { start, bytes: new Uint8Array(this.#kernel.viewOf(this.address + start, end - start)) };
    this.#opened.push(made);
    this.#seenBytes += end - start;
    return made;
  }

  #takeSlot(bytes: number): number {
    let index = 0;
    while (CLASS_BYTES_MIN << index < bytes) index++;
    const partial = this.#partial[index]!;
    let frame = partial.values().next().value;
    if (frame === undefined) {
      frame = this.#findRun(1);
      if (frame < 0) return -1;
      this.#useFrame(frame, SLICED + index);
      partial.add(frame);
    }
    const slotBytes = CLASS_BYTES_MIN << index;
    const count = FRAME_BYTES / slotBytes;
    const at = frame * 2 + (count > 32 && this.#slots[frame * 2] === 0xffff_ffff ? 1 : 0);
    const bit = 31 - Math.clz32(~this.#slots[at]! & -~this.#slots[at]!);
    this.#slots[at] = this.#slots[at]! | (1 << bit);
    if (this.#usedSlots(frame) === count) partial.delete(frame);
    return frame * FRAME_BYTES + ((at & 1) * 32 + bit) * slotBytes;
  }

  #freeSlot(frame: number, index: number, slot: number): void {
    const at = frame * 2 + (slot >> 5);
    this.#slots[at] = this.#slots[at]! & ~(1 << (slot & 31));
    const partial = this.#partial[index]!;
    if (this.#usedSlots(frame) > 0) {
      partial.add(frame);
      return;
    }
    partial.delete(frame);
    this.#freeFrames(frame, 1);
  }

  #usedSlots(frame: number): number {
    return bitCount(this.#slots[frame * 2]!) + bitCount(this.#slots[frame * 2 + 1]!);
  }

  #takeRun(frames: number): number {
    const first = this.#findRun(frames);
    if (first < 0) return -1;
    for (let frame = first; frame < first + frames; frame++) this.#useFrame(frame, RUN);
    this.#runs[first] = frames;
    return first * FRAME_BYTES;
  }

  /**
   * The first of so many free frames in a row, of one window; -1 when there are none. The lowest, so that the memory in use
   * stays dense.
   */
  #findRun(frames: number): number {
    const states = this.#states;
    let length = 0;
    for (let frame = this.#hint; frame < states.length; frame++) {
      if (isFirstOfWindow(frame)) length = 0;
      if (states[frame]! > FREE_TOUCHED) {
        if (length === 0 && frame === this.#hint) this.#hint++;
        length = 0;
      } else if (++length === frames) return frame - frames + 1;
    }
    return -1;
  }

  #useFrame(frame: number, state: number): void {
    if (this.#states[frame] === FREE_TOUCHED) this.#freeTouched--;
    this.#states[frame] = state;
    const number = windowOf(frame);
    this.#usedFrames[number] = this.#usedFrames[number]! + 1;
    this.#usedFramesAll++;
  }

  #freeFrames(first: number, frames: number): void {
    const number = windowOf(first);
    this.#usedFrames[number] = this.#usedFrames[number]! - frames;
    this.#usedFramesAll -= frames;
    if (this.#seenBytes > this.#usedFramesAll * FRAME_BYTES * SEEN_PER_USED_MAX) this.closeUnused();
    const isKept = this.#freeTouched + frames <= FREE_FRAMES_MAX;
    this.#states.fill(isKept ? FREE_TOUCHED : FREE, first, first + frames);
    if (first < this.#hint) this.#hint = first;
    if (isKept) {
      this.#freeTouched += frames;
      return;
    }
    this.#kernel.discard(this.address + first * FRAME_BYTES, frames * FRAME_BYTES);
    if (!this.#isGuarded) return;
    const [start, end] = [first * FRAME_BYTES, (first + frames) * FRAME_BYTES];
    for (const offset of [...this.#poisoned.keys()]) {
      if (offset >= start && offset < end) this.#poisoned.delete(offset);
    }
  }

  // ---- guard mode ------------------------------------------------------------------------------------------------

  #guard(offset: number, outer: number): void {
    for (const [start, length] of [...this.#poisoned]) {
      if (start >= offset + outer || start + length <= offset) continue;
      for (const [index, byte] of this.#piece(start, length).entries()) {
        if (byte !== POISON) {
          this.#breach(`byte ${start + index} of the arena was written to after it was given back`);
        }
      }
      this.#poisoned.delete(start);
    }
    const piece = this.#piece(offset, outer);
    piece.fill(RED, 0, RED_BYTES);
    piece.fill(RED, outer - RED_BYTES);
    this.#lent.set(offset, outer);
  }

  #checkGuard(offset: number, outer: number): boolean {
    if (this.#lent.get(offset) !== outer) {
      this.#breach(`what begins at byte ${offset} of the arena was given back, but is not lent so`);
      return false;
    }
    this.#lent.delete(offset);
    const piece = this.#piece(offset, outer);
    for (let at = 0; at < RED_BYTES; at++) {
      if (piece[at] !== RED || piece[outer - RED_BYTES + at] !== RED) {
        this.#breach(`what begins at byte ${offset} of the arena was written to beyond its ends`);
        break;
      }
    }
    piece.fill(POISON);
    this.#poisoned.set(offset, outer);
    return true;
  }

  /** What begins at an offset, with its red zones. */
  #piece(offset: number, outer: number): Uint8Array {
    const { start, bytes } = this.#windowOf(offset);
    return bytes.subarray(offset - start, offset - start + outer);
  }

  #breach(what: string): void {
    this.breaches.push(new ContractError(what));
  }
}

/** The number of the window that a frame is in. */
function windowOf(frame: number): number {
  if (frame < SMALL_WINDOWS_FRAMES) return Math.floor(frame / SMALL_WINDOW_FRAMES);
  return SMALL_WINDOWS_FRAMES / SMALL_WINDOW_FRAMES + Math.floor(Math.log2(frame / SMALL_WINDOWS_FRAMES));
}

/** The frame that a window begins with. */
function firstFrameOf(number: number): number {
  const beyond = number - SMALL_WINDOWS_FRAMES / SMALL_WINDOW_FRAMES;
  return beyond < 0 ? number * SMALL_WINDOW_FRAMES : SMALL_WINDOWS_FRAMES * 2 ** beyond;
}

/** Whether a window begins with a frame. */
function isFirstOfWindow(frame: number): boolean {
  if (frame <= SMALL_WINDOWS_FRAMES) return frame % SMALL_WINDOW_FRAMES === 0;
  return (frame & (frame - 1)) === 0;
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
