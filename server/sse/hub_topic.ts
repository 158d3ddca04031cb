/**
 * One topic of a hub: its readers, the fan-out of an event to them, and the way of a reader from the log to live.
 *
 * Fan-out is a loop over an array: per reader a comparison or two, a store and `writeShared`; no promise, no closure, no copy.
 *
 * A reader is *live* when it has everything up to the last event delivered, so that it may be given the next one; else it
 * is fed from the log, page by page and no faster than it takes them. Each reader knows the offset up to which it
 * was served, and that decides everything: what is delivered is passed over if it was served already, and a
 * reader goes live only when nothing was delivered after what it was served. So at the seam nothing is lost and nothing
 * comes twice, whatever is published meanwhile.
 *
 * A log that answers by promises is behind when its answer comes. While such an answer is awaited the topic keeps what it
 * delivers (the *tail*), which the reader gets after its page. The tail is bounded; a reader that finds it cut short
 * reads the log once more.
 *
 * A reader for whom too much waits goes back to being fed from the log, so the log is its queue and costs nothing per reader.
 * If it has not taken what waits by the time that much more was published, it is cut.
 *
 * Known limit: where a log takes longer to answer than `TAIL_BYTES_MAX` take to be published, over and over, a reader
 * stays behind until it is told of a gap.
 *
 * @module
 */
import { ContractError } from "../../io/errors.ts";
import type { SharedBody } from "../body_writer.ts";
import { formatEventId } from "../log/event_id.ts";
import type { LogEntry, LogPage, LogReadLimits, MaybePromise } from "../log/event_log.ts";
import { encodeEvent, encodeId } from "./encode.ts";
import { SlowReaderError } from "./hub_errors.ts";
import { FROM_NOW, type HubCore, type HubReader, type ReaderTopic } from "./hub_reader.ts";
import { releaseSharedBody, retainSharedBody } from "./shared_body.ts";

/** Entries of one page from the log: a page is one write, and its bytes are the real bound. */
const PAGE_ENTRIES_MAX = 256;
/** Bytes of one page: what a connection's buffer holds before it says pause, so that a page is about what fits. */
const PAGE_BYTES_MAX = 64 * 1024;
/** Events a tail keeps: a thousand a second through a slow answer, a quarter of a second, of a log over the network. */
const TAIL_EVENTS_MAX = 256;
/** Bytes a tail keeps: four pages. */
const TAIL_BYTES_MAX = 256 * 1024;
/** Name of the event that tells a reader of a gap; its data is `{"reason": …}`, a `LogGap`. */
export const GAP_EVENT = "gap";
/** The line end that dispatches an event. */
const LF = 10;
const encoder = new TextEncoder();

/** An event kept for readers that wait for an answer of the log. */
interface TailEvent {
  readonly offset: number;
  readonly body: SharedBody;
}

/** The readers of one topic. */
export class HubTopic implements ReaderTopic {
  /** Its name. */
  readonly name: string;
  readonly #core: HubCore;
  /** How a page of the log is asked for. */
  readonly #page: LogReadLimits;
  readonly #readers: HubReader[] = [];
  /** Offset of the last event delivered since the topic has readers. */
  #lastOffset = 0;
  /** Bytes of all events delivered since the topic has readers, counted once each. */
  #deliveredBytes = 0;
  /** Readers for whom an answer of the log is awaited. */
  #reading = 0;
  /** What was delivered while `#reading` was above 0, all of it after `#tailStart`. */
  #tail: TailEvent[] = [];
  #tailStart = 0;
  #tailBytes = 0;

  /** @param core its hub @param name its name */
  constructor(core: HubCore, name: string) {
    this.#core = core;
    this.name = name;
    const bytesMax = Math.min(PAGE_BYTES_MAX, core.readerBufferBytesMax);
    this.#page = { entriesMax: PAGE_ENTRIES_MAX, bytesMax };
  }

  /** How many readers it has. */
  get size(): number {
    return this.#readers.length;
  }

  /** Any of its readers. */
  get anyReader(): HubReader | undefined {
    return this.#readers.at(-1);
  }

  /** Takes a reader in. */
  add(reader: HubReader): void {
    reader.topic = this;
    reader.fedAtBytes = this.#deliveredBytes;
    reader.index = this.#readers.push(reader) - 1;
  }

  /** Lets a reader go. */
  remove(reader: HubReader): void {
    const last = this.#readers.pop()!;
    if (last !== reader) {
      this.#readers[reader.index] = last;
      last.index = reader.index;
    }
    reader.topic = null;
    reader.isLive = false;
  }

  /**
   * Hands an event to every live reader.
   *
   * @param offset its place in the log, after that of every event delivered before
   * @param body its bytes; the caller keeps its own reference
   * @throws ContractError when the log's answers are out of order
   */
  deliver(offset: number, body: SharedBody): void {
    if (offset <= this.#lastOffset) {
      throw new ContractError(
        `the event log answered offset ${offset} after ${this.#lastOffset} of topic ${
          JSON.stringify(this.name)
        }`,
      );
    }
    this.#lastOffset = offset;
    if (this.#reading > 0) this.#keep(offset, body);
    const { length } = body.plain.bytes;
    this.#deliveredBytes += length;
    const readers = this.#readers;
    const { readerBufferBytesMax, counters } = this.#core;
    let delivered = 0;
    // Downwards: a reader that leaves from within is replaced by the last one, which was served already. Where two leave
    // at once that does not hold, and `servedOffset` keeps a reader from being served twice.
    for (let index = readers.length - 1; index >= 0; index--) {
      const reader = readers[index];
      if (reader === undefined || reader.servedOffset >= offset) continue;
      const writer = reader.writer!;
      if (!reader.isLive) this.#checkLag(reader);
      else if (writer.bufferedBytes > readerBufferBytesMax) this.#fallBehind(reader);
      else {
        reader.servedOffset = offset;
        writer.writeShared(body);
        delivered++;
      }
    }
    counters.delivered += delivered;
    counters.bytes += delivered * length;
  }

  /** Nothing will follow: ends every reader's stream as soon as it was given everything. */
  complete(): void {
    for (const reader of [...this.#readers]) {
      reader.endsWhenLive = true;
      if (reader.isLive) reader.complete();
    }
  }

  /** Begins a reader's stream: the preamble, its position, and what the log has for it. */
  open(reader: HubReader): void {
    const { log, preamble } = this.#core;
    if (reader.position === FROM_NOW) {
      this.#ask(reader, () => log.end(this.name), (offset) => {
        reader.servedOffset = reader.position = offset;
        // An id without data is no event, but with it the client can resume even if it is cut off before the first one.
        reader.writer!.writeText(`${preamble}${encodeId(formatEventId(log.epoch, offset))}\n`);
      });
    } else if (preamble !== "") {
      reader.writer!.writeText(`${preamble}\n`);
    }
    this.feed(reader);
  }

  /** Sends a reader what the log has for it, as far as it takes it, until it is live. */
  feed(reader: HubReader): void {
    while (reader.topic === this && !reader.isLive && !reader.isReading && !reader.writer!.isPaused) {
      const position = reader.position as string | number | null;
      this.#ask(reader, () => this.#core.log.read(this.name, position, this.#page), (page) => {
        this.#send(reader, page);
      });
    }
  }

  /** Asks the log something for a reader and uses the answer, unless the reader has left by then. */
  #ask<T>(reader: HubReader, question: () => MaybePromise<T>, use: (answer: T) => void): void {
    if (this.#reading++ === 0) this.#tailStart = this.#lastOffset;
    let answer: MaybePromise<T>;
    try {
      answer = question();
      if (!(answer instanceof Promise)) use(answer);
    } catch (error) {
      this.#fail(reader, error);
      answer = undefined as T;
    }
    if (!(answer instanceof Promise)) return this.#answered();
    reader.isReading = true;
    answer.then((value) => {
      if (reader.topic === this) use(value);
    }).catch((error) => this.#fail(reader, error)).then(() => {
      reader.isReading = false;
      this.#answered();
      this.feed(reader);
    });
  }

  /** Sends a page of the log, and makes the reader live if nothing was delivered after it that it did not get. */
  #send(reader: HubReader, page: LogPage): void {
    const { log, counters } = this.#core;
    const writer = reader.writer!;
    if (page.gap !== null) {
      // From the id of a gap nothing is missing: everything that is kept comes after it.
      const offset = page.entries.length === 0 ? page.offset : page.entries[0]!.offset - 1;
      const id = formatEventId(log.epoch, offset);
      writer.writeText(encodeEvent({ event: GAP_EVENT, id, data: { reason: page.gap } }));
      counters.gaps++;
    }
    if (page.entries.length > 0) {
      const bytes = encodePage(log.epoch, page.entries);
      writer.write(bytes);
      counters.replayed += page.entries.length;
      counters.bytes += bytes.length;
    }
    reader.servedOffset = reader.position = page.offset;
    reader.fedAtBytes = this.#deliveredBytes;
    if (!page.isLast || page.offset < this.#tailStart) return;
    for (const { offset, body } of this.#tail) {
      if (offset <= reader.servedOffset) continue;
      reader.servedOffset = offset;
      writer.writeShared(body);
      counters.delivered++;
      counters.bytes += body.plain.bytes.length;
    }
    reader.isLive = reader.topic === this; // a write may have found the client gone
    if (reader.isLive && reader.endsWhenLive) reader.complete();
  }

  /** Keeps an event for readers whose answer of the log is on its way, and forgets the oldest when there are too many. */
  #keep(offset: number, body: SharedBody): void {
    retainSharedBody(body);
    this.#tail.push({ offset, body });
    this.#tailBytes += body.plain.bytes.length;
    while (this.#tail.length > TAIL_EVENTS_MAX || this.#tailBytes > TAIL_BYTES_MAX) {
      const oldest = this.#tail.shift()!;
      this.#tailStart = oldest.offset;
      this.#tailBytes -= oldest.body.plain.bytes.length;
      releaseSharedBody(oldest.body);
    }
  }

  #answered(): void {
    if (--this.#reading > 0) return;
    for (const { body } of this.#tail) releaseSharedBody(body);
    this.#tail = [];
    this.#tailBytes = 0;
  }

  /** More waits for a live reader than may: it gets the rest from the log when it has taken that. */
  #fallBehind(reader: HubReader): void {
    this.#core.counters.caughtUp++;
    reader.isLive = false;
    reader.position = reader.servedOffset;
    reader.fedAtBytes = this.#deliveredBytes;
    this.feed(reader);
  }

  /** Cuts a reader that did not take what waits for it while too much was published. */
  #checkLag(reader: HubReader): void {
    const { counters, readerLagBytesMax } = this.#core;
    const lagBytes = this.#deliveredBytes - reader.fedAtBytes;
    if (lagBytes <= readerLagBytesMax || reader.isReading) return;
    counters.cutSlow++;
    this.#core.leave(reader);
    const writer = reader.writer!;
    writer.abort(new SlowReaderError(writer.bufferedBytes, lagBytes));
  }

  /** The log failed a reader: its stream is not complete, so it is aborted, and the client comes back. */
  #fail(reader: HubReader, error: unknown): void {
    if (reader.topic !== this) return;
    this.#core.counters.logFailures++;
    this.#core.leave(reader);
    reader.writer!.abort(
      error instanceof Error ? error : new TypeError(`Cannot read the event log: ${error}`),
    );
  }
}

/** Entries of the log as one run of bytes, each with its id before it. */
function encodePage(epoch: string, entries: readonly LogEntry[]): Uint8Array {
  const heads = entries.map(({ offset, key }) => encodeId(key ?? formatEventId(epoch, offset)));
  let length = 0;
  for (let index = 0; index < entries.length; index++) {
    length += heads[index]!.length + entries[index]!.bytes.length + 1;
  }
  const page = new Uint8Array(length);
  let at = 0;
  for (let index = 0; index < entries.length; index++) {
    const { bytes } = entries[index]!;
    at += encoder.encodeInto(heads[index]!, page.subarray(at)).written;
    page.set(bytes, at);
    at += bytes.length;
    page[at++] = LF;
  }
  return page;
}
