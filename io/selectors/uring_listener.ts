/**
 * Listening on io_uring: one `accept` that completes for every connection.
 *
 * - Above `connectionsMax`, and while the listener closes, a connection is reset on arrival and counted.
 * - When the system gives no connection (out of descriptors, out of memory), accepting has ended; it is counted and begun again
 *   when a descriptor of this selector was closed, at the latest after 100 ms. Until then connections wait in the kernel's queue.
 * - `TCP_NODELAY` is set on the listening socket: accepted ones inherit it, without a system call for each.
 *
 * @module
 */
import { EAGAIN, ECANCELED, ECONNABORTED, EINTR } from "../ffi/errno.ts";
import { POLLIN, SHUT_RD, SOCK_CLOEXEC } from "../ffi/constants.ts";
import { SocketAddress } from "../ffi/layout.ts";
import { ACCEPT_MULTISHOT, COMPLETION, OP, SQE } from "../ffi/uring_layout.ts";
import { reportUncaught } from "../report_uncaught.ts";
import type { Addr, Listener, ListenerStats, Protocol, Timer, Timers } from "../selector.ts";
import type { ListeningSocket } from "./listening_socket.ts";
import { cancelAll, KIND, type UringHost, type UringOwner } from "./uring_host.ts";
import { resetOnClose, UringTransport } from "./uring_transport.ts";

/** 100 ms: soon enough for clients that wait in the kernel's queue, seldom enough for a system at its limit. */
const ACCEPT_AGAIN_MS = 100;

/** Errors of single connections, after which accepting may simply go on. */
const PASSING: ReadonlySet<number> = new Set([-ECONNABORTED, -EINTR]);

const encoder = new TextEncoder();

/** What a listener needs of its selector besides. */
export interface UringListenerHost extends UringHost {
  readonly timers: Timers;
  /** Called when a listener no longer listens. */
  forget(listener: UringListener): void;
}

/** Accepts connections for one address; see the module's text. */
export class UringListener implements Listener, UringOwner {
  readonly addr: Addr;
  readonly #host: UringListenerHost;
  readonly #createProtocol: () => Protocol;
  readonly #descriptor: number;
  readonly #connectionsMax: number;
  readonly #isInherited: boolean;
  readonly #slot: number;
  readonly #again: Timer;
  readonly #peer = new SocketAddress();
  #accepted = 0;
  #refused = 0;
  #open = 0;
  #acceptErrors = 0;
  #isHolding = true;
  #under = 0;
  /** Whether the socket is one that never waits (it was handed over so), and is polled until there is a connection. */
  #isPolling = false;
  /** Whether accepting has ended for want of something and waits to be begun again. */
  #isWaiting = false;
  #isDescriptorClosing = false;
  #closing: Promise<void> | null = null;
  #onClosed: (() => void) | null = null;
  readonly #onConnectionClosed = (): void => {
    this.#open--;
  };

  /** Takes over a socket that listens, and begins to accept. */
  constructor(host: UringListenerHost, socket: ListeningSocket, createProtocol: () => Protocol) {
    this.addr = socket.addr;
    this.#host = host;
    this.#createProtocol = createProtocol;
    this.#descriptor = socket.descriptor;
    this.#connectionsMax = socket.connectionsMax;
    this.#isInherited = socket.isInherited;
    this.#slot = host.slots.take(this);
    this.#again = host.timers.idle(() => this.goOn());
    host.loop.hold();
    this.#accept();
    host.loop.openTurn();
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
    this.#closing ??= new Promise((resolve) => {
      this.#onClosed = resolve;
      this.#again.cancel();
      // At once: until the kernel has given up accepting, the socket would still take connections. It is shut down for all
      // who have it, so one that was handed over is left alone.
      if (!this.#isInherited) this.#host.libc.call.shutdown(this.#descriptor, SHUT_RD);
      if (this.#under > 0) {
        this.#under++;
        cancelAll(this.#host.ring, this.#descriptor, this.#slot);
      }
      this.#closeIfDone();
      this.#host.loop.openTurn();
    });
    return this.#closing;
  }

  ref(): void {
    if (this.#isHolding || this.#isDescriptorClosing) return;
    this.#isHolding = true;
    this.#host.loop.hold();
  }

  unref(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#host.loop.release();
  }

  /** Accepts again, if that has ended. */
  goOn(): void {
    if (!this.#isWaiting || this.#closing !== null) return;
    this.#isWaiting = false;
    this.#again.cancel();
    this.#accept();
    this.#host.loop.openTurn();
  }

  /** Part of `UringOwner`. */
  complete(kind: number, result: number, flags: number): void {
    if ((flags & COMPLETION.more) === 0) this.#under--;
    if (kind === KIND.close) {
      this.#host.slots.give(this.#slot);
      this.unref();
      this.#host.forget(this);
      this.#host.descriptorClosed();
      this.#onClosed?.();
      return;
    }
    if (kind === KIND.accept) {
      if (result >= 0) this.#take(result);
      else if (result === -EAGAIN) this.#isPolling = true;
      else if (result !== -ECANCELED && !PASSING.has(result)) this.#waitForRoom();
    } else if (kind === KIND.poll) this.#isPolling = false;
    if (this.#closing === null && this.#under === 0 && !this.#isWaiting) {
      if (this.#isPolling) this.#poll();
      else this.#accept();
    }
    this.#closeIfDone();
  }

  #accept(): void {
    const { ring } = this.#host;
    const at = ring.prepare(OP.accept | (ACCEPT_MULTISHOT << 16), this.#descriptor, this.#slot, KIND.accept);
    ring.words[at + SQE.operationFlags] = SOCK_CLOEXEC;
    this.#under++;
  }

  /** Waits for a connection on a socket that does not wait in `accept`. */
  #poll(): void {
    const { ring } = this.#host;
    const at = ring.prepare(OP.pollAdd, this.#descriptor, this.#slot, KIND.poll);
    ring.words[at + SQE.operationFlags] = POLLIN;
    this.#under++;
  }

  /** The system gives no connection now. */
  #waitForRoom(): void {
    this.#acceptErrors++;
    this.#isWaiting = true;
    if (this.#closing === null) this.#again.reset(ACCEPT_AGAIN_MS);
  }

  #closeIfDone(): void {
    if (this.#closing === null || this.#under > 0 || this.#isDescriptorClosing) return;
    this.#isDescriptorClosing = true;
    if (this.addr.transport === "unix" && this.addr.path !== "") {
      this.#host.libc.call.unlink(encoder.encode(`${this.addr.path}\0`));
    }
    this.#under++;
    this.#host.ring.prepare(OP.close, this.#descriptor, this.#slot, KIND.close);
  }

  #take(descriptor: number): void {
    const host = this.#host;
    if (this.#open >= this.#connectionsMax || this.#closing !== null) {
      this.#refused++;
      resetOnClose(host, descriptor);
      host.libc.call.close(descriptor);
      return;
    }
    const addresses = this.#addressesOf(descriptor);
    if (addresses === null) {
      this.#acceptErrors++;
      host.libc.call.close(descriptor);
      return;
    }
    let protocol: Protocol;
    try {
      protocol = this.#createProtocol();
    } catch (error) {
      resetOnClose(host, descriptor);
      host.libc.call.close(descriptor);
      reportUncaught(error); // Not this connection's fault but the program's, and nobody waits for it here.
      return;
    }
    this.#accepted++;
    this.#open++;
    const { own, peer } = addresses;
    new UringTransport(host, protocol, descriptor, own, peer, this.#onConnectionClosed).start();
  }

  /** Both ends of a connection; `null` when the peer is gone already: it reset the connection before it was accepted. */
  #addressesOf(descriptor: number): { own: Addr; peer: Addr } | null {
    const { addr } = this;
    if (addr.transport === "unix") return { own: addr, peer: { transport: "unix", path: "" } };
    const { libc } = this.#host;
    const address = this.#peer;
    address.clear();
    if (libc.call.getpeername(descriptor, address.bytes, address.lengthCell) < 0) return null;
    const peer = address.read(libc);
    if (addr.hostname !== "0.0.0.0" && addr.hostname !== "::") return { own: addr, peer };
    address.clear();
    libc.call.getsockname(descriptor, address.bytes, address.lengthCell);
    return { own: address.read(libc), peer };
  }
}
