/**
 * One io_uring: entries go in, completions come out, on memory shared with the kernel.
 *
 * Strategy:
 * - `prepare` fills in the next entry; the caller adds what its operation needs. Nothing is a system call before `submit`,
 *   which hands over all that is prepared at once. A ring that is full is submitted by `prepare` itself.
 * - `take` copies the completions that are there into a backlog of our own and frees the kernel's places; they are worked
 *   on from there. So callbacks that prepare and submit more never meet a completion ring that cannot move.
 * - The kernel writes to an eventfd when something completes, but only between `arm` and `disarm`.
 *
 * Memory orders: our head and tail are stored, and the kernel's loaded, by Atomics (which are sequentially consistent,
 * stronger than the acquire and release that are asked for): an entry is written before the tail that shows it, and a completion
 * is copied after the tail and before the head.
 *
 * What can go wrong, and the answer:
 * - The completion ring is full: the kernel keeps the rest (`IORING_FEAT_NODROP`, required) and says so; `take` fetches it.
 *   A submit refused for that (EBUSY) or for memory (EAGAIN) frees places into the backlog and is tried again.
 * - Fewer entries were taken than were given: the rest is submitted again.
 * - The kernel refuses for good: `RingError`, and the ring cannot be used any more.
 *
 * Bounds: entries, by the ring; the backlog holds no more than one completion for each entry under way, but one for each
 * buffer and descriptor where an entry completes many times.
 *
 * @module
 */
import { SluiceError, UnsupportedError } from "../errors.ts";
import { EAGAIN, EBUSY, EINTR, EINVAL, ENOMEM } from "../ffi/errno.ts";
import type { MappedMemory, UringKernel } from "../ffi/uring_kernel.ts";
import {
  CQ_EVENTFD_DISABLED,
  CQ_OFFSETS,
  CQE,
  ENTER_GETEVENTS,
  FEATURES,
  MAP_AT,
  OP,
  PARAMS,
  PROBE,
  REGISTER,
  SETUP,
  SQ_CQ_OVERFLOW,
  SQ_OFFSETS,
  SQ_TASKRUN,
  SQE,
} from "../ffi/uring_layout.ts";

/** 4,096 entries: a fan-out to as many readers is one system call, for 256 KiB of memory. */
const ENTRIES_DEFAULT = 4096;

/** Four completions for each entry: multishot entries complete often. 256 KiB. */
const COMPLETIONS_PER_ENTRY = 4;

/** How often a submit that is refused for lack of room is tried, with room made in between. */
const SUBMIT_TRIES_MAX = 100;

/** Why the kernel says no to io_uring, by its error number. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [
    1,
    "the system forbids io_uring (EPERM: the sysctl kernel.io_uring_disabled, or a seccomp filter as containers have)",
  ],
  [12, "there is no memory for the rings (ENOMEM: raise `ulimit -l`, or ask for smaller rings)"],
  [13, "the system forbids io_uring (EACCES: a security module)"],
  [22, "this kernel is too old (EINVAL: Linux 6.0 or later is needed)"],
  [23, "the system has no descriptor left (ENFILE)"],
  [24, "this process has no descriptor left (EMFILE: raise `ulimit -n`)"],
  [38, "this kernel has no io_uring (ENOSYS: too old, built without, or hidden by a sandbox)"],
]);

/** What all operations must be there for. */
const OPERATIONS: readonly (keyof typeof OP)[] = [
  "nop",
  "pollAdd",
  "sendMessage",
  "accept",
  "asyncCancel",
  "connect",
  "close",
  "send",
  "receive",
];

/** How large a ring shall be. */
export interface RingOptions {
  /** Places for entries; a power of two. Default 4,096. */
  readonly entries?: number;
  /** Places for completions; a power of two, not below `entries`. Default four times as many as entries. */
  readonly completions?: number;
}

/** The kernel does not go on with a ring. */
export class RingError extends SluiceError {
  /** The system's error number. */
  readonly errno: number;
  /** Makes the error. @param errno the system's error number, positive */
  constructor(errno: number) {
    super("SLUICE_RING", `Cannot submit to io_uring: the kernel refuses it for good (error ${errno})`);
    this.errno = errno;
  }
}

/** See the module's text. */
export class Ring {
  /** Its descriptor. */
  readonly descriptor: number;
  /** Whether the kernel works on completions only when asked. */
  readonly isDeferred: boolean;
  /** Places for entries. */
  readonly entries: number;
  /** The entries, as words: `prepare` returns an index into them. */
  readonly words: Uint32Array;
  /** Completions taken and not worked on: four words each, see `CQE`. Valid from `backlogStart` to `backlogEnd` (words). */
  backlog: Int32Array;
  /** Where the backlog begins. */
  backlogStart = 0;
  /** Where the backlog ends. */
  backlogEnd = 0;
  /** How often `submit` went to the kernel. */
  submits = 0;
  /** How often the kernel had more completions than places. */
  overflows = 0;
  readonly #kernel: UringKernel;
  readonly #memories: readonly MappedMemory[];
  readonly #shared: Int32Array;
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqFlags: number;
  readonly #cqMask: number;
  readonly #cqStart: number;
  /** Entries prepared, as the ring counts: modulo 2^32. */
  #tail: number;
  /** Entries the kernel has taken, when last looked. */
  #taken: number;

  /** @param made what `makeRing` made */
  private constructor(kernel: UringKernel, made: MadeRing) {
    const { params, rings, entries } = made;
    this.#kernel = kernel;
    this.#memories = [rings, entries];
    this.descriptor = made.descriptor;
    this.isDeferred = made.isDeferred;
    this.entries = params.getUint32(PARAMS.sqEntries, true);
    this.words = new Uint32Array(entries.buffer);
    const shared = new Int32Array(rings.buffer);
    const word = (base: number, field: number) => params.getUint32(base + field, true) >> 2;
    this.#shared = shared;
    this.#sqHead = word(PARAMS.sqOffsets, SQ_OFFSETS.head);
    this.#sqTail = word(PARAMS.sqOffsets, SQ_OFFSETS.tail);
    this.#sqFlags = word(PARAMS.sqOffsets, SQ_OFFSETS.flags);
    this.#sqMask = shared[word(PARAMS.sqOffsets, SQ_OFFSETS.ringMask)]!;
    this.#cqHead = word(PARAMS.cqOffsets, CQ_OFFSETS.head);
    this.#cqTail = word(PARAMS.cqOffsets, CQ_OFFSETS.tail);
    this.#cqFlags = word(PARAMS.cqOffsets, CQ_OFFSETS.flags);
    this.#cqMask = shared[word(PARAMS.cqOffsets, CQ_OFFSETS.ringMask)]!;
    this.#cqStart = word(PARAMS.cqOffsets, CQ_OFFSETS.cqes);
    this.#tail = this.#taken = Atomics.load(shared, this.#sqTail);
    this.backlog = new Int32Array(params.getUint32(PARAMS.cqEntries, true) * CQE.words);
    const array = word(PARAMS.sqOffsets, SQ_OFFSETS.array);
    for (let index = 0; index < this.entries; index++) shared[array + index] = index; // Place and entry are one for good.
  }

  /**
   * Makes a ring.
   *
   * @throws UnsupportedError with the reason when there is none to be had
   * @throws RangeError for sizes that are no powers of two
   */
  static open(kernel: UringKernel, options: RingOptions = {}): Ring {
    return new Ring(kernel, makeRing(kernel, options));
  }

  /**
   * Begins an entry; the caller fills in the rest of its words before it prepares the next one.
   *
   * @param operation one of `OP`
   * @param descriptor what it works on
   * @param userLow lower half of what its completions are told by
   * @param userHigh upper half
   * @returns where it begins in `words`; all that is not given here is 0
   * @throws RingError when the ring is full and the kernel takes nothing
   */
  prepare(operation: number, descriptor: number, userLow: number, userHigh: number): number {
    this.makeRoom();
    const { words } = this;
    const at = (this.#tail & this.#sqMask) * SQE.words;
    this.#tail = (this.#tail + 1) | 0;
    words.fill(0, at, at + SQE.words);
    words[at] = operation;
    words[at + SQE.descriptor] = descriptor;
    words[at + SQE.userLow] = userLow;
    words[at + SQE.userHigh] = userHigh;
    return at;
  }

  /** Submits if the ring is full: afterwards one entry can be prepared without a submit. */
  makeRoom(): void {
    if (((this.#tail - this.#taken) | 0) < this.entries) return;
    this.#taken = Atomics.load(this.#shared, this.#sqHead);
    if (((this.#tail - this.#taken) | 0) >= this.entries) this.submit();
  }

  /** Whether something is prepared that was not submitted. */
  get isPending(): boolean {
    return this.#tail !== this.#taken;
  }

  /**
   * Hands over what is prepared, and has the kernel work on what it deferred.
   *
   * @throws RingError when the kernel refuses for good
   */
  submit(): void {
    const shared = this.#shared;
    Atomics.store(shared, this.#sqTail, this.#tail);
    let tries = 0;
    do {
      const count = (this.#tail - Atomics.load(shared, this.#sqHead)) | 0;
      const result = this.#kernel.enter(this.descriptor, count, 0, ENTER_GETEVENTS);
      this.submits++;
      if (result < 0) this.#recover(-result, ++tries);
      else if (result < count && ++tries > SUBMIT_TRIES_MAX) throw new RingError(EAGAIN);
      this.#taken = Atomics.load(shared, this.#sqHead);
    } while (this.#taken !== this.#tail);
  }

  /**
   * Copies completions that are there into the backlog, at most `count`.
   *
   * @returns whether the backlog holds any
   */
  take(count: number): boolean {
    this.#copyCompletions(count);
    if ((Atomics.load(this.#shared, this.#sqFlags) & SQ_CQ_OVERFLOW) !== 0) {
      this.overflows++;
      this.submit(); // Makes the kernel move what it kept into the places that are free now.
    }
    return this.backlogEnd > this.backlogStart;
  }

  /** Forgets the backlog up to where it was worked on; call it when it was worked on to its end. */
  clearBacklog(): void {
    this.backlogStart = this.backlogEnd = 0;
  }

  /** Whether the kernel has put off work until it is asked for completions, or has more than places for them. */
  get isWorkDeferred(): boolean {
    return (Atomics.load(this.#shared, this.#sqFlags) & (SQ_CQ_OVERFLOW | SQ_TASKRUN)) !== 0;
  }

  /** Whether `take` would find something, now or once the kernel has worked on what it deferred. */
  get isReady(): boolean {
    const shared = this.#shared;
    return Atomics.load(shared, this.#cqTail) !== shared[this.#cqHead] || this.isWorkDeferred;
  }

  /** From now on the kernel tells the eventfd what completes. Returns whether that may be waited for: nothing is ready. */
  arm(): boolean {
    Atomics.and(this.#shared, this.#cqFlags, ~CQ_EVENTFD_DISABLED);
    if (!this.isReady) return true;
    this.disarm();
    return false;
  }

  /** The kernel tells the eventfd nothing any more: we are looking ourselves. */
  disarm(): void {
    Atomics.or(this.#shared, this.#cqFlags, CQ_EVENTFD_DISABLED);
  }

  /** Has the kernel tell an eventfd what completes. Returns why it does not; `null` when it does. */
  registerEvent(descriptor: number): string | null {
    const argument = new Uint8Array(new Int32Array([descriptor]).buffer);
    const result = this.#kernel.register(this.descriptor, REGISTER.eventfd, argument, 1);
    return result < 0 ? reasonFor(-result) : null;
  }

  /** Unmaps the rings. Nothing of this object may be used afterwards; the descriptor is the caller's to close. */
  unmap(): void {
    for (const { address, buffer } of this.#memories) this.#kernel.unmap(address, buffer.byteLength);
  }

  #copyCompletions(countMax: number): void {
    const shared = this.#shared;
    let head = shared[this.#cqHead]!;
    const count = Math.min((Atomics.load(shared, this.#cqTail) - head) | 0, countMax);
    if (count === 0) return;
    const tail = (head + count) | 0;
    const backlog = this.#growBacklog(count);
    const mask = this.#cqMask;
    let end = this.backlogEnd;
    while (head !== tail) {
      const at = this.#cqStart + (head & mask) * CQE.words;
      backlog[end] = shared[at]!;
      backlog[end + 1] = shared[at + 1]!;
      backlog[end + 2] = shared[at + 2]!;
      backlog[end + 3] = shared[at + 3]!;
      end += CQE.words;
      head = (head + 1) | 0;
    }
    this.backlogEnd = end;
    Atomics.store(shared, this.#cqHead, head);
  }

  /** Makes room for `count` more completions. */
  #growBacklog(count: number): Int32Array {
    const needed = this.backlogEnd + count * CQE.words;
    if (needed > this.backlog.length) {
      const larger = new Int32Array(Math.max(needed, this.backlog.length * 2));
      larger.set(this.backlog.subarray(0, this.backlogEnd));
      this.backlog = larger;
    }
    return this.backlog;
  }

  /** Answers a submit that failed: makes room, or gives up. */
  #recover(errno: number, tries: number): void {
    if (errno === EINTR) return;
    const isRoom = errno === EAGAIN || errno === EBUSY || errno === ENOMEM;
    if (!isRoom || tries > SUBMIT_TRIES_MAX) throw new RingError(errno);
    this.#copyCompletions(Infinity);
  }
}

interface MadeRing {
  readonly descriptor: number;
  readonly isDeferred: boolean;
  readonly params: DataView;
  readonly rings: MappedMemory;
  readonly entries: MappedMemory;
}

function reasonFor(errno: number): string {
  return REFUSALS.get(errno) ?? `the kernel refuses it (error ${errno})`;
}

function refused(errno: number): UnsupportedError {
  return new UnsupportedError("Cannot use io_uring", reasonFor(errno));
}

function isPowerOfTwo(count: number): boolean {
  return Number.isSafeInteger(count) && count > 0 && count <= 32_768 && (count & (count - 1)) === 0;
}

/** Sets a ring up, the best way this kernel knows; its memory mapped. */
function makeRing(kernel: UringKernel, options: RingOptions): MadeRing {
  const { entries = ENTRIES_DEFAULT } = options;
  const { completions = entries * COMPLETIONS_PER_ENTRY } = options;
  if (!isPowerOfTwo(entries) || !isPowerOfTwo(completions) || completions < entries) {
    throw new RangeError(
      `Cannot make a ring of ${entries} entries and ${completions} completions: they must be powers of two, at most ` +
        "32,768, and no fewer completions than entries",
    );
  }
  const common = SETUP.cqSize | SETUP.submitAll | SETUP.singleIssuer | SETUP.taskrunFlag;
  const ways = [common | SETUP.deferTaskrun, common | SETUP.coopTaskrun]; // Linux 6.1 and 6.0.
  let descriptor = -EINVAL;
  let bytes = new Uint8Array(PARAMS.bytes);
  let isDeferred = false;
  for (const flags of ways) {
    bytes = new Uint8Array(PARAMS.bytes);
    const params = new DataView(bytes.buffer);
    params.setUint32(PARAMS.flags, flags, true);
    params.setUint32(PARAMS.cqEntries, completions, true);
    descriptor = kernel.setup(entries, bytes);
    isDeferred = (flags & SETUP.deferTaskrun) !== 0;
    if (descriptor !== -EINVAL) break;
  }
  if (descriptor < 0) throw refused(-descriptor);
  try {
    checkOperations(kernel, descriptor);
    return { descriptor, isDeferred, ...mapRing(kernel, descriptor, new DataView(bytes.buffer)) };
  } catch (error) {
    kernel.close(descriptor);
    throw error;
  }
}

function mapRing(
  kernel: UringKernel,
  descriptor: number,
  params: DataView,
): Omit<MadeRing, "descriptor" | "isDeferred"> {
  const features = params.getUint32(PARAMS.features, true);
  const needed = FEATURES.singleMmap | FEATURES.noDrop | FEATURES.submitStable;
  if ((features & needed) !== needed) {
    throw new UnsupportedError("Cannot use io_uring", "this kernel may drop completions");
  }
  const sqEntries = params.getUint32(PARAMS.sqEntries, true);
  const cqEntries = params.getUint32(PARAMS.cqEntries, true);
  const bytes = Math.max(
    params.getUint32(PARAMS.sqOffsets + SQ_OFFSETS.array, true) + sqEntries * 4,
    params.getUint32(PARAMS.cqOffsets + CQ_OFFSETS.cqes, true) + cqEntries * CQE.words * 4,
  );
  const rings = kernel.mapRing(descriptor, bytes, MAP_AT.rings);
  if (typeof rings === "number") throw refused(-rings);
  const entries = kernel.mapRing(descriptor, sqEntries * SQE.words * 4, MAP_AT.entries);
  if (typeof entries === "number") {
    kernel.unmap(rings.address, bytes);
    throw refused(-entries);
  }
  return { params, rings, entries };
}

/** Asks which operations there are. */
function checkOperations(kernel: UringKernel, descriptor: number): void {
  const probe = new Uint8Array(PROBE.headBytes + PROBE.opsMax * PROBE.opBytes);
  const result = kernel.register(descriptor, REGISTER.probe, probe, PROBE.opsMax);
  if (result < 0) throw refused(-result);
  const missing = OPERATIONS.filter((name) => {
    const flags = probe[PROBE.headBytes + OP[name] * PROBE.opBytes + PROBE.opFlags]!;
    return (flags & PROBE.opSupported) === 0;
  });
  if (missing.length > 0) {
    throw new UnsupportedError(
      "Cannot use io_uring",
      `this kernel's io_uring has no ${missing.join(", ")} (Linux 6.0 or later is needed)`,
    );
  }
}
