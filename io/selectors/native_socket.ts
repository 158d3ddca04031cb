/**
 * One connection on a `node:net` socket: the driver that `native` transports are made of, on Deno and on Node.
 *
 * Strategy:
 * - Reads: all sockets of a selector read into one buffer (`onread`, public API for connecting sockets; for accepted
 *   ones the socket is made anew around the handle, because the server gives no place for the option). The runtime
 *   calls back synchronously after each read, so the buffer is free again when the callback returns: an idle
 *   connection owns no receive buffer and no read makes garbage. The small reads of a turn are delivered in a row
 *   (gathered_reads.ts); one for a protocol that has paused meanwhile is held here until it goes on.
 * - Writes: through the handle (native_write.ts), which tries the system call at once. If the kernel took all of it, our
 *   block can be used again; otherwise the runtime keeps the bytes and tells when they are gone. So the usual write has
 *   no callback, closure or promise. Without handles to write through, `socket.write` does the same, at more cost:
 *   `writableLength === 0` says that all is gone, and an empty write queued behind tells when.
 * - Ends: `destroy()` with nothing queued closes in order (the kernel sends what it has, then FIN);
 *   `resetAndDestroy()` sends a real RST (TCP; a Unix socket has none).
 *
 * Known limit: on a runtime whose sockets cannot be made around a handle, accepted connections read by `data` events:
 * the same contract at half the speed.
 *
 * @module
 */
import net from "node:net";
import process from "node:process";
import type { Addr, ConnectOptions, Protocol } from "../selector.ts";
import { SEND_PENDING, TransportBase } from "../transport.ts";
import type { TransportHub } from "../transport_hub.ts";
import { type GatheredReader, GatheredReads } from "./gathered_reads.ts";
import { ConnectionResetError } from "../errors.ts";
import { connectionError, connectionStatusError } from "./native_errors.ts";
import {
  canTakeReads,
  type LastRead,
  type ReadHandle,
  startReads,
  stopReads,
  takeReads,
} from "./native_read.ts";
import { type HandleWriter, WRITE_PENDING, type WriteHandle, WRITTEN } from "./native_write.ts";

const EMPTY = new Uint8Array(0);

/** What is told of a connection that ended without a word. */
const UNTOLD: ErrorOptions = { cause: "the runtime closed the socket and did not say why" };

/** Whether accepted sockets read into the shared buffer or by `data` events. */
export type ReadMode = "shared" | "events";

/** A `node:net` handle; only passed on, never used here. */
export type Handle = object;

/** The part of a handle that knows its peer. */
interface NamedHandle {
  /** Writes the peer's address into `out`; returns an error number, negative, for one that is not connected any more. */
  getpeername?(out: object): number;
}

/** A socket that knows its transport. */
export class OwnedSocket extends net.Socket {
  /** The transport it moves bytes for; `null` before `opened`. */
  owner: NativeTransport | null = null;
}

/** What the sockets of one selector share. */
export interface SocketHost {
  /** What its transports share. */
  readonly hub: TransportHub;
  /** What all its sockets read into, and what of it waits. */
  readonly reads: GatheredReads;
  /** Sends by the sockets' handles; `null` to send by the sockets themselves. */
  readonly writer: HandleWriter | null;
  /** Tells what a handle has read; `null` to read by the sockets themselves. */
  readonly lastRead: LastRead | null;
}

/**
 * Makes a socket that reads into the buffer of `reads`; nothing is read before `NativeTransport.start`.
 *
 * @param reads the selector's
 * @param handle the handle of an accepted connection; none for one that is to connect
 */
export function makeSocket(reads: GatheredReads, handle?: Handle): OwnedSocket {
  const options = {
    ...(handle === undefined ? {} : { handle, manualStart: true }),
    allowHalfOpen: true,
    onread: {
      buffer: reads.buffer,
      callback: (bytesRead: number): boolean => {
        const { owner } = socket;
        return owner === null || owner.takeShared(bytesRead);
      },
    },
  };
  const socket: OwnedSocket = new OwnedSocket(options as net.SocketConstructorOpts);
  return socket;
}

/** Whether a socket made around a handle reads into the buffer it is given: seen from a handle that is not connected. */
export function probeReadMode(): ReadMode {
  const donor = new net.Socket();
  const canTake = "_handle" in donor;
  donor.destroy();
  if (!canTake) return "events";
  try {
    makeSocket(new GatheredReads(() => {}, { endedTurns: 0, flush() {} })).destroy();
    return "shared";
  } catch {
    return "events";
  }
}

/** Takes the handle out of an accepted socket, which is left without one. `null` where that is not possible. */
export function takeHandle(socket: net.Socket): Handle | null {
  const owner = socket as unknown as { _handle?: Handle | null };
  const handle = owner._handle;
  if (typeof handle !== "object" || handle === null) return null;
  owner._handle = null;
  return handle;
}

/** Address of a socket's own end or of its peer; `path` is set for Unix sockets. */
export function addrOf(hostname: string | undefined, port: number | undefined, path: string | null): Addr {
  if (path !== null) return { transport: "unix", path };
  return { transport: "tcp", hostname: hostname ?? "0.0.0.0", port: port ?? 0 };
}

/**
 * Who a socket is connected to. The system no longer knows it of one that was reset before the runtime came to tell; then it
 * is what was asked for, or `null` if that was a name.
 */
export function peerOf(
  socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined },
  options: ConnectOptions,
): Addr | null {
  if (options.transport === "unix") return addrOf(undefined, undefined, options.path);
  if (socket.remoteAddress !== undefined) return addrOf(socket.remoteAddress, socket.remotePort, null);
  return net.isIP(options.hostname) === 0 ? null : addrOf(options.hostname, options.port, null);
}

/** A transport on a `node:net` socket. */
export class NativeTransport extends TransportBase implements GatheredReader {
  readonly #socket: OwnedSocket;
  readonly #isUnix: boolean;
  readonly #mode: ReadMode;
  readonly #onClosed: () => void;
  readonly #writer: HandleWriter | null;
  readonly #handle: WriteHandle | null;
  readonly #reads: GatheredReads;
  /** Where reads are taken from, if not from the socket. */
  #reader: ReadHandle | null = null;
  /** What was read for a protocol that had paused by the time of its delivery; `null` when nothing was. */
  #held: Uint8Array[] | null = null;
  /** Whether the peer's FIN came after held bytes. */
  #isEndHeld = false;
  #onSent: ((status: number) => void) | null = null;
  #error: Error | null = null;
  #isShuttingDown = false;
  /** Whether the socket is closed, and `closed` waits for the protocol to hear the end. */
  #isGone = false;
  #isFinished = false;

  /** @param socket a connected socket @param onClosed runs before `closed` is delivered */
  constructor(
    host: SocketHost,
    protocol: Protocol,
    socket: OwnedSocket,
    localAddr: Addr,
    remoteAddr: Addr,
    mode: ReadMode,
    onClosed: () => void,
  ) {
    super(host.hub, protocol, localAddr, remoteAddr);
    const { _handle: handle } = socket as unknown as { _handle: unknown };
    const { writer } = host;
    const canWrite = writer !== null && writer.canWrite(handle);
    this.#writer = canWrite ? writer : null;
    this.#handle = canWrite ? handle : null;
    this.#reads = host.reads;
    this.#socket = socket;
    this.#isUnix = remoteAddr.transport === "unix";
    this.#mode = mode;
    this.#onClosed = onClosed;
    socket.owner = this;
    socket.on("error", onSocketError);
    socket.on("end", onSocketEnd);
    socket.on("close", onSocketClose);
    if (mode === "events") socket.on("data", onSocketData);
    else if (host.lastRead !== null && canTakeReads(handle)) {
      this.#reader = handle;
      takeReads(
        handle,
        host.lastRead,
        (bytesRead) => this.takeShared(bytesRead),
        (status) => this.#fail(status),
      );
    }
  }

  /** Calls `opened`, then begins to read. Call from a dispatch. */
  start(): void {
    this.opened();
    if (this.isReading && !this.isClosing) this.startReading();
    else this.stopReading();
  }

  /** The socket read that many bytes into the shared buffer; returns whether it shall go on reading. */
  takeShared(bytesRead: number): boolean {
    if (!this.#reads.keep(this, bytesRead)) this.deliverRead(this.#reads.front(bytesRead));
    return this.isReading && !this.isClosing;
  }

  /** The socket read `bytes`, which are on loan; part of `GatheredReader`. */
  deliverRead(bytes: Uint8Array): void {
    if (this.isReading && this.#held === null) this.received(bytes);
    else if (!this.isClosing) (this.#held ??= []).push(new Uint8Array(bytes)); // not `slice`, which clears it first
  }

  /** The peer's FIN, from the socket's event. */
  takeEnd(): void {
    this.#reads.deliver();
    if (this.#error !== null) return; // It has failed meanwhile: this is no orderly end.
    if (this.#held === null) this.end();
    else this.#isEndHeld = true;
  }

  /** Why the socket is about to close, from its event. */
  takeError(error: Error): void {
    this.#error ??= connectionError(error);
  }

  /** The socket is closed, from its event. */
  takeClose(): void {
    this.#reads.deliver();
    const isEndToCome = this.#isEndHeld || this.isEndHeld;
    // The runtime closes a socket that both sides have ended, although the end waits for a protocol that has paused.
    if (this.#error === null && isEndToCome && !this.isClosing) this.#isGone = true;
    else this.#finish();
  }

  protected override sendOne(bytes: Uint8Array): number {
    if (this.#writer !== null) return this.#sendByHandle(bytes, bytes.length);
    return this.#sendBySocket([bytes], bytes.length);
  }

  protected override sendMany(parts: Uint8Array[]): number {
    let length = 0;
    for (const part of parts) length += part.length;
    if (this.#writer !== null) return this.#sendByHandle(parts, length);
    return this.#sendBySocket(parts, length);
  }

  protected override startReading(): void {
    if (this.#held !== null) return process.nextTick(() => this.#deliverHeld());
    const reader = this.#reader;
    if (reader !== null) {
      const status = startReads(reader);
      if (status !== 0) this.#fail(status);
    } else if (this.#mode === "events") this.#socket.resume();
    else this.#socket.read(0);
  }

  protected override stopReading(): void {
    if (this.#reader === null) return void this.#socket.pause();
    if (this.#socket.destroyed) return;
    const status = stopReads(this.#reader);
    if (status !== 0) this.#fail(status);
  }

  protected override shutdownWrite(): void {
    this.#isShuttingDown = true;
    this.#socket.end((error?: Error | null) => {
      this.#isShuttingDown = false;
      if (!error) this.finSent();
    });
  }

  protected override release(): void {
    if (this.#isGone) process.nextTick(() => this.#finish());
    else this.#socket.destroy();
  }

  protected override reset(): void {
    if (this.#isGone) return void process.nextTick(() => this.#finish());
    // libuv refuses to reset while FIN is being sent, and Node's socket then never closes. All bytes are out by then.
    if (this.#isUnix || this.#isShuttingDown) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** Once reading goes on: delivers what was held, then reads, unless it is paused again. */
  #deliverHeld(): void {
    const held = this.#held;
    if (held === null) return;
    while (held.length > 0 && this.isReading && !this.isClosing) this.received(held.shift()!);
    if (held.length > 0 && !this.isClosing) return;
    this.#held = null;
    if (this.#isEndHeld) this.end();
    else if (this.isReading && !this.isClosing) this.startReading();
  }

  #sendByHandle(bytes: Uint8Array | Uint8Array[], length: number): number {
    if (this.#socket.destroyed) return SEND_PENDING; // It failed a moment ago: `close` is on its way.
    this.#onSent ??= (status) => {
      if (status === WRITTEN) this.sent();
      else this.#fail(status);
    };
    const status = this.#writer!.write(this.#handle!, bytes, this.#onSent);
    if (status === WRITTEN) return length;
    if (status !== WRITE_PENDING) this.#fail(status);
    return SEND_PENDING;
  }

  #sendBySocket(parts: readonly Uint8Array[], length: number): number {
    const socket = this.#socket;
    if (!socket.writable) return SEND_PENDING;
    if (parts.length > 1) socket.cork();
    for (const part of parts) socket.write(part);
    if (parts.length > 1) socket.uncork();
    if (socket.writableLength === 0) return length;
    socket.write(EMPTY, (error) => {
      if (!error) this.sent(); // With an error the socket closes, and that is reported by its own event.
    });
    return SEND_PENDING;
  }

  protected override wasReset(): boolean {
    const { _handle: handle } = this.#socket as unknown as { _handle: NamedHandle | null };
    return !this.#isUnix && handle?.getpeername !== undefined && handle.getpeername({}) < 0;
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#held = null;
    this.#onClosed();
    // Neither we nor the peer had ended it, or what looked like the peer's end was a reset that a send was told of.
    if (!this.isClosing && !this.isEnded) this.#error ??= new ConnectionResetError("Cannot go on", UNTOLD);
    this.lost(this.#error);
  }

  /** The system refused. Who has not heard of it yet sees a reset: what was sent is not to be taken for all there was. */
  #fail(status: number): void {
    if (this.#socket.destroyed) return; // Writes of a socket that was closed are cancelled.
    this.#error ??= connectionStatusError(status);
    this.reset();
  }
}

// Shared by all sockets, `this` being the socket: a connection has no closures of its own but the read callback.

function onSocketError(this: OwnedSocket, error: Error): void {
  this.owner!.takeError(error);
}

function onSocketEnd(this: OwnedSocket): void {
  this.owner!.takeEnd();
}

function onSocketClose(this: OwnedSocket): void {
  this.owner!.takeClose();
}

function onSocketData(this: OwnedSocket, chunk: Uint8Array): void {
  // A plain view: Node's Buffer has a `slice` that does not copy, which who keeps loaned bytes would fall for.
  this.owner!.deliverRead(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
}
