/**
 * One attempt to connect a socket of our own: the `connect` of the `epoll` selector.
 *
 * A name is resolved by the runtime; its addresses are tried one after the other (`connect_attempt.ts`).
 *
 * @module
 */
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_TCP,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  TCP_NODELAY,
} from "../ffi/constants.ts";
import { EINPROGRESS, EINTR, ETIMEDOUT } from "../ffi/errno.ts";
import { SocketAddress } from "../ffi/layout.ts";
import {
  AddressAttempt,
  checkConnectPort,
  type ConnectAttempts,
  type ConnectResult,
} from "../connect_attempt.ts";
import { ConnectionResetError, UnreachableError } from "../errors.ts";
import type { Addr, ConnectOptions, Protocol } from "../selector.ts";
import { type EpollHost, EpollTransport, type Pollable, takeSocketError } from "./epoll_transport.ts";
import { connectError, connectStatusError } from "./native_errors.ts";
import type { ResolveHost } from "./native_resolve.ts";
import { EVENT_WRITE } from "./epoll_set.ts";
import { closeWithReset, localAddrOf, remoteAddrOf, switchOn } from "./owned_socket.ts";

/** What an attempt needs of its selector. */
export interface EpollConnectHost extends EpollHost {
  /** Gives the addresses of a name. */
  readonly resolveHost: ResolveHost;
  /** Attempts under way. */
  readonly attempts: ConnectAttempts;
}

/** See the module's text. */
export class EpollConnect extends AddressAttempt implements Pollable {
  readonly #host: EpollConnectHost;
  readonly #address = new SocketAddress();
  #fd = -1;
  #remoteAddr: Addr | null = null;

  /** Begins. */
  constructor(host: EpollConnectHost, options: ConnectOptions, result: ConnectResult) {
    checkConnectPort(options);
    super(host.attempts, options, result);
    this.#host = host;
    host.loop.hold();
    if (options.transport === "unix") host.loop.post(() => this.#tryPath(options.path));
    else {
      host.resolveHost(options.hostname, (error, addresses) => {
        this.resolved(error === null ? null : connectError(error, this.target), addresses);
      });
    }
  }

  onEvents(): void {
    if (this.#fd < 0) return;
    const errno = takeSocketError(this.#host, this.#fd);
    if (errno === 0) this.#connected();
    else this.#failed(errno);
  }

  protected override tryAddress(address: string): void {
    const { port } = this.options as { port: number };
    this.#host.loop.post(() => {
      if (this.isOver) return;
      const isAddress = this.#address.setIp(this.#host.libc, address, port);
      this.#try(isAddress, address.includes(":") ? AF_INET6 : AF_INET);
    });
  }

  protected override giveUpAddress(): void {
    this.#failed(ETIMEDOUT);
  }

  #tryPath(path: string): void {
    if (!this.isOver) this.#try(this.#address.setPath(path), AF_UNIX);
  }

  #failed(errno: number): void {
    this.#closeSocket();
    this.addressFailed(connectStatusError(-errno, this.target));
  }

  /** Tries the address that was set, if it is one. From a dispatch. */
  #try(isAddress: boolean, domain: number): void {
    if (!isAddress) {
      return this.addressFailed(new UnreachableError(this.target, "the system has no such addresses"));
    }
    const errno = this.#start(domain);
    if (this.isOver) return;
    if (errno === 0) this.#connected();
    else if (errno !== EINPROGRESS) this.#failed(errno);
  }

  /** Makes the socket and has the kernel connect it; returns the error number, 0 when it is connected already. */
  #start(domain: number): number {
    const { libc, poll } = this.#host;
    const { call } = libc;
    const fd = call.socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return libc.errno();
    this.#fd = fd;
    if (domain !== AF_UNIX) switchOn(libc, fd, IPPROTO_TCP, TCP_NODELAY); // Nagle would hold back what the turn's end sends.
    const status = call.connect(fd, this.#address.bytes, this.#address.length);
    const errno = status === 0 ? 0 : libc.errno();
    if (errno !== 0 && errno !== EINPROGRESS && errno !== EINTR) return errno;
    try {
      poll.register(fd, EVENT_WRITE, this);
    } catch (error) {
      this.fail(error); // The system waits for no more descriptors of this user; another address would fare no better.
    }
    return errno === EINTR ? EINPROGRESS : errno;
  }

  #connected(): void {
    const { options } = this;
    this.#remoteAddr = options.transport === "unix"
      ? { transport: "unix", path: options.path }
      : remoteAddrOf(this.#host.libc, this.#fd, this.#address);
    if (this.#remoteAddr === null) this.fail(new ConnectionResetError(`Cannot connect to ${this.target}`));
    else this.succeed();
  }

  protected override open(protocol: Protocol): EpollTransport {
    const host = this.#host;
    const fd = this.#fd;
    const localAddr: Addr = this.options.transport === "unix"
      ? { transport: "unix", path: "" }
      : localAddrOf(host.libc, fd, this.#address);
    this.#fd = -1;
    host.loop.release();
    return new EpollTransport(host, protocol, fd, localAddr, this.#remoteAddr!, () => {});
  }

  protected override abandon(): void {
    this.#closeSocket();
    this.#host.loop.release();
  }

  #closeSocket(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    this.#host.poll.forget(fd);
    closeWithReset(this.#host.libc, fd);
    this.#host.descriptorFreed();
  }
}
