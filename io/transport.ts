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
import { ConnectionAbortedError, WriteAfterEndError } from "./errors.ts";
import { FlowControl } from "./flow_control.ts";
import type { Addr, Protocol, Transport } from "./selector.ts";
import type { SharedChunk } from "./shared_chunk.ts";
import type { HubMember, TransportHub } from "./transport_hub.ts";
import { WriteQueue } from "./write_queue.ts";
import { reportUncaught } from "./report_uncaught.ts";

/** A driver's answer to `send*`: it keeps the bytes and reports `sent` later. */
export const SEND_PENDING = -1;

/**
 * 256 KiB at most per send: one system call's worth on a fast link, and for a slow peer the granularity in which
 * `bufferedBytes` falls, by which a write stall is told from slow progress.
 */
const SEND_BYTES_MAX = 256 * 1024;

/** 64 parts at most per send; well below every system's IOV_MAX (1,024 on Linux), and 256 KiB is reached sooner. */
const SEND_PARTS_MAX = 64;

/** Base of all transports; see the module's text. Subclasses are drivers. */
export abstract class TransportBase implements Transport, HubMember {
  readonly id: number;
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly #hub: TransportHub;
  readonly #flow = new FlowControl();
  #protocol: Protocol;
  readonly #queue: WriteQueue;
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

  /** Registers the transport with `hub`; the driver calls `opened()` next, from a dispatch. */
  constructor(hub: TransportHub, protocol: Protocol, localAddr: Addr, remoteAddr: Addr) {
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
    this.#hub = hub;
    this.#protocol = protocol;
    this.#queue = new WriteQueue(hub.pool);
    this.id = hub.join(this);
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

  /**
   * Whether the connection was reset. The system says so once: if a send is told, who reads afterwards finds an end, and that may
   * be reported first. Asked only while a send is outstanding; its failure follows.
   */
  protected wasReset(): boolean {
    return false;
  }

  // ---- what a driver reports, always from a dispatch -------------------------------------------------------------

  /** The connection is ready: calls `opened`. */
  protected opened(): void {
    try {
      this.#protocol.opened(this);
    } catch (error) {
      this.#fail(error);
    }
    const { abortReason } = this.#hub;
    if (abortReason !== null) this.abort(abortReason); // The selector was closed while its protocol was made.
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
    if (this.#isClosing || this.#isEnded || (this.#heldBytes >= 0 && this.wasReset())) return;
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

  /** Whether the protocol has heard the peer's FIN. */
  protected get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether the peer's FIN is held back, since reading is paused. */
  protected get isEndHeld(): boolean {
    return this.#isEndHeld;
  }

  /** What was pending is with the kernel; `sendable` for a driver that took only a part of it. */
  protected sent(): void {
    if (this.#heldBytes >= 0) {
      if (!this.#isReleased) this.#bufferedBytes -= this.#heldBytes;
      this.#heldBytes = -1;
      this.#queue.releaseHeld();
    }
    if (!this.#isReleased) this.#sendQueue();
  }

  /** The driver holds nothing of ours any more, although it did not send it: for one that knows so before `lost`. */
  protected returnHeld(): void {
    this.#heldBytes = -1;
    this.#queue.releaseHeld();
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
    this.#queue.drop();
    this.#queue.forgetHeld();
    try {
      this.#protocol.closed(this.#reason ?? error); // It may still ask how much was not sent.
    } catch (failure) {
      reportUncaught(failure); // The connection is gone, so there is nobody left to tell; hiding it would help no one.
    }
    this.#bufferedBytes = 0;
    this.#hub.leave(this);
  }

  // ---- Transport -------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get confirmedBytes(): number {
    return 0;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isWritable() || bytes.length === 0) return;
    this.#queue.append(bytes);
    this.#wrote(bytes.length);
  }

  writeText(text: string): void {
    if (!this.#isWritable() || text.length === 0) return;
    this.#wrote(this.#queue.appendText(text));
  }

  writeLatin1(text: string): void {
    if (!this.#isWritable() || text.length === 0) return;
    this.#queue.appendLatin1(text);
    this.#wrote(text.length);
  }

  writeShared(chunk: SharedChunk): void {
    if (!this.#isWritable() || chunk.bytes.length === 0) return;
    this.#queue.appendShared(chunk);
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
    this.#queue.drop();
    this.#bufferedBytes = 0;
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
    while (!this.#queue.isEmpty && this.#offer());
    this.#resumeIfLow();
    if (!this.#queue.isEmpty || this.#heldBytes >= 0 || this.#isReleased) return;
    if (this.#isClosing) {
      this.#isReleased = true;
      this.release();
    } else if (this.#isFinWanted && !this.#isFinAsked) {
      this.#isFinAsked = true;
      this.shutdownWrite();
    }
  }

  /** One send. Returns whether the driver can take more now. */
  #offer(): boolean {
    let bytes: number;
    let taken: number;
    if (this.#queue.partCount === 1) {
      const view = this.#queue.view(SEND_BYTES_MAX);
      bytes = view.length;
      taken = this.sendOne(view);
    } else {
      const views = new Array<Uint8Array>(Math.min(this.#queue.partCount, SEND_PARTS_MAX)); // no room for more
      bytes = this.#queue.gather(views, SEND_PARTS_MAX, SEND_BYTES_MAX);
      taken = views.length === 1 ? this.sendOne(views[0]!) : this.sendMany(views);
    }
    if (taken === SEND_PENDING) {
      this.#heldBytes = bytes;
      this.#queue.hold(bytes);
      return false;
    }
    this.#bufferedBytes -= taken;
    this.#queue.take(taken);
    return taken === bytes;
  }

  #fail(error: unknown): void {
    this.abort(
      error instanceof Error
        ? error
        : new ConnectionAbortedError("its protocol threw what is no Error", { cause: error }),
    );
  }
}
