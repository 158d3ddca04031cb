/**
 * What a listener does with the connections of a socket of our own, whichever way the selector accepts them: the base of the
 * listeners on epoll and io_uring.
 *
 * - Above `connectionsMax`, and while the listener closes, a connection is reset on arrival and counted.
 * - Out of descriptors or memory, which counts in `acceptErrors`, accepting pauses until a descriptor of this selector is free or
 *   `PAUSE_MS` have passed. So the process neither spins on a queue that it cannot empty nor leaves it for good.
 * - `TCP_NODELAY` is set once on the listening socket, from which Linux's accepted sockets have it.
 *
 * @module
 */
import { Admission } from "../admission.ts";
import { SocketAddress } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Addr, Listener, ListenerStats, Protocol, Timer, Timers } from "../selector.ts";
import type { ListeningSocket } from "./listening_socket.ts";
import { closeWithReset, localAddrOf, unlinkPath } from "./owned_socket.ts";
import type { WaitingLoop } from "./waiting_loop.ts";

/** 100 ms: soon enough for a client whose SYN was answered, seldom enough to cost nothing. */
const PAUSE_MS = 100;

/** What a listener needs of its selector. */
export interface AcceptingHost {
  readonly libc: Libc;
  readonly loop: WaitingLoop;
  readonly timers: Timers;
}

/** A connection that is about to be opened. */
export interface AcceptedConnection {
  readonly descriptor: number;
  readonly protocol: Protocol;
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  /** To be called when it is closed, before its protocol hears so. */
  readonly onClosed: () => void;
}

/** See the module's text. */
export abstract class AcceptingListener implements Listener {
  readonly addr: Addr;
  protected readonly descriptor: number;
  /** Whether the socket was handed over: then it may be another process's, too, which goes on listening. */
  protected readonly isInherited: boolean;
  /** Whether `close` was called. */
  protected isClosing = false;
  /** Whether accepting waits for something to accept with. */
  protected isPaused = false;
  /** Where the peer's address is written. */
  protected readonly peer: SocketAddress = new SocketAddress();
  readonly #host: AcceptingHost;
  readonly #admission: Admission;
  /** The address of every connection's own end; `null` when it must be asked for. */
  readonly #localAddr: Addr | null;
  readonly #again: Timer;
  #isHolding = true;
  readonly #onClosed = (): void => this.#admission.closed();

  /** Takes over a socket that listens, and holds the loop. */
  constructor(host: AcceptingHost, socket: ListeningSocket, createProtocol: () => Protocol) {
    const { addr } = socket;
    this.addr = addr;
    this.descriptor = socket.descriptor;
    this.isInherited = socket.isInherited;
    this.#host = host;
    this.#admission = new Admission(socket.connectionsMax, createProtocol);
    const isOne = addr.transport === "unix" || (addr.hostname !== "0.0.0.0" && addr.hostname !== "::");
    this.#localAddr = isOne ? addr : null;
    this.#again = host.timers.idle(() => this.goOn());
    host.loop.hold();
  }

  abstract close(): Promise<void>;
  /** Accepts after a pause. */
  protected abstract accept(): void;
  /** The address of a new connection's peer; `null` when it is gone already. */
  protected abstract peerOf(descriptor: number): Addr | null;
  /** Makes the transport and starts it; `false` when the system does not let it. */
  protected abstract open(connection: AcceptedConnection): boolean;

  get stats(): ListenerStats {
    return this.#admission.stats;
  }

  ref(): void {
    if (this.#isHolding || this.isClosing) return;
    this.#isHolding = true;
    this.#host.loop.hold();
  }

  unref(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#host.loop.release();
  }

  /** Accepts again, if that was paused. */
  goOn(): void {
    if (!this.isPaused || this.isClosing) return;
    this.isPaused = false;
    this.#again.cancel();
    this.accept();
  }

  /** Something could not be accepted. */
  protected countError(): void {
    this.#admission.failed();
  }

  /** Accepts no more until `goOn`. */
  protected pause(): void {
    this.isPaused = true;
    if (!this.isClosing) this.#again.reset(PAUSE_MS);
  }

  /** The first thing a close does. */
  protected beginClosing(): void {
    this.isClosing = true;
    this.#again.cancel();
  }

  /** Removes the path of a Unix socket that was made here, before its descriptor is closed. */
  protected unlinkPath(): void {
    const { addr } = this;
    if (this.isInherited || addr.transport !== "unix" || addr.path === "") return;
    unlinkPath(this.#host.libc, addr.path);
  }

  /** A connection was accepted: opens it, or resets it. */
  protected take(descriptor: number): void {
    const { libc } = this.#host;
    const admission = this.#admission;
    if (!admission.admits(this.isClosing)) return closeWithReset(libc, descriptor);
    const remoteAddr = this.peerOf(descriptor);
    if (remoteAddr === null) {
      admission.failed();
      return closeWithReset(libc, descriptor);
    }
    const protocol = admission.makeProtocol();
    if (protocol === null) return closeWithReset(libc, descriptor);
    const localAddr = this.#localAddr ?? localAddrOf(libc, descriptor, this.peer);
    admission.opened();
    if (this.open({ descriptor, protocol, localAddr, remoteAddr, onClosed: this.#onClosed })) return;
    admission.withdrawn();
    closeWithReset(libc, descriptor);
  }
}
