/**
 * Listening on io_uring: one `accept` that completes for every connection. When the system gives no connection (out of
 * descriptors, out of memory), accepting has ended, and until it is begun again connections wait in the kernel's queue. See
 * accepting_listener.ts for the rest.
 *
 * @module
 */
import { EAGAIN, ECANCELED, ECONNABORTED, EINTR } from "../ffi/errno.ts";
import { POLLIN, SHUT_RD, SOCK_CLOEXEC } from "../ffi/constants.ts";
import { ACCEPT_MULTISHOT, COMPLETION, OP, SQE } from "../ffi/uring_layout.ts";
import type { Addr, Protocol, Timers } from "../selector.ts";
import { type AcceptedConnection, AcceptingListener } from "./accepting_listener.ts";
import type { ListeningSocket } from "./listening_socket.ts";
import { remoteAddrOf } from "./owned_socket.ts";
import { cancelAll, KIND, type UringHost, type UringOwner } from "./uring_host.ts";
import { UringTransport } from "./uring_transport.ts";

/** Errors of single connections, after which accepting may simply go on. */
const PASSING: ReadonlySet<number> = new Set([-ECONNABORTED, -EINTR]);

/** What a listener needs of its selector besides. */
export interface UringListenerHost extends UringHost {
  readonly timers: Timers;
  /** Called when a listener no longer listens. */
  forget(listener: UringListener): void;
}

/** Accepts connections for one address; see the module's text. */
export class UringListener extends AcceptingListener implements UringOwner {
  readonly #host: UringListenerHost;
  readonly #slot: number;
  #under = 0;
  /** Whether the socket is one that never waits (it was handed over so), and is polled until there is a connection. */
  #isPolling = false;
  #isDescriptorClosing = false;
  #closing: Promise<void> | null = null;
  #onClosed: (() => void) | null = null;

  /** Takes over a socket that listens, and begins to accept. */
  constructor(host: UringListenerHost, socket: ListeningSocket, createProtocol: () => Protocol) {
    super(host, socket, createProtocol);
    this.#host = host;
    this.#slot = host.slots.take(this);
    this.accept();
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#onClosed = resolve;
      this.beginClosing();
      // At once: until the kernel has given up accepting, the socket would still take connections. It is shut down for all
      // who have it, so one that was handed over is left alone.
      if (!this.isInherited) this.#host.libc.call.shutdown(this.descriptor, SHUT_RD);
      if (this.#under > 0) {
        this.#under++;
        cancelAll(this.#host.ring, this.descriptor, this.#slot);
      }
      this.#closeIfDone();
      this.#host.loop.openTurn();
    });
    return this.#closing;
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
      if (result >= 0) this.take(result);
      else if (result === -EAGAIN) this.#isPolling = true;
      else if (result !== -ECANCELED && !PASSING.has(result)) {
        this.countError();
        this.pause();
      }
    } else if (kind === KIND.poll) this.#isPolling = false;
    if (!this.isClosing && this.#under === 0 && !this.isPaused) {
      if (this.#isPolling) this.#poll();
      else this.accept();
    }
    this.#closeIfDone();
  }

  protected override accept(): void {
    const { ring, loop } = this.#host;
    const at = ring.prepare(OP.accept | (ACCEPT_MULTISHOT << 16), this.descriptor, this.#slot, KIND.accept);
    ring.words[at + SQE.operationFlags] = SOCK_CLOEXEC;
    this.#under++;
    loop.openTurn();
  }

  protected override peerOf(descriptor: number): Addr | null {
    if (this.addr.transport === "unix") return { transport: "unix", path: "" };
    return remoteAddrOf(this.#host.libc, descriptor, this.peer);
  }

  protected override open(connection: AcceptedConnection): boolean {
    const { descriptor, protocol, localAddr, remoteAddr, onClosed } = connection;
    new UringTransport(this.#host, protocol, descriptor, localAddr, remoteAddr, onClosed).start();
    return true;
  }

  /** Waits for a connection on a socket that does not wait in `accept`. */
  #poll(): void {
    const { ring } = this.#host;
    const at = ring.prepare(OP.pollAdd, this.descriptor, this.#slot, KIND.poll);
    ring.words[at + SQE.operationFlags] = POLLIN;
    this.#under++;
  }

  #closeIfDone(): void {
    if (!this.isClosing || this.#under > 0 || this.#isDescriptorClosing) return;
    this.#isDescriptorClosing = true;
    this.unlinkPath();
    this.#under++;
    this.#host.ring.prepare(OP.close, this.descriptor, this.#slot, KIND.close);
  }
}
