/**
 * Listening on a socket of our own: the listener of the `epoll` selector.
 *
 * Strategy: accepted in batches of `ACCEPTS_MAX`, so that a rush of new connections does not hold up those that are
 * there. Out of descriptors, the client that cannot be served is told so by a reset: a descriptor in reserve is given up to
 * accept it. See accepting_listener.ts for the rest.
 *
 * @module
 */
import { EFD_CLOEXEC, SOCK_CLOEXEC, SOCK_NONBLOCK } from "../ffi/constants.ts";
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../ffi/errno.ts";
import type { Addr, ListenOptions, Protocol, Timers } from "../selector.ts";
import { type AcceptedConnection, AcceptingListener } from "./accepting_listener.ts";
import { EVENT_READ } from "./epoll_set.ts";
import { type EpollHost, EpollTransport, type Pollable } from "./epoll_transport.ts";
import { openListening } from "./listening_socket.ts";
import { checkListenOptions } from "./native_listen_options.ts";
import { closeWithReset } from "./owned_socket.ts";

/** 32 connections a batch: some 0.2 ms, a go of the loop. The kernel reports at once that there are more. */
const ACCEPTS_MAX = 32;

/** Errors that say that there is nothing left to accept with. */
const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

/** What a listener needs of its selector. */
export interface EpollListenerHost extends EpollHost {
  readonly timers: Timers;
  /** Called when the listener no longer listens. */
  forget(listener: EpollListener): void;
}

/** Accepts connections for one address; see the module's text. */
export class EpollListener extends AcceptingListener implements Pollable {
  readonly #host: EpollListenerHost;
  #reserve: number;

  /** Binds and listens; throws what `Selector.listen` throws. */
  constructor(host: EpollListenerHost, options: ListenOptions, createProtocol: () => Protocol) {
    const socket = openListening(host.libc, checkListenOptions(options), false);
    super(host, socket, createProtocol);
    this.#host = host;
    try {
      host.poll.register(this.descriptor, EVENT_READ, this);
    } catch (error) {
      this.unref();
      this.unlinkPath();
      host.libc.call.close(this.descriptor);
      throw error;
    }
    this.#reserve = host.libc.call.eventfd(0, EFD_CLOEXEC);
  }

  close(): Promise<void> {
    if (this.isClosing) return Promise.resolve();
    this.beginClosing();
    const { libc, poll } = this.#host;
    // Closing takes it out of the epoll only if nobody else has it: else each connection the other gets would wake us for good.
    if (this.isInherited) poll.unregister(this.descriptor);
    else poll.forget(this.descriptor);
    this.unlinkPath();
    libc.call.close(this.descriptor);
    if (this.#reserve >= 0) libc.call.close(this.#reserve);
    this.unref();
    this.#host.forget(this);
    return Promise.resolve();
  }

  onEvents(): void {
    for (let count = 0; count < ACCEPTS_MAX && !this.isClosing && !this.isPaused; count++) {
      const fd = this.#acceptOne();
      if (fd >= 0) this.take(fd);
      else if (this.#hasNoMore(this.#host.libc.errno())) return;
    }
  }

  protected override accept(): void {
    this.#host.poll.modify(this.descriptor, EVENT_READ, this);
  }

  protected override pause(): void {
    super.pause();
    this.#host.poll.modify(this.descriptor, 0, this);
  }

  protected override peerOf(): Addr {
    return this.peer.read(this.#host.libc); // Written by `accept4`.
  }

  protected override open(connection: AcceptedConnection): boolean {
    const host = this.#host;
    const { descriptor, protocol, localAddr, remoteAddr, onClosed } = connection;
    try {
      host.poll.register(descriptor, EVENT_READ, this);
    } catch {
      return false; // The system waits for no more descriptors of this user: as if it could not be accepted.
    }
    new EpollTransport(host, protocol, descriptor, localAddr, remoteAddr, onClosed).start();
    return true;
  }

  #acceptOne(): number {
    const { peer } = this;
    peer.clear();
    const flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    return this.#host.libc.call.accept4(this.descriptor, peer.bytes, peer.lengthCell, flags);
  }

  /** Whether accepting is over for now, by the error. */
  #hasNoMore(errno: number): boolean {
    if (errno === EAGAIN) return true;
    if (errno === EINTR) return false;
    this.countError();
    if (errno === ECONNABORTED) return false;
    if (EXHAUSTED.has(errno)) this.#shed();
    this.pause();
    return true;
  }

  /** Tells one client that it cannot be served, by the descriptor in reserve. */
  #shed(): void {
    const { libc } = this.#host;
    if (this.#reserve < 0) return;
    libc.call.close(this.#reserve);
    const fd = this.#acceptOne();
    if (fd >= 0) closeWithReset(libc, fd);
    this.#reserve = libc.call.eventfd(0, EFD_CLOEXEC);
  }
}
