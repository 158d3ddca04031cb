/**
 * What every transport does the same way, whoever moves its bytes: the write queue, the order of things, the ends.
 *
 * Strategy: a driver (a subclass: the runtime's sockets, memory, later epoll and io_uring) only moves bytes and reports
 * what happened; this class holds the state. Copied writes collect in blocks from a pool, shared chunks stand between
 * them by reference, in one queue. The first write of a turn puts the transport on its hub's dirty list; when the turn
 * ends the hub flushes each transport on the list once, so that a turn's writes go out in one send.
 *
 * Invariants:
 * - At most one send is outstanding. What a driver holds (`SEND_PENDING`) is not touched before it reports `sent`.
 * - Protocol methods are called from the driver's reports and from the hub's flush only, never from inside a method of
 *   this class that the protocol called (`pauseWriting` and `resumeWriting` excepted, see io/selector.ts).
 * - `closed` is delivered by `lost`, which a driver reports exactly once, when it holds no bytes of ours any more.
 * - `bufferedBytes` = bytes in the queue + bytes with the driver.
 *
 * Known limit: `close()` with bytes of the peer unread makes most kernels send RST after what was written. Who must be
 * read to the end by a careless peer uses `closeWrite()`, waits for `ended` with a deadline, then closes.
 *
 * @module
 */
import { Block, BLOCK_BYTES, BlockPool } from "./block_pool.ts";
import { ConnectionAbortedError, WriteAfterEndError } from "./errors.ts";
import { FlowControl } from "./flow_control.ts";
import type { Addr, Protocol, Transport } from "./selector.ts";
import { SharedChunk } from "./shared_chunk.ts";

/** A driver's answer to `send*`: it keeps the bytes and reports `sent` later. */
export const SEND_PENDING = -1;

/**
 * 256 KiB at most per send: one system call's worth on a fast link, and for a slow peer the granularity in which
 * `bufferedBytes` falls, by which a write stall is told from slow progress.
 */
const SEND_BYTES_MAX = 256 * 1024;

/** 64 parts at most per send; well below every system's IOV_MAX (1,024 on Linux), and 256 KiB is reached sooner. */
const SEND_PARTS_MAX = 64;

/** UTF-8 needs at most three bytes for one UTF-16 code unit (RFC 3629 §3; a pair of units needs four). */
const UTF8_BYTES_PER_UNIT_MAX = 3;

const encoder = new TextEncoder();

type Part = Block | SharedChunk;

/** What the transports of one selector share: blocks, numbers, the dirty list and the register of what is open. */
export class TransportHub {
  /** Where transports take their blocks. */
  readonly pool: BlockPool;
  /** Transports opened and not yet closed. */
  readonly open: Set<TransportBase> = new Set();
  readonly #afterTurn: (run: () => void) => void;
  readonly #run: () => void;
  #dirty: TransportBase[] = [];
  #spare: TransportBase[] = [];
  #isScheduled = false;
  #lastId = 0;
  #onIdle: (() => void) | null = null;

  /**
   * @param afterTurn runs a function once when the present turn ends (see io/selector.ts, "Turns and sends")
   * @param pool where blocks come from
   */
  constructor(afterTurn: (run: () => void) => void, pool: BlockPool = new BlockPool()) {
    this.#afterTurn = afterTurn;
    this.pool = pool;
    this.#run = () => this.endTurn();
  }

  /** A number no other transport of this hub has. */
  nextId(): number {
    return ++this.#lastId;
  }

  /** Puts `transport` on the list of those to flush when the turn ends. The caller puts it there once. */
  markDirty(transport: TransportBase): void {
    this.#dirty.push(transport);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#afterTurn(this.#run);
  }

  /** Takes `transport` off the register: its protocol has heard `closed`. */
  forget(transport: TransportBase): void {
    this.open.delete(transport);
    if (this.open.size === 0) this.#onIdle?.();
  }

  /** Aborts all that is open; resolves when every protocol has heard `closed`. Call it once. */
  async abortAll(reason: Error): Promise<void> {
    for (const transport of [...this.open]) transport.abort(reason);
    if (this.open.size > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  /** Flushes all on the list; what they write meanwhile belongs to the next turn. */
  endTurn(): void {
    this.#isScheduled = false;
    const dirty = this.#dirty;
    this.#dirty = this.#spare;
    for (let i = 0; i < dirty.length; i++) dirty[i]!.flush();
    dirty.length = 0;
    this.#spare = dirty;
  }
}

/** Base of all transports; see the module's text. Subclasses are drivers. */
export abstract class TransportBase implements Transport {
  readonly id: number;
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #hub: TransportHub;
  readonly #flow = new FlowControl();
  #protocol: Protocol;
  /** Parts not yet handed to the driver, in order; `#offset` bytes of the first are gone. */
  #queue: Part[] = [];
  #offset = 0;
  /** The last part of the queue, when it is a block with room left. */
  #tail: Block | null = null;
  /** Parts the driver holds besides the first of the queue; they are given back when it reports `sent`. */
  #held: Part[] = [];
  /** Bytes with the driver; -1 when no send is outstanding. */
  #heldBytes = -1;
  #bufferedBytes = 0;
  #isDirty = false;
  #isReading = true;
  /** Whether the peer's FIN came while reading was paused and is not delivered yet. */
  #isEndHeld = false;
  #isEnded = false;
  #isFinWanted = false;
  #isFinAsked = false;
  #isFinSent = false;
  #isClosing = false;
  #isReleased = false;
  #isLost = false;
  #reason: Error | null = null;

  /** Registers the transport with `hub`; the driver calls `open()` next, from a dispatch. */
  constructor(hub: TransportHub, protocol: Protocol, localAddr: Addr, remoteAddr: Addr) {
    this.id = hub.nextId();
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
    this.#hub = hub;
    this.#protocol = protocol;
    hub.open.add(this);
  }

  // ---- what a driver must do -------------------------------------------------------------------------------------

  /** Sends; returns how many bytes the kernel took at once, or `SEND_PENDING`: then `sent` or `lost` follows. */
  protected abstract sendOne(bytes: Uint8Array): number;
  /** Like `sendOne`, for several parts in order, in one system call where there is one. */
  protected abstract sendMany(parts: Uint8Array[]): number;
  /** Begins or goes on to report `received` and `end`. */
  protected abstract startReading(): void;
  /** Stops reporting `received` at once; `end` may still be reported. */
  protected abstract stopReading(): void;
  /** Sends FIN, and reports `finSent`. Called once, with nothing queued. */
  protected abstract shutdownWrite(): void;
  /** Closes in order, and reports `lost(null)`. Called with nothing queued. */
  protected abstract release(): void;
  /** Closes at once, with RST where possible, and reports `lost`. May follow `release`. */
  protected abstract reset(): void;

  // ---- what a driver reports, always from a dispatch -------------------------------------------------------------

  /** The connection is ready: calls `opened`. */
  protected opened(): void {
    try {
      this.#protocol.opened(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Bytes came; they are the driver's again when this returns. */
  protected received(bytes: Uint8Array): void {
    if (this.#isClosing) return;
    try {
      this.#protocol.received(bytes);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The peer's FIN came. */
  protected end(): void {
    if (this.#isClosing || this.#isEnded) return;
    if (!this.#isReading) {
      this.#isEndHeld = true;
      return;
    }
    this.#isEndHeld = false;
    this.#isEnded = true;
    let staysOpen: boolean | void = false;
    try {
      staysOpen = this.#protocol.ended();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#isFinSent || staysOpen !== true) this.close();
  }

  /** What was pending is with the kernel; `sendable` for a driver that took only a part of it. */
  protected sent(): void {
    if (this.#heldBytes >= 0) {
      if (!this.#isReleased) this.#bufferedBytes -= this.#heldBytes;
      this.#heldBytes = -1;
      for (const part of this.#held) this.#giveBack(part);
      this.#held = [];
    }
    if (!this.#isReleased) this.#sendQueue();
  }

  /** Our FIN is out. */
  protected finSent(): void {
    this.#isFinSent = true;
    if (this.#isEnded) this.close();
  }

  /** The connection is gone and the driver holds nothing of ours: calls `closed`. Further reports are ignored. */
  protected lost(error: Error | null): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#isClosing = true;
    this.#isReleased = true;
    this.#dropQueue();
    for (const part of this.#held) if (part instanceof SharedChunk) part.release();
    this.#held = [];
    try {
      this.#protocol.closed(this.#reason ?? error);
    } catch (failure) {
      reportError(failure); // The connection is gone, so there is nobody left to tell; hiding it would help no one.
    }
    this.#hub.forget(this);
  }

  // ---- Transport -------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isWritable() || bytes.length === 0) return;
    const tail = this.#tail;
    const room = tail === null ? 0 : BLOCK_BYTES - tail.used;
    if (bytes.length <= room) {
      tail!.bytes.set(bytes, tail!.used);
      tail!.used += bytes.length;
    } else if (bytes.length >= BLOCK_BYTES) {
      this.#queue.push(this.#hub.pool.takeCopy(bytes));
      this.#tail = null;
    } else {
      if (room > 0) {
        tail!.bytes.set(bytes.subarray(0, room), tail!.used);
        tail!.used += room;
      }
      const rest = room > 0 ? bytes.subarray(room) : bytes;
      const block = this.#openBlock();
      block.bytes.set(rest);
      block.used = rest.length;
    }
    this.#wrote(bytes.length);
  }

  writeText(text: string): void {
    if (!this.#isWritable() || text.length === 0) return;
    const bytesMax = text.length * UTF8_BYTES_PER_UNIT_MAX;
    if (bytesMax > BLOCK_BYTES) return this.write(encoder.encode(text));
    let block = this.#tail;
    if (block === null || BLOCK_BYTES - block.used < bytesMax) block = this.#openBlock();
    const { written } = encoder.encodeInto(
      text,
      block.used === 0 ? block.bytes : block.bytes.subarray(block.used),
    );
    block.used += written;
    this.#wrote(written);
  }

  writeLatin1(text: string): void {
    if (!this.#isWritable() || text.length === 0) return;
    const { length } = text;
    if (length > BLOCK_BYTES) return this.#writeLongLatin1(text);
    checkLatin1(text);
    let block = this.#tail;
    if (block === null || BLOCK_BYTES - block.used < length) block = this.#openBlock();
    encodeLatin1(text, block.bytes, block.used);
    block.used += length;
    this.#wrote(length);
  }

  writeShared(chunk: SharedChunk): void {
    if (!this.#isWritable() || chunk.bytes.length === 0) return;
    chunk.retain();
    this.#queue.push(chunk);
    this.#tail = null;
    this.#wrote(chunk.bytes.length);
  }

  setWriteLimits(limits: { readonly highBytes: number; readonly lowBytes?: number }): void {
    this.#flow.setLimits(limits);
    if (this.#isClosing) return;
    this.#pauseIfHigh();
    this.#resumeIfLow();
  }

  pauseReading(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    if (!this.#isClosing) this.stopReading();
  }

  resumeReading(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    if (this.#isClosing) return;
    if (this.#isEndHeld) this.#markDirty(); // `ended` is delivered by the flush, not from inside this call.
    else if (!this.#isEnded) this.startReading();
  }

  closeWrite(): void {
    if (this.#isFinWanted || this.#isClosing) return;
    this.#isFinWanted = true;
    this.#markDirty();
  }

  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.stopReading();
    this.#markDirty();
  }

  abort(reason?: Error): void {
    if (this.#isLost || this.#reason !== null) return;
    this.#isClosing = true;
    this.#isReleased = true;
    this.#reason = reason ?? new ConnectionAbortedError();
    this.#dropQueue();
    this.reset();
  }

  setProtocol(protocol: Protocol): void {
    this.#protocol = protocol;
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  /** Sends what the turn wrote, and does what waited for the turn's end; called by the hub. */
  flush(): void {
    this.#isDirty = false;
    if (this.#isReleased) return;
    if (this.#isEndHeld && this.#isReading) this.end();
    if (this.#heldBytes < 0) this.#sendQueue();
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#hub.markDirty(this);
  }

  #isWritable(): boolean {
    if (this.#isClosing) return false;
    if (this.#isFinWanted) throw new WriteAfterEndError();
    return true;
  }

  #writeLongLatin1(text: string): void {
    checkLatin1(text);
    const bytes = new Uint8Array(text.length);
    encodeLatin1(text, bytes, 0);
    this.write(bytes);
  }

  #openBlock(): Block {
    const block = this.#hub.pool.take();
    this.#queue.push(block);
    this.#tail = block;
    return block;
  }

  #wrote(bytes: number): void {
    this.#bufferedBytes += bytes;
    if (!this.#isDirty) this.#markDirty();
    this.#pauseIfHigh();
  }

  #pauseIfHigh(): void {
    if (!this.#flow.shouldPause(this.#bufferedBytes)) return;
    try {
      this.#protocol.pauseWriting();
    } catch (error) {
      this.#fail(error);
    }
  }

  #resumeIfLow(): void {
    if (this.#isReleased || !this.#flow.shouldResume(this.#bufferedBytes)) return;
    try {
      this.#protocol.resumeWriting();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Hands the driver as much of the queue as it takes, then does what waits for an empty queue. */
  #sendQueue(): void {
    while (this.#queue.length > 0) {
      const offered = this.#offer();
      if (this.#isReleased || offered === SEND_PENDING) return this.#resumeIfLow();
      if (offered === 0) break;
    }
    this.#resumeIfLow();
    if (this.#queue.length > 0 || this.#isReleased) return;
    if (this.#isClosing) {
      this.#isReleased = true;
      this.release();
    } else if (this.#isFinWanted && !this.#isFinAsked) {
      this.#isFinAsked = true;
      this.shutdownWrite();
    }
  }

  /** One send. Returns the bytes taken if all that was offered was taken, 0 if not, or `SEND_PENDING`. */
  #offer(): number {
    const first = this.#queue[0]!;
    const firstEnd = endOf(first);
    let bytes = Math.min(firstEnd - this.#offset, SEND_BYTES_MAX);
    let taken: number;
    if (this.#queue.length === 1 || bytes === SEND_BYTES_MAX) {
      taken = this.sendOne(viewOf(first, this.#offset, this.#offset + bytes));
    } else {
      const parts: Uint8Array[] = [];
      bytes = this.#gather(parts);
      taken = this.sendMany(parts);
    }
    if (taken === SEND_PENDING) {
      this.#heldBytes = bytes;
      this.#consume(bytes, this.#held);
      this.#tail = null; // The driver holds its first bytes: later writes go to a fresh block.
      return SEND_PENDING;
    }
    this.#bufferedBytes -= taken;
    this.#consume(taken, null);
    return taken === bytes ? taken : 0;
  }

  /** Collects views of as many parts as one send takes; returns their bytes. */
  #gather(parts: Uint8Array[]): number {
    let bytes = 0;
    let offset = this.#offset;
    for (const part of this.#queue) {
      const length = Math.min(endOf(part) - offset, SEND_BYTES_MAX - bytes);
      if (length === 0 || parts.length === SEND_PARTS_MAX) break;
      parts.push(viewOf(part, offset, offset + length));
      bytes += length;
      offset = 0;
    }
    return bytes;
  }

  /** Takes `bytes` off the front of the queue; whole parts go to `held`, or are given back at once. */
  #consume(bytes: number, held: Part[] | null): void {
    let count = 0;
    let offset = this.#offset + bytes;
    for (const part of this.#queue) {
      const end = endOf(part);
      if (offset < end) break;
      offset -= end;
      count++;
      if (part === this.#tail) this.#tail = null;
      if (held !== null) held.push(part);
      else this.#giveBack(part);
    }
    this.#offset = offset;
    if (count === this.#queue.length) this.#queue.length = 0;
    else if (count > 0) this.#queue.splice(0, count);
  }

  #giveBack(part: Part): void {
    if (part instanceof SharedChunk) part.release();
    else this.#hub.pool.give(part);
  }

  /** Drops what the driver does not hold. A block it holds a part of is left to the garbage collector. */
  #dropQueue(): void {
    const isFirstHeld = this.#heldBytes >= 0 && this.#offset > 0;
    for (const [index, part] of this.#queue.entries()) {
      if (part instanceof SharedChunk || index > 0 || !isFirstHeld) this.#giveBack(part);
    }
    this.#queue = [];
    this.#tail = null;
    this.#offset = 0;
    this.#bufferedBytes = 0;
  }

  #fail(error: unknown): void {
    this.abort(
      error instanceof Error
        ? error
        : new ConnectionAbortedError("its protocol threw what is no Error", { cause: error }),
    );
  }
}

const ABOVE_LATIN1 = /[\u0100-\uffff]/;

/** Throws when `text` has a code unit above 255; before anything is written, so that a refused text leaves no trace. */
function checkLatin1(text: string): void {
  if (!ABOVE_LATIN1.test(text)) return;
  throw new RangeError("Cannot write as Latin-1: the text has a code unit above 255");
}

function encodeLatin1(text: string, target: Uint8Array, start: number): void {
  for (let i = 0; i < text.length; i++) target[start + i] = text.charCodeAt(i);
}

function endOf(part: Part): number {
  return part instanceof SharedChunk ? part.bytes.length : part.used;
}

function viewOf(part: Part, start: number, end: number): Uint8Array {
  return start === 0 && end === part.bytes.length ? part.bytes : part.bytes.subarray(start, end);
}
