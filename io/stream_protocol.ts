/**
 * The protocol that joins a `StreamReader` and a `StreamWriter` to one connection.
 *
 * It only passes on what the transport says: bytes, end and loss to the reader, pauses and the close to the writer's
 * gate. The peer's end leaves the write side open, as in asyncio: who reads the end may still answer.
 *
 * @module
 */
import type { Protocol, Timers, Transport } from "./selector.ts";
import { StreamReader, type StreamReaderOptions } from "./stream_reader.ts";
import { StreamWriter } from "./stream_writer.ts";
import { WriteGate } from "./write_gate.ts";

/** A connection as two streams. */
export interface Streams {
  /** What the peer sends. */
  readonly reader: StreamReader;
  /** What the peer gets. */
  readonly writer: StreamWriter;
}

/** Receives one connection's events and feeds its streams with them. */
export class StreamProtocol implements Protocol {
  readonly #timers: Timers;
  readonly #options: StreamReaderOptions;
  readonly #onOpened: ((streams: Streams) => void) | null;
  readonly #gate: WriteGate;
  #reader: StreamReader | null = null;

  /**
   * Makes the protocol of one connection.
   *
   * @param timers what the streams' deadlines go by
   * @param options of the reader
   * @param onOpened gets the streams when the connection is made
   */
  constructor(
    timers: Timers,
    options: StreamReaderOptions = {},
    onOpened: ((streams: Streams) => void) | null = null,
  ) {
    this.#timers = timers;
    this.#options = options;
    this.#onOpened = onOpened;
    this.#gate = new WriteGate(timers);
  }

  /** Makes the streams. */
  opened(transport: Transport): void {
    const streams = this.attach(transport);
    this.#onOpened?.(streams);
  }

  /** Makes the streams without telling `onOpened`. */
  attach(transport: Transport): Streams {
    const reader = new StreamReader(this.#timers, transport, this.#options);
    this.#reader = reader;
    return { reader, writer: new StreamWriter(transport, this.#gate) };
  }

  /** Bytes for the reader. */
  received(bytes: Uint8Array): void {
    this.#reader!.feed(bytes);
  }

  /** The end for the reader; the write side stays open. */
  ended(): boolean {
    this.#reader!.feedEnd();
    return true;
  }

  /** Holds drains back. */
  pauseWriting(): void {
    this.#gate.pause();
  }

  /** Lets drains go on. */
  resumeWriting(): void {
    this.#gate.resume();
  }

  /** The end or the error for the reader, and the close for the writer. */
  closed(reason: Error | null): void {
    if (reason === null) this.#reader!.feedEnd();
    else this.#reader!.feedError(reason);
    this.#gate.close(reason);
  }
}

/**
 * Takes a connection over as streams from the protocol that has it, as after an HTTP upgrade.
 *
 * @param transport the connection; its events go to the streams from now on
 * @param timers what the streams' deadlines go by
 * @param options of the reader, and `received`: bytes that came already and are to be read first (copied)
 */
export function adoptStreams(
  transport: Transport,
  timers: Timers,
  options: StreamReaderOptions & { readonly received?: Uint8Array } = {},
): Streams {
  const protocol = new StreamProtocol(timers, options);
  const streams = protocol.attach(transport);
  if (options.received !== undefined) streams.reader.feed(options.received);
  transport.setProtocol(protocol);
  return streams;
}
