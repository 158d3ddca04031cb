/**
 * Serves TCP or Unix socket connections as streams: asyncio's `start_server`, with every wait bounded.
 *
 * - A connection lives as long as its handler: when that returns, what was written is sent and the connection closed; a
 *   peer that does not take it within `closeTimeoutMs` is cut off.
 * - A handler that throws loses its own connection, by a reset, so that no peer takes what it got for complete. The
 *   error goes to `onError`, and everything else goes on.
 * - Handlers at once are bounded by `connectionsMax`; a connection that comes while as many are at work is refused.
 * - `close()` stops accepting, waits for handlers, aborts those that are late, and tells what it had to cut.
 *
 * @module
 */
import { ConnectionAbortedError, DeadlineExceededError } from "./errors.ts";
import type { Addr, Listener, ListenerStats, ListenOptions, Selector } from "./selector.ts";
import { StreamProtocol, type Streams } from "./stream_protocol.ts";
import { readerLimit, type StreamReader, type StreamReaderOptions } from "./stream_reader.ts";
import type { StreamWriter } from "./stream_writer.ts";
import { TaskGroup, TaskLeakError } from "./task_group.ts";
import { reportUncaught } from "./report_uncaught.ts";

/** Default of `StreamListenOptions.closeTimeoutMs`: a slow peer takes 64 KiB in that time, a dead one costs no more. */
const CLOSE_TIMEOUT_MS = 10_000;
/** Default of `close({ graceMs })`: what process managers commonly give before they kill, less the time to cut. */
const GRACE_MS = 8_000;

/**
 * Serves one connection; the connection is closed when it is done.
 *
 * @param reader what the peer sends
 * @param writer what the peer gets
 * @param signal aborts when the server is closed and the grace time is over
 */
export type StreamHandler = (reader: StreamReader, writer: StreamWriter, signal: AbortSignal) => unknown;

/** Options of `listen`. */
export type StreamListenOptions = ListenOptions & StreamReaderOptions & {
  /**
   * Hears what handlers throw, a peer's reset that they let through included (a `ConnectionError`), and what goes wrong
   * around them. Required, so that errors go somewhere.
   */
  readonly onError: (error: unknown, remoteAddr: Addr) => void;
  /** How long a peer may take what its handler wrote last, milliseconds. Default 10,000. */
  readonly closeTimeoutMs?: number | undefined;
};

/** What `StreamServer.close` had to do. */
export interface StreamServerReport {
  /** Connections aborted because their handlers were not done within the grace time. */
  readonly cut: number;
  /** Handlers that did not even end then; they were reported to `onError` as a `TaskLeakError`. */
  readonly leaked: number;
}

/** Accepts connections and runs a handler for each. */
export interface StreamServer extends AsyncDisposable {
  /** Where it listens, with the port that was picked. */
  readonly addr: Addr;
  /** Counters of the listener; a live view. */
  readonly stats: ListenerStats;
  /** Handlers at work. */
  readonly handlersCount: number;
  /**
   * Stops accepting, waits for handlers, and aborts the connections of those that are not done in time. Idempotent:
   * later calls wait for the first.
   *
   * @param options.graceMs how long handlers may go on, milliseconds. Default 8,000
   */
  close(options?: { readonly graceMs?: number }): Promise<StreamServerReport>;
  /** Lets the process live while listening (the default). */
  ref(): void;
  /** Lets the process exit although it listens. */
  unref(): void;
}

/**
 * Listens, and runs `handler` for every connection.
 *
 * @param selector what waits
 * @param options where to listen, bounds, and who hears errors
 * @param handler serves one connection
 * @returns the server; the address is bound
 * @throws AddressInUseError, AddressNotAvailableError, AccessDeniedError; RangeError for options out of range
 *
 * @example
 * ```ts
 * import { connect, listen, openSelector } from "@sluice/kit/io";
 *
 * await using selector = openSelector();
 * await using server = listen(
 *   selector,
 *   { hostname: "127.0.0.1", port: 0, onError: (error) => console.error(error) },
 *   async (reader, writer) => {
 *     const name = new TextDecoder().decode(await reader.readLine({ timeoutMs: 5000 }));
 *     writer.writeText(`Hello, ${name}`);
 *   },
 * );
 * if (server.addr.transport !== "tcp") throw new TypeError("Cannot go on: not TCP");
 * await using client = await connect(selector, server.addr);
 * client.writer.writeText("world\n");
 * console.log(new TextDecoder().decode(await client.reader.read())); // "Hello, world\n"
 * ```
 */
export function listen(
  selector: Selector,
  options: StreamListenOptions,
  handler: StreamHandler,
): StreamServer {
  return new Server(selector, options, handler);
}

class Server implements StreamServer {
  readonly #listener: Listener;
  readonly #group: TaskGroup;
  readonly #handler: StreamHandler;
  readonly #onError: (error: unknown, remoteAddr: Addr) => void;
  readonly #closeTimeoutMs: number;
  /** Connections of handlers that are not over. */
  readonly #writers = new Set<StreamWriter>();
  /** What connections are aborted with when the grace time is over. */
  readonly #cutReason = new ConnectionAbortedError("the server was closed and the grace time is over");
  #closing: Promise<StreamServerReport> | null = null;

  constructor(selector: Selector, options: StreamListenOptions, handler: StreamHandler) {
    const { timers } = selector;
    this.#handler = handler;
    this.#onError = options.onError;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    if (!(this.#closeTimeoutMs >= 0 && this.#closeTimeoutMs < Infinity)) {
      throw new RangeError(
        `Cannot listen: closeTimeoutMs must be finite and from 0 on, not ${this.#closeTimeoutMs}`,
      );
    }
    readerLimit(options); // thrown here, and not where a connection is made
    this.#group = new TaskGroup({ timers, tasksMax: options.connectionsMax });
    const onOpened = (streams: Streams) => this.#accept(streams);
    this.#listener = selector.listen(options, () => new StreamProtocol(timers, options, onOpened));
  }

  get addr(): Addr {
    return this.#listener.addr;
  }

  get stats(): ListenerStats {
    return this.#listener.stats;
  }

  get handlersCount(): number {
    return this.#group.size;
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  close(options: { readonly graceMs?: number } = {}): Promise<StreamServerReport> {
    return this.#closing ??= this.#shutDown(options.graceMs ?? GRACE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(streams: Streams): void {
    const { writer } = streams;
    try {
      this.#group.spawn(
        (signal) => this.#serve(streams, signal),
        `handler of connection ${writer.transport.id}`,
      );
    } catch (error) {
      writer.abort(error as Error);
      // One that was under way while the server was closed is refused like those after it: nobody's fault.
      if (this.#closing === null) this.#report(error, writer.remoteAddr);
    }
  }

  /** Runs the handler and sees the connection out. Never throws: one connection's failure is no other's. */
  async #serve({ reader, writer }: Streams, signal: AbortSignal): Promise<void> {
    this.#writers.add(writer);
    try {
      await this.#handler(reader, writer, signal);
      await writer.closeWithin(this.#closeTimeoutMs);
    } catch (error) {
      const cause = error instanceof Error
        ? error
        : new ConnectionAbortedError("its handler failed", { cause: error });
      writer.abort(cause);
      if (error !== this.#cutReason && error !== signal.reason) this.#report(error, writer.remoteAddr);
      await writer.closeWithin(0);
    } finally {
      this.#writers.delete(writer);
    }
  }

  async #shutDown(graceMs: number): Promise<StreamServerReport> {
    const closed = this.#listener.close();
    let cut = 0;
    let leaked = 0;
    try {
      await this.#group.join({ timeoutMs: graceMs });
    } catch (error) {
      if (!(error instanceof DeadlineExceededError)) throw error;
      cut = this.#writers.size;
      this.#group.cancel(this.#cutReason);
      for (const writer of this.#writers) writer.abort(this.#cutReason);
      leaked = await this.#joinCut();
    }
    await closed;
    return { cut, leaked };
  }

  /** Waits for handlers that were told to end; returns how many did not. */
  async #joinCut(): Promise<number> {
    try {
      await this.#group.join();
      return 0;
    } catch (error) {
      if (!(error instanceof TaskLeakError)) throw error;
      this.#report(error, this.addr);
      return error.names.length;
    }
  }

  /** Tells `onError`; what that throws itself is an uncaught error of the program, and nobody's connection suffers. */
  #report(error: unknown, remoteAddr: Addr): void {
    try {
      this.#onError(error, remoteAddr);
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }
}
