/**
 * Connecting on io_uring: one attempt, to the addresses of a name one after the other, until one answers.
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
import { DeadlineExceededError, UnreachableError } from "../errors.ts";
import type { Addr, ConnectOptions, Protocol, Timer, Timers, Transport } from "../selector.ts";
import { connectError, connectStatusError } from "./native_errors.ts";
import { CONNECT_TIMEOUT_DEFAULT_MS, describeTarget } from "./native_net.ts";
import { resolveHost } from "./native_resolve.ts";
import { localAddrOf, switchOn } from "./owned_socket.ts";
import { cancelAll, KIND, setAddress, type UringHost, type UringOwner } from "./uring_host.ts";
import { UringTransport } from "./uring_transport.ts";

/** What a connector needs of its selector besides. */
export interface UringConnectHost extends UringHost {
  readonly timers: Timers;
  /** Attempts under way. */
  readonly attempts: Set<UringConnector>;
}

/** Who waits for an attempt. */
export interface ConnectResult {
  readonly createProtocol: () => Protocol;
  readonly resolve: (transport: Transport) => void;
  readonly reject: (reason: unknown) => void;
}

/** One attempt to connect; see the module's text. */
export class UringConnector implements UringOwner {
  readonly #host: UringConnectHost;
  readonly #options: ConnectOptions;
  readonly #result: ConnectResult;
  readonly #text: string;
  readonly #deadline: Timer | null;
  readonly #onAbort = (): void => this.fail(this.#options.signal!.reason);
  readonly #address = new SocketAddress();
  #addresses: string[] = [];
  #descriptor = -1;
  #slot = -1;
  #under = 0;
  #isOver = false;

  /** Begins. */
  constructor(
    host: UringConnectHost,
    options: ConnectOptions,
    result: ConnectResult,
  ) {
    const { signal, timeoutMs = CONNECT_TIMEOUT_DEFAULT_MS } = options;
    checkPort(options);
    this.#host = host;
    this.#options = options;
    this.#result = result;
    this.#text = describeTarget(options);
    this.#deadline = timeoutMs === null ? null : host.timers.after(timeoutMs, () => {
      this.fail(new DeadlineExceededError(`Cannot connect to ${this.#text}`, timeoutMs));
    });
    host.loop.hold();
    host.attempts.add(this);
    signal?.addEventListener("abort", this.#onAbort);
    if (options.transport === "unix") this.#tryPath(options.path);
    else resolveHost(options.hostname, (error, addresses) => this.#takeAddresses(error, addresses));
  }

  /** Gives up. */
  fail(reason: unknown): void {
    if (this.#isOver) return;
    this.#finish();
    this.#result.reject(reason);
    if (this.#slot < 0) return;
    this.#under++;
    cancelAll(this.#host.ring, this.#descriptor, this.#slot);
    this.#host.loop.openTurn();
  }

  /** Part of `UringOwner`. */
  complete(kind: number, result: number): void {
    this.#under--;
    if (kind === KIND.connect && !this.#isOver) {
      if (result === 0) return this.#connected();
      if (this.#addresses.length === 0) {
        this.#finish();
        this.#result.reject(connectStatusError(result, this.#text));
      }
    }
    if (this.#under > 0) return;
    this.#drop();
    if (!this.#isOver) this.#tryNext();
  }

  #takeAddresses(error: unknown, addresses: readonly string[]): void {
    if (this.#isOver) return;
    if (error !== null) return this.fail(connectError(error, this.#text));
    if (addresses.length === 0) return this.fail(new UnreachableError(this.#text, "the name has no address"));
    this.#addresses = [...addresses];
    this.#tryNext();
  }

  #tryNext(): void {
    const { port } = this.#options as { port: number };
    const hostname = this.#addresses.shift()!;
    if (this.#address.setIp(this.#host.libc, hostname, port)) {
      this.#try(hostname.includes(":") ? AF_INET6 : AF_INET);
    } else this.fail(new UnreachableError(this.#text, `"${hostname}" is no IP address`));
  }

  #tryPath(path: string): void {
    if (this.#address.setPath(path)) this.#try(AF_UNIX);
    else {queueMicrotask(() =>
        this.fail(new UnreachableError(this.#text, "the path is too long or has a NUL"))
      );}
  }

  #try(family: number): void {
    const { libc, messages, ring, slots } = this.#host;
    const descriptor = libc.call.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return this.fail(connectStatusError(-libc.errno(), this.#text));
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

  #connected(): void {
    let protocol: Protocol;
    try {
      protocol = this.#result.createProtocol();
    } catch (error) {
      this.#finish();
      this.#result.reject(error);
      return this.#drop();
    }
    this.#finish();
    const host = this.#host;
    host.slots.give(this.#slot);
    this.#slot = -1;
    const address = this.#address;
    const peer: Addr = this.#options.transport === "unix"
      ? { transport: "unix", path: this.#options.path }
      : address.read(host.libc); // What was connected to: the system does not tell any more if it is reset already.
    const own = localAddrOf(host.libc, this.#descriptor, address);
    const transport = new UringTransport(host, protocol, this.#descriptor, own, peer, null);
    transport.start();
    this.#result.resolve(transport);
  }

  #finish(): void {
    this.#isOver = true;
    this.#host.attempts.delete(this);
    this.#host.loop.release();
    this.#deadline?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }
}

function checkPort(options: ConnectOptions): void {
  if (options.transport === "unix") return;
  const { port } = options;
  if (!Number.isSafeInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`Cannot connect: the port must be an integer from 0 to 65535, not ${port}`);
  }
}
