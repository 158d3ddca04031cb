/**
 * One end of a connection in memory: the driver that moves bytes between two pipes, as a kernel would.
 *
 * The kernel's manners that are kept, because programs depend on them: a write to a full pipe takes what fits; closing
 * with bytes unread resets the peer; a reset drops what the peer has not read; writing to a peer that is gone resets.
 *
 * @module
 */
import { ConnectionResetError } from "../errors.ts";
import type { Addr, Protocol } from "../selector.ts";
import { SEND_PENDING, TransportBase } from "../transport.ts";
import type { TransportHub } from "../transport_hub.ts";
import type { MemoryPipe } from "./memory_pipe.ts";
import type { TurnQueue } from "./turn_queue.ts";

/** What one end of a connection is made of. */
export interface MemoryEnd {
  readonly hub: TransportHub;
  readonly turns: TurnQueue;
  readonly protocol: Protocol;
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  readonly incoming: MemoryPipe;
  readonly outgoing: MemoryPipe;
  /** What all ends of a selector read into. */
  readonly readBuffer: Uint8Array;
  /** Counts a send. */
  readonly onSend: () => void;
  /** Called before `closed` is delivered. */
  readonly onClosed: () => void;
}

/** One end of a connection in memory; see the module's text. */
export class MemoryTransport extends TransportBase {
  readonly #end: MemoryEnd;
  #peer: MemoryTransport | null = null;
  #isStarted = false;
  #isReadPosted = false;
  #isSendBlocked = false;
  #isGone = false;
  #isFinished = false;
  /** What the plan makes this end hold, instead of taking it at once. */
  #heldParts: Uint8Array[] = [];

  /** Makes one end; `connect` joins it to the other. */
  constructor(end: MemoryEnd) {
    super(end.hub, end.protocol, end.localAddr, end.remoteAddr);
    this.#end = end;
  }

  /** Joins the two ends of a connection. */
  static connect(one: MemoryTransport, other: MemoryTransport): void {
    one.#peer = other;
    other.#peer = one;
  }

  /** Calls `opened`, then begins to read. Call from a dispatch. */
  start(): void {
    this.#isStarted = true;
    this.opened();
    this.#postRead();
  }

  /** Ends the connection from outside: both ends see a reset. */
  cut(): void {
    this.#resetBoth(new ConnectionResetError("Cannot go on"));
  }

  protected override sendOne(bytes: Uint8Array): number {
    return this.sendMany([bytes]);
  }

  protected override sendMany(parts: Uint8Array[]): number {
    const { onSend, outgoing } = this.#end;
    onSend();
    if (outgoing.faults.holdsSends) {
      this.#heldParts = parts;
      this.#pushHeldLater();
      return SEND_PENDING;
    }
    const [taken, isAll] = this.#pushAll(parts);
    if (!isAll) this.#awaitRoom();
    return taken;
  }

  protected override startReading(): void {
    this.#postRead();
  }

  protected override stopReading(): void {
    // Reads are posted one at a time and look whether reading is on: nothing to undo.
  }

  protected override shutdownWrite(): void {
    this.#end.outgoing.end();
    this.#peer!.#postRead();
    this.#later(() => this.finSent());
  }

  protected override release(): void {
    const { incoming, outgoing, turns } = this.#end;
    const peer = this.#peer!;
    this.#isGone = true;
    outgoing.end();
    if (incoming.availableBytes > 0) peer.#dropReceived(); // RST: this end will never read it.
    else peer.#postRead();
    turns.post(() => this.#finish(null), outgoing.faults.stallTurns());
  }

  protected override reset(): void {
    this.#peer!.#dropReceived();
    this.#isGone = true;
    this.#end.turns.post(() => this.#finish(null));
  }

  /** Hands parts to the outgoing pipe until it takes no more; returns the bytes taken, and whether that was all. */
  #pushAll(parts: Uint8Array[]): [bytes: number, isAll: boolean] {
    let taken = 0;
    for (const part of parts) {
      const count = this.#push(part);
      taken += count;
      if (count < part.length) return [taken, false];
    }
    return [taken, true];
  }

  #push(bytes: Uint8Array): number {
    const { outgoing, turns } = this.#end;
    const peer = this.#peer!;
    if (peer.#isGone) {
      turns.post(() => this.#finish(new ConnectionResetError("Cannot write")));
      return bytes.length; // As a kernel does: taken, and then answered with a reset.
    }
    const taken = outgoing.write(bytes);
    if (outgoing.isResetDue) turns.post(() => this.cut(), outgoing.faults.stallTurns());
    else peer.#postRead();
    return taken;
  }

  /** Sees to it that the driver is asked to send again when the pipe has room. */
  #awaitRoom(): void {
    if (this.#end.outgoing.freeBytes === 0) this.#isSendBlocked = true;
    else this.#goOnSending();
  }

  #goOnSending(): void {
    this.#isSendBlocked = false;
    if (this.#heldParts.length > 0) this.#pushHeldLater();
    else this.#later(() => this.sent());
  }

  #pushHeldLater(): void {
    this.#later(() => {
      const [first, ...rest] = this.#heldParts;
      const count = this.#push(first!);
      this.#heldParts = count < first!.length ? [first!.subarray(count), ...rest] : rest;
      if (this.#heldParts.length === 0) this.sent();
      else this.#awaitRoom();
    });
  }

  /** Runs from a later dispatch, if the connection still stands. */
  #later(run: () => void): void {
    this.#end.turns.post(() => {
      if (!this.#isGone) run();
    }, this.#end.outgoing.faults.stallTurns());
  }

  #postRead(): void {
    if (this.#isReadPosted || !this.#isStarted || this.#isGone) return;
    const { incoming, turns } = this.#end;
    if (incoming.availableBytes === 0 && !incoming.isAtEnd) return;
    this.#isReadPosted = true;
    turns.post(() => this.#read(), incoming.faults.stallTurns());
  }

  #read(): void {
    this.#isReadPosted = false;
    if (this.#isGone || !this.isReading || this.isClosing) return;
    const { incoming, readBuffer } = this.#end;
    const count = incoming.read(readBuffer);
    if (count > 0) {
      const peer = this.#peer!;
      if (peer.#isSendBlocked) peer.#goOnSending();
      this.received(readBuffer.subarray(0, count));
      this.#postRead();
    } else if (incoming.isAtEnd) {
      this.end();
    }
  }

  /** The peer's RST: what was not read is lost. */
  #dropReceived(): void {
    if (this.#isGone) return;
    this.#end.incoming.clear();
    this.#end.turns.post(() => this.#finish(new ConnectionResetError("Cannot go on")));
  }

  #resetBoth(error: Error): void {
    this.#peer!.#dropReceived();
    this.#end.incoming.clear();
    this.#finish(error);
  }

  #finish(error: Error | null): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#isGone = true;
    this.#heldParts = [];
    this.#end.onClosed();
    this.lost(error);
  }
}
