/**
 * A selector whose network is this process's memory: the whole contract, no sockets, and faults by a seed.
 *
 * Strategy: `listen` and `connect` meet inside one selector. It drives itself, turn by turn (see turn_queue.ts), in an
 * order that depends on nothing but the program and the seed, so a run can be had again. Deadlines go by the clock it
 * is given: with a `VirtualClock` no test waits for real time.
 *
 * What it does not have: names other than `localhost` (UnreachableError), the system's limits and permissions.
 *
 * @module
 */
import { ConnectAttempt, ConnectAttempts, type ConnectResult } from "../connect_attempt.ts";
import {
  AddressInUseError,
  AddressNotAvailableError,
  ConnectionRefusedError,
  SelectorClosedError,
  UnreachableError,
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
  TcpAddr,
  Timers,
  Transport,
} from "../selector.ts";
import { SystemClock } from "../system_clock.ts";
import { TimerWheel } from "../timer_wheel.ts";
import { TransportHub } from "../transport_hub.ts";
import { type Direction, FaultPlan } from "./fault_plan.ts";
import { MemoryListener } from "./memory_listener.ts";
import { MemoryPipe } from "./memory_pipe.ts";
import { MemoryTransport } from "./memory_transport.ts";
import { TurnQueue } from "./turn_queue.ts";

/** 64 KiB: small enough that backpressure is reached quickly, large enough for a usual message. */
const PIPE_BYTES_DEFAULT = 64 * 1024;

/** 64 KiB per read, as on the native selector. */
const READ_BYTES_MAX = 64 * 1024;

/** Where the ports that port 0 picks begin: the dynamic range of RFC 6335 §6. */
const FREE_PORT_FIRST = 49_152;

/** Highest port there is. */
const PORT_MAX = 65_535;

/** Options of a `MemorySelector`. */
export interface MemorySelectorOptions {
  /** The time to go by. Default: the system's. */
  readonly clock?: Clock;
  /** What goes wrong. Default: nothing. */
  readonly faults?: FaultPlan;
  /** Addresses that never answer, as behind a firewall that drops: connecting waits for its deadline or signal. */
  readonly silentHosts?: readonly string[];
  /** Bytes each direction of a connection takes before its writer must wait. Default 64 KiB. */
  readonly pipeBytes?: number;
}

/**
 * A selector in memory.
 *
 * @example
 * ```ts
 * import { MemorySelector } from "@sluice/kit/testing";
 *
 * await using selector = new MemorySelector();
 * console.log(selector.kind); // "memory"
 * ```
 */
export class MemorySelector implements Selector {
  readonly kind: string = "memory";
  readonly clock: Clock;
  readonly timers: Timers;
  /** What goes wrong. */
  readonly faults: FaultPlan;
  readonly #wheel: TimerWheel;
  readonly #hub: TransportHub;
  readonly #turns: TurnQueue;
  readonly #pipeBytes: number;
  readonly #silentHosts: readonly string[];
  readonly #readBuffer = new Uint8Array(READ_BYTES_MAX);
  readonly #listeners = new Map<string, MemoryListener>();
  readonly #attempts: ConnectAttempts;
  #connections = 0;
  #lastPort = FREE_PORT_FIRST - 1;
  #sends = 0;
  #closing: Promise<void> | null = null;

  /** Opens an empty network. */
  constructor(options: MemorySelectorOptions = {}) {
    const pipeBytes = options.pipeBytes ?? PIPE_BYTES_DEFAULT;
    if (!Number.isSafeInteger(pipeBytes) || pipeBytes < 1) {
      throw new RangeError(
        `Cannot make a memory selector: pipeBytes must be an integer from 1 on, not ${pipeBytes}`,
      );
    }
    this.clock = options.clock ?? new SystemClock();
    this.faults = options.faults ?? FaultPlan.none();
    this.#pipeBytes = pipeBytes;
    this.#silentHosts = options.silentHosts ?? [];
    this.#wheel = new TimerWheel(this.clock);
    this.timers = this.#wheel;
    this.#attempts = new ConnectAttempts(this.timers);
    this.#hub = new TransportHub(() => this.#turns.wantEndTurn());
    this.#turns = new TurnQueue(() => this.#hub.endTurn());
  }

  /** Sends that were made, all connections together: one per connection and turn in which it wrote. */
  get sends(): number {
    return this.#sends;
  }

  /** Turns that were run. */
  get turns(): number {
    return this.#turns.turns;
  }

  /** Resolves when nothing more will happen by itself: what remains waits for the program or the clock. */
  runUntilIdle(): Promise<void> {
    return this.#turns.runUntilIdle();
  }

  listen(options: ListenOptions, createProtocol: () => Protocol): Listener {
    if (this.#closing !== null) throw new SelectorClosedError("Cannot listen");
    if (options.transport === "fd") {
      throw new UnsupportedError(`Cannot listen on descriptor ${options.fd}`, "a network in memory has none");
    }
    const addr = options.transport === "unix"
      ? unixAddr(options.path)
      : this.#bind(options.hostname, options.port);
    const key = keyOf(addr);
    if (this.#listeners.has(key)) throw new AddressInUseError(key);
    const listener = new MemoryListener(addr, options, createProtocol, () => this.#listeners.delete(key));
    this.#listeners.set(key, listener);
    return listener;
  }

  connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    return this.#attempts.connect(options, createProtocol, (result) => {
      if (options.transport !== "unix") checkPort("connect", options.port, 1);
      const attempt = new MemoryConnect(this.#attempts, options, result, {
        find: () => this.#find(options),
        join: (listener, protocol) => this.#join(options, listener, protocol),
      });
      if (options.transport !== "unix" && this.#silentHosts.includes(options.hostname)) return;
      this.#turns.post(() => attempt.meet());
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#wheel.close();
    this.#listeners.clear();
    const reason = new SelectorClosedError("Cannot go on with the connection");
    this.#attempts.close(reason);
    await this.#hub.abortAll(reason);
    await this.#turns.runUntilIdle();
  }

  /** Makes both ends of a connection; the accepting one is opened by a dispatch of its own. */
  #join(options: ConnectOptions, listener: MemoryListener, protocol: Protocol): MemoryTransport {
    const accepted = listener.accept();
    const number = this.#connections++;
    const up = this.#pipe(number, "fromClient");
    const down = this.#pipe(number, "fromServer");
    const clientAddr: Addr = options.transport === "unix" ? unixAddr("") : this.#clientAddr();
    const serverAddr: Addr = options.transport === "unix" ? listener.addr : {
      transport: "tcp",
      hostname: ipOf(options.hostname),
      port: options.port,
    };
    const shared = {
      hub: this.#hub,
      turns: this.#turns,
      readBuffer: this.#readBuffer,
      onSend: () => this.#sends++,
    };
    const client = new MemoryTransport({
      ...shared,
      protocol,
      localAddr: clientAddr,
      remoteAddr: serverAddr,
      incoming: down,
      outgoing: up,
      onClosed: () => {},
    });
    const server = new MemoryTransport({
      ...shared,
      protocol: accepted ?? UNHEARD,
      localAddr: serverAddr,
      remoteAddr: clientAddr,
      incoming: up,
      outgoing: down,
      onClosed: () => accepted !== null && listener.dismiss(),
    });
    MemoryTransport.connect(client, server);
    this.#turns.post(() => accepted === null ? server.abort() : server.start());
    return client;
  }

  #pipe(connection: number, direction: Direction): MemoryPipe {
    return new MemoryPipe(this.#pipeBytes, this.faults.forPipe(connection, direction));
  }

  #find(options: ConnectOptions): MemoryListener {
    if (options.transport === "unix") {
      const found = this.#listeners.get(keyOf(unixAddr(options.path)));
      if (found === undefined) throw new ConnectionRefusedError(`unix:${options.path}`);
      return found;
    }
    const hostname = ipOf(options.hostname);
    const text = textOf(hostname, options.port);
    if (!isIp(hostname)) throw new UnreachableError(text, "a memory network knows no names");
    const wildcard = hostname.includes(":") ? "::" : "0.0.0.0";
    const found = this.#listeners.get(text) ?? this.#listeners.get(textOf(wildcard, options.port));
    if (found === undefined) throw new ConnectionRefusedError(text);
    return found;
  }

  #bind(hostname = "0.0.0.0", port: number): TcpAddr {
    checkPort("listen", port, 0);
    const ip = ipOf(hostname);
    if (!isIp(ip)) {
      throw new AddressNotAvailableError(
        textOf(ip, port),
        "the hostname must be an IP address, or localhost",
      );
    }
    return { transport: "tcp", hostname: ip, port: port === 0 ? this.#freePort() : port };
  }

  #clientAddr(): TcpAddr {
    return { transport: "tcp", hostname: "127.0.0.1", port: this.#freePort() };
  }

  /** The next port of the dynamic range, round and round. */
  #freePort(): number {
    this.#lastPort = this.#lastPort === PORT_MAX ? FREE_PORT_FIRST : this.#lastPort + 1;
    return this.#lastPort;
  }
}

/** What an attempt to connect needs of its network. */
interface Network {
  /** Who listens where the attempt goes; throws what `connect` rejects with when that is nobody. */
  readonly find: () => MemoryListener;
  /** Makes both ends of a connection; returns the one that connects. */
  readonly join: (listener: MemoryListener, protocol: Protocol) => MemoryTransport;
}

/** One attempt to connect. */
class MemoryConnect extends ConnectAttempt {
  readonly #network: Network;
  #listener: MemoryListener | null = null;

  constructor(attempts: ConnectAttempts, options: ConnectOptions, result: ConnectResult, network: Network) {
    super(attempts, options, result);
    this.#network = network;
  }

  /** The turn in which it arrives. */
  meet(): void {
    if (this.isOver) return;
    try {
      this.#listener = this.#network.find();
    } catch (error) {
      return this.fail(error);
    }
    this.succeed();
  }

  protected override open(protocol: Protocol): MemoryTransport {
    return this.#network.join(this.#listener!, protocol);
  }

  protected override abandon(): void {
    // Nothing is there before it is connected.
  }
}

/** Stands for the protocol of a connection that is refused. */
const UNHEARD: Protocol = {
  opened: () => {},
  received: () => {},
  ended: () => {},
  pauseWriting: () => {},
  resumeWriting: () => {},
  closed: () => {},
};

function checkPort(doing: string, port: number, min: number): void {
  if (Number.isSafeInteger(port) && port >= min && port <= PORT_MAX) return;
  throw new RangeError(
    `Cannot ${doing}: the port must be an integer from ${min} to ${PORT_MAX}, not ${port}`,
  );
}

function unixAddr(path: string): Addr {
  return { transport: "unix", path };
}

function keyOf(addr: Addr): string {
  return addr.transport === "unix" ? `unix:${addr.path}` : textOf(addr.hostname, addr.port);
}

function textOf(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function ipOf(hostname: string): string {
  return hostname === "localhost" ? "127.0.0.1" : hostname;
}

/** Whether it looks like an address: there is no system here that would refuse a wrong one. */
function isIp(hostname: string): boolean {
  return /^[0-9.]+$/.test(hostname) || hostname.includes(":");
}
