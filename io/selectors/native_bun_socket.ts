/**
 * One connection on a `Bun.listen`/`Bun.connect` socket: the driver of the `native` selector on Bun.
 *
 * Why not Bun's `node:net`, as on Deno and Node: it is written on these sockets, has no `_createServerHandle` (so it
 * cannot bind and tell why not within the call) and no shared read buffer. The sockets themselves do all that the
 * contract asks for. Measured on Bun 1.4.5:
 *
 * - `write` is one `send(2)` and returns what the kernel took; nothing is kept and nothing is dropped (64 MiB against a
 *   reader that stops and goes arrive with the same hash). `drain` says when there is room again. The loss
 *   that was reported is that of callers who did not look at what `write` returned.
 * - `pause` stops taking bytes from the kernel; `terminate` sends RST; `shutdown` sends FIN.
 * - After our own `shutdown` the peer's FIN is reported as `close` without `end` before it: it is put back here. While reading
 *   is paused no FIN is reported, so what closes a socket then is a reset.
 * - A reset while reading is paused is reported with the bytes before it: they are held here, and dropped with it.
 * - A `write` that the system refuses returns -1. Then the reset behind it may be reported as a clean end, or never while
 *   reading is paused: so it counts as the connection's loss by itself.
 * - `terminate` and `end` report `close` from inside the call: then it is told in a later tick.
 *
 * Several parts go out in one send by way of a buffer all connections share, because these sockets have no `writev`.
 *
 * @module
 */
import process from "node:process";
import { ConnectionResetError } from "../errors.ts";
import type { Addr, Protocol } from "../selector.ts";
import { TransportBase } from "../transport.ts";
import type { TransportHub } from "../transport_hub.ts";
import { connectionError } from "./native_errors.ts";
import { reportUncaught } from "../report_uncaught.ts";

/** 256 KiB: the most that is sent at once (io/transport.ts). */
const GATHER_BYTES = 256 * 1024;

/** A socket of Bun; what is used of it. */
export interface BunSocket {
  /** What it was given at its start; whose it is. */
  data: BunOwner;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Returns how many bytes the kernel took; negative when the socket is closed. */
  write(bytes: Uint8Array): number;
  /** Closes in order. */
  end(): void;
  /** Sends FIN. */
  shutdown(): void;
  /** Closes with RST. */
  terminate(): void;
  pause(): void;
  resume(): void;
  setNoDelay(on: boolean): void;
  /** Seconds of silence after which Bun reports `timeout`; 0 is never. */
  timeout(seconds: number): void;
}

/** Who is told what happens to a socket: a listener or an attempt to connect first, then the transport. */
export interface BunOwner {
  /** The socket is connected. */
  takeOpen(socket: BunSocket): void;
  /** Bytes came. */
  takeRead(bytes: Uint8Array): void;
  /** The peer's FIN came. */
  takeEnd(): void;
  /** There is room to write again. */
  takeDrain(): void;
  /** It is closed; `error` tells why, if not in order. */
  takeClose(error: unknown): void;
}

/** The callbacks of all sockets. */
export const HANDLERS = {
  /** Plain views: Node's `Buffer` has a `slice` that does not copy, which who keeps loaned bytes would fall for. */
  binaryType: "uint8array",
  open: (socket: BunSocket): void => socket.data.takeOpen(socket),
  data: (socket: BunSocket, bytes: Uint8Array): void => socket.data.takeRead(bytes),
  end: (socket: BunSocket): void => socket.data.takeEnd(),
  drain: (socket: BunSocket): void => socket.data.takeDrain(),
  close: (socket: BunSocket, error: unknown): void => socket.data.takeClose(error),
  /** What a callback above threw: a mistake of ours, since transports catch what protocols throw. */
  error: (_socket: BunSocket, error: unknown): void => reportUncaught(error),
} as const;

/** Gathers parts into one piece; one for all connections of a selector. */
export class GatherBuffer {
  #buffer: Uint8Array | null = null;

  /** The parts, one after the other, in a view that is good until the next call; of what is too long, the beginning. */
  gather(parts: readonly Uint8Array[]): Uint8Array {
    this.#buffer ??= new Uint8Array(GATHER_BYTES);
    let bytes = 0;
    for (const part of parts) {
      const room = GATHER_BYTES - bytes;
      this.#buffer.set(part.length <= room ? part : part.subarray(0, room), bytes);
      bytes += Math.min(part.length, room);
      if (bytes === GATHER_BYTES) break;
    }
    return this.#buffer.subarray(0, bytes);
  }
}

/** A transport on a socket of Bun. */
export class BunTransport extends TransportBase implements BunOwner {
  readonly #socket: BunSocket;
  readonly #gather: GatherBuffer;
  readonly #onClosed: (() => void) | null;
  /** Bytes that came while reading was paused; at most what Bun had read in one go. */
  #held: Uint8Array[] = [];
  /** Whether the peer's FIN came after held bytes. */
  #isEndHeld = false;
  /** Whether the socket is closed, both sides have ended, and the protocol has paused before it heard so. */
  #isEndToCome = false;
  #isBlocked = false;
  #hasShutDown = false;
  #hasEnded = false;
  #isReleasing = false;
  #isGone = false;
  /** Whether a call of ours is on the stack in which Bun may report `close`. */
  #isCalling = false;

  /** @param socket a connected socket @param onClosed runs before `closed` is delivered */
  constructor(
    hub: TransportHub,
    protocol: Protocol,
    socket: BunSocket,
    localAddr: Addr,
    remoteAddr: Addr,
    gather: GatherBuffer,
    onClosed: (() => void) | null,
  ) {
    super(hub, protocol, localAddr, remoteAddr);
    this.#socket = socket;
    this.#gather = gather;
    this.#onClosed = onClosed;
    socket.data = this;
    socket.timeout(0); // A quiet connection is no dead one: deadlines are the protocol's.
    if (remoteAddr.transport === "tcp") socket.setNoDelay(true); // Nagle would hold back what the turn's end sends.
  }

  /** Calls `opened`; reading has begun. Call from a dispatch. */
  start(): void {
    this.opened();
  }

  takeOpen(): void {} // Told to the owner before.

  takeRead(bytes: Uint8Array): void {
    if (this.isReading && this.#held.length === 0) this.received(bytes);
    else if (!this.isClosing) this.#held.push(bytes); // Bun makes a new array for each read.
  }

  takeEnd(): void {
    if (!this.#isGone) this.#takeFin();
  }

  takeDrain(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    this.sent();
  }

  takeClose(error: unknown): void {
    if (this.#isGone) return;
    this.#isGone = true;
    if (this.#isCalling) this.#finishLater(error);
    else this.#finish(error);
  }

  protected override sendOne(bytes: Uint8Array): number {
    if (this.#isBlocked || this.#isGone) return 0;
    const taken = this.#socket.write(bytes);
    if (taken < 0) return this.#failWrite();
    this.#isBlocked = taken < bytes.length;
    return taken;
  }

  protected override sendMany(parts: Uint8Array[]): number {
    return this.sendOne(this.#gather.gather(parts));
  }

  protected override startReading(): void {
    if (this.#held.length > 0) process.nextTick(() => this.#deliverHeld());
    else if (!this.#isGone) this.#socket.resume();
  }

  protected override stopReading(): void {
    if (!this.#isGone) this.#socket.pause();
  }

  protected override shutdownWrite(): void {
    this.#hasShutDown = true;
    this.#call(() => this.#socket.shutdown());
    this.finSent();
  }

  protected override release(): void {
    if (this.#isEndToCome) return this.#closeLater();
    this.#isReleasing = true;
    this.#call(() => this.#socket.end());
  }

  protected override reset(): void {
    if (this.#isEndToCome) return this.#closeLater();
    this.#isReleasing = true;
    this.#call(() => this.#socket.terminate());
  }

  #takeFin(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#held.length > 0) this.#isEndHeld = true;
    else this.end();
  }

  /** The system refused to send: only a lost connection can be the reason, and Bun might call it a clean end. */
  #failWrite(): number {
    this.#isGone = true;
    this.#socket.terminate();
    this.#finishLater(new ConnectionResetError("Cannot go on", { cause: "the system refused to send" }));
    return 0;
  }

  /** Calls Bun in a way in which `close` may come before it returns. */
  #call(run: () => void): void {
    if (this.#isGone) return;
    this.#isCalling = true;
    run();
    this.#isCalling = false;
  }

  #deliverHeld(): void {
    while (this.#held.length > 0 && this.isReading && !this.isClosing) this.received(this.#held.shift()!);
    if (this.#held.length > 0 || !this.isReading || this.isClosing) return;
    if (this.#isEndHeld) {
      this.#isEndHeld = false;
      this.end();
    } else if (!this.#isGone) this.#socket.resume();
  }

  #finishLater(error: unknown): void {
    process.nextTick(() => this.#finish(error));
  }

  #finish(error: unknown): void {
    if (error instanceof ConnectionResetError) return this.#close(error);
    if (error) return this.#close(connectionError(error));
    if (this.#isReleasing) return this.#close(null);
    const isOwnFinAnswered = this.#hasShutDown && (this.#hasEnded || this.isReading);
    if (!isOwnFinAnswered) {
      return this.#close(
        new ConnectionResetError("Cannot go on", { cause: "Bun closed the socket and did not say why" }),
      );
    }
    this.#takeFin(); // Bun does not tell of a FIN that comes after our own.
    this.#isEndToCome = !this.isClosing && (this.#isEndHeld || this.isEndHeld);
    if (!this.#isEndToCome) this.#close(null);
  }

  /** Both sides have ended, and the protocol that had paused has heard so. */
  #closeLater(): void {
    this.#isEndToCome = false;
    process.nextTick(() => this.#close(null));
  }

  #close(error: Error | null): void {
    this.#held.length = 0;
    this.#onClosed?.();
    this.lost(error);
  }
}
