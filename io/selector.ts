/**
 * The contracts of the io layer: what waits (Selector), one connection's bytes (Transport), who receives them
 * (Protocol), what accepts (Listener) and what tells the time (Clock, Timers). Types only.
 *
 * The words and their meaning are asyncio's (Lib/asyncio/protocols.py, transports.py), in camelCase.
 *
 * ## Call grammar of a Protocol
 *
 * ```text
 * opened → received* → ended? → closed
 * ```
 *
 * with `pauseWriting` / `resumeWriting`, strictly alternating and starting with `pauseWriting`, anywhere between
 * `opened` and `closed`.
 *
 * - `closed` comes exactly once for every `opened`, whatever happened, and nothing comes after it.
 * - No method is called from inside another method of the same protocol, nor from inside a call the protocol makes
 *   on its transport: calls are delivered from the selector's dispatch only. There are two exceptions, both because
 *   asking is synchronous: `pauseWriting` may come from inside `write*` and `setWriteLimits`, and
 *   `resumeWriting` from inside `setWriteLimits`.
 * - While reading is paused neither `received` nor `ended` is delivered.
 * - A protocol method that throws aborts its own connection (`closed` gets the error) and nothing else.
 *
 * ## Turns and sends
 *
 * A *turn* is one dispatch of the selector together with the microtasks it caused. Bytes written during a turn
 * reach the kernel when it ends, all those of one connection in one send ("cork by default").
 *
 * @module
 */
import type { SharedChunk } from "./shared_chunk.ts";

/** Address of a TCP endpoint; the same shape as `Deno.NetAddr` for TCP. */
export interface TcpAddr {
  /** Always `"tcp"`. */
  readonly transport: "tcp";
  /** IPv4 or IPv6 address in text form, without brackets. */
  readonly hostname: string;
  /** Port, 1 to 65535. */
  readonly port: number;
}

/** Address of a Unix domain socket; the same shape as `Deno.UnixAddr`. */
export interface UnixAddr {
  /** Always `"unix"`. */
  readonly transport: "unix";
  /** File system path; empty for the unnamed end of a connection. */
  readonly path: string;
}

/** Where a transport or listener is bound, or whom it talks to. */
export type Addr = TcpAddr | UnixAddr;

/** Who receives one connection's bytes. See the module's text for the call grammar. */
export interface Protocol {
  /** The connection is made. `transport` may be written to at once. */
  opened(transport: Transport): void;
  /** Bytes came, at least one. They are on loan until the call returns: whatever is kept must be copied. */
  received(bytes: Uint8Array): void;
  /**
   * The peer sent its FIN: nothing more will be received. Returning `true` keeps the write side open
   * (half-close); otherwise the transport closes itself once its buffer is sent.
   */
  ended(): boolean | void;
  /** The write buffer rose above the high-water mark: stop writing until `resumeWriting`. */
  pauseWriting(): void;
  /** The write buffer fell to the low-water mark or below. */
  resumeWriting(): void;
  /** The connection is gone; `null` after an orderly close, else the reason. Comes exactly once. */
  closed(reason: Error | null): void;
}

/** Marks between which writing is paused and resumed, bytes. */
export interface WriteLimits {
  /** Above this many buffered bytes `pauseWriting` is called. Default 64 KiB. */
  readonly highBytes: number;
  /** At or below this many `resumeWriting` is called. Default a quarter of `highBytes`. */
  readonly lowBytes: number;
}

/** One connection's bytes. Every method returns at once and none of them throws for what the peer did. */
export interface Transport {
  /** Number unique within the selector, for logs and maps. */
  readonly id: number;
  /** Own address. */
  readonly localAddr: Addr;
  /** The peer's address. */
  readonly remoteAddr: Addr;
  /**
   * Copies `bytes` into the write buffer. Dropped without a word when the transport is closing or lost
   * (`closed` tells); throws `WriteAfterEndError` after the caller's own `closeWrite()`.
   */
  write(bytes: Uint8Array): void;
  /** Writes `text` as UTF-8, encoding it straight into the write buffer; else like `write`. */
  writeText(text: string): void;
  /** Writes a string of code units 0 to 255 as one byte each (protocol heads); a higher one is a `RangeError`; else like `write`. */
  writeLatin1(text: string): void;
  /**
   * Writes an immutable chunk without copying it, in order with the other writes. The transport retains the
   * chunk and releases it when its bytes are with the kernel or the connection is lost.
   */
  writeShared(chunk: SharedChunk): void;
  /** Bytes accepted by `write*` which the kernel has not taken yet; in `closed`, those that were lost; 0 after it, and after `abort`. */
  readonly bufferedBytes: number;
  /**
   * Bytes that the peer's system has confirmed so far, which is told by how much room its program makes there; 0 where nobody tells:
   * of TCP connections the selectors on descriptors know, the runtimes' own sockets do not. Costs a system call.
   */
  readonly confirmedBytes: number;
  /** Sets the water marks; `RangeError` unless `0 <= lowBytes <= highBytes`. `lowBytes` defaults to a quarter. */
  setWriteLimits(limits: { readonly highBytes: number; readonly lowBytes?: number }): void;
  /** Stops delivery of `received` and `ended` and, after what is in flight, stops taking bytes from the kernel. Idempotent. */
  pauseReading(): void;
  /** Undoes `pauseReading`. Idempotent; delivery never happens inside the call. */
  resumeReading(): void;
  /** Whether reading is on. */
  readonly isReading: boolean;
  /** Sends FIN after everything written so far; the read side stays open. Idempotent. */
  closeWrite(): void;
  /**
   * Closes in order: no more is received, what was written is sent, then `closed(null)`. Idempotent. With a peer
   * that never reads this waits for ever: bound it by a deadline and `abort`.
   */
  close(): void;
  /**
   * Closes at once and drops what is buffered; the peer sees a reset (RST) where the runtime can send one, so that no
   * peer takes what it has for complete. `closed(reason ?? ConnectionAbortedError)` follows from a later dispatch.
   */
  abort(reason?: Error): void;
  /** Whether `close` or `abort` was called or the connection is lost. */
  readonly isClosing: boolean;
  /** Hands the connection to another protocol (`opened` is not called on it). Later events go to it only. */
  setProtocol(protocol: Protocol): void;
}

/** Where to listen: on a TCP port, on a Unix socket path, or with a socket that listens already. */
export type ListenTarget =
  | {
    readonly transport?: "tcp";
    /** Address to bind; default `"0.0.0.0"`. A name is refused: binding resolves nothing. `"localhost"` means 127.0.0.1. */
    readonly hostname?: string;
    /** Port, 0 to 65535; 0 picks a free one. */
    readonly port: number;
    /** Shares the port with other listeners that say so too (`SO_REUSEPORT`), where the system has it. Default false. */
    readonly reusePort?: boolean;
  }
  | {
    readonly transport: "unix";
    /** Path to create. It must not exist: a stale one is the caller's to remove. */
    readonly path: string;
  }
  | {
    readonly transport: "fd";
    /**
     * Descriptor of a socket that listens already, handed over by the parent: systemd's socket activation begins at 3
     * (sd_listen_fds(3)). Not for the native selector of Bun; it can be taken once, and belongs to the listener then.
     */
    readonly fd: number;
  };

/** Options of `Selector.listen`. */
export type ListenOptions = ListenTarget & {
  /** Length of the kernel's queue of connections not yet accepted. Default 511. */
  readonly backlog?: number;
  /** Connections open at once; one above it is closed on arrival and counted. Default 16,384. */
  readonly connectionsMax?: number;
};

/** Where to connect to and how long to try. */
export type ConnectOptions =
  & (
    | { readonly transport?: "tcp"; readonly hostname: string; readonly port: number }
    | { readonly transport: "unix"; readonly path: string }
  )
  & {
    /** Gives up when aborted; the promise rejects with the signal's reason. */
    readonly signal?: AbortSignal;
    /**
     * Gives up after this many milliseconds with `DeadlineExceededError`. Default 10,000; `null` for never. Of a name with several
     * addresses each gets its share of the time, so that one that does not answer does not cost the others their turn
     * (`connect_attempt.ts`; `native` leaves that to the runtime).
     */
    readonly timeoutMs?: number | null;
  };

/** Counters of a listener, monotonic except `open`. */
export interface ListenerStats {
  /** Connections given to a protocol. */
  readonly accepted: number;
  /** Connections closed on arrival because `connectionsMax` was reached. */
  readonly refused: number;
  /** Connections open now. */
  readonly open: number;
  /** Times the system would not give a connection (out of descriptors and the like). */
  readonly acceptErrors: number;
}

/** What accepts connections. */
export interface Listener {
  /** Where it listens, with the port that was picked. */
  readonly addr: Addr;
  /** Counters; a live view. */
  readonly stats: ListenerStats;
  /** Stops accepting; open connections go on. Resolves when the socket is closed. Idempotent. */
  close(): Promise<void>;
  /** Lets the process live while listening (the default). */
  ref(): void;
  /** Lets the process exit although it listens. */
  unref(): void;
}

/** A deadline that was armed; see `Timers`. */
export interface Timer {
  /** Arms it again, `delayMs` from now, whether it had fired or not. Costs a comparison and a store in the usual case. */
  reset(delayMs: number): void;
  /** Disarms it; the callback will not run. Idempotent. */
  cancel(): void;
  /** Whether it is armed. */
  readonly isArmed: boolean;
}

/** Many deadlines on one runtime timer. Never early; late by at most the wheel's resolution plus the loop's lag. */
export interface Timers {
  /** Runs `callback` once, `delayMs` (≥ 0, finite) from now. */
  after(delayMs: number, callback: () => void): Timer;
  /** A disarmed timer to `reset()` later: for deadlines that are armed again and again. */
  idle(callback: () => void): Timer;
}

/** Monotonic time and one-shot wake-ups; replaced by a virtual clock in tests. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back, may have a fraction. */
  now(): number;
  /** Wall time, milliseconds since the Unix epoch (for `Date` headers and ids only). */
  wallMs(): number;
  /** Wakes up once after `delayMs`; returns what `clearWake` takes. */
  setWake(delayMs: number, callback: () => void): unknown;
  /** Cancels a wake-up. */
  clearWake(wake: unknown): void;
}

/** The thing that waits: owns the event queue, dispatches to protocols. One per thread. */
export interface Selector {
  /** Which way of waiting: `"native"`, `"epoll"`, `"uring"`, `"memory"`, … */
  readonly kind: string;
  /** The time everything on this selector goes by. */
  readonly clock: Clock;
  /** Deadlines of this selector. */
  readonly timers: Timers;
  /**
   * Listens. The address is bound when the call returns; a taken port, a bad address or a missing permission is
   * thrown from it (`AddressInUseError`, `AddressNotAvailableError`, `AccessDeniedError`, …).
   */
  listen(options: ListenOptions, createProtocol: () => Protocol): Listener;
  /**
   * Connects and calls `opened` on a new protocol; resolves with its transport. Rejects with
   * `ConnectionRefusedError`, `DeadlineExceededError`, … and then the protocol hears nothing at all.
   */
  connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport>;
  /** Aborts what is open, stops listening, cancels all timers; resolves when everything is released. Idempotent. */
  close(): Promise<void>;
  /** Same as `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
