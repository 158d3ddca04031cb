/**
 * The selector on the runtime's own sockets, through `node:net`, as far as Deno and Node are alike.
 *
 * Names given to `connect` are resolved by the runtime, which also tries several addresses (RFC 8305).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { BlockPool } from "../block_pool.ts";
import { ConnectAttempt, ConnectAttempts, type ConnectResult } from "../connect_attempt.ts";
import { ConnectionAbortedError, ConnectionResetError, SelectorClosedError } from "../errors.ts";
import type {
  Addr,
  Clock,
  ConnectOptions,
  Listener,
  ListenOptions,
  Protocol,
  Selector,
  Timers,
  Transport,
} from "../selector.ts";
import { SystemClock } from "../system_clock.ts";
import { TimerWheel } from "../timer_wheel.ts";
import { TransportHub } from "../transport_hub.ts";
import { GatheredReads } from "./gathered_reads.ts";
import { connectError } from "./native_errors.ts";
import { type ListenerHost, NativeListener } from "./native_listener.ts";
import type { LastRead } from "./native_read.ts";
import { HandleWriter } from "./native_write.ts";
import { afterTurn } from "./native_turn.ts";
import {
  addrOf,
  makeSocket,
  NativeTransport,
  type OwnedSocket,
  peerOf,
  type ReadMode,
} from "./native_socket.ts";

/** Options of the selectors on `node:net`. */
export interface NativeOptions {
  /** The time to go by. Default: the system's. */
  readonly clock?: Clock;
  /** How accepted connections read; for tests of the fallback. Default `"shared"`. */
  readonly readMode?: ReadMode;
  /** Whether connections send by their sockets' handles, where the runtime lets them. Default true. */
  readonly writesByHandle?: boolean;
  /** Whether listeners are set going again whenever a connection closed, which Deno needs. Default false. */
  readonly relistens?: boolean;
}

/** Selector on `node:net`; see the module's text. */
export class NativeSelector implements Selector, ListenerHost {
  readonly kind: string = "native";
  readonly clock: Clock;
  readonly timers: Timers;
  /** What this selector's transports share. */
  readonly hub: TransportHub;
  /** What all its sockets read into. */
  readonly reads: GatheredReads;
  /** How accepted connections read. */
  readonly readMode: ReadMode;
  /** How its connections send. */
  readonly writer: HandleWriter | null;
  /** What its connections go by when their handles read. */
  readonly lastRead: LastRead | null;
  readonly #relistens: boolean;
  readonly #wheel: TimerWheel;
  readonly #listeners = new Set<NativeListener>();
  readonly #attempts: ConnectAttempts;
  readonly #onConnectionClosed = (): void => this.connectionClosed();
  #closing: Promise<void> | null = null;

  /** Opens the selector; it holds no descriptor before `listen` or `connect`. */
  constructor(options: NativeOptions = {}) {
    this.clock = options.clock ?? new SystemClock();
    this.readMode = options.readMode ?? "shared";
    this.writer = options.writesByHandle === false ? null : HandleWriter.open();
    this.lastRead = this.writer?.lastRead ?? null;
    this.#relistens = options.relistens ?? false;
    this.#wheel = new TimerWheel(this.clock);
    this.timers = this.#wheel;
    this.#attempts = new ConnectAttempts(this.timers);
    this.hub = new TransportHub(afterTurn, new BlockPool(allocate));
    this.reads = new GatheredReads(afterTurn, this.hub);
  }

  listen(options: ListenOptions, createProtocol: () => Protocol): Listener {
    if (this.#closing !== null) throw new SelectorClosedError("Cannot listen");
    const listener = new NativeListener(this, options, createProtocol);
    this.#listeners.add(listener);
    return listener;
  }

  connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    return this.#attempts.connect(options, createProtocol, (result) => {
      new NativeConnect(this.#attempts, options, result, this, this.#onConnectionClosed);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Part of `ListenerHost`. */
  connectionClosed(): void {
    if (!this.#relistens) return;
    for (const listener of this.#listeners) listener.goOn();
  }

  /** Part of `ListenerHost`. */
  forget(listener: NativeListener): void {
    this.#listeners.delete(listener);
  }

  async #close(): Promise<void> {
    this.#wheel.close();
    const closing = [...this.#listeners].map((listener) => listener.close());
    const reason = new SelectorClosedError("Cannot go on with the connection");
    this.#attempts.close(reason);
    await Promise.all([...closing, this.hub.abortAll(reason)]);
  }
}

/** One attempt to connect. */
class NativeConnect extends ConnectAttempt {
  readonly #host: ListenerHost;
  readonly #socket: OwnedSocket;
  readonly #onConnectionClosed: () => void;
  readonly #onError = (error: Error): void => this.fail(connectError(error, this.target));
  readonly #onClose = (): void => this.fail(new ConnectionAbortedError("it was closed while connecting"));
  readonly #onConnect = (): void => {
    this.#remoteAddr = peerOf(this.#socket, this.options);
    if (this.#remoteAddr === null) this.fail(new ConnectionResetError(`Cannot connect to ${this.target}`));
    else this.succeed();
  };
  #remoteAddr: Addr | null = null;

  constructor(
    attempts: ConnectAttempts,
    options: ConnectOptions,
    result: ConnectResult,
    host: ListenerHost,
    onConnectionClosed: () => void,
  ) {
    super(attempts, options, result);
    this.#host = host;
    this.#onConnectionClosed = onConnectionClosed;
    const socket = makeSocket(host.reads);
    this.#socket = socket;
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
    socket.on("connect", this.#onConnect);
    try {
      if (options.transport === "unix") socket.connect({ path: options.path });
      else socket.connect({ host: options.hostname, port: options.port });
    } catch (error) {
      const isWrong = error instanceof RangeError || error instanceof TypeError;
      this.fail(isWrong ? error : connectError(error, this.target));
    }
  }

  protected override abandon(): void {
    this.#letGo();
    this.#socket.on("error", () => {}); // What the socket says after it was given up changes nothing.
    this.#socket.destroy();
  }

  protected override open(protocol: Protocol): NativeTransport {
    this.#letGo();
    const socket = this.#socket;
    const path = this.options.transport === "unix" ? this.options.path : null;
    if (path === null) socket.setNoDelay(true);
    return new NativeTransport(
      this.#host,
      protocol,
      socket,
      addrOf(socket.localAddress, socket.localPort, path === null ? null : ""),
      this.#remoteAddr!,
      "shared",
      this.#onConnectionClosed,
    );
  }

  #letGo(): void {
    const socket = this.#socket;
    socket.off("error", this.#onError);
    socket.off("close", this.#onClose);
    socket.off("connect", this.#onConnect);
  }
}

/** Memory that is not cleared first, as a plain Uint8Array: views of a Buffer cost twice as much to make. */
function allocate(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}
