/**
 * The `native` selector of Bun, on `Bun.listen` and `Bun.connect`; native_bun_socket.ts says why on these.
 *
 * Names given to `connect` are resolved by Bun, which also tries several addresses.
 *
 * Known limit: Bun has no way to give up a connection attempt. One that is given up (by signal, deadline or `close`)
 * rejects at once, and its socket is reset as soon as it is connected; until then the system goes on trying, and the
 * process lives on, for at most the system's own time for it (about two minutes on Linux).
 *
 * @module
 */
import { BlockPool } from "../block_pool.ts";
import { ConnectAttempt, ConnectAttempts, type ConnectResult } from "../connect_attempt.ts";
import {
  ConnectionAbortedError,
  ConnectionResetError,
  SelectorClosedError,
  UnsupportedError,
} from "../errors.ts";
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
import { type BunHost, BunListener, type BunSockets } from "./native_bun_listener.ts";
import { type BunOwner, type BunSocket, BunTransport, GatherBuffer, HANDLERS } from "./native_bun_socket.ts";
import { connectError } from "./native_errors.ts";
import type { NativeOptions } from "./native_net.ts";
import { addrOf, peerOf } from "./native_socket.ts";
import { afterTurn } from "./native_turn.ts";

/**
 * Opens the selector on Bun's own sockets.
 *
 * @param options the clock to go by
 * @returns a selector that holds nothing yet
 * @throws UnsupportedError when this is not Bun
 * @example
 * ```ts ignore
 * import { openNativeBun } from "./native_bun.ts";
 *
 * await using selector = openNativeBun();
 * console.log(selector.kind);
 * ```
 */
export function openNativeBun(options: Pick<NativeOptions, "clock"> = {}): BunSelector {
  const { Bun: bun } = globalThis as unknown as { readonly Bun?: BunSockets };
  if (bun === undefined) {
    throw new UnsupportedError("Cannot open the native selector of Bun", "this runtime is not Bun");
  }
  return new BunSelector(bun, options);
}

/** Selector on Bun's sockets; see the module's text. */
export class BunSelector implements Selector, BunHost {
  readonly kind: string = "native";
  readonly clock: Clock;
  readonly timers: Timers;
  /** What this selector's transports share. */
  readonly hub: TransportHub;
  /** Where its transports put together what goes out in one send. */
  readonly gather: GatherBuffer = new GatherBuffer();
  readonly #bun: BunSockets;
  readonly #wheel: TimerWheel;
  readonly #listeners = new Set<BunListener>();
  readonly #attempts: ConnectAttempts;
  #closing: Promise<void> | null = null;

  /** Opens the selector; it holds no descriptor before `listen` or `connect`. */
  constructor(bun: BunSockets, options: Pick<NativeOptions, "clock"> = {}) {
    this.#bun = bun;
    this.clock = options.clock ?? new SystemClock();
    this.#wheel = new TimerWheel(this.clock);
    this.timers = this.#wheel;
    this.#attempts = new ConnectAttempts(this.timers);
    this.hub = new TransportHub(afterTurn, new BlockPool());
  }

  listen(options: ListenOptions, createProtocol: () => Protocol): Listener {
    if (this.#closing !== null) throw new SelectorClosedError("Cannot listen");
    const listener = new BunListener(this.#bun, this, options, createProtocol);
    this.#listeners.add(listener);
    return listener;
  }

  connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    return this.#attempts.connect(options, createProtocol, (result) => {
      new BunConnect(this.#attempts, options, result, this, this.#bun);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Part of `BunHost`. */
  forget(listener: BunListener): void {
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
class BunConnect extends ConnectAttempt implements BunOwner {
  readonly #host: BunHost;
  #socket: BunSocket | null = null;
  #remoteAddr: Addr | null = null;

  constructor(
    attempts: ConnectAttempts,
    options: ConnectOptions,
    result: ConnectResult,
    host: BunHost,
    bun: BunSockets,
  ) {
    super(attempts, options, result);
    this.#host = host;
    const target = options.transport === "unix"
      ? { unix: options.path }
      : { hostname: options.hostname, port: options.port };
    const failed = (error: unknown): void => {
      const isWrong = error instanceof RangeError || error instanceof TypeError;
      this.fail(isWrong ? error : connectError(error, this.target));
    };
    const socket = { ...HANDLERS, connectError: (_socket: unknown, error: unknown): void => failed(error) };
    try {
      bun.connect({ ...target, data: this, socket, allowHalfOpen: true }).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  takeOpen(socket: BunSocket): void {
    if (this.isOver) return socket.terminate();
    this.#socket = socket;
    this.#remoteAddr = peerOf(socket, this.options);
    if (this.#remoteAddr === null) this.fail(new ConnectionResetError(`Cannot connect to ${this.target}`));
    else this.succeed();
  }

  takeClose(): void {
    this.fail(new ConnectionAbortedError("it was closed while connecting"));
  }

  // Nothing else is told before the transport is there.
  takeRead(): void {}
  takeEnd(): void {}
  takeDrain(): void {}

  protected override abandon(): void {
    this.#socket?.terminate();
  }

  protected override open(protocol: Protocol): BunTransport {
    const { hub, gather } = this.#host;
    const socket = this.#socket!;
    const ownPath = this.options.transport === "unix" ? "" : null;
    const localAddr = addrOf(socket.localAddress, socket.localPort, ownPath);
    return new BunTransport(hub, protocol, socket, localAddr, this.#remoteAddr!, gather, null);
  }
}
