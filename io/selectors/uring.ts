/**
 * The `uring` selector: io_uring from TypeScript, one system call for a whole batch.
 *
 * Made of: uring_ring.ts (submitting and completing), uring_arena.ts and uring_pool.ts (memory to send from),
 * uring_buffers.ts (memory to receive into), uring_transport.ts (one connection, and who owns which memory when),
 * uring_listener.ts, uring_connector.ts, waiting_loop.ts (when to look), uring_parking.ts (how to sleep). This file opens and
 * closes it all.
 *
 * A turn: completions are dispatched, the microtasks they caused run, then transports are flushed, and everything that was
 * prepared on the way is submitted by one system call, which also brings what completed meanwhile.
 *
 * Bounds: `COMPLETIONS_MAX` completions a turn; entries, completions and receive buffers by their rings; memory to send from
 * by the arena; connections by their listeners.
 *
 * Note on permissions: sockets made through FFI are not asked for `--allow-net`; who permits all of FFI permits everything.
 *
 * @module
 */
import { ConnectAttempts } from "../connect_attempt.ts";
import { type ContractError, SelectorClosedError, UnsupportedError } from "../errors.ts";
import { type Libc, type LibcOptions, probeLibc } from "../ffi/libc.ts";
import type { Probe } from "../ffi/load.ts";
import { LibcKernel, type UringKernel } from "../ffi/uring_kernel.ts";
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
import { DirectReader } from "./direct_read.ts";
import { DirectSender } from "./direct_send.ts";
import { openListening } from "./listening_socket.ts";
import { checkListenOptions } from "./native_listen_options.ts";
import { type ResolveHost, resolveHost } from "./native_resolve.ts";
import { FRAME_BYTES, PinnedArena } from "./uring_arena.ts";
import { type ReceiveBufferOptions, ReceiveBuffers } from "./uring_buffers.ts";
import { type UringConnectHost, UringConnector } from "./uring_connector.ts";
import { dispatchBacklog, SlotTable, type UringReader } from "./uring_host.ts";
import { UringListener, type UringListenerHost } from "./uring_listener.ts";
import { MESSAGES_BYTES, UringMessages } from "./uring_messages.ts";
import { probeRingParking, type RingParking, type RingParkingWay } from "./uring_parking.ts";
import { PinnedPool } from "./uring_pool.ts";
import { Ring, type RingOptions } from "./uring_ring.ts";
import { type EventSource, WaitingLoop } from "./waiting_loop.ts";

/** 256 MiB of addresses: what 16,384 connections write in one turn. Pages exist only for what is used. */
const ARENA_BYTES_DEFAULT = 256 * 1024 * 1024;

/** 512 KiB: message headers, and something to write to. */
const ARENA_BYTES_MIN = 512 * 1024;

/** 1,024 completions: some milliseconds of handlers at most, before what they wrote goes out. */
const COMPLETIONS_MAX = 1024;

/** As many while the runtime has work of its own: two requests, each of which is received and sent. */
const SHARED_COMPLETIONS_MAX = 4;

/** Options of the selector on io_uring; sizes for tests and for machines with little memory. */
export interface UringOptions extends LibcOptions {
  /** The time to go by. Default: the system's. */
  readonly clock?: Clock;
  /** Gives the addresses of a name; for tests. Default: the runtime's resolver. */
  readonly resolveHost?: ResolveHost;
  /** Places in the rings. */
  readonly ring?: RingOptions;
  /** Buffers to receive into. */
  readonly buffers?: ReceiveBufferOptions;
  /** Bytes of memory to send from; a multiple of 64 KiB, at least 512 KiB. Default 256 MiB, of which only what is used exists. */
  readonly arenaBytes?: number;
  /** Whether memory the kernel works on is guarded; for tests. Default false. */
  readonly isGuarded?: boolean;
  /** Wraps the kernel; for tests. */
  readonly wrapKernel?: (kernel: UringKernel) => UringKernel;
  /** How to sleep; for tests and measurements. Default: the first of all ways that works. */
  readonly ways?: readonly RingParkingWay[];
  /** How long one go of the loop may take, milliseconds; for tests and measurements. */
  readonly goMs?: number;
}

/** What is held now; for tests and metrics. */
export interface UringStats {
  /** Owners of entries: listeners, connections, attempts to connect. */
  readonly slots: number;
  /** Bytes of memory to send from that are in use. */
  readonly arenaBytes: number;
  /** Shared chunks in pinned memory. */
  readonly pinnedChunks: number;
  /** System calls that submitted, since the start. */
  readonly submits: number;
  /** How often the kernel had more completions than places, since the start. */
  readonly overflows: number;
}

/** What a selector is made of. */
interface UringParts {
  readonly libc: Libc;
  readonly kernel: UringKernel;
  readonly ring: Ring;
  readonly arena: PinnedArena;
  readonly buffers: ReceiveBuffers;
  readonly parking: RingParking;
  /** Says what the parking calls. */
  readonly setOnReady: (onReady: () => void) => void;
}

/** Selector on io_uring; see the module's text. */
export class UringSelector implements Selector, UringListenerHost, UringConnectHost, EventSource {
  readonly kind: string = "uring";
  readonly clock: Clock;
  readonly timers: Timers;
  /** libc. */
  readonly libc: Libc;
  /** When it looks for completions. */
  readonly loop: WaitingLoop;
  /** Where entries go in and completions come out. */
  readonly ring: Ring;
  /** What its transports share. */
  readonly hub: TransportHub;
  /** Memory to send from. */
  readonly arena: PinnedArena;
  /** The same in blocks. */
  readonly pool: PinnedPool;
  /** Memory to receive into. */
  readonly buffers: ReceiveBuffers;
  /** Where message headers lie until they are submitted. */
  readonly messages: UringMessages;
  /** Reads for who receives much. */
  readonly reader: DirectReader;
  /** Sends what lies elsewhere. */
  readonly sender: DirectSender;
  /** Who completions belong to. */
  readonly slots: SlotTable = new SlotTable();
  /** Attempts to connect. */
  readonly attempts: ConnectAttempts;
  /** Gives the addresses of a name. */
  readonly resolveHost: ResolveHost;
  readonly #kernel: UringKernel;
  readonly #parking: RingParking;
  readonly #wheel: TimerWheel;
  readonly #listeners = new Set<UringListener>();
  #settling: UringReader[] = [];
  #closing: Promise<void> | null = null;
  #onEmpty: (() => void) | null = null;

  /** @param parts what `probeUring` made */
  constructor(parts: UringParts, options: UringOptions) {
    this.#kernel = parts.kernel;
    this.libc = parts.libc;
    this.ring = parts.ring;
    this.arena = parts.arena;
    this.buffers = parts.buffers;
    this.messages = new UringMessages(parts.arena, parts.ring, parts.arena.allocate(MESSAGES_BYTES)!);
    this.reader = new DirectReader(parts.libc);
    this.sender = new DirectSender(parts.libc);
    this.pool = new PinnedPool(parts.arena, options.isGuarded !== true);
    this.clock = options.clock ?? new SystemClock();
    this.#wheel = new TimerWheel(this.clock);
    this.timers = this.#wheel;
    this.attempts = new ConnectAttempts(this.timers);
    this.resolveHost = options.resolveHost ?? resolveHost;
    this.#parking = parts.parking;
    const { goMs } = options;
    this.loop = new WaitingLoop({
      source: this,
      park: (onReady) => (parts.setOnReady(onReady), parts.parking),
      now: () => performance.now(), // Not the clock: a go is about this thread's time, in tests as well.
      ...(goMs === undefined ? {} : { goMs }),
    });
    this.hub = new TransportHub((run) => this.loop.afterTurn(run), this.pool);
  }

  /** How it sleeps, for logs. */
  get how(): string {
    return this.loop.how;
  }

  /** What is held now. */
  get stats(): UringStats {
    return {
      slots: this.slots.size,
      arenaBytes: this.arena.usedBytes,
      pinnedChunks: this.pool.pinnedCount,
      submits: this.ring.submits,
      overflows: this.ring.overflows,
    };
  }

  /** Breaches that guard mode has found. */
  get breaches(): readonly ContractError[] {
    return [...this.arena.breaches, ...this.buffers.breaches];
  }

  listen(options: ListenOptions, createProtocol: () => Protocol): Listener {
    if (this.#closing !== null) throw new SelectorClosedError("Cannot listen");
    const socket = openListening(this.libc, checkListenOptions(options), true);
    const listener = new UringListener(this, socket, createProtocol);
    this.#listeners.add(listener);
    return listener;
  }

  connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    return this.attempts.connect(options, createProtocol, (result) => {
      new UringConnector(this, options, result);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- UringHost -------------------------------------------------------------------------------------------------

  settleLater(reader: UringReader): void {
    this.#settling.push(reader);
    this.loop.openTurn();
  }

  descriptorClosed(): void {
    for (const listener of this.#listeners) listener.goOn();
  }

  forget(listener: UringListener): void {
    this.#listeners.delete(listener);
  }

  // ---- EventSource -----------------------------------------------------------------------------------------------

  get isReady(): boolean {
    return this.ring.isReady;
  }

  dispatch(isShared: boolean): number {
    const { ring } = this;
    this.#parking.disarm();
    this.reader.openTurn();
    if (ring.isWorkDeferred) ring.submit();
    if (!ring.take(isShared ? SHARED_COMPLETIONS_MAX : COMPLETIONS_MAX)) return 0;
    const count = dispatchBacklog(ring, this.slots);
    this.buffers.publish();
    return count;
  }

  flush(): void {
    if (this.#settling.length > 0) {
      const settling = this.#settling;
      this.#settling = [];
      for (const reader of settling) reader.settleReading();
    }
    if (this.ring.isPending) {
      this.#parking.disarm(); // What completes at once is looked for at once: nobody need be woken for it.
      this.ring.submit();
    }
    if (this.#onEmpty !== null && this.slots.size === 0) this.#onEmpty();
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  async #close(): Promise<void> {
    this.#wheel.close();
    const reason = new SelectorClosedError("Cannot go on with the connection");
    this.attempts.close(reason);
    const closing = [...this.#listeners].map((listener) => listener.close());
    await Promise.all([...closing, this.hub.abortAll(reason)]);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      this.loop.openTurn();
    });
    await this.loop.close();
    this.pool.clear();
    this.buffers.close();
    this.arena.discard();
    this.ring.unmap();
    this.#kernel.close(this.ring.descriptor);
    this.libc.close();
  }
}

/**
 * Opens the selector on io_uring, if this process may.
 *
 * @param options the clock to go by, and sizes
 * @returns a selector that holds a ring, an eventfd and their memory; or one clause that says what is missing
 * @throws RangeError for sizes that make no sense
 * @example
 * ```ts
 * import { probeUring } from "./uring.ts";
 *
 * const { found: selector, refusal } = probeUring();
 * console.log(selector?.kind ?? `no io_uring here: ${refusal}`);
 * await selector?.close();
 * ```
 */
export function probeUring(options: UringOptions = {}): Probe<UringSelector> {
  const { arenaBytes = ARENA_BYTES_DEFAULT } = options;
  if (!Number.isSafeInteger(arenaBytes / FRAME_BYTES) || arenaBytes < ARENA_BYTES_MIN) {
    throw new RangeError(
      `Cannot send from ${arenaBytes} bytes: it must be a multiple of 65,536, from ${ARENA_BYTES_MIN} on`,
    );
  }
  const libc = probeLibc(options);
  if (libc.found === null) return libc;
  const undo: (() => void)[] = [() => libc.found.close()];
  try {
    const parts = makeParts(libc.found, arenaBytes, options, undo);
    return { found: new UringSelector(parts, options), refusal: null };
  } catch (error) {
    for (const step of undo.reverse()) step();
    if (error instanceof UnsupportedError) {
      return { found: null, refusal: error.message.replace(/^Cannot use io_uring: /, "") };
    }
    throw error;
  }
}

/** Makes the parts; what must be undone if a later one cannot be made goes to `undo`. */
function makeParts(
  libc: Libc,
  arenaBytes: number,
  options: UringOptions,
  undo: (() => void)[],
): UringParts {
  const refuse = (why: string) => new UnsupportedError("Cannot use io_uring", why);
  if (!libc.library.canView) {
    throw refuse("rings need permission for all of FFI (run with --allow-ffi, without a path)");
  }
  const real = new LibcKernel(libc);
  const kernel = options.wrapKernel?.(real) ?? real;
  const ring = Ring.open(kernel, options.ring);
  undo.push(() => {
    ring.unmap();
    kernel.close(ring.descriptor);
  });
  const address = kernel.reserve(arenaBytes);
  if (address < 0) throw refuse(`there is no memory to send from (error ${-address})`);
  undo.push(() => kernel.unmap(address, arenaBytes));
  const isGuarded = options.isGuarded ?? false;
  const arena = new PinnedArena(kernel, address, { bytes: arenaBytes, isGuarded });
  const buffers = new ReceiveBuffers(kernel, ring.descriptor, { isGuarded, ...options.buffers });
  undo.push(() => buffers.close());
  let onReady = (): void => {};
  const parking = probeRingParking(libc, ring, () => onReady(), options.ways);
  if (parking.found === null) throw refuse(parking.refusal);
  const setOnReady = (run: () => void): void => void (onReady = run);
  return { libc, kernel, ring, arena, buffers, parking: parking.found, setOnReady };
}

/**
 * As `probeUring`, for who must have it.
 *
 * @param options the clock to go by, and sizes
 * @throws UnsupportedError with what is missing; RangeError for sizes that make no sense
 */
export function openUring(options: UringOptions = {}): UringSelector {
  const { found, refusal } = probeUring(options);
  if (found === null) throw new UnsupportedError('Cannot open the selector "uring"', refusal);
  return found;
}
