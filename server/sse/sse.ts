/**
 * A handler out of a generator: what it yields is sent as events.
 *
 * Strategy: the generator is asked for its next event only when the one before is written and the connection is not above its
 * high-water mark, so a slow client slows the generator down and nothing queues up.
 *
 * How a stream ends:
 * - the generator returns: the body ends, and an `EventSource` reconnects after its time; where there is nothing more to
 *   come, say so by an event of your own.
 * - it throws: the connection is *aborted* and the error is the server's to report. A clean end would be taken for success.
 *   What the client should know of an error, the generator catches and yields as an event.
 * - the client leaves: `stream.signal` aborts and the generator's `return()` runs, so its `finally` blocks do; one that waits
 *   for something else than the signal finds out when that settles.
 * - the server begins to stop: the same, and the client is sent a `retry:` with a jitter and the end; with `draining:
 *   "finish"` the generator goes on to its end instead, as long as the server waits.
 *
 * @module
 */
import type { Timers } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import type { BodyProducer, BodyWriter, SharedBody } from "../body_writer.ts";
import type { Handler, ServeInfo } from "../handler.ts";
import { Reply } from "../reply.ts";
import { encodeEvent, encodeRetry, type SseEvent } from "./encode.ts";
import { eventStreamHeaders } from "./event_stream_headers.ts";
import { type Beating, Heartbeat, HEARTBEAT_MS } from "./heartbeat.ts";
import { lastEventIdOf } from "./last_event_id.ts";

/** What a source is told about its stream. */
export interface SseContext {
  /** Where the client wants to go on: `Last-Event-ID` or `?lastEventId=`; `null` on a first visit. */
  readonly lastEventId: string | null;
  /** Aborts when nobody wants more events: the client left, or the server stops. Made when first asked for. */
  readonly signal: AbortSignal;
}

/** Where the events of a stream come from: called once per request, when the response's head is sent; never for HEAD. */
export type SseSource = (
  request: Request,
  info: ServeInfo,
  stream: SseContext,
) => AsyncIterable<SseEvent> | Iterable<SseEvent>;

/** Options of `sse`. */
export interface SseOptions {
  /** How often a comment is sent, milliseconds; `null` for never. Default 15,000. It does not touch the generator. */
  readonly heartbeatMs?: number | null;
  /** How long the client waits before it reconnects, milliseconds, told at the start. Default: not told. */
  readonly retryMs?: number;
  /** How long it waits when the server stops, milliseconds: a number between this and twice this. Default 2,000. */
  readonly drainRetryMs?: number;
  /** What happens when the server begins to stop: the stream ends, or the generator finishes. Default `"end"`. */
  readonly draining?: "end" | "finish";
  /** Where the heartbeat's timer is from, such as `selector.timers`. Default a timer of the handler's own. */
  readonly timers?: Timers;
  /** Fields added to the response, such as those of CORS; they may replace the usual ones. */
  readonly headers?: HeadersInit;
}

/** Default of `drainRetryMs`: enough to spread some ten thousand clients over the time a new process needs to start. */
const DRAIN_RETRY_MS = 2_000;

/** What the streams of one handler share. */
interface Shared {
  readonly source: SseSource;
  readonly heartbeat: Heartbeat | null;
  readonly preamble: string;
  readonly drainRetryMs: number;
  readonly finishes: boolean;
}

/** One event stream. */
class SseStream implements BodyProducer, Beating, SseContext {
  readonly kind: "stream" | "body";
  heartbeatGroup = -1;
  heartbeatIndex = -1;
  readonly #shared: Shared;
  readonly #request: Request;
  readonly #info: ServeInfo;
  #writer: BodyWriter | null = null;
  #iterator: AsyncIterator<SseEvent> | Iterator<SseEvent> | null = null;
  #controller: AbortController | null = null;
  /** Why no more events are wanted; `null` while they are. */
  #stopReason: Error | null = null;
  /** How `return()` went, once it was called. */
  #returned: Promise<{ readonly error: unknown } | null> | null = null;

  constructor(shared: Shared, request: Request, info: ServeInfo) {
    this.#shared = shared;
    this.#request = request;
    this.#info = info;
    this.kind = shared.finishes ? "body" : "stream";
  }

  get lastEventId(): string | null {
    return lastEventIdOf(this.#request);
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#stopReason !== null) this.#controller.abort(this.#stopReason);
    }
    return this.#controller.signal;
  }

  async start(writer: BodyWriter): Promise<void> {
    this.#writer = writer;
    const { heartbeat, preamble, source } = this.#shared;
    heartbeat?.add(this);
    if (preamble !== "") writer.writeText(preamble);
    try {
      this.#iterator = iteratorOf(source(this.#request, this.#info, this));
      if (this.#stopReason === null) await this.#pass(this.#iterator, writer);
    } finally {
      heartbeat?.remove(this);
    }
    const failure = await this.#returned;
    if (failure !== null) throw failure.error;
  }

  onDraining(): void {
    if (this.#shared.finishes || this.#stopReason !== null) return;
    this.#stop(new DOMException("The server begins to stop", "AbortError"));
    const writer = this.#writer!;
    writer.writeText(encodeRetry(Math.round(this.#shared.drainRetryMs * (1 + Math.random()))) + "\n");
    writer.end();
  }

  onClosed(reason: Error | null): void {
    this.#stop(reason ?? new DOMException("The event stream is not wanted any more", "AbortError"));
  }

  beat(body: SharedBody): void {
    if (!this.#writer!.isPaused) this.#writer!.writeShared(body);
  }

  /** Sends event after event until there is none, or none is wanted. */
  async #pass(iterator: AsyncIterator<SseEvent> | Iterator<SseEvent>, writer: BodyWriter): Promise<void> {
    for (;;) {
      const { done, value } = await iterator.next();
      if (this.#stopReason !== null) return;
      if (done) return writer.end();
      writer.writeText(encodeEvent(value));
      if (writer.isPaused) await writer.drain();
      if (this.#stopReason !== null) return;
    }
  }

  #stop(reason: Error): void {
    if (this.#stopReason !== null) return;
    this.#stopReason = reason;
    this.#shared.heartbeat?.remove(this);
    this.#controller?.abort(reason);
    this.#returned = this.#return();
  }

  async #return(): Promise<{ readonly error: unknown } | null> {
    try {
      await this.#iterator?.return?.();
      return null;
    } catch (error) {
      return { error };
    }
  }
}

function iteratorOf(
  events: AsyncIterable<SseEvent> | Iterable<SseEvent>,
): AsyncIterator<SseEvent> | Iterator<SseEvent> {
  return Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
}

/**
 * Makes a handler that answers with the events its source yields.
 *
 * @param source an (async) generator function, or any function that returns an iterable of events
 * @param options heartbeat, reconnection times, headers
 * @returns a handler for `serve`, a router, or another server
 * @throws RangeError or TypeError for options that make no sense
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type ServeInfo, sse } from "@sluice/kit/server";
 *
 * const countdown = sse(async function* (_request, _info, { lastEventId }) {
 *   for (let n = Number(lastEventId ?? 4) - 1; n > 0; n--) yield { data: { n }, id: String(n) };
 * });
 * const response = await countdown(new Request("http://localhost/"), {} as ServeInfo);
 * assertEquals(await response.text(), 'id: 3\ndata: {"n":3}\n\nid: 2\ndata: {"n":2}\n\nid: 1\ndata: {"n":1}\n\n');
 * ```
 */
export function sse(source: SseSource, options: SseOptions = {}): Handler {
  const { heartbeatMs = HEARTBEAT_MS, retryMs, drainRetryMs = DRAIN_RETRY_MS } = options;
  if (!(drainRetryMs >= 0 && drainRetryMs < Infinity)) {
    throw new RangeError(`Cannot use ${drainRetryMs} as drainRetryMs: it must be a finite number from 0 on`);
  }
  const headers = eventStreamHeaders(options.headers);
  const shared: Shared = {
    source,
    heartbeat: heartbeatMs === null
      ? null
      : new Heartbeat(options.timers ?? new TimerWheel(new SystemClock()), heartbeatMs),
    preamble: retryMs === undefined ? "" : encodeRetry(retryMs) + "\n",
    drainRetryMs,
    finishes: options.draining === "finish",
  };
  return (request, info) => new Reply(new SseStream(shared, request, info), { headers });
}
