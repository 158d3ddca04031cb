/**
 * Connecting on io_uring: one attempt, to the addresses of a name one after the other (`connect_attempt.ts`), until one answers.
 *
 * An address whose share of the time is over is cancelled, and the next one tried when the kernel has let go of it; if it was
 * connected after all in that moment, it is taken.
 *
 * An attempt that is given up (deadline, signal, the selector's end) rejects at once; its descriptor is closed when the
 * kernel has let go of it.
 *
 * @module
 */
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  TCP_NODELAY,
} from "../ffi/constants.ts";
import { SocketAddress } from "../ffi/layout.ts";
import { OP, SQE } from "../ffi/uring_layout.ts";
import {
  AddressAttempt,
  checkConnectPort,
  type ConnectAttempts,
  type ConnectResult,
} from "../connect_attempt.ts";
import { UnreachableError } from "../errors.ts";
import type { Addr, ConnectOptions, Protocol } from "../selector.ts";
import { connectError, connectStatusError } from "./native_errors.ts";
import type { ResolveHost } from "./native_resolve.ts";
import { localAddrOf, switchOn } from "./owned_socket.ts";
import { cancelAll, KIND, setAddress, type UringHost, type UringOwner } from "./uring_host.ts";
import { UringTransport } from "./uring_transport.ts";

/** What a connector needs of its selector besides. */
export interface UringConnectHost extends UringHost {
  /** Attempts under way. */
  readonly attempts: ConnectAttempts;
  /** Gives the addresses of a name. */
  readonly resolveHost: ResolveHost;
}

/** One attempt to connect; see the module's text. */
export class UringConnector extends AddressAttempt implements UringOwner {
  readonly #host: UringConnectHost;
  readonly #address = new SocketAddress();
  #descriptor = -1;
  #slot = -1;
  #under = 0;
  /** How connecting to the present address ended; 0 is well. */
  #result = 0;

  /** Begins. */
  constructor(host: UringConnectHost, options: ConnectOptions, result: ConnectResult) {
    checkConnectPort(options);
    super(host.attempts, options, result);
    this.#host = host;
    host.loop.hold();
    if (options.transport === "unix") this.#tryPath(options.path);
    else {
      host.resolveHost(options.hostname, (error, addresses) => {
        this.resolved(error === null ? null : connectError(error, this.target), addresses);
      });
    }
  }

  /** Part of `UringOwner`: what is under way is connecting, and its being cancelled. */
  complete(kind: number, result: number): void {
    if (kind === KIND.connect) this.#result = result;
    if (--this.#under > 0) return; // The descriptor is the kernel's until both have come.
    if (this.isOver) return this.#drop();
    if (this.#result === 0) return this.succeed();
    this.#drop();
    this.addressFailed(connectStatusError(this.#result, this.target));
  }

  protected override abandon(): void {
    this.#host.loop.release();
    if (this.#slot < 0) return;
    if (this.#under === 0) this.#drop();
    else this.#cancel();
  }

  protected override tryAddress(address: string): void {
    const { port } = this.options as { port: number };
    if (this.#address.setIp(this.#host.libc, address, port)) {
      this.#try(address.includes(":") ? AF_INET6 : AF_INET);
    } else this.addressFailed(new UnreachableError(this.target, `"${address}" is no IP address`));
  }

  protected override giveUpAddress(): void {
    this.#cancel();
  }

  /** Has the kernel let go of what is under way; `complete` follows. */
  #cancel(): void {
    const { loop, ring } = this.#host;
    this.#under++;
    cancelAll(ring, this.#descriptor, this.#slot);
    loop.openTurn();
  }

  #tryPath(path: string): void {
    if (this.#address.setPath(path)) return this.#try(AF_UNIX);
    const error = new UnreachableError(this.target, "the path is too long or has a NUL");
    queueMicrotask(() => this.fail(error));
  }

  #try(family: number): void {
    const { libc, messages, ring, slots } = this.#host;
    const descriptor = libc.call.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return this.addressFailed(connectStatusError(-libc.errno(), this.target));
    if (family !== AF_UNIX) switchOn(libc, descriptor, IPPROTO_TCP, TCP_NODELAY);
    this.#descriptor = descriptor;
    this.#slot = slots.take(this);
    const address = messages.bytes(this.#address.bytes.subarray(0, this.#address.length));
    const at = ring.prepare(OP.connect, descriptor, this.#slot, KIND.connect);
    setAddress(ring, at, address);
    ring.words[at + SQE.offsetLow] = this.#address.length;
    this.#under++;
    this.#host.loop.openTurn();
  }

  /** Nothing is under way any more: closes the descriptor. */
  #drop(): void {
    this.#host.libc.call.close(this.#descriptor);
    this.#host.slots.give(this.#slot);
    this.#slot = -1;
    this.#host.descriptorClosed();
  }

  protected override open(protocol: Protocol): UringTransport {
    const host = this.#host;
    host.loop.release();
    host.slots.give(this.#slot);
    this.#slot = -1;
    const address = this.#address;
    const peer: Addr = this.options.transport === "unix"
      ? { transport: "unix", path: this.options.path }
      : address.read(host.libc); // What was connected to: the system does not tell any more if it is reset already.
    const own = localAddrOf(host.libc, this.#descriptor, address);
    return new UringTransport(host, protocol, this.#descriptor, own, peer, null);
  }
}
