/**
 * Hands a connection over to a handler as two streams, once its HTTP is done (`info.hijack()`).
 *
 * @module
 */
import type { Timers, Transport } from "../io/selector.ts";
import { adoptStreams } from "../io/stream_protocol.ts";
import type { HijackedConnection } from "./handler.ts";

/** A connection that was handed over, from the server's side. */
export interface Hijacked {
  /** What the handler gets. */
  readonly connection: HijackedConnection;
  /** Bytes that had been read before the streams were there; they come first. */
  feed(bytes: Uint8Array): void;
  /** The peer had ended before the streams were there; nothing follows what was fed. */
  feedEnd(): void;
}

/**
 * Makes the streams; from here on the transport's events go to them.
 *
 * @param transport the connection
 * @param timers what the streams' deadlines go by
 * @param gone called once when the connection is gone, with `null` after an orderly close
 */
export function hijackTransport(
  transport: Transport,
  timers: Timers,
  gone: (reason: Error | null) => void,
): Hijacked {
  const { reader, writer } = adoptStreams(transport, timers);
  writer.waitClosed().then(() => gone(null), (reason) => gone(reason));
  const feed = (bytes: Uint8Array): void => {
    if (bytes.length > 0) reader.feed(bytes);
  };
  return { connection: { reader, writer }, feed, feedEnd: () => reader.feedEnd() };
}
