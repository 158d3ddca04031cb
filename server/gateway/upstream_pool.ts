/**
 * The connections to one upstream: how many there are, who gets one, who waits.
 *
 * Strategy: idle connections are a stack, so that the one used last is used next and the surplus of a burst ages away.
 * A request that finds none idle makes the pool connect, as long as there are fewer than `connectionsMax`; else it waits
 * in a bounded queue for a bounded time. Connections and waiters are fungible: whatever becomes free first goes to
 * whoever waits longest.
 *
 * Invariants:
 * - open + connecting <= connectionsMax; an aborted connection counts until the selector says that it is gone.
 * - A waiter without a deadline of its own has an attempt to connect to wait for (at least as many attempts as such
 *   waiters), and attempts end within `connectTimeoutMs`.
 * - Every waiter hears exactly one of `onConnection` and `onRefused`, unless it is cancelled.
 *
 * @module
 */
import { ConnectionRefusedError, DeadlineExceededError, type SluiceError } from "../../io/errors.ts";
import type { Selector, Timer } from "../../io/selector.ts";
import { ClientConnection, type ConnectionOwner, type ConnectionSetup } from "./client_connection.ts";
import {
  GatewayClosedError,
  UpstreamBusyError,
  UpstreamRefusedError,
  UpstreamTimeoutError,
  UpstreamUnreachableError,
} from "./errors.ts";
import type { Upstream } from "./upstream.ts";

/** Who waits for a connection. */
export interface PoolWaiter {
  /** Whether only a connection made for it will do: the last one it got had died while idle, and others may have too. */
  readonly wantsFresh: boolean;
  /** Here it is, idle; the waiter begins its exchange from inside the call. */
  onConnection(connection: ClientConnection): void;
  /** There will be none. */
  onRefused(error: SluiceError): void;
}

/** What bounds a pool. */
export interface PoolOptions extends Omit<ConnectionSetup, "name"> {
  /** Connections open or being opened at once. */
  readonly connectionsMax: number;
  /** Connections kept while nobody uses them. */
  readonly idleMax: number;
  /** Requests that wait for a connection to become free. */
  readonly queueMax: number;
  /** How long each of them waits, milliseconds. */
  readonly queueTimeoutMs: number;
  /** How long connecting may take, milliseconds. */
  readonly connectTimeoutMs: number;
}

/** A pool's gauges and counters. */
export interface PoolStats {
  /** Connections open now, idle ones included. */
  readonly open: number;
  /** Of them, those with nothing to do. */
  readonly idle: number;
  /** Connections being opened. */
  readonly connecting: number;
  /** Requests that wait for a connection. */
  readonly queued: number;
  /** Connections opened so far. */
  readonly opened: number;
  /** Exchanges that found an idle connection. */
  readonly reused: number;
}

/** What `Retry-After` says when the pool is full, seconds: at a gateway's rates many connections free up in one. */
const RETRY_AFTER_S = 1;

/** The connections to one upstream; see the module's text. */
export class UpstreamPool implements ConnectionOwner {
  readonly #selector: Selector;
  readonly #upstream: Upstream;
  readonly #options: PoolOptions;
  readonly #setup: ConnectionSetup;
  readonly #open = new Set<ClientConnection>();
  /** The connection used last is at the end. */
  readonly #idle: ClientConnection[] = [];
  /** Connections being opened, and what gives each up. */
  readonly #attempts = new Map<ClientConnection, AbortController>();
  /** In the order of arrival; with the deadline of those who wait for others to finish. */
  readonly #waiters = new Map<PoolWaiter, Timer | null>();
  /** Calls of `connect` that have not settled, those given up included. */
  #connects = 0;
  #opened = 0;
  #reused = 0;
  #isClosed = false;
  #released: PromiseWithResolvers<void> | null = null;

  /**
   * @param selector what connects
   * @param upstream where to
   * @param options bounds and deadlines
   */
  constructor(selector: Selector, upstream: Upstream, options: PoolOptions) {
    this.#selector = selector;
    this.#upstream = upstream;
    this.#options = options;
    this.#setup = { ...options, name: upstream.name };
  }

  /** Gauges and counters, as they are now. */
  get stats(): PoolStats {
    return {
      open: this.#open.size,
      idle: this.#idle.length,
      connecting: this.#attempts.size,
      queued: this.#waiters.size,
      opened: this.#opened,
      reused: this.#reused,
    };
  }

  /** Gets `waiter` a connection: from inside the call when one is idle, else later. */
  acquire(waiter: PoolWaiter): void {
    if (this.#isClosed) {
      waiter.onRefused(new GatewayClosedError());
      return;
    }
    if (!waiter.wantsFresh) {
      const connection = this.#takeIdle();
      if (connection !== null) {
        this.#reused++;
        waiter.onConnection(connection);
        return;
      }
    }
    this.#enqueue(waiter);
  }

  /** Forgets `waiter`; the attempt made for it is given up unless somebody else can use it. */
  cancel(waiter: PoolWaiter): void {
    if (!this.#forget(waiter)) return;
    if (this.#attempts.size <= this.#waiters.size) return;
    const [connection, attempt] = [...this.#attempts].at(-1)!; // the newest has got least far
    this.#attempts.delete(connection);
    attempt.abort();
  }

  /**
   * Refuses who waits, closes what is idle, fails what is in use, all with `GatewayClosedError`; resolves when every
   * connection is gone. Idempotent.
   */
  close(): Promise<void> {
    if (this.#released === null) {
      this.#released = Promise.withResolvers();
      this.#isClosed = true;
      const waiters = [...this.#waiters.keys()];
      for (const waiter of waiters) {
        if (this.#forget(waiter)) waiter.onRefused(new GatewayClosedError());
      }
      for (const attempt of this.#attempts.values()) attempt.abort();
      this.#attempts.clear();
      for (const connection of [...this.#open]) connection.close(new GatewayClosedError());
      this.#settle();
    }
    return this.#released.promise;
  }

  // ConnectionOwner: called by connections.

  /** A connection was made: it goes to whoever waits longest. */
  onOpen(connection: ClientConnection): void {
    this.#open.add(connection);
    this.#opened++;
    const wasGivenUp = !this.#attempts.delete(connection);
    if (wasGivenUp) connection.close(new GatewayClosedError());
    else this.#offer(connection, true);
  }

  /** An exchange is over: the next in line gets the connection. */
  onIdle(connection: ClientConnection): void {
    this.#offer(connection, false);
  }

  /** A connection is gone: there is room for another. */
  onClosed(connection: ClientConnection): void {
    this.#open.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#connectForWaiters();
    this.#settle();
  }

  #takeIdle(): ClientConnection | null {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isIdle) return connection;
    }
    return null;
  }

  #enqueue(waiter: PoolWaiter): void {
    const { connectionsMax, queueMax, queueTimeoutMs } = this.#options;
    if (this.#open.size + this.#attempts.size >= connectionsMax) this.#closeOneIdle();
    if (this.#open.size + this.#attempts.size < connectionsMax) {
      this.#waiters.set(waiter, null);
      this.#connect();
      return;
    }
    const waiting = this.#waiters.size - this.#attempts.size;
    if (waiting >= queueMax) {
      const why = `all ${connectionsMax} connections are in use and ${waiting} requests wait for one`;
      waiter.onRefused(new UpstreamBusyError(this.#upstream.name, why, RETRY_AFTER_S));
      return;
    }
    const timer = this.#selector.timers.after(queueTimeoutMs, () => {
      this.#waiters.delete(waiter);
      const why = `no connection became free within ${queueTimeoutMs} ms`;
      waiter.onRefused(new UpstreamBusyError(this.#upstream.name, why, RETRY_AFTER_S));
    });
    this.#waiters.set(waiter, timer);
  }

  /** Makes room for a fresh connection: only a waiter that refuses the idle ones comes here while there are some. */
  #closeOneIdle(): void {
    const connection = this.#idle.shift();
    connection?.close(new GatewayClosedError());
  }

  #forget(waiter: PoolWaiter): boolean {
    const timer = this.#waiters.get(waiter);
    if (timer === undefined) return false;
    timer?.cancel();
    return this.#waiters.delete(waiter);
  }

  /** Gives an idle connection to the first waiter it suits, or keeps it, or closes it. */
  #offer(connection: ClientConnection, isFresh: boolean): void {
    for (const waiter of this.#waiters.keys()) {
      if (waiter.wantsFresh && !isFresh) continue;
      this.#forget(waiter);
      if (!isFresh) this.#reused++;
      waiter.onConnection(connection);
      return;
    }
    const isCrowded = this.#waiters.size > this.#attempts.size; // somebody waits, for a fresh one
    if (this.#isClosed || isCrowded || this.#idle.length >= this.#options.idleMax) {
      connection.close(new GatewayClosedError());
    } else {
      this.#idle.push(connection);
    }
  }

  /** Opens as many connections as there are waiters without an attempt, and room. */
  #connectForWaiters(): void {
    while (
      this.#waiters.size > this.#attempts.size &&
      this.#open.size + this.#attempts.size < this.#options.connectionsMax
    ) this.#connect();
  }

  #connect(): void {
    const attempt = new AbortController();
    const connection = new ClientConnection(this, this.#setup, this.#selector.timers);
    this.#attempts.set(connection, attempt);
    const options = {
      ...this.#upstream.address,
      signal: attempt.signal,
      timeoutMs: this.#options.connectTimeoutMs,
    };
    this.#connects++;
    // `onOpen` comes before the promise resolves, and nothing comes if it rejects.
    this.#selector.connect(options, () => connection).then(
      () => this.#onConnectSettled(),
      (cause) => {
        this.#onConnectFailed(connection, cause);
        this.#onConnectSettled();
      },
    );
  }

  /** One attempt failed: so has the one who waited longest, and the next one's turn has come. */
  #onConnectFailed(connection: ClientConnection, cause: unknown): void {
    if (this.#attempts.delete(connection)) {
      const [waiter] = this.#waiters.keys();
      if (waiter !== undefined) {
        this.#forget(waiter);
        waiter.onRefused(this.#connectError(cause));
      }
    } // else it was given up, by us
    this.#connectForWaiters();
  }

  #onConnectSettled(): void {
    this.#connects--;
    this.#settle();
  }

  #connectError(cause: unknown): SluiceError {
    const name = this.#upstream.name;
    if (cause instanceof ConnectionRefusedError) return new UpstreamRefusedError(name, { cause });
    if (cause instanceof DeadlineExceededError) {
      return new UpstreamTimeoutError(name, "connect", cause.timeoutMs, { cause });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    return new UpstreamUnreachableError(name, why, { cause });
  }

  #settle(): void {
    if (this.#isClosed && this.#open.size === 0 && this.#connects === 0) this.#released?.resolve();
  }
}
