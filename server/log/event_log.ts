/**
 * The contract of an event log: topics of entries that a reader can go on reading after a break. Types only.
 *
 * ## What every log keeps to
 *
 * - **Offsets** are whole numbers from 1 on that only rise, over all topics together (so a topic's have holes). They are never used
 *   twice in one epoch, not even by a topic that was dropped and came back. An **id** is `epoch.offset`
 *   (`event_id.ts`), and any offset up to the newest is a valid position in any topic.
 * - **The epoch** names the run of numbers the offsets belong to. It changes when the entries are lost (a memory log that
 *   starts anew) and stays when they are not (a log in a file). It holds for the lifetime of the log object.
 * - **Order.** Entries of a topic become visible to `read` in the order of their offsets. Appends to one topic that are
 *   made one after the other take effect, and are answered, in that order. A `read` that begins after an append was
 *   answered sees it, unless it was trimmed.
 * - **Trimming** takes a topic's oldest entries, never from the middle. A `read` whose position lies before what was
 *   trimmed says so: an event is never left out in silence.
 * - `append` and `read` may answer at once or by a promise: a log in memory costs no promise, a durable one can wait for its
 *   disk. An append that was answered is kept as well as this log keeps anything; one that failed is not visible.
 *
 * `tests/contracts/event_log_contract.ts` holds all of it against every log.
 *
 * @module
 */

/** A value, or a promise of one. */
export type MaybePromise<T> = T | Promise<T>;

/** One entry of a topic. */
export interface LogEntry {
  /** Its place in the log. */
  readonly offset: number;
  /** What was appended; never write to it. */
  readonly bytes: Uint8Array;
  /** The publisher's own id of it, or `null`. */
  readonly key: string | null;
}

/**
 * Why what lies between a position and the first entry returned is not known to be complete:
 *
 * - `"trimmed"`: it was there and is gone, by count, bytes or age;
 * - `"restart"`: the id is from an earlier epoch of this node, whose entries are lost;
 * - `"wrong_node"`: the id is from another node's log;
 * - `"unknown"`: no log of this kind made the id (yet), or it is a publisher's own id that is no longer kept.
 */
export type LogGap = "trimmed" | "restart" | "wrong_node" | "unknown";

/** How much one `read` returns at most. */
export interface LogReadLimits {
  /** Entries, from 1 on. */
  readonly entriesMax: number;
  /** Bytes of all entries together. The first entry is returned even if it alone is larger. */
  readonly bytesMax: number;
}

/** What one `read` found. */
export interface LogPage {
  /** Entries after the position, oldest first; with a gap, from the oldest one kept. */
  readonly entries: readonly LogEntry[];
  /** Why entries may be missing before the first one; `null` when none is. */
  readonly gap: LogGap | null;
  /** Where to go on reading: this topic has no other entry up to this offset. */
  readonly offset: number;
  /** Whether the topic had nothing after `offset` at the time of reading. */
  readonly isLast: boolean;
}

/** Where a topic's entries are kept for readers that come back. See the module's text for the rules. */
export interface EventLog {
  /** What its offsets belong to; the part of its ids before the dot. */
  readonly epoch: string;
  /**
   * Adds an entry at the end of a topic, which is made if it does not exist.
   *
   * @param topic any text that is not empty
   * @param bytes the log's own from now on: the caller must not write to them
   * @param key the publisher's own id (see `checkEventKey`), found by `read` as long as the entry is kept. Default `null`
   * @throws TypeError for an empty topic or a key that may not be one; LogEntryTooLargeError when the log would not keep
   *   the entry even alone; LogKeyTakenError when an entry that is kept has the key already; LogClosedError
   */
  append(topic: string, bytes: Uint8Array, key?: string | null): MaybePromise<LogEntry>;
  /**
   * Reads the entries after a position.
   *
   * @param topic one that does not exist is read as empty
   * @param after an id of a log, a publisher's key, an offset of this epoch (as in `LogPage.offset`), or `null` for the
   *   beginning: then the gap is `"trimmed"` if this topic is known to have lost its first entries
   * @throws RangeError for limits below 1; LogClosedError
   */
  read(topic: string, after: string | number | null, limits: LogReadLimits): MaybePromise<LogPage>;
  /** The position at the end of a topic: everything that was appended is at or before it. */
  end(topic: string): MaybePromise<number>;
  /**
   * Drops a topic with all its entries, as trimming them would: a position in it before this leaves a `"trimmed"` gap. One
   * that does not exist is no error.
   *
   * @throws LogClosedError
   */
  drop(topic: string): MaybePromise<void>;
  /** Gives back what it holds; later calls throw or reject with LogClosedError. Idempotent. */
  close(): Promise<void>;
}
