/**
 * Events published to topics, fanned out to any number of event streams, resumable by `Last-Event-ID`.
 *
 * Strategy: a publish appends the event to the log, which gives it its id, then encodes it once and hands the same bytes to
 * every reader of the topic (`hub_topic.ts`). A reader that comes back is served from the log and then goes on live, with
 * nothing lost and nothing twice; where that cannot be said, it gets an explicit event `gap` with the reason. The first thing a
 * new reader gets is its position, so that even one that is cut off before its first event resumes without a loss.
 *
 * What bounds it, and what happens then:
 * - readers in all, per topic, per address; topics with readers: refused with 503 or 429 and a problem body. (A browser's
 *   `EventSource` does not try again after that; other clients see `Retry-After`.)
 * - bytes that wait for one reader: it gets no more live, and goes on from the log when it has taken what waits; where the
 *   log has trimmed what it missed, it is told so by a gap. So its queue is the log, and nothing is kept for it.
 * - bytes published before such a reader has taken what waits: it is cut; its client sees the connection break and comes back.
 * - bytes of an event, publishes the log has not answered yet: refused with `HubLimitError`.
 * - history: the log's own bounds.
 *
 * Known limits: what another process appends to a shared log reaches readers here only when they reconnect. All readers
 * of a topic are served in one turn.
 *
 * @module
 */
import type { Timers } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { formatEventId } from "../log/event_id.ts";
import type { EventLog, LogEntry, MaybePromise } from "../log/event_log.ts";
import { MemoryLog } from "../log/memory_log.ts";
import { problem } from "../problem.ts";
import { Reply } from "../reply.ts";
import { encodeFields, encodeRetry, type SseEvent } from "./encode.ts";
import { eventStreamHeaders } from "./event_stream_headers.ts";
import { Heartbeat, HEARTBEAT_MS } from "./heartbeat.ts";
import { HubClosedError, HubError, HubLimitError, TopicNameError } from "./hub_errors.ts";
import { FROM_NOW, type HubCore, type HubCounters, HubReader } from "./hub_reader.ts";
import { HubTopic } from "./hub_topic.ts";
import { lastEventIdOf } from "./last_event_id.ts";
import { createSharedBody, releaseSharedBody } from "./shared_body.ts";

/** What is published: an event with data. */
export type HubEvent = Pick<SseEvent, "event" | "id"> & { readonly data: unknown };

/** Options of an `EventHub`. Counts and sizes are whole numbers from 1 on. */
export interface EventHubOptions {
  /** Where events are kept for readers that come back. Default a `MemoryLog` of the hub's own. */
  readonly log?: EventLog;
  /** Where the heartbeat's timer is from, such as `selector.timers`. Default a timer of the hub's own. */
  readonly timers?: Timers;
  /** How often a comment is sent on every stream, milliseconds; `null` for never. Default 15,000. */
  readonly heartbeatMs?: number | null;
  /** How long clients wait before they reconnect, milliseconds, told at the start of each stream. Default: not told. */
  readonly retryMs?: number;
  /**
   * How long clients wait when the server stops or the hub closes, milliseconds: each is told a number between this and
   * twice this, so that they do not come back all at once. Default 2,000.
   */
  readonly drainRetryMs?: number;
  /** Readers in all. Default 16,384, as many as a listener has connections. */
  readonly readersMax?: number;
  /** Readers of one topic. Default as many as in all. */
  readonly topicReadersMax?: number;
  /** Readers from one address, as `info` tells it; `Infinity` for no limit, as behind a proxy. Default `Infinity`. */
  readonly addressReadersMax?: number;
  /** Topics that have readers. Default as many as readers. */
  readonly topicsMax?: number;
  /** Bytes of an event, its id excluded. Default 64 KiB: a page of text; larger things are better fetched by their URL. */
  readonly eventBytesMax?: number;
  /**
   * Bytes that may wait for one reader beyond what its kernel took; then it goes on from the log. Default 256 KiB: a
   * quarter of what a server lets a connection buffer, so that this answer comes before that one.
   */
  readonly readerBufferBytesMax?: number;
  /**
   * Bytes that may be published to its topic before such a reader has taken what waits; then it is cut. Default 1 MiB,
   * what the default log keeps of a topic: there is little use in waiting for it longer.
   */
  readonly readerLagBytesMax?: number;
  /** Publishes that a log has not answered yet. Default 1,024. */
  readonly publishesMax?: number;
  /** Fields added to every stream's response, such as those of CORS; they may replace the usual ones. */
  readonly headers?: HeadersInit;
}

/** Options of one subscription. */
export interface SubscribeOptions {
  /** Where a reader begins that brings no last event id: with what comes (default), or with everything the log has. */
  readonly from?: "now" | "start";
  /**
   * Asked when the stream starts: whether the topic is complete (see `EventHub.complete`), so that the stream ends when
   * everything was sent. Default no.
   */
  readonly isComplete?: () => boolean;
}

/** What the hub wants to know about the connection; `ServeInfo` and the info of other servers fit. */
export interface SubscriberInfo {
  /** The client's address. */
  readonly remoteAddr?: { readonly hostname?: string } | { readonly path?: string };
}

export type { HubCounters };
/** Counters of a hub; see `HubCounters`. */
export type HubStats = Readonly<HubCounters>;

/** Names that are safe in a URL, in a file's name once encoded, and as a subject of other brokers; none of their wildcards. */
const TOPIC_NAME = /^[A-Za-z0-9][A-Za-z0-9._~:/@+=,-]{0,199}$/;
/** Default of `drainRetryMs`: 10,000 clients then come back at 5 per millisecond, which one process takes. */
const DRAIN_RETRY_MS = 2_000;
/** What a refused client is told to wait, seconds: a limit that is reached seldom clears at once. */
const RETRY_AFTER_SECONDS = 5;

const encoder = new TextEncoder();

/** Options with their defaults. */
function settingsOf(options: EventHubOptions) {
  const readersMax = bound("readersMax", options.readersMax ?? 16_384);
  const { addressReadersMax = Infinity, drainRetryMs = DRAIN_RETRY_MS } = options;
  if (!(drainRetryMs >= 0 && drainRetryMs < Infinity)) {
    throw new RangeError(`Cannot use ${drainRetryMs} as drainRetryMs: it must be a finite number from 0 on`);
  }
  return {
    readersMax,
    drainRetryMs,
    topicReadersMax: bound("topicReadersMax", options.topicReadersMax ?? readersMax),
    addressReadersMax: addressReadersMax === Infinity
      ? Infinity
      : bound("addressReadersMax", addressReadersMax),
    topicsMax: bound("topicsMax", options.topicsMax ?? readersMax),
    eventBytesMax: bound("eventBytesMax", options.eventBytesMax ?? 64 * 1024),
    readerBufferBytesMax: bound("readerBufferBytesMax", options.readerBufferBytesMax ?? 256 * 1024),
    readerLagBytesMax: bound("readerLagBytesMax", options.readerLagBytesMax ?? 1024 * 1024),
    publishesMax: bound("publishesMax", options.publishesMax ?? 1_024),
  };
}

function bound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`Cannot use ${value} as ${name}: it must be a whole number from 1 on`);
}

/**
 * A hub: topics, their readers and their history.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEvents, EventHub } from "@sluice/kit/server";
 *
 * await using hub = new EventHub();
 * const id = await hub.publish("news", { event: "headline", data: { title: "It works" } });
 *
 * const request = new Request("http://localhost/events/news");
 * const response = hub.subscribe(request, "news", undefined, { from: "start" }); // what a handler returns
 * for await (const message of decodeEvents(response.body!)) {
 *   assertEquals(message, { event: "headline", data: '{"title":"It works"}', lastEventId: id });
 *   break;
 * }
 * ```
 */
export class EventHub {
  /** Where its events are kept. */
  readonly log: EventLog;
  readonly #settings: ReturnType<typeof settingsOf>;
  readonly #headers: [string, string][];
  readonly #counters: HubCounters = {
    readers: 0,
    topics: 0,
    published: 0,
    delivered: 0,
    replayed: 0,
    gaps: 0,
    cutSlow: 0,
    caughtUp: 0,
    logFailures: 0,
    bytes: 0,
  };
  readonly #topics = new Map<string, HubTopic>();
  /** Readers by address; only kept when they are limited. */
  readonly #addresses = new Map<string, number>();
  readonly #core: HubCore;
  readonly #heartbeat: Heartbeat | null;
  readonly #ownTimers: TimerWheel | null;
  readonly #ownsLog: boolean;
  /** Publishes the log has not answered. */
  #publishing = 0;
  #isClosed = false;

  /**
   * Makes a hub without readers.
   *
   * @param options bounds, log and timers
   * @throws RangeError for a number out of range; TypeError for a `retryMs` that is no whole number from 0 on, or bad headers
   */
  constructor(options: EventHubOptions = {}) {
    this.#settings = settingsOf(options);
    this.#headers = eventStreamHeaders(options.headers);
    const preamble = options.retryMs === undefined ? "" : encodeRetry(options.retryMs);
    const heartbeatMs = options.heartbeatMs === undefined ? HEARTBEAT_MS : options.heartbeatMs;
    this.#ownTimers = heartbeatMs !== null && options.timers === undefined
      ? new TimerWheel(new SystemClock())
      : null;
    this.#heartbeat = heartbeatMs === null
      ? null
      : new Heartbeat(options.timers ?? this.#ownTimers!, heartbeatMs);
    this.#ownsLog = options.log === undefined;
    this.log = options.log ?? new MemoryLog();
    const { drainRetryMs, readerBufferBytesMax, readerLagBytesMax } = this.#settings;
    this.#core = {
      log: this.log,
      counters: this.#counters,
      readerBufferBytesMax,
      readerLagBytesMax,
      preamble,
      drainRetryMs: () => Math.round(drainRetryMs * (1 + Math.random())),
      join: (reader) => this.#join(reader),
      leave: (reader) => this.#leave(reader),
    };
  }

  /** Counters; a live view. */
  get stats(): HubStats {
    return this.#counters;
  }

  /**
   * Publishes an event. With a log that answers at once it is with all live readers when the call returns.
   *
   * @param topic 1 to 200 of `A-Z a-z 0-9 . _ ~ : / @ + = , -`, the first one a letter or digit
   * @param event its data (a string, or anything that has a JSON), its name, and an id of the publisher's own if it has one
   *   (see `checkEventKey`): then readers see and resume by that one, and a second event with it is refused
   * @returns the event's id as readers see it, when it is in the log
   * @throws (rejects with) TopicNameError, HubLimitError, HubClosedError, TypeError for an event that cannot be encoded or
   *   has no data, and what the log throws: `LogKeyTakenError`, `LogEntryTooLargeError`, …
   */
  async publish(topic: string, event: HubEvent): Promise<string> {
    if (this.#isClosed) throw new HubClosedError("Cannot publish");
    if (!TOPIC_NAME.test(topic)) throw new TopicNameError(topic);
    const { id = null, data, event: name } = event;
    if (data === undefined) throw new TypeError("Cannot publish: the event has no data");
    const bytes = encoder.encode(encodeFields(name === undefined ? { data } : { event: name, data }));
    const { eventBytesMax, publishesMax } = this.#settings;
    if (bytes.length > eventBytesMax) throw new HubLimitError("eventBytes", eventBytesMax);
    if (this.#publishing >= publishesMax) throw new HubLimitError("publishes", publishesMax);
    const appended = this.log.append(topic, bytes, id);
    // An answer at once must not overtake one that was given by a promise a moment ago.
    if (appended instanceof Promise || this.#publishing > 0) return await this.#deliverLater(topic, appended);
    return this.#deliver(topic, appended);
  }

  /**
   * Answers a request with the event stream of a topic.
   *
   * @param request its `Last-Event-ID` (or `?lastEventId=`) says where to go on
   * @param topic as in `publish`
   * @param info what the server tells about the connection; needed for `addressReadersMax` only
   * @param options where a new reader begins
   * @returns the stream; or a problem with status 400 for a bad topic, 429 or 503 when there is no room
   */
  subscribe(
    request: Request,
    topic: string,
    info?: SubscriberInfo,
    options: SubscribeOptions = {},
  ): Response {
    const address = this.#addressOf(info);
    const refusal = TOPIC_NAME.test(topic) ? this.#refusal(topic, address) : new TopicNameError(topic);
    if (refusal !== null) return refuse(refusal);
    const position = lastEventIdOf(request) ?? (options.from === "start" ? null : FROM_NOW);
    const reader = new HubReader(this.#core, topic, position, address, options.isComplete);
    return new Reply(reader, { headers: this.#headers });
  }

  /**
   * Ends the streams of a topic's readers, each as soon as it was given everything: nothing will follow. An `EventSource`
   * comes back all the same, until it is answered 204. Who subscribes later needs `isComplete`.
   *
   * @param topic as in `publish`
   */
  complete(topic: string): void {
    this.#topics.get(topic)?.complete();
  }

  /** Ends every stream, each with a `retry:` of its own, and refuses what comes later. Closes its own log. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const topic of this.#topics.values()) {
      for (let reader = topic.anyReader; reader !== undefined; reader = topic.anyReader) reader.finish();
    }
    this.#ownTimers?.close();
    if (this.#ownsLog) await this.log.close();
  }

  /** Same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #deliverLater(topic: string, appended: MaybePromise<LogEntry>): Promise<string> {
    this.#publishing++;
    try {
      return this.#deliver(topic, await appended);
    } finally {
      this.#publishing--;
    }
  }

  /** Hands an event that is in the log to its topic's readers; returns its id. */
  #deliver(name: string, { offset, key, bytes }: LogEntry): string {
    const id = key ?? formatEventId(this.log.epoch, offset);
    this.#counters.published++;
    const topic = this.#topics.get(name);
    if (topic === undefined) return id;
    const body = createSharedBody(`id: ${id}\n`, bytes, "\n");
    try {
      topic.deliver(offset, body);
    } finally {
      releaseSharedBody(body);
    }
    return id;
  }

  /** Why there is no room for one more reader; `null` when there is. */
  #refusal(name: string, address: string | null): HubError | null {
    const { readersMax, topicReadersMax, addressReadersMax, topicsMax } = this.#settings;
    if (this.#isClosed) return new HubClosedError("Cannot subscribe");
    if (this.#counters.readers >= readersMax) return new HubLimitError("readers", readersMax);
    if (address !== null && (this.#addresses.get(address) ?? 0) >= addressReadersMax) {
      return new HubLimitError("addressReaders", addressReadersMax);
    }
    const topic = this.#topics.get(name);
    if (topic === undefined) {
      return this.#topics.size < topicsMax ? null : new HubLimitError("topics", topicsMax);
    }
    return topic.size < topicReadersMax ? null : new HubLimitError("topicReaders", topicReadersMax);
  }

  /** A stream starts. Its place is taken here and not in `subscribe`: a response that is never sent takes none. */
  #join(reader: HubReader): boolean {
    const { topicName, address } = reader;
    if (this.#refusal(topicName, address) !== null) return false;
    let topic = this.#topics.get(topicName);
    if (topic === undefined) this.#topics.set(topicName, topic = new HubTopic(this.#core, topicName));
    topic.add(reader);
    if (address !== null) this.#addresses.set(address, (this.#addresses.get(address) ?? 0) + 1);
    this.#heartbeat?.add(reader);
    this.#counters.readers++;
    this.#counters.topics = this.#topics.size;
    return true;
  }

  #leave(reader: HubReader): void {
    if (reader.topic === null) return;
    const { topicName, address } = reader;
    const topic = this.#topics.get(topicName)!;
    topic.remove(reader);
    if (topic.size === 0) this.#topics.delete(topicName);
    if (address !== null) {
      const left = this.#addresses.get(address)! - 1;
      if (left === 0) this.#addresses.delete(address);
      else this.#addresses.set(address, left);
    }
    this.#heartbeat?.remove(reader);
    this.#counters.readers--;
    this.#counters.topics = this.#topics.size;
  }

  /** The address to count a reader under; `null` when readers are not limited by address. */
  #addressOf(info: SubscriberInfo | undefined): string | null {
    if (this.#settings.addressReadersMax === Infinity) return null;
    const address = info?.remoteAddr;
    return address !== undefined && "hostname" in address ? address.hostname ?? null : null;
  }
}

/** The answer to a client that is refused. */
function refuse(error: HubError): Response {
  const response = problem(error.status, { code: error.code, detail: error.message });
  if (error.status !== 400) response.headers.set("retry-after", String(RETRY_AFTER_SECONDS));
  return response;
}
