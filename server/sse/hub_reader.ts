/**
 * One reader's event stream, as the server sees it: a body that writes itself when its topic has something for it.
 *
 * The reader knows where it stands (live or behind, served up to which offset); what to do about it its topic decides
 * (`hub_topic.ts`), who may join decides the hub (`event_hub.ts`).
 *
 * @module
 */
import type { BodyProducer, BodyWriter, SharedBody } from "../body_writer.ts";
import type { EventLog } from "../log/event_log.ts";
import { encodeRetry } from "./encode.ts";
import type { Beating } from "./heartbeat.ts";

/** What a hub counts. */
export interface HubCounters {
  /** Readers now. */
  readers: number;
  /** Topics with readers now. */
  topics: number;
  /** Events published. */
  published: number;
  /** Events handed to live readers. */
  delivered: number;
  /** Events sent from the log to readers that came back or fell behind. */
  replayed: number;
  /** Readers that were told of a gap. */
  gaps: number;
  /** Readers cut for being slow. */
  cutSlow: number;
  /** Times a reader was sent back to the log to catch up. */
  caughtUp: number;
  /** Readers aborted because the log failed. */
  logFailures: number;
  /** Bytes of events handed to connections, framing excluded. */
  bytes: number;
}

/** What a topic and its readers need of their hub. */
export interface HubCore {
  /** Where they come from when they are not live. */
  readonly log: EventLog;
  /** What is counted. */
  readonly counters: HubCounters;
  /** Bytes that may wait for one reader; above it, it goes on from the log. */
  readonly readerBufferBytesMax: number;
  /** Bytes that may be published before a reader behind has taken what waits; above it, it is cut. */
  readonly readerLagBytesMax: number;
  /** Sent first on every stream: a `retry:` line or nothing. */
  readonly preamble: string;
  /** How long the reader of a stream that is ended should wait before it comes back, milliseconds. */
  drainRetryMs(): number;
  /** A reader's stream begins: counts it and puts it into its topic; `false` when there is no room (any more). */
  join(reader: HubReader): boolean;
  /** A reader's stream is over. */
  leave(reader: HubReader): void;
}

/** A topic, as its readers see it. */
export interface ReaderTopic {
  /** Its name. */
  readonly name: string;
  /** Begins a reader's stream. */
  open(reader: HubReader): void;
  /** Sends a reader what the log has for it, if it is not live. */
  feed(reader: HubReader): void;
}

/** Position of a reader that wants what comes from now on. */
export const FROM_NOW = Symbol("from now");

/** Answer of a topic that never is complete; one function for all readers. */
const isNever = (): boolean => false;

/** One reader's event stream. */
export class HubReader implements BodyProducer, Beating {
  /** An event stream is ended early when the server stops. */
  readonly kind = "stream";
  /** Name of its topic. */
  readonly topicName: string;
  /** Where it comes from, if its readers are counted. */
  readonly address: string | null;
  /** Its topic while it is in one. */
  topic: ReaderTopic | null = null;
  /** Its place among the topic's readers. */
  index = -1;
  /** Where its stream goes; set when it starts. */
  writer: BodyWriter | null = null;
  /** Where to read on from the log. */
  position: string | number | null | typeof FROM_NOW;
  /** It was served everything up to here. */
  servedOffset = 0;
  /** Whether it gets events as they are published. */
  isLive = false;
  /** Whether an answer of the log is awaited for it. */
  isReading = false;
  /** How many bytes the topic had delivered when it was last given something, if it is not live. */
  fedAtBytes = 0;
  /** Whether its topic is complete: its stream ends when it was given everything. */
  endsWhenLive = false;
  heartbeatGroup = -1;
  heartbeatIndex = -1;
  readonly #core: HubCore;
  readonly #isComplete: () => boolean;

  /**
   * @param core its hub
   * @param topicName where it reads
   * @param position from where
   * @param address for the limit per address
   * @param isComplete whether its topic is complete when its stream starts
   */
  constructor(
    core: HubCore,
    topicName: string,
    position: string | null | typeof FROM_NOW,
    address: string | null,
    isComplete: () => boolean = isNever,
  ) {
    this.#core = core;
    this.topicName = topicName;
    this.position = position;
    this.address = address;
    this.#isComplete = isComplete;
  }

  start(writer: BodyWriter): void {
    this.writer = writer;
    this.endsWhenLive = this.#isComplete();
    if (this.#core.join(this)) this.topic!.open(this);
    else this.finish();
  }

  onDrain(): void {
    this.topic?.feed(this);
  }

  onDraining(): void {
    this.finish();
  }

  onClosed(): void {
    this.#core.leave(this);
  }

  beat(body: SharedBody): void {
    const writer = this.writer!;
    if (!writer.isPaused) writer.writeShared(body);
  }

  /** Ends the stream for good: nothing will follow. */
  complete(): void {
    this.#core.leave(this);
    this.writer?.end();
  }

  /** Ends the stream in order: the reader is told when to come back. */
  finish(): void {
    this.#core.leave(this);
    this.writer?.writeText(encodeRetry(this.#core.drainRetryMs()) + "\n");
    this.writer?.end();
  }
}
