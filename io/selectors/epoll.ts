/**
 * The selector on sockets of our own, waited for by `epoll` through FFI: for Linux, on Deno and Bun.
 *
 * Why: with own descriptors accepting has a budget and says what it was refused, a reset is a reset on every runtime, and
 * the batches of one thread are its own. It needs permission for one library by its path, and none for all of FFI.
 *
 * Made of: epoll_set.ts (which descriptors are ready), waiting_loop.ts (when to look), epoll_transport.ts (one connection),
 * epoll_listener.ts (accepting), epoll_connect.ts (connecting).
 *
 * Note on permissions: sockets made through FFI are not asked for `--allow-net`; who permits libc permits its sockets.
 *
 * @module
 */
import { ConnectAttempts } from "../connect_attempt.ts";
import { SelectorClosedError, UnsupportedError } from "../errors.ts";
import { type LibcOptions, probeLibc } from "../ffi/libc.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Probe } from "../ffi/load.ts";
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
import { EpollConnect, type EpollConnectHost } from "./epoll_connect.ts";
import { EpollListener, type EpollListenerHost } from "./epoll_listener.ts";
import { type Pollable, SharedBuffers } from "./epoll_transport.ts";
import { type ResolveHost, resolveHost } from "./native_resolve.ts";
import { type Parking, type ParkingWay, probeParking } from "./parking.ts";
import { EpollSet, EVENTS_MAX } from "./epoll_set.ts";
import { type EventSource, WaitingLoop } from "./waiting_loop.ts";

/** Events of a batch while the runtime has work of its own: two requests. */
const SHARED_EVENTS_MAX = 2;

/** Options of the selector on epoll. */
export interface EpollOptions extends LibcOptions {
  /** The time to go by. Default: the system's. */
  readonly clock?: Clock;
  /** How to sleep; for tests and measurements. Default: the first of all ways that works. */
  readonly ways?: readonly ParkingWay[];
  /** Gives the addresses of names; for tests. Default: the runtime does. */
  readonly resolveHost?: ResolveHost;
  /** How long one go of the loop may take, milliseconds; for tests and measurements. */
  readonly goMs?: number;
}

/**
 * Opens the selector on epoll, if this process may.
 *
 * @param options the clock to go by
 * @returns the selector, or one clause that says what is missing
 * @example
 * ```ts
 * import { probeEpoll } from "./epoll.ts";
 *
 * const { found: selector, refusal } = probeEpoll();
 * console.log(selector?.kind ?? `no epoll here: ${refusal}`);
 * await selector?.close();
 * ```
 */
export function probeEpoll(options: EpollOptions = {}): Probe<EpollSelector> {
  const libc = probeLibc(options);
  if (libc.found === null) return libc;
  const poll = EpollSet.probe<Pollable>(libc.found);
  if (poll.found === null) {
    libc.found.close();
    return poll;
  }
  const made = EpollSelector.probe(libc.found, poll.found, options);
  if (made.found === null) {
    poll.found.close();
    libc.found.close();
  }
  return made;
}

/** Selector on epoll; see the module's text. */
export class EpollSelector implements Selector, EpollListenerHost, EpollConnectHost, EventSource {
  readonly kind: string = "epoll";
  readonly clock: Clock;
  readonly timers: Timers;
  /** libc. */
  readonly libc: Libc;
  /** When it looks for events. */
  readonly loop: WaitingLoop;
  /** Which descriptors are ready. */
  readonly poll: EpollSet<Pollable>;
  /** What its transports share. */
  readonly hub: TransportHub;
  /** What its sockets share. */
  readonly buffers: SharedBuffers;
  /** Gives the addresses of names. */
  readonly resolveHost: ResolveHost;
  /** Attempts to connect. */
  readonly attempts: ConnectAttempts;
  readonly #wheel: TimerWheel;
  readonly #listeners = new Set<EpollListener>();
  readonly #visit = (pollable: Pollable, events: number): void => pollable.onEvents(events);
  #closing: Promise<void> | null = null;

  private constructor(
    libc: Libc,
    poll: EpollSet<Pollable>,
    options: EpollOptions,
    park: (onReady: () => void) => Parking,
  ) {
    this.libc = libc;
    this.poll = poll;
    this.clock = options.clock ?? new SystemClock();
    this.#wheel = new TimerWheel(this.clock);
    this.timers = this.#wheel;
    this.attempts = new ConnectAttempts(this.timers);
    this.buffers = new SharedBuffers(libc);
    this.resolveHost = options.resolveHost ?? resolveHost;
    const now = (): number => performance.now(); // Not the clock: a go is about this thread's time, in tests as well.
    const { goMs } = options;
    this.loop = new WaitingLoop({ source: this, park, now, ...(goMs === undefined ? {} : { goMs }) });
    this.hub = new TransportHub((run) => this.loop.afterTurn(run));
  }

  /** As `probeEpoll`, on a poll set that is there. */
  static probe(libc: Libc, poll: EpollSet<Pollable>, options: EpollOptions): Probe<EpollSelector> {
    let wake = (): void => {};
    const parking = probeParking(libc, poll.fd, () => wake(), options.ways);
    if (parking.found === null) return parking;
    const selector = new EpollSelector(libc, poll, options, (onReady) => {
      wake = onReady;
      return parking.found;
    });
    return { found: selector, refusal: null };
  }

  /** How it sleeps, for logs. */
  get how(): string {
    return this.loop.how;
  }

  listen(options: ListenOptions, createProtocol: () => Protocol): Listener {
    if (this.#closing !== null) throw new SelectorClosedError("Cannot listen");
    const listener = new EpollListener(this, options, createProtocol);
    this.#listeners.add(listener);
    return listener;
  }

  connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    return this.attempts.connect(options, createProtocol, (result) => {
      new EpollConnect(this, options, result);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Part of `EventSource`. */
  dispatch(isShared: boolean): number {
    this.buffers.reader.openTurn();
    return this.poll.dispatch(this.#visit, 0, isShared ? SHARED_EVENTS_MAX : EVENTS_MAX);
  }

  /** Part of `EventSource`: every call reached the kernel at once. */
  flush(): void {}

  /** Part of `EpollHost`. */
  descriptorFreed(): void {
    for (const listener of this.#listeners) listener.goOn();
  }

  /** Part of `EpollListenerHost`. */
  forget(listener: EpollListener): void {
    this.#listeners.delete(listener);
  }

  async #close(): Promise<void> {
    this.#wheel.close();
    for (const listener of [...this.#listeners]) void listener.close();
    const reason = new SelectorClosedError("Cannot go on with the connection");
    this.attempts.close(reason);
    await this.hub.abortAll(reason);
    await this.loop.close();
    this.poll.close();
    this.libc.close();
  }
}

/**
 * As `probeEpoll`, for who must have it.
 *
 * @param options the clock to go by
 * @throws UnsupportedError with what is missing
 */
export function openEpoll(options: EpollOptions = {}): EpollSelector {
  const { found, refusal } = probeEpoll(options);
  if (found === null) throw new UnsupportedError('Cannot open the selector "epoll"', refusal);
  return found;
}
