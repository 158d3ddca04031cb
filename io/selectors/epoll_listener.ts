/**
 * Listening on a socket of our own: the listener of the `epoll` selector.
 *
 * Strategy: accepted in batches of `ACCEPTS_MAX`, so that a rush of new connections does not hold up those that are
 * there. `TCP_NODELAY` is set once on the listening socket, from which Linux's accepted sockets have it.
 *
 * Out of descriptors: the client that cannot be served is told so by a reset (a descriptor in reserve is given up to
 * accept it), it counts in `acceptErrors`, and accepting pauses until a descriptor of this selector is free or
 * `PAUSE_MS` have passed. So the process neither spins on a queue that it cannot empty nor leaves it for good.
 *
 * @module
 */
import { EFD_CLOEXEC, SOCK_CLOEXEC, SOCK_NONBLOCK } from "../ffi/constants.ts";
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../ffi/errno.ts";
import { SocketAddress } from "../ffi/layout.ts";
import { reportUncaught } from "../report_uncaught.ts";
import type { Addr, Listener, ListenerStats, ListenOptions, Protocol, Timer } from "../selector.ts";
import type { Timers } from "../selector.ts";
import { closeWithReset, type EpollHost, EpollTransport, type Pollable } from "./epoll_transport.ts";
import { openListening } from "./listening_socket.ts";
import { checkListenOptions } from "./native_listen_options.ts";
import { EVENT_READ } from "./epoll_set.ts";

/** 32 connections a batch: some 0.2 ms, a go of the loop. The kernel reports at once that there are more. */
const ACCEPTS_MAX = 32;

/** 100 ms: soon enough for a client whose SYN was answered, seldom enough to cost nothing. */
const PAUSE_MS = 100;

/** Errors that say that there is nothing left to accept with. */
const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/** What a listener needs of its selector. */
export interface EpollListenerHost extends EpollHost {
  readonly timers: Timers;
  /** Called when the listener no longer listens. */
  forget(listener: EpollListener): void;
}

/** Accepts connections for one address; see the module's text. */
export class EpollListener implements Listener, Pollable {
  readonly addr: Addr;
  readonly #host: EpollListenerHost;
  readonly #fd: number;
  readonly #createProtocol: () => Protocol;
  readonly #connectionsMax: number;
  readonly #peer = new SocketAddress();
  /** The address of every connection's own end; `null` when it must be asked for. */
  readonly #localAddr: Addr | null;
  readonly #resume: Timer;
  #reserve: number;
  #accepted = 0;
  #refused = 0;
  #open = 0;
  #acceptErrors = 0;
  #isHolding = true;
  #isPaused = false;
  #isClosed = false;
  readonly #onConnectionClosed = (): void => void this.#open--;

  /** Binds and listens; throws what `Selector.listen` throws. */
  constructor(host: EpollListenerHost, options: ListenOptions, createProtocol: () => Protocol) {
    this.#host = host;
    this.#createProtocol = createProtocol;
    const { call } = host.libc;
    const socket = openListening(host.libc, checkListenOptions(options), false);
    this.addr = socket.addr;
    this.#fd = socket.descriptor;
    this.#connectionsMax = socket.connectionsMax;
    try {
      host.poll.register(this.#fd, EVENT_READ, this);
    } catch (error) {
      call.close(this.#fd);
      throw error;
    }
    this.#localAddr = isOneAddress(this.addr) ? this.addr : null;
    this.#reserve = call.eventfd(0, EFD_CLOEXEC);
    this.#resume = host.timers.idle(() => this.goOn());
    host.loop.hold();
  }

  get stats(): ListenerStats {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      open: this.#open,
      acceptErrors: this.#acceptErrors,
    };
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    const { libc, poll } = this.#host;
    this.#resume.cancel();
    poll.forget(this.#fd);
    if (this.addr.transport === "unix" && this.addr.path !== "") this.#unlink(this.addr.path);
    libc.call.close(this.#fd);
    if (this.#reserve >= 0) libc.call.close(this.#reserve);
    this.unref();
    this.#host.forget(this);
    return Promise.resolve();
  }

  ref(): void {
    if (this.#isHolding || this.#isClosed) return;
    this.#isHolding = true;
    this.#host.loop.hold();
  }

  unref(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#host.loop.release();
  }

  /** Accepts again after a pause. */
  goOn(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    this.#resume.cancel();
    this.#host.poll.modify(this.#fd, EVENT_READ, this);
  }

  onEvents(): void {
    for (let count = 0; count < ACCEPTS_MAX && !this.#isClosed && !this.#isPaused; count++) {
      const fd = this.#acceptOne();
      if (fd >= 0) this.#open_(fd);
      else if (this.#hasNoMore(this.#host.libc.errno())) return;
    }
  }

  #acceptOne(): number {
    const peer = this.#peer;
    peer.clear();
    return this.#host.libc.call.accept4(
      this.#fd,
      peer.bytes,
      peer.lengthCell,
      SOCK_NONBLOCK | SOCK_CLOEXEC,
    );
  }

  /** Whether accepting is over for now, by the error. */
  #hasNoMore(errno: number): boolean {
    if (errno === EAGAIN) return true;
    if (errno === EINTR) return false;
    this.#acceptErrors++;
    if (errno === ECONNABORTED) return false;
    if (EXHAUSTED.has(errno)) this.#shed();
    this.#pause();
    return true;
  }

  /** Tells one client that it cannot be served, by the descriptor in reserve. */
  #shed(): void {
    const { call } = this.#host.libc;
    if (this.#reserve < 0) return;
    call.close(this.#reserve);
    const fd = this.#acceptOne();
    if (fd >= 0) closeWithReset(this.#host, fd);
    this.#reserve = call.eventfd(0, EFD_CLOEXEC);
  }

  #pause(): void {
    this.#isPaused = true;
    this.#host.poll.modify(this.#fd, 0, this);
    this.#resume.reset(PAUSE_MS);
  }

  #open_(fd: number): void {
    const host = this.#host;
    if (this.#open >= this.#connectionsMax) {
      this.#refused++;
      return closeWithReset(host, fd);
    }
    const remoteAddr = this.#peer.read(host.libc);
    let protocol: Protocol;
    try {
      protocol = this.#createProtocol();
    } catch (error) {
      closeWithReset(host, fd);
      return reportUncaught(error); // Not this connection's fault but the program's, and nobody waits for it here.
    }
    try {
      host.poll.register(fd, EVENT_READ, this);
    } catch {
      this.#acceptErrors++; // The system waits for no more descriptors of this user: as if it could not be accepted.
      return closeWithReset(host, fd);
    }
    const localAddr = this.#localAddr ?? addrOf(host, fd, this.#peer);
    const transport = new EpollTransport(host, protocol, fd, localAddr, remoteAddr, this.#onConnectionClosed);
    this.#accepted++;
    this.#open++;
    transport.start();
  }

  #unlink(path: string): void {
    this.#host.libc.call.unlink(new TextEncoder().encode(`${path}\0`));
  }
}

/** Whether all connections of a listener have its address as their own. */
function isOneAddress(addr: Addr): boolean {
  return addr.transport === "unix" || (addr.hostname !== "0.0.0.0" && addr.hostname !== "::");
}

/** A socket's own address. */
export function addrOf({ libc }: EpollHost, fd: number, scratch: SocketAddress): Addr {
  scratch.clear();
  libc.call.getsockname(fd, scratch.bytes, scratch.lengthCell);
  return scratch.read(libc);
}

/** Switches an option of a socket on. */
export function switchOn({ libc, buffers }: EpollHost, fd: number, level: number, option: number): boolean {
  buffers.cell[0] = 1;
  return libc.call.setsockopt(fd, level, option, buffers.cell, 4) === 0;
}
