/**
 * One connection on a socket of our own, ready or not as epoll says: the driver of the `epoll` selector.
 *
 * Strategy:
 * - Reads: one `recv` an event, and more for who has much (see direct_read.ts). Level-triggered: what is left is reported again.
 *   Pausing costs nothing until bytes come; only then the kernel is told not to report them.
 * - Writes: tried at once. What the kernel does not take waits in the queue for `EVENT_WRITE`; one that had to wait is
 *   asked for until an event finds nothing more to send.
 * - Ends: `close` sends what the kernel has, then FIN; after `SO_LINGER` of 0 seconds it resets instead (TCP; a Unix
 *   socket has no reset).
 *
 * Invariants: a descriptor is closed once, and forgotten by the poll set before that; `lost` follows from a dispatch
 * of its own.
 *
 * @module
 */
import { SHUT_WR, SO_ERROR, SOL_SOCKET } from "../ffi/constants.ts";
import { EAGAIN, EINTR, ENOBUFS } from "../ffi/errno.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Addr, Protocol } from "../selector.ts";
import { SEND_PENDING, TransportBase } from "../transport.ts";
import type { TransportHub } from "../transport_hub.ts";
import { DirectReader, type ReadTaker } from "./direct_read.ts";
import { DirectSender, lengthOf } from "./direct_send.ts";
import { connectionStatusError } from "./native_errors.ts";
import { closeWithReset, confirmedBytesOf } from "./owned_socket.ts";
import { type EpollSet, EVENT_READ, EVENT_WRITE } from "./epoll_set.ts";
import type { WaitingLoop } from "./waiting_loop.ts";

/** What is registered with the poll set. */
export interface Pollable {
  /** The descriptor is ready for `events`; with 0 it failed. */
  onEvents(events: number): void;
}

/** What the sockets of one selector share. */
export interface EpollHost {
  readonly libc: Libc;
  readonly loop: WaitingLoop;
  readonly poll: EpollSet<Pollable>;
  readonly hub: TransportHub;
  readonly buffers: SharedBuffers;
  /** Called when a descriptor is free again. */
  descriptorFreed(): void;
}

/** Memory that is used during one call only. */
export class SharedBuffers {
  /** How all sockets read. */
  readonly reader: DirectReader;
  /** How all sockets send. */
  readonly sender: DirectSender;
  /** An `int` that the kernel writes. */
  readonly cell: Int32Array<ArrayBuffer> = new Int32Array(new ArrayBuffer(256), 0, 1);
  /** Its length, as a `socklen_t`. */
  readonly cellLength: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(256), 0, 1);

  /** @param libc to learn addresses */
  constructor(libc: Libc) {
    this.reader = new DirectReader(libc);
    this.sender = new DirectSender(libc);
  }
}

/** The error that waits on a socket, 0 for none. Asking takes it away. */
export function takeSocketError({ libc, buffers }: EpollHost, fd: number): number {
  buffers.cell[0] = 0;
  buffers.cellLength[0] = 4;
  libc.call.getsockopt(fd, SOL_SOCKET, SO_ERROR, buffers.cell, buffers.cellLength);
  return buffers.cell[0];
}

/** A transport on a non-blocking socket; see the module's text. */
export class EpollTransport extends TransportBase implements Pollable, ReadTaker {
  readonly #host: EpollHost;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #onClosed: () => void;
  #interest = EVENT_READ;
  #isSendBlocked = false;
  /** Whether the peer's FIN was read. */
  #hasEnded = false;
  /** Whether it has hung up, and is out of the poll set until something is asked for. */
  #isUnregistered = false;
  #isOver = false;

  /** @param fd a connected socket, in the poll set for reading @param onClosed runs before `closed` is delivered */
  constructor(
    host: EpollHost,
    protocol: Protocol,
    fd: number,
    localAddr: Addr,
    remoteAddr: Addr,
    onClosed: () => void,
  ) {
    super(host.hub, protocol, localAddr, remoteAddr);
    this.#host = host;
    this.#libc = host.libc;
    this.#fd = fd;
    this.#onClosed = onClosed;
    host.poll.modify(fd, EVENT_READ, this);
    host.loop.hold();
  }

  /** Calls `opened`. Call from a dispatch. */
  start(): void {
    this.opened();
  }

  onEvents(events: number): void {
    if (this.#isOver) return;
    if (events === 0) return this.#hangUp();
    if ((events & EVENT_WRITE) !== 0) this.#sendOn();
    if ((events & EVENT_READ) !== 0 && !this.#isOver) this.#read();
  }

  /** Part of `ReadTaker`. */
  takeRead(bytes: Uint8Array): boolean {
    this.received(bytes);
    return this.isReading && !this.isClosing && !this.#isOver;
  }

  override get confirmedBytes(): number {
    return this.#isOver || this.remoteAddr.transport !== "tcp" ? 0 : confirmedBytesOf(this.#libc, this.#fd);
  }

  protected override sendOne(bytes: Uint8Array): number {
    if (this.#isOver) return SEND_PENDING; // It failed a moment ago: `lost` is on its way.
    return this.#sent(this.#host.buffers.sender.sendOne(this.#fd, bytes), bytes.length);
  }

  protected override sendMany(parts: Uint8Array[]): number {
    if (this.#isOver) return SEND_PENDING;
    return this.#sent(this.#host.buffers.sender.sendMany(this.#fd, parts), lengthOf(parts));
  }

  protected override startReading(): void {
    this.#setInterest(this.#interest | EVENT_READ);
  }

  protected override stopReading(): void {
    // The kernel is told when bytes come: the next event may well find reading on again.
  }

  protected override shutdownWrite(): void {
    if (this.#isOver) return;
    if (this.#libc.call.shutdown(this.#fd, SHUT_WR) < 0) return this.#fail(this.#libc.errno());
    this.finSent();
  }

  protected override release(): void {
    if (this.#isOver) return;
    this.#forget();
    this.#libc.call.close(this.#fd);
    this.#finish(null);
  }

  protected override reset(): void {
    if (this.#isOver) return;
    this.#forget();
    closeWithReset(this.#libc, this.#fd);
    this.#finish(null);
  }

  #read(): void {
    if (!this.isReading || this.isClosing) return this.#setInterest(this.#interest & ~EVENT_READ);
    const result = this.#host.buffers.reader.read(this.#fd, this);
    if (result > 0) return;
    if (result === 0) {
      this.#hasEnded = true;
      this.#setInterest(this.#interest & ~EVENT_READ);
      return this.end();
    }
    if (result !== -EAGAIN && result !== -EINTR) this.#fail(-result);
  }

  /** There is room to send: sends, and stops asking when nothing more waits. */
  #sendOn(): void {
    if (this.#isSendBlocked) {
      this.#isSendBlocked = false;
      this.sent();
    }
    if (!this.#isSendBlocked && !this.#isOver) this.#setInterest(this.#interest & ~EVENT_WRITE);
  }

  /** What the kernel took of a send, in the words of `sendOne`. */
  #sent(count: number, length: number): number {
    if (count === length) return length;
    if (count < 0) {
      this.#fail(-count);
      return SEND_PENDING;
    }
    this.#isSendBlocked = true;
    this.#setInterest(this.#interest | EVENT_WRITE);
    return count;
  }

  /**
   * Nothing was asked for: the connection has failed, or both sides have ended. What came before an orderly end is read once
   * reading goes on; until then the kernel would report it again and again, whatever it is asked.
   */
  #hangUp(): void {
    const errno = takeSocketError(this.#host, this.#fd);
    const isMoreToHear = this.isEndHeld || (!this.#hasEnded && !this.isReading);
    if (errno !== 0 || this.isClosing || !isMoreToHear) return this.#fail(errno);
    this.#host.poll.unregister(this.#fd);
    this.#isUnregistered = true;
  }

  #setInterest(interest: number): void {
    if (interest === this.#interest || this.#isOver) return;
    this.#interest = interest;
    if (!this.#isUnregistered) return this.#host.poll.modify(this.#fd, interest, this);
    try {
      this.#host.poll.register(this.#fd, interest, this);
      this.#isUnregistered = false;
    } catch {
      this.#fail(ENOBUFS); // The system waits for no more descriptors of this user: nothing that comes would be seen.
    }
  }

  /** As the system says. Who has not heard of it yet sees a reset: what was sent is not to be taken for all there was. */
  #fail(errno: number): void {
    if (this.#isOver) return;
    this.#forget();
    closeWithReset(this.#libc, this.#fd);
    this.#finish(errno === 0 ? null : connectionStatusError(-errno));
  }

  #forget(): void {
    this.#isOver = true;
    this.#host.poll.forget(this.#fd);
  }

  #finish(error: Error | null): void {
    const { loop } = this.#host;
    loop.post(() => {
      this.#onClosed();
      this.#host.descriptorFreed();
      this.lost(error);
      loop.release();
    });
  }
}
