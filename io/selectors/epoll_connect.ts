/**
 * One attempt to connect a socket of our own: the `connect` of the `epoll` selector.
 *
 * A name is resolved by the runtime; its addresses are tried one after the other, each until it fails or its share of the
 * time is over, so that one that does not answer does not cost the others their turn.
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
  checkConnectPort,
  CONNECT_TIMEOUT_DEFAULT_MS,
  ConnectAttempt,
  type ConnectAttempts,
  type ConnectResult,
} from "../connect_attempt.ts";
import { ConnectionResetError, UnreachableError } from "../errors.ts";
import type { Addr, ConnectOptions, Protocol, Timer, Timers } from "../selector.ts";
import { type EpollHost, EpollTransport, type Pollable, takeSocketError } from "./epoll_transport.ts";
import { connectError, connectStatusError } from "./native_errors.ts";
import type { ResolveHost } from "./native_resolve.ts";
import { EVENT_WRITE } from "./epoll_set.ts";
import { closeWithReset, localAddrOf, remoteAddrOf, switchOn } from "./owned_socket.ts";

/** What an attempt needs of its selector. */
export interface EpollConnectHost extends EpollHost {
  readonly timers: Timers;
  /** Gives the addresses of a name. */
  readonly resolveHost: ResolveHost;
  /** Attempts under way. */
  readonly attempts: ConnectAttempts;
}

/** See the module's text. */
export class EpollConnect extends ConnectAttempt implements Pollable {
  readonly #host: EpollConnectHost;
  readonly #address = new SocketAddress();
  readonly #shareTimer: Timer;
  #shareMs = Infinity;
  #addresses: readonly string[] = [];
  #next = 0;
  #fd = -1;
  #remoteAddr: Addr | null = null;

  /** Begins. */
  constructor(host: EpollConnectHost, options: ConnectOptions, result: ConnectResult) {
    checkConnectPort(options);
    super(host.attempts, options, result);
    this.#host = host;
    this.#shareTimer = host.timers.idle(() => this.#tryNext(ETIMEDOUT));
    host.loop.hold();
    if (options.transport === "unix") host.loop.post(() => this.#try());
    else host.resolveHost(options.hostname, (error, addresses) => this.#takeAddresses(error, addresses));
  }

  onEvents(): void {
    if (this.#fd < 0) return;
    const errno = takeSocketError(this.#host, this.#fd);
    if (errno === 0) this.#connected();
    else this.#tryNext(errno);
  }

  #takeAddresses(error: unknown, addresses: readonly string[]): void {
    if (this.isOver) return;
    if (error !== null) return this.fail(connectError(error, this.target));
    if (addresses.length === 0) {
      return this.fail(new UnreachableError(this.target, "the name has no address"));
    }
    this.#addresses = addresses;
    const { timeoutMs = CONNECT_TIMEOUT_DEFAULT_MS } = this.options;
    if (timeoutMs !== null && addresses.length > 1) this.#shareMs = timeoutMs / addresses.length;
    this.#host.loop.post(() => this.#try());
  }

  /** Tries the next address. Call from a dispatch. */
  #try(): void {
    if (this.isOver) return;
    const errno = this.#start();
    if (this.isOver) return;
    if (errno === 0) this.#connected();
    else if (errno !== EINPROGRESS) this.#tryNext(errno);
    else if (this.#shareMs !== Infinity) this.#shareTimer.reset(this.#shareMs);
  }

  /** The present address failed. */
  #tryNext(errno: number): void {
    if (this.isOver) return;
    this.#closeSocket();
    this.#next++;
    if (this.#next < this.#addresses.length) return this.#host.loop.post(() => this.#try());
    this.fail(connectStatusError(-errno, this.target));
  }

  /** Makes the socket and has the kernel connect it; returns the error number, 0 when it is connected already. */
  #start(): number {
    const { libc, poll } = this.#host;
    const { call } = libc;
    const { transport } = this.options;
    const isUnix = transport === "unix";
    const hostname = isUnix ? "" : this.#addresses[this.#next]!;
    const isAddress = this.options.transport === "unix"
      ? this.#address.setPath(this.options.path)
      : this.#address.setIp(libc, hostname, this.options.port);
    const domain = isUnix ? AF_UNIX : hostname.includes(":") ? AF_INET6 : AF_INET;
    const fd = call.socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return libc.errno();
    this.#fd = fd;
    if (!isAddress) {
      this.fail(new UnreachableError(this.target, "the system has no such addresses"));
      return EINPROGRESS;
    }
    if (!isUnix) switchOn(this.#host.libc, fd, IPPROTO_TCP, TCP_NODELAY); // Nagle would hold back what the turn's end sends.
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
    this.#letGo();
    return new EpollTransport(host, protocol, fd, localAddr, this.#remoteAddr!, () => {});
  }

  protected override abandon(): void {
    this.#closeSocket();
    this.#letGo();
  }

  #closeSocket(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    this.#shareTimer.cancel();
    this.#host.poll.forget(fd);
    closeWithReset(this.#host.libc, fd);
    this.#host.descriptorFreed();
  }

  #letGo(): void {
    this.#shareTimer.cancel();
    this.#host.loop.release();
  }
}
