/**
 * Connects to a TCP or Unix socket and gives the connection as streams: asyncio's `open_connection`.
 *
 * @module
 */
import type { Addr, ConnectOptions, Selector } from "./selector.ts";
import { StreamProtocol, type Streams } from "./stream_protocol.ts";
import { readerLimit, type StreamReader, type StreamReaderOptions } from "./stream_reader.ts";
import type { StreamWriter } from "./stream_writer.ts";

/**
 * How long leaving the scope of a connection waits for the peer to take what was written, milliseconds: some
 * retransmissions of a lost packet fit, and a dead peer does not hold its caller up for long.
 */
const DISPOSE_TIMEOUT_MS = 5_000;

/** Options of `connect`. */
export type StreamConnectOptions = ConnectOptions & StreamReaderOptions;

/** A connection as streams; leaving its scope (`await using`) closes it, and aborts it if the peer stalls. */
export interface StreamConnection extends Streams, AsyncDisposable {
  /** Own address. */
  readonly localAddr: Addr;
  /** The peer's address. */
  readonly remoteAddr: Addr;
}

/**
 * Connects.
 *
 * @param selector what waits
 * @param options where to, how long to try, and the reader's limit
 * @throws ConnectionRefusedError, UnreachableError, AccessDeniedError, DeadlineExceededError, the signal's reason;
 *   RangeError for options out of range
 *
 * @example
 * ```ts
 * import { connect, ConnectionRefusedError, openSelector } from "@sluice/kit/io";
 *
 * await using selector = openSelector();
 * try {
 *   await using connection = await connect(selector, { hostname: "127.0.0.1", port: 1, timeoutMs: 2000 });
 *   connection.writer.writeText("hello\n");
 * } catch (error) {
 *   if (!(error instanceof ConnectionRefusedError)) throw error;
 *   console.log(error.message); // Cannot connect to 127.0.0.1:1: nobody listens there
 * }
 * ```
 */
export async function connect(selector: Selector, options: StreamConnectOptions): Promise<StreamConnection> {
  readerLimit(options); // thrown here, and not where the connection is made
  let streams: Streams | null = null;
  await selector.connect(
    options,
    () => new StreamProtocol(selector.timers, options, (opened) => streams = opened),
  );
  return new Connection(streams!);
}

class Connection implements StreamConnection {
  readonly reader: StreamReader;
  readonly writer: StreamWriter;

  constructor({ reader, writer }: Streams) {
    this.reader = reader;
    this.writer = writer;
  }

  get localAddr(): Addr {
    return this.writer.localAddr;
  }

  get remoteAddr(): Addr {
    return this.writer.remoteAddr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer.closeWithin(DISPOSE_TIMEOUT_MS);
  }
}
