/**
 * One connection on io_uring: the driver that moves its bytes.
 *
 * ## Who owns which memory, from when until when
 *
 * | memory | owner | from | until |
 * |---|---|---|---|
 * | block of a write queue | transport | taken from the pool | handed to a send |
 * | the same, or a pinned chunk's part | kernel | its send is prepared | the send has completed, however it ended |
 * | pinned chunk | all who retain it | first view | its last reference goes: no send holds it any more |
 * | memory that is not pinned | transport, or all who retain the chunk | written | it is sent: the kernel only has it within a call |
 * | receive buffer | kernel | `publish` after `giveBack` | the completion that names it |
 * | the same | protocol, on loan | `received` is called | it returns |
 * | held bytes | transport | copied from a receive buffer | `received` returns |
 * | message header, socket address | kernel | laid down | the next submit |
 * | descriptor and slot | connection | accepted or connected | `close` has completed, which is the last of its entries |
 *
 * So a connection ends in this order: nothing more is received or sent; everything under way is cancelled and *awaited*; the
 * descriptor is closed, and that awaited; then memory goes back, and `closed` is called.
 *
 * ## Strategy
 *
 * - Receiving: one entry that completes again and again. A pause ends it when the turn is over; what had arrived by then
 *   is held, as a copy: at most one run of the kernel's (32 buffers), since after it nothing more is received.
 *   Who fills `BULK_AFTER` buffers without a gap receives much, for which these are small: it is polled instead, and read by
 *   system calls (see direct_read.ts), until a poll finds little.
 * - Sending: one entry at a time, so that order is the kernel's. What lies in pinned memory is sent from there, several parts
 *   as one message. Anything else (see uring_pool.ts) is sent by a system call of its own, which never waits: what the kernel
 *   does not take is tried again when a poll says that there is room.
 * - Few objects: the lists and buffers of a connection exist only while it needs them.
 *
 * @module
 */
import { MSG_NOSIGNAL, SHUT_WR } from "../ffi/constants.ts";
import { EAGAIN, ECANCELED, EINTR, ENOBUFS } from "../ffi/errno.ts";
import {
  BUFFER_SHIFT,
  COMPLETION,
  ENTRY_SELECTS_BUFFER,
  OP,
  POLLIN,
  POLLOUT,
  RECEIVE_MULTISHOT,
  SQE,
} from "../ffi/uring_layout.ts";
import { SocketAddress } from "../ffi/layout.ts";
import type { Addr, Protocol } from "../selector.ts";
import { SEND_PENDING, TransportBase } from "../transport.ts";
import type { ReadTaker } from "./direct_read.ts";
import { lengthOf } from "./direct_send.ts";
import { connectionStatusError } from "./native_errors.ts";
import { confirmedBytesOf, remoteAddrOf, resetOnClose } from "./owned_socket.ts";
import { cancelAll, cancelOne, KIND, setAddress, type UringHost, type UringReader } from "./uring_host.ts";

/** `struct sockaddr` of nobody (`AF_UNSPEC`, which is 0). */
const NOBODY = new Uint8Array(new ArrayBuffer(64), 0, 16);

/** Where an address is written that nobody reads. */
const SCRATCH = new SocketAddress();

/** 8 full receive buffers in a row: 64 KiB, more than a form or a document to be computed on usually has. */
const BULK_AFTER = 8;

/** 16 KiB: who sends less at a time is served by two receive buffers. */
const BULK_BYTES_MIN = 16 * 1024;

/** What becomes of the connection's descriptor. */
type Ending = "none" | "cancelling" | "closing";

/**
 * Resets a TCP connection now, although entries are under way that keep its descriptor open for a while: connecting to nobody
 * does (connect(2): "may dissolve the association"; Linux sends RST). A Unix socket has no reset and is left as it is.
 */
function resetNow(host: UringHost, descriptor: number): void {
  if (host.libc.call.connect(descriptor, NOBODY, NOBODY.length) < 0) resetOnClose(host.libc, descriptor);
}

/** A transport on io_uring; see the module's text. */
export class UringTransport extends TransportBase implements UringReader, ReadTaker {
  readonly #host: UringHost;
  readonly #descriptor: number;
  readonly #slot: number;
  readonly #onClosed: (() => void) | null;
  /** Entries under way. */
  #under = 0;
  #isReceiving = false;
  #isCancelling = false;
  #isSettling = false;
  #isReadQueued = false;
  /** What came while reading was paused; `null` when nothing did. */
  #held: Uint8Array[] | null = null;
  #isEndHeld = false;
  /** Receive buffers that were filled, one after the other. */
  #fullBuffers = 0;
  /** Whether it is polled and read, rather than received. */
  #isBulk = false;
  /** Whether a poll for bytes is under way. */
  #isAwaiting = false;
  /** Bytes that the last arrival brought. */
  #arrivedBytes = 0;
  /** What an entry is sending: the one part, or several; `null` when none is. */
  #part: Uint8Array | null = null;
  #parts: Uint8Array[] | null = null;
  /** Bytes of it that are sent. */
  #sentBytes = 0;
  /** Whether the socket is polled for room to send. */
  #isPolling = false;
  #ending: Ending = "none";
  #error: Error | null = null;

  /**
   * Takes over a connected descriptor; call `start` next.
   *
   * @param onClosed runs before `closed` is delivered
   */
  constructor(
    host: UringHost,
    protocol: Protocol,
    descriptor: number,
    localAddr: Addr,
    remoteAddr: Addr,
    onClosed: (() => void) | null,
  ) {
    super(host.hub, protocol, localAddr, remoteAddr);
    this.#host = host;
    this.#descriptor = descriptor;
    this.#onClosed = onClosed;
    this.#slot = host.slots.take(this);
    host.loop.hold();
  }

  start(): void {
    this.opened();
    if (this.isReading && !this.isClosing) this.#receive();
  }

  /** Part of `UringOwner`. */
  complete(kind: number, result: number, flags: number): void {
    if ((flags & COMPLETION.more) === 0) this.#under--;
    if (kind === KIND.receive) this.#completeReceive(result, flags);
    else if (kind === KIND.send) this.#completeSend(result);
    else if (kind === KIND.poll) this.#completePoll();
    else if (kind === KIND.arrival) this.#completeArrival(result);
    else if (kind === KIND.close) return this.#completeClose();
    if (this.#ending === "cancelling" && this.#under === 0) this.#closeDescriptor();
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  protected override startReading(): void {
    if (this.#held !== null || this.#isEndHeld || !this.#isReceiving) this.#readLater();
  }

  protected override stopReading(): void {
    if (!this.#isReceiving || this.#isCancelling || this.#isSettling) return;
    this.#isSettling = true;
    this.#host.settleLater(this);
  }

  /** Part of `UringReader`. */
  settleReading(): void {
    this.#isSettling = false;
    const isNeeded = this.#isReceiving && !this.#isCancelling && this.#ending === "none";
    if (isNeeded && (!this.isReading || this.isClosing)) this.#cancelReceive();
  }

  #cancelReceive(): void {
    this.#isCancelling = true;
    this.#under++;
    cancelOne(this.#host.ring, this.#slot, KIND.receive);
  }

  /** Delivers what was held back, then receives again. */
  #goOnReading(): void {
    this.#isReadQueued = false;
    while (this.#held !== null && this.isReading && !this.isClosing) {
      const bytes = this.#held.shift()!;
      if (this.#held.length === 0) this.#held = null;
      this.received(bytes);
    }
    if (this.isClosing || !this.isReading || this.#held !== null || this.#ending !== "none") return;
    if (this.#isEndHeld) {
      this.#isEndHeld = false;
      this.end();
    } else if (this.#isBulk) this.#awaitArrival();
    else this.#receive();
  }

  #readLater(): void {
    if (this.#isReadQueued) return;
    this.#isReadQueued = true;
    this.#host.loop.post(() => this.#goOnReading());
  }

  #receive(): void {
    if (this.#isReceiving) return;
    const { ring } = this.#host;
    const at = ring.prepare(
      OP.receive | (ENTRY_SELECTS_BUFFER << 8) | (RECEIVE_MULTISHOT << 16),
      this.#descriptor,
      this.#slot,
      KIND.receive,
    );
    ring.words[at + SQE.group] = 0;
    this.#under++;
    this.#isReceiving = true;
    this.#isCancelling = false;
  }

  #completeReceive(result: number, flags: number): void {
    if ((flags & COMPLETION.more) === 0) this.#isReceiving = this.#isCancelling = false;
    if ((flags & COMPLETION.buffer) !== 0) this.#takeBuffer(flags >>> BUFFER_SHIFT, result);
    if (result === 0) this.#takeEnd();
    else if (result < 0 && result !== -ENOBUFS && result !== -ECANCELED) return this.#fail(result);
    else if (!this.#isReceiving && this.isReading && !this.isClosing) this.#readLater();
  }

  #takeBuffer(number: number, length: number): void {
    const { buffers } = this.#host;
    if (length > 0 && !this.isClosing) {
      const bytes = buffers.view(number, length);
      if (this.isReading && this.#held === null) {
        this.received(bytes);
        this.#countFull(length);
      } else (this.#held ??= []).push(new Uint8Array(bytes)); // Unlike `slice`, it clears nothing first.
    } else buffers.view(number, 0);
    buffers.giveBack(number);
  }

  #countFull(length: number): void {
    if (length < this.#host.buffers.bytes) this.#fullBuffers = 0;
    else if (++this.#fullBuffers === BULK_AFTER) {
      this.#isBulk = true; // Begins when the entry has ended.
      if (this.#isReceiving && !this.#isCancelling && this.#ending === "none") this.#cancelReceive();
    }
  }

  #awaitArrival(): void {
    if (this.#isReceiving || this.#isAwaiting) return;
    const { ring } = this.#host;
    const at = ring.prepare(OP.pollAdd, this.#descriptor, this.#slot, KIND.arrival);
    ring.words[at + SQE.operationFlags] = POLLIN;
    this.#under++;
    this.#isAwaiting = true;
  }

  #completeArrival(result: number): void {
    this.#isAwaiting = false;
    if (this.#ending !== "none" || !this.isReading || this.isClosing) return; // Is awaited anew when reading goes on.
    if (result < 0) return this.#fail(result);
    this.#arrivedBytes = 0;
    const last = this.#host.reader.read(this.#descriptor, this);
    if (last === 0) return this.end();
    if (last < 0 && last !== -EAGAIN && last !== -EINTR) return this.#fail(last);
    if (!this.isReading || this.isClosing) return;
    if (this.#arrivedBytes >= BULK_BYTES_MIN) return this.#awaitArrival();
    this.#isBulk = false;
    this.#fullBuffers = 0;
    this.#receive();
  }

  /** Part of `ReadTaker`. */
  takeRead(bytes: Uint8Array): boolean {
    this.#arrivedBytes += bytes.length;
    this.received(bytes);
    return this.isReading && !this.isClosing && this.#ending === "none";
  }

  #takeEnd(): void {
    if (this.#ending !== "none") return; // It has failed: what the kernel reports then is no orderly end.
    if (this.#held === null) this.end(); // Held back by the base while reading is paused.
    else this.#isEndHeld = true;
  }

  override get confirmedBytes(): number {
    const isTold = this.#ending === "none" && this.remoteAddr.transport === "tcp";
    return isTold ? confirmedBytesOf(this.#host.libc, this.#descriptor) : 0;
  }

  protected override wasReset(): boolean {
    if (this.remoteAddr.transport !== "tcp") return false; // The end of a Unix socket is one, whoever was told of what.
    return remoteAddrOf(this.#host.libc, this.#descriptor, SCRATCH) === null;
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  protected override sendOne(bytes: Uint8Array): number {
    if (this.#ending !== "none") return SEND_PENDING;
    const { arena, sender } = this.#host;
    const address = arena.addressOf(bytes);
    if (address < 0) return this.#sentNow(sender.sendOne(this.#descriptor, bytes), bytes.length);
    this.#part = bytes;
    this.#sendPart(bytes, address);
    return SEND_PENDING;
  }

  protected override sendMany(parts: Uint8Array[]): number {
    if (this.#ending !== "none") return SEND_PENDING;
    const { arena, sender } = this.#host;
    let isPinned = true; // Not by `every`: a function for each send is much in a fan-out.
    for (const part of parts) isPinned &&= arena.owns(part);
    if (!isPinned) return this.#sentNow(sender.sendMany(this.#descriptor, parts), lengthOf(parts));
    this.#parts = parts;
    this.#sendParts(parts);
    return SEND_PENDING;
  }

  /** What the kernel took at once, in the words of `sendOne`. */
  #sentNow(count: number, length: number): number {
    if (count === length) return length;
    if (count < 0) {
      this.#fail(count);
      return SEND_PENDING;
    }
    if (!this.#isPolling) this.#pollWritable();
    return count;
  }

  protected override shutdownWrite(): void {
    if (this.#ending !== "none") return; // It has failed, and its descriptor may be another's by now.
    // On a connection the peer has reset it fails; then a receive says so, or the next send.
    this.#host.libc.call.shutdown(this.#descriptor, SHUT_WR);
    this.finSent();
  }

  #sendPart(part: Uint8Array, address: number): void {
    const sent = this.#sentBytes;
    const { ring } = this.#host;
    const at = ring.prepare(OP.send, this.#descriptor, this.#slot, KIND.send);
    setAddress(ring, at, address + sent);
    ring.words[at + SQE.length] = part.length - sent;
    ring.words[at + SQE.operationFlags] = MSG_NOSIGNAL;
    this.#under++;
  }

  #sendParts(parts: Uint8Array[]): void {
    const { messages, ring } = this.#host;
    let skip = this.#sentBytes;
    let start = 0;
    while (skip >= parts[start]!.length) skip -= parts[start++]!.length;
    if (skip > 0) { // The bytes that are sent are cut off for good.
      parts[start] = parts[start]!.subarray(skip);
    }
    if (start > 0) parts.splice(0, start);
    this.#sentBytes = 0;
    const address = messages.message(parts, 0, parts.length);
    const at = ring.prepare(OP.sendMessage, this.#descriptor, this.#slot, KIND.send);
    setAddress(ring, at, address);
    ring.words[at + SQE.length] = 1;
    ring.words[at + SQE.operationFlags] = MSG_NOSIGNAL;
    this.#under++;
  }

  #completeSend(result: number): void {
    if (this.#ending !== "none") return;
    if (result < 0) return this.#fail(result);
    this.#sentBytes += result;
    const [part, parts] = [this.#part, this.#parts];
    if (this.#sentBytes < (part !== null ? part.length : lengthOf(parts!))) {
      if (part !== null) this.#sendPart(part, this.#host.arena.addressOf(part));
      else this.#sendParts(parts!);
      return;
    }
    this.#sentBytes = 0;
    this.#part = this.#parts = null;
    this.sent();
  }

  #completePoll(): void {
    this.#isPolling = false;
    if (this.#ending !== "none") return;
    if (this.#part === null && this.#parts === null) this.sent(); // Else what waited was sent meanwhile, and more after it.
  }

  #pollWritable(): void {
    const { ring } = this.#host;
    this.#isPolling = true;
    const at = ring.prepare(OP.pollAdd, this.#descriptor, this.#slot, KIND.poll);
    ring.words[at + SQE.operationFlags] = POLLOUT;
    this.#under++;
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  protected override release(): void {
    this.#finish();
  }

  protected override reset(): void {
    // A descriptor that is being closed may be another's by now; what is still to be sent then is the kernel's own.
    if (this.#ending !== "closing") resetNow(this.#host, this.#descriptor);
    this.#finish();
  }

  /** Something was refused. Who has not heard of it yet sees a reset: what was sent is not to be taken for all there was. */
  #fail(status: number): void {
    if (this.#ending === "none") resetOnClose(this.#host.libc, this.#descriptor);
    this.#error ??= connectionStatusError(status);
    this.#finish();
  }

  /** Ends what is under way, then closes the descriptor. */
  #finish(): void {
    if (this.#ending !== "none") return;
    this.#ending = "cancelling";
    if (this.isClosing) this.#held = null; // Else it stays, so that nothing that still comes is delivered in its place.
    if (this.#under === 0) return this.#closeDescriptor();
    this.#under++;
    cancelAll(this.#host.ring, this.#descriptor, this.#slot);
    this.#host.loop.openTurn();
  }

  #closeDescriptor(): void {
    this.#ending = "closing";
    this.#host.ring.prepare(OP.close, this.#descriptor, this.#slot, KIND.close);
    this.#under++;
    this.#host.loop.openTurn();
  }

  #completeClose(): void {
    this.#held = null;
    this.#part = this.#parts = null;
    this.returnHeld();
    this.#host.slots.give(this.#slot);
    this.#onClosed?.();
    this.#host.descriptorClosed();
    this.lost(this.#error);
    this.#host.arena.closeUnused();
    this.#host.loop.release();
  }
}
