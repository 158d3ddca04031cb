/**
 * An event log in memory: fast, bounded, and gone with the process (which its readers are told).
 *
 * Strategy: one counter gives offsets to all topics; a topic is a queue of entries, found by binary search. Trimming is
 * done when a topic is touched, so there is no timer.
 *
 * What bounds it, and what happens then:
 * - `eventsMax`, `topicBytesMax`, `ageMs` per topic: its oldest entries go; a reader behind them gets a `"trimmed"` gap.
 * - `topicsMax`, `bytesMax` in all: the topic that was appended to least recently goes as a whole. As one number remembers
 *   how far such topics reached, a reader of any topic that is made anew gets a `"trimmed"` gap unless its
 *   position is after that: at times without need, never missing where there is one.
 * - an entry larger than `topicBytesMax`: `LogEntryTooLargeError`.
 *
 * @module
 */
import type { Clock } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { LogClosedError, LogEntryTooLargeError, LogKeyTakenError } from "./errors.ts";
import { checkEventKey, epochGap, newEpoch, parseEventId } from "./event_id.ts";
import type { EventLog, LogEntry, LogGap, LogPage, LogReadLimits } from "./event_log.ts";

/** Bounds of a `MemoryLog`. All are whole numbers from 1 on. */
export interface MemoryLogOptions {
  /** Entries kept per topic. Default 1,000: minutes of a chatty topic. */
  readonly eventsMax?: number;
  /** Bytes kept per topic, `ENTRY_OVERHEAD_BYTES` an entry included. Default 1 MiB: one slow reader's worth. */
  readonly topicBytesMax?: number;
  /** How long an entry is kept, milliseconds; `null` for ever. Default 600,000: longer than any client waits to reconnect. */
  readonly ageMs?: number | null;
  /** Topics kept. Default 1,024. */
  readonly topicsMax?: number;
  /** Bytes kept in all. Default 64 MiB. At least `topicBytesMax`. */
  readonly bytesMax?: number;
  /** Name of this machine where there are several; see `newEpoch`. Default none. */
  readonly node?: string;
  /** What entries age by. Default the machine's clock. */
  readonly clock?: Clock;
}

/** Counters of a `MemoryLog`. */
export interface MemoryLogStats {
  /** Topics kept now. */
  readonly topics: number;
  /** Entries kept now. */
  readonly entries: number;
  /** Bytes kept now, `ENTRY_OVERHEAD_BYTES` an entry included. */
  readonly bytes: number;
  /** Entries appended so far. */
  readonly appended: number;
  /** Entries that went by count, bytes or age, or with their topic. */
  readonly trimmed: number;
  /** Topics that went as a whole to make room. */
  readonly topicsDropped: number;
}

/** What an entry counts for beside its bytes and key: 282 bytes of heap measured on V8 15, and the allocator's own. */
export const ENTRY_OVERHEAD_BYTES = 320;
/** Entries gone at the head of a queue before it is moved up: seldom enough to cost nothing per entry. */
const MOVE_UP_ENTRIES = 64;

class Entry implements LogEntry {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly key: string | null;
  readonly atMs: number;
  constructor(offset: number, bytes: Uint8Array, key: string | null, atMs: number) {
    this.offset = offset;
    this.bytes = bytes;
    this.key = key;
    this.atMs = atMs;
  }

  get weight(): number {
    return weightOf(this.bytes, this.key);
  }
}

function weightOf(bytes: Uint8Array, key: string | null): number {
  return bytes.length + (key === null ? 0 : key.length) + ENTRY_OVERHEAD_BYTES;
}

/** A topic's entries, oldest first. */
class Topic {
  /** Entries from `head` on; what is before is gone. */
  entries: (Entry | null)[] = [];
  head = 0;
  bytes = 0;
  /** Entries up to this offset may be gone. */
  trimmedOffset: number;
  /** Whether entries of its own are gone. */
  isTrimmed = false;
  /** Offsets by key; made with the first key. */
  keys: Map<string, number> | null = null;

  constructor(trimmedOffset: number) {
    this.trimmedOffset = trimmedOffset;
  }

  get length(): number {
    return this.entries.length - this.head;
  }

  get first(): Entry | null {
    return this.entries[this.head] ?? null;
  }

  push(entry: Entry): void {
    this.entries.push(entry);
    this.bytes += entry.weight;
    if (entry.key !== null) (this.keys ??= new Map()).set(entry.key, entry.offset);
  }

  /** Takes the oldest entry out; returns its weight. */
  shift(): number {
    const entry = this.entries[this.head]!;
    this.entries[this.head++] = null;
    if (this.head >= MOVE_UP_ENTRIES && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    this.bytes -= entry.weight;
    this.trimmedOffset = entry.offset;
    this.isTrimmed = true;
    if (entry.key !== null) this.keys!.delete(entry.key);
    return entry.weight;
  }

  /** Index of the first entry after `offset`. */
  indexAfter(offset: number): number {
    let low = this.head;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.entries[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * An `EventLog` in memory. Every method answers at once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatEventId, MemoryLog } from "@sluice/kit/server";
 *
 * const log = new MemoryLog({ eventsMax: 2 });
 * const first = log.append("news", new TextEncoder().encode("one"));
 * log.append("news", new TextEncoder().encode("two"));
 * const page = log.read("news", formatEventId(log.epoch, first.offset), { entriesMax: 10, bytesMax: 1000 });
 * assertEquals(page.entries.map(({ bytes }) => new TextDecoder().decode(bytes)), ["two"]);
 * assertEquals(page.gap, null);
 * ```
 */
export class MemoryLog implements EventLog {
  /** What its offsets belong to: new for every `MemoryLog`. */
  readonly epoch: string;
  readonly #eventsMax: number;
  readonly #topicBytesMax: number;
  readonly #ageMs: number;
  readonly #topicsMax: number;
  readonly #bytesMax: number;
  readonly #clock: Clock;
  /** In the order of their last append. */
  readonly #topics = new Map<string, Topic>();
  /** The last one of `#topics`, so that a run of appends to one topic does not move it each time. */
  #newest: Topic | null = null;
  #offset = 0;
  /** Up to where dropped topics reached. */
  #droppedOffset = 0;
  #isClosed = false;
  readonly #stats = { topics: 0, entries: 0, bytes: 0, appended: 0, trimmed: 0, topicsDropped: 0 };

  /**
   * Makes an empty log.
   *
   * @param options bounds
   * @throws RangeError for a bound that is no whole number from 1 on, or `bytesMax` below `topicBytesMax`; TypeError for a bad node name
   */
  constructor(options: MemoryLogOptions = {}) {
    this.#eventsMax = bound("eventsMax", options.eventsMax ?? 1_000);
    this.#topicBytesMax = bound("topicBytesMax", options.topicBytesMax ?? 1024 * 1024);
    this.#ageMs = options.ageMs === null ? Infinity : bound("ageMs", options.ageMs ?? 600_000);
    this.#topicsMax = bound("topicsMax", options.topicsMax ?? 1_024);
    this.#bytesMax = bound("bytesMax", options.bytesMax ?? Math.max(64 * 1024 * 1024, this.#topicBytesMax));
    if (this.#bytesMax < this.#topicBytesMax) {
      throw new RangeError(
        `Cannot make a log: bytesMax (${this.#bytesMax}) is below topicBytesMax (${this.#topicBytesMax})`,
      );
    }
    this.epoch = newEpoch(options.node);
    this.#clock = options.clock ?? new SystemClock();
  }

  /** Counters; a live view. */
  get stats(): MemoryLogStats {
    return this.#stats;
  }

  /** See `EventLog.append`. */
  append(topic: string, bytes: Uint8Array, key: string | null = null): LogEntry {
    if (this.#isClosed) throw new LogClosedError("Cannot append");
    if (topic === "") throw new TypeError("Cannot append: the topic's name is empty");
    const weight = weightOf(bytes, key);
    if (weight > this.#topicBytesMax) throw new LogEntryTooLargeError(weight, this.#topicBytesMax);
    if (key !== null) checkEventKey(key);
    const found = this.#topics.get(topic);
    if (found !== undefined) this.#trimAge(found);
    if (key !== null && found?.keys?.has(key)) throw new LogKeyTakenError(topic, key);

    const kept = this.#touch(topic, found);
    const entry = new Entry(++this.#offset, bytes, key, this.#clock.now());
    kept.push(entry);
    this.#stats.appended++;
    this.#stats.entries++;
    this.#stats.bytes += weight;
    while (kept.length > this.#eventsMax || kept.bytes > this.#topicBytesMax) this.#shift(kept);
    while (this.#stats.bytes > this.#bytesMax) this.#dropOldest();
    return entry;
  }

  /** See `EventLog.read`. */
  read(topic: string, after: string | number | null, limits: LogReadLimits): LogPage {
    if (this.#isClosed) throw new LogClosedError("Cannot read");
    const entriesMax = bound("entriesMax", limits.entriesMax);
    let bytesLeft = bound("bytesMax", limits.bytesMax);
    const kept = this.#topics.get(topic);
    if (kept !== undefined) this.#trimAge(kept);
    const { offset, gap } = this.#position(kept, after);
    if (kept === undefined) return { entries: [], gap, offset: this.#offset, isLast: true };

    const entries: Entry[] = [];
    let at = gap === null ? kept.indexAfter(offset) : kept.head;
    for (; at < kept.entries.length && entries.length < entriesMax; at++) {
      const entry = kept.entries[at]!;
      bytesLeft -= entry.bytes.length;
      if (bytesLeft < 0 && entries.length > 0) break;
      entries.push(entry);
    }
    const isLast = at === kept.entries.length;
    return { entries, gap, offset: isLast ? this.#offset : entries.at(-1)!.offset, isLast };
  }

  /** See `EventLog.end`; the same for all topics here, as they share the counter. */
  end(_topic: string): number {
    if (this.#isClosed) throw new LogClosedError("Cannot read");
    return this.#offset;
  }

  /** See `EventLog.drop`. */
  drop(topic: string): void {
    if (this.#isClosed) throw new LogClosedError("Cannot drop");
    const kept = this.#topics.get(topic);
    if (kept !== undefined) this.#drop(topic, kept);
  }

  /** Drops everything. Idempotent. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#topics.clear();
    this.#newest = null;
    this.#stats.topics = 0;
    this.#stats.entries = 0;
    this.#stats.bytes = 0;
    return Promise.resolve();
  }

  /** The offset a position means; with a gap, the position is lost and reading starts at the oldest entry. */
  #position(kept: Topic | undefined, after: string | number | null): { offset: number; gap: LogGap | null } {
    if (after === null) return { offset: 0, gap: kept?.isTrimmed ? "trimmed" : null };
    let offset: number | undefined;
    if (typeof after === "number") {
      offset = after;
    } else {
      const id = parseEventId(after);
      const gap = id === null ? null : epochGap(id, this.epoch);
      if (gap !== null) return { offset: 0, gap };
      offset = id === null ? kept?.keys?.get(after) : id.offset;
    }
    if (offset === undefined || !(offset >= 0 && offset <= this.#offset)) {
      return { offset: 0, gap: "unknown" };
    }
    const isTrimmed = offset < (kept === undefined ? this.#droppedOffset : kept.trimmedOffset);
    return isTrimmed ? { offset: 0, gap: "trimmed" } : { offset, gap: null };
  }

  /** The topic to append to, made if need be, as the most recent one. */
  #touch(name: string, found: Topic | undefined): Topic {
    if (found !== undefined && found === this.#newest) return found;
    if (found !== undefined) this.#topics.delete(name);
    else if (this.#topics.size >= this.#topicsMax) this.#dropOldest();
    const topic = found ?? new Topic(this.#droppedOffset);
    this.#topics.set(name, topic);
    this.#newest = topic;
    this.#stats.topics = this.#topics.size;
    return topic;
  }

  #trimAge(topic: Topic): void {
    const oldestMs = this.#clock.now() - this.#ageMs;
    while ((topic.first?.atMs ?? Infinity) < oldestMs) this.#shift(topic);
  }

  #shift(topic: Topic): void {
    this.#stats.bytes -= topic.shift();
    this.#stats.entries--;
    this.#stats.trimmed++;
  }

  /** Drops the topic that was appended to least recently. */
  #dropOldest(): void {
    const [name, topic] = this.#topics.entries().next().value!;
    this.#stats.topicsDropped++;
    this.#drop(name, topic);
  }

  #drop(name: string, topic: Topic): void {
    this.#topics.delete(name);
    if (this.#newest === topic) this.#newest = null;
    const last = topic.entries.at(-1);
    this.#droppedOffset = Math.max(this.#droppedOffset, last?.offset ?? topic.trimmedOffset);
    this.#stats.bytes -= topic.bytes;
    this.#stats.entries -= topic.length;
    this.#stats.trimmed += topic.length;
    this.#stats.topics = this.#topics.size;
  }
}

function bound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`Cannot use ${value} as ${name}: it must be a whole number from 1 on`);
}
