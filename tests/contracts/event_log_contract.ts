/**
 * What every event log promises (`server/log/event_log.ts`), as tests: each log's own test file calls `testEventLog`.
 *
 * A log is opened small (`SMALL`), so that its bounds are reached quickly, and through promises, whichever way it answers.
 */
import { assert, assertEquals, assertFalse, assertGreater, assertRejects } from "@std/assert";
import { LogClosedError, LogEntryTooLargeError, LogKeyTakenError } from "../../server/log/errors.ts";
import { formatEventId, parseEventId } from "../../server/log/event_id.ts";
import type { EventLog, LogEntry, LogPage, LogReadLimits, MaybePromise } from "../../server/log/event_log.ts";
import { seededRandom } from "../server/sse/support/random.ts";

/** How a log under test must be bounded. */
export const SMALL = { eventsMax: 20, topicBytesMax: 8_000, ageMs: 60_000, topicsMax: 5 } as const;

/** A log under test and what can be done to it from outside. */
export interface LogUnderTest {
  /** The log, bounded as `SMALL`. */
  readonly log: EventLog;
  /** Lets that much time pass for the log. */
  advance(ms: number): Promise<void>;
  /** Closes the log and opens its successor on the same node, as a restart of the process does. */
  restart(): Promise<LogUnderTest>;
}

/** One kind of log. */
export interface LogKind {
  /** Name of the kind, to begin the tests' names. */
  readonly name: string;
  /** Whether entries survive a restart. */
  readonly isDurable: boolean;
  /** Opens an empty log of a node. */
  open(node: string): Promise<LogUnderTest>;
}

const ALL: LogReadLimits = { entriesMax: 1_000, bytesMax: 1_000_000 };
const text = (entry: LogEntry) => new TextDecoder().decode(entry.bytes);
const texts = (page: LogPage) => page.entries.map(text);

/** An append that rejects where a log throws. */
async function append(log: EventLog, topic: string, data: string, key?: string): Promise<LogEntry> {
  return await log.append(topic, new TextEncoder().encode(data), key);
}

/** A read that rejects where a log throws. */
async function read(
  log: EventLog,
  topic: string,
  after: string | number | null,
  limits = ALL,
): Promise<LogPage> {
  return await log.read(topic, after, limits);
}

const idOf = (log: EventLog, { offset }: LogEntry) => formatEventId(log.epoch, offset);

/** Registers the contract's tests for one kind of log. */
export function testEventLog(kind: LogKind): void {
  const test = (name: string, run: (under: LogUnderTest) => Promise<void>) =>
    Deno.test(`${kind.name}: ${name}`, async () => {
      const under = await kind.open("web-1");
      try {
        await run(under);
      } finally {
        await under.log.close();
      }
    });
  testOrder(test);
  testBounds(test);
  testPositions(test, kind);
}

type Register = (name: string, run: (under: LogUnderTest) => Promise<void>) => void;

function testOrder(test: Register): void {
  test("what is appended is read back in order, by topic", async ({ log }) => {
    for (const data of ["a", "b", "c"]) await append(log, "x", data);
    await append(log, "y", "other");
    assertEquals(texts(await read(log, "x", null)), ["a", "b", "c"]);
    assertEquals(texts(await read(log, "y", null)), ["other"]);
    assertEquals(texts(await read(log, "z", null)), []);
  });

  test("offsets rise over all topics, and ids are epoch and offset", async ({ log }) => {
    const offsets: number[] = [];
    for (const topic of ["x", "y", "x", "z"]) offsets.push((await append(log, topic, "e")).offset);
    assertEquals([...new Set(offsets)].sort((a, b) => a - b), offsets);
    assertGreater(offsets[0]!, 0);
    assertEquals(parseEventId(formatEventId(log.epoch, offsets[0]!))?.epoch, log.epoch);
  });

  test("appends made at once take effect and are answered in their order", async ({ log }) => {
    const answered: string[] = [];
    const all = ["a", "b", "c", "d", "e"].map(async (data) => {
      const entry = await append(log, "x", data);
      answered.push(data);
      return entry.offset;
    });
    const offsets = await Promise.all(all);
    assertEquals(answered, ["a", "b", "c", "d", "e"]);
    assertEquals(offsets.toSorted((a, b) => a - b), offsets);
    assertEquals(texts(await read(log, "x", null)), answered);
  });

  test("bytes come back as they were, whatever they are", async ({ log }) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await log.append("x", bytes.slice());
    await log.append("x", new Uint8Array(0));
    const { entries } = await read(log, "x", null);
    assertEquals(entries.map((entry) => [...entry.bytes]), [[...bytes], []]);
  });

  test("a page is bounded by entries and by bytes, and the next one goes on where it ended", async ({ log }) => {
    for (let n = 0; n < 10; n++) await append(log, "x", `${n}`.repeat(10));
    for (const limits of [{ ...ALL, entriesMax: 3 }, { ...ALL, bytesMax: 35 }]) {
      const sizes: number[] = [];
      const seen: string[] = [];
      let after: number | null = null;
      for (let isLast = false; !isLast;) {
        const page = await read(log, "x", after, limits);
        sizes.push(page.entries.length);
        seen.push(...texts(page));
        ({ offset: after, isLast } = page);
        assertEquals(page.gap, null);
      }
      assertEquals(sizes, [3, 3, 3, 1]);
      assertEquals(seen.map((data) => data[0]), [..."0123456789"]);
    }
  });

  test("an entry larger than the page is returned alone", async ({ log }) => {
    for (const data of ["a".repeat(50), "b", "c"]) await append(log, "x", data);
    const page = await read(log, "x", null, { ...ALL, bytesMax: 10 });
    assertEquals([texts(page), page.isLast], [["a".repeat(50)], false]);
    assertEquals(texts(await read(log, "x", page.offset, { ...ALL, bytesMax: 10 })), ["b", "c"]);
  });

  test("every position in a stream of appends and trims gives what follows it, or says that something is gone", async ({ log }) => {
    const random = seededRandom(3);
    const appended: { topic: string; data: string; offset: number }[] = [];
    for (let n = 0; n < 300; n++) {
      const topic = `t${random.int(8)}`; // more topics than are kept
      const data = `${n}`.repeat(1 + random.int(120));
      appended.push({ topic, data, offset: (await append(log, topic, data)).offset });
      const from = appended[random.int(appended.length)]!.offset;
      const asked = `t${random.int(8)}`;
      const expected = appended.filter((entry) => entry.topic === asked && entry.offset > from);
      const page = await read(log, asked, random.int(2) ? from : formatEventId(log.epoch, from));
      const kept = expected.slice(expected.length - page.entries.length);
      assertEquals(texts(page), kept.map((entry) => entry.data));
      if (page.gap === null) assertEquals(page.entries.length, expected.length);
      else assertEquals(page.gap, "trimmed");
    }
  });
}

function testBounds(test: Register): void {
  test("a topic keeps its newest entries up to the count, and a reader behind them is told", async ({ log }) => {
    const first = await append(log, "x", "0");
    const second = await append(log, "x", "1");
    for (let n = 2; n <= SMALL.eventsMax + 1; n++) await append(log, "x", `${n}`);
    const all = await read(log, "x", null);
    assertEquals([all.gap, all.entries.length, text(all.entries[0]!)], ["trimmed", SMALL.eventsMax, "2"]);
    assertEquals((await read(log, "x", idOf(log, second))).gap, null);
    const behind = await read(log, "x", idOf(log, first));
    assertEquals([behind.gap, texts(behind)], ["trimmed", texts(all)]);
  });

  test("a topic keeps no more bytes than it may, and refuses an entry it could not keep", async ({ log }) => {
    for (let n = 0; n < 10; n++) await append(log, "x", "x".repeat(1_500));
    const page = await read(log, "x", null);
    assertEquals(page.gap, "trimmed");
    assertGreater(page.entries.length, 0);
    assert(page.entries.reduce((sum, { bytes }) => sum + bytes.length, 0) <= SMALL.topicBytesMax);
    await assertRejects(() => append(log, "x", "x".repeat(SMALL.topicBytesMax + 1)), LogEntryTooLargeError);
    assertEquals((await read(log, "x", null)).entries.length, page.entries.length);
  });

  test("entries go when they are too old, and not before", async ({ log, advance }) => {
    const first = await append(log, "x", "old");
    await advance(SMALL.ageMs / 2);
    await append(log, "x", "young");
    await advance(SMALL.ageMs / 2);
    assertEquals(texts(await read(log, "x", null)), ["old", "young"]);
    await advance(1_000);
    const page = await read(log, "x", formatEventId(log.epoch, first.offset - 1));
    assertEquals([page.gap, texts(page)], ["trimmed", ["young"]]);
    assertEquals((await read(log, "x", idOf(log, first))).gap, null);
  });

  test("the topic that was idle longest makes room for a new one, and its readers are told", async ({ log }) => {
    const ids = new Map<string, LogEntry>();
    for (const topic of ["a", "b", "c", "d", "e", "a"]) ids.set(topic, await append(log, topic, topic));
    const newest = await append(log, "f", "f");
    assertEquals(texts(await read(log, "b", null)), []);
    for (const topic of ["a", "c", "d", "e", "f"]) {
      assertGreater((await read(log, topic, null)).entries.length, 0, topic);
    }
    const before = formatEventId(log.epoch, ids.get("b")!.offset - 1);
    assertEquals((await read(log, "b", before)).gap, "trimmed");
    assertEquals((await read(log, "b", idOf(log, newest))).gap, null);
    await append(log, "b", "again");
    const page = await read(log, "b", before);
    assertEquals([page.gap, texts(page)], ["trimmed", ["again"]]);
  });

  test("a topic that is dropped is gone, its readers are told, and others are not touched", async ({ log }) => {
    const first = await append(log, "x", "a");
    await append(log, "y", "-");
    await append(log, "x", "b");
    await log.drop("x");
    await log.drop("nothing");
    assertEquals([texts(await read(log, "x", null)), texts(await read(log, "y", null))], [[], ["-"]]);
    assertEquals((await read(log, "x", idOf(log, first))).gap, "trimmed");
    const again = await append(log, "x", "c");
    const page = await read(log, "x", idOf(log, first));
    assertEquals([page.gap, texts(page)], ["trimmed", ["c"]]);
    assertEquals((await read(log, "x", idOf(log, again))).gap, null);
    assertGreater(again.offset, first.offset);
  });

  test("limits below 1 and an empty topic are refused", async ({ log }) => {
    await assertRejects(() => read(log, "x", null, { entriesMax: 0, bytesMax: 1 }), RangeError);
    await assertRejects(() => read(log, "x", null, { entriesMax: 1, bytesMax: 0 }), RangeError);
    await assertRejects(() => append(log, "", "x"), TypeError);
  });

  test("a closed log refuses everything, and closing twice is closing", async ({ log }) => {
    await append(log, "x", "x");
    await log.close();
    await log.close();
    await assertRejects(() => append(log, "x", "y"), LogClosedError);
    await assertRejects(() => read(log, "x", null), LogClosedError);
    await assertRejects(async () => await log.end("x"), LogClosedError);
    await assertRejects(async () => await log.drop("x"), LogClosedError);
  });
}

function testPositions(test: Register, kind: LogKind): void {
  test("the end is a position that nothing before it comes after", async ({ log }) => {
    const empty = await log.end("x");
    await append(log, "x", "a");
    const end = await log.end("x");
    assertEquals(texts(await read(log, "x", formatEventId(log.epoch, empty))), ["a"]);
    await append(log, "x", "b");
    for (const position of [end, formatEventId(log.epoch, end)]) {
      const page = await read(log, "x", position);
      assertEquals([page.gap, texts(page), page.isLast], [null, ["b"], true]);
    }
  });

  test("a position of another topic is one in this topic too", async ({ log }) => {
    await append(log, "x", "a");
    const other = await append(log, "y", "-");
    await append(log, "x", "b");
    assertEquals(texts(await read(log, "x", idOf(log, other))), ["b"]);
  });

  test("a publisher's own id is a position as long as its entry is kept", async ({ log }) => {
    await append(log, "x", "a", "order-1");
    await append(log, "x", "b", "order-2");
    const page = await read(log, "x", "order-1");
    assertEquals([page.gap, texts(page), page.entries[0]?.key], [null, ["b"], "order-2"]);
    assertEquals((await read(log, "y", "order-1")).gap, "unknown");
    for (let n = 0; n < SMALL.eventsMax; n++) await append(log, "x", `${n}`);
    assertEquals((await read(log, "x", "order-2")).gap, "unknown");
  });

  test("a publisher's own id is refused while it is kept, and free again after that", async ({ log }) => {
    await append(log, "x", "a", "k");
    const error = await assertRejects(() => append(log, "x", "b", "k"), LogKeyTakenError);
    assertEquals([error.topic, error.key, error.code], ["x", "k", "SLUICE_LOG_KEY_TAKEN"]);
    await append(log, "y", "b", "k");
    for (let n = 0; n < SMALL.eventsMax; n++) await append(log, "x", `${n}`);
    await append(log, "x", "c", "k");
    await append(log, "x", "d");
    assertEquals(texts(await read(log, "x", "k")), ["d"]);
  });

  test("an own id that has two meanings, or that a header cannot carry, is refused", async ({ log }) => {
    for (const key of ["", "a b", "ü", "a\n", "x".repeat(129), formatEventId(log.epoch, 1)]) {
      await assertRejects(() => append(log, "x", "a", key), TypeError);
    }
    assertEquals((await read(log, "x", null)).entries, []);
  });

  test("ids that no log made, or that lie ahead, are unknown, and everything kept follows", async ({ log }) => {
    const entry = await append(log, "x", "a");
    const ahead = formatEventId(log.epoch, entry.offset + 1);
    for (
      const after of [
        ahead,
        entry.offset + 1,
        "",
        "7",
        "nonsense",
        `${log.epoch}.`,
        "x".repeat(9_999),
        -1,
        NaN,
      ]
    ) {
      const page = await read(log, "x", after);
      assertEquals([page.gap, texts(page)], ["unknown", ["a"]], String(after));
    }
  });

  test("an id of another node is told from one of this node", async ({ log }) => {
    const other = await kind.open("web-2");
    try {
      const entry = await append(other.log, "x", "there");
      await append(log, "x", "here");
      const page = await read(log, "x", idOf(other.log, entry));
      assertEquals([page.gap, texts(page)], ["wrong_node", ["here"]]);
    } finally {
      await other.log.close();
    }
  });

  test("after a restart an id still holds, or its reader is told", async ({ log, restart }) => {
    await append(log, "x", "a");
    const id = idOf(log, await append(log, "x", "b"));
    const successor = await restart();
    try {
      const after = await append(successor.log, "x", "c");
      const page = await read(successor.log, "x", id);
      assertEquals([page.gap, texts(page)], [kind.isDurable ? null : "restart", ["c"]]);
      assertFalse(idOf(successor.log, after) === id);
      assertEquals(successor.log.epoch === log.epoch, kind.isDurable);
    } finally {
      await successor.log.close();
    }
  });
}

/**
 * A log that answers at once, made to answer when it is told: everything takes effect when it is asked, appends are answered
 * in their order, reads whenever.
 */
export class DeferredLog implements EventLog {
  /** The log behind. */
  readonly inner: EventLog;
  /** Answers to appends that wait, oldest first. */
  readonly appends: (() => void)[] = [];
  /** Answers to reads that wait, oldest first. */
  readonly reads: (() => void)[] = [];
  /** @param inner a log that answers at once */
  constructor(inner: EventLog) {
    this.inner = inner;
  }
  /** That of the log behind. */
  get epoch(): string {
    return this.inner.epoch;
  }
  #later<T>(waiting: (() => void)[], ask: () => MaybePromise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    try {
      const answer = ask();
      waiting.push(() => resolve(answer));
    } catch (error) {
      waiting.push(() => reject(error));
    }
    return promise;
  }
  /** See `EventLog`. */
  append(topic: string, bytes: Uint8Array, key?: string | null): Promise<LogEntry> {
    return this.#later(this.appends, () => this.inner.append(topic, bytes, key));
  }
  /** See `EventLog`. */
  read(topic: string, after: string | number | null, limits: LogReadLimits): Promise<LogPage> {
    return this.#later(this.reads, () => this.inner.read(topic, after, limits));
  }
  /** See `EventLog`. */
  end(topic: string): Promise<number> {
    return this.#later(this.reads, () => this.inner.end(topic));
  }
  /** See `EventLog`. */
  drop(topic: string): Promise<void> {
    return this.#later(this.appends, () => this.inner.drop(topic));
  }
  /** Lets the oldest answer to an append go, and what waits for it run; `false` when there is none. */
  answerAppend(): Promise<boolean> {
    return settle(this.appends.shift());
  }
  /** Lets an answer to a read go, the oldest unless told, and what waits for it run; `false` when there is none. */
  answerRead(index = 0): Promise<boolean> {
    return settle(this.reads.splice(index, 1)[0]);
  }
  /** Lets everything go until nothing waits. */
  async answerAll(): Promise<void> {
    while (await this.answerAppend() || await this.answerRead());
  }
  /** Closes the log behind. */
  close(): Promise<void> {
    return this.inner.close();
  }
}

async function settle(answer: (() => void) | undefined): Promise<boolean> {
  answer?.();
  await new Promise((resolve) => setImmediate(resolve));
  return answer !== undefined;
}
