/**
 * The selector on the runtime's own sockets, through `node:net`, as far as Deno and Node are alike.
 *
 * Names given to `connect` are resolved by the runtime, which also tries several addresses (RFC 8305).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { BlockPool } from "../block_pool.ts";
import { ConnectionAbortedError, DeadlineExceededError, SelectorClosedError } from "../errors.ts";
import type {
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
import { addrOf, makeSocket, NativeTransport, type ReadMode } from "./native_socket.ts";

/** 10 s: longer than two retransmissions of a lost SYN (after 1 s and 3 s; RFC 6298 §2.1, §5.5). */
export const CONNECT_TIMEOUT_DEFAULT_MS = 10_000;

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

/** A connection attempt that can be given up. */
interface Attempt {
  fail(reason: unknown): void;
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
  readonly #attempts = new Set<Attempt>();
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
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      if (this.#closing !== null) throw new SelectorClosedError("Cannot connect");
      this.#attempt(options, createProtocol, resolve, reject);
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
    for (const attempt of [...this.#attempts]) attempt.fail(reason);
    await Promise.all([...closing, this.hub.abortAll(reason)]);
  }

  #attempt(
    options: ConnectOptions,
    createProtocol: () => Protocol,
    resolve: (transport: Transport) => void,
    reject: (reason: unknown) => void,
  ): void {
    const { signal, timeoutMs = CONNECT_TIMEOUT_DEFAULT_MS } = options;
    const path = options.transport === "unix" ? options.path : null;
    const text = describeTarget(options);
    const socket = makeSocket(this.reads);
    const finish = (): void => {
      this.#attempts.delete(attempt);
      deadline?.cancel();
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      socket.off("close", onClose);
      socket.off("connect", onConnect);
    };
    const fail = (reason: unknown): void => {
      finish();
      socket.on("error", () => {}); // What the socket says after it was given up changes nothing.
      socket.destroy();
      reject(reason);
    };
    const attempt: Attempt = { fail };
    const onAbort = (): void => fail(signal!.reason);
    const onError = (error: Error): void => fail(connectError(error, text));
    const onClose = (): void => fail(new ConnectionAbortedError("it was closed while connecting"));
    const onConnect = (): void => {
      let protocol: Protocol;
      try {
        protocol = createProtocol();
      } catch (error) {
        return fail(error);
      }
      finish();
      if (path === null) socket.setNoDelay(true);
      const transport = new NativeTransport(
        this,
        protocol,
        socket,
        addrOf(socket.localAddress, socket.localPort, path === null ? null : ""),
        addrOf(socket.remoteAddress, socket.remotePort, path),
        "shared",
        this.#onConnectionClosed,
      );
      transport.start();
      resolve(transport);
    };
    const deadline = timeoutMs === null
      ? null
      : this.timers.after(timeoutMs, () =>
        fail(new DeadlineExceededError(`Cannot connect to ${text}`, timeoutMs)));
    this.#attempts.add(attempt);
    signal?.addEventListener("abort", onAbort);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.on("connect", onConnect);
    try {
      if (options.transport === "unix") socket.connect({ path: options.path });
      else socket.connect({ host: options.hostname, port: options.port });
    } catch (error) {
      fail(error instanceof RangeError || error instanceof TypeError ? error : connectError(error, text));
    }
  }
}

/** Memory that is not cleared first, as a plain Uint8Array: views of a Buffer cost twice as much to make. */
function allocate(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}

/** The address that `options` ask for, for messages. */
export function describeTarget(options: ConnectOptions): string {
  if (options.transport === "unix") return `unix:${options.path}`;
  const { hostname, port } = options;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
