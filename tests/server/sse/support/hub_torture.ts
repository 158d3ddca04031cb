/**
 * An event hub under torture: events published to several topics, some of them refused; readers that come with all kinds of
 * last event ids, take slowly, break off, come back, are cut and refused; topics that are trimmed, dropped and completed; a
 * log that fails and answers late; writes that find their client gone.
 *
 * What must hold: a reader gets exactly what the log had after its position, in order, once; or it is told of a gap, and goes on from
 * what is kept; where nothing was trimmed there is no gap. It gets all of it, unless it was cut, which is counted. Limits and
 * counters are right after every step, no more waits for a reader than may, each publish settles, and no shared body is kept in the end.
 * Everything at random follows from one seed.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Prng } from "../../../../io/testing/prng.ts";
import { VirtualClock } from "../../../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../../../io/timer_wheel.ts";
import type { BodyProducer } from "../../../../server/body_writer.ts";
import { LogEntryTooLargeError, LogKeyTakenError } from "../../../../server/log/errors.ts";
import { formatEventId, newEpoch } from "../../../../server/log/event_id.ts";
import { MemoryLog } from "../../../../server/log/memory_log.ts";
import { rawReply } from "../../../../server/reply.ts";
import { EventHub } from "../../../../server/sse/event_hub.ts";
import { HubLimitError, SlowReaderError, TopicNameError } from "../../../../server/sse/hub_errors.ts";
import { FakeWriter } from "./fake_writer.ts";
import { FlakyLog, type FlakyLogOptions, LogDownError } from "./flaky_log.ts";
import { HubClient, type Published } from "./hub_client.ts";

/** What kind of torture. */
export interface HubTortureOptions {
  readonly seed: number;
  readonly steps: number;
  /** How the log behaves. */
  readonly log: FlakyLogOptions;
  /** Whether the log keeps little, so that much is trimmed. */
  readonly isTight: boolean;
}

const TOPICS = ["a", "b", "c", "d"];
const LIMITS = {
  readersMax: 9,
  topicReadersMax: 4,
  addressReadersMax: 5,
  topicsMax: 3,
  eventBytesMax: 200,
  readerBufferBytesMax: 400,
  readerLagBytesMax: 700,
  publishesMax: 6,
} as const;
/** What may wait for one reader if the log answers at once: what may wait, an event, and a page with its ids. */
const WAITING_MAX = LIMITS.readerBufferBytesMax + 300 + LIMITS.readerBufferBytesMax * 3;
const CLIENTS = 12;
/** Events published at once, now and then: more than are kept for readers whose answer is on its way. */
const BURST = 300;

/** Torments a hub. @throws AssertionError for what must not be @returns how many events its clients got */
export async function tortureHub(options: HubTortureOptions): Promise<number> {
  const torture = new HubTorture(options);
  for (let step = 0; step < options.steps; step++) await torture.step();
  return await torture.finish();
}

class HubTorture {
  readonly #options: HubTortureOptions;
  readonly #prng: Prng;
  readonly #clock = new VirtualClock();
  readonly #timers = new TimerWheel(this.#clock);
  readonly #log: FlakyLog;
  readonly #hub: EventHub;
  readonly #published = new Map<string, Published[]>(TOPICS.map((topic) => [topic, []]));
  readonly #clients: HubClient[];
  /** Responses that were not sent yet. */
  readonly #unsent: (() => void)[] = [];
  /** All connections there were. */
  readonly #writers: FakeWriter[] = [];
  readonly #publishing = new Set<Promise<void>>();
  readonly #faults: unknown[] = [];
  #accepted = 0;
  #count = 0;

  constructor(options: HubTortureOptions) {
    this.#options = options;
    this.#prng = Prng.derive(options.seed, 29);
    const bounds = options.isTight
      ? { eventsMax: 15, topicBytesMax: 9_000, topicsMax: 3, ageMs: 20_000 }
      : { eventsMax: 1e6, topicBytesMax: 1e8, bytesMax: 1e9, ageMs: null };
    const memory = new MemoryLog({ clock: this.#clock, ...bounds });
    this.#log = new FlakyLog(memory, Prng.derive(options.seed, 30), options.log);
    this.#log.onAppended = (topic, { offset, key, bytes }) => {
      const data = /data: (.*)\n/.exec(new TextDecoder().decode(bytes))![1]!;
      this.#published.get(topic)!.push({ id: key ?? formatEventId(memory.epoch, offset), data });
    };
    this.#hub = new EventHub({ log: this.#log, timers: this.#timers, heartbeatMs: 5_000, ...LIMITS });
    this.#clients = Array.from({ length: CLIENTS }, (_, n) => {
      const topic = TOPICS[n % TOPICS.length]!;
      return new HubClient(topic, this.#published.get(topic)!, !options.isTight);
    });
  }

  /** Something happens. */
  async step(): Promise<void> {
    const prng = this.#prng;
    const what = prng.next();
    if (what < 0.35) this.#publish();
    else if (what < 0.354) { for (let left = BURST; left > 0; left--) this.#publish("a"); }
    else if (what < 0.75) this.#move(this.#clients[prng.integer(0, CLIENTS - 1)]!);
    else if (what < 0.9) this.#log.answer();
    else if (what < 0.95) await this.#clock.advance(prng.skewed(10_000));
    else if (what < 0.96) this.#hub.complete(this.#topic());
    else if (what < 0.97 && this.#options.isTight) await this.#hub.log.drop(this.#topic());
    else this.#unsent.splice(prng.integer(0, Math.max(0, this.#unsent.length - 1)), 1)[0]?.();
    if (prng.chance(0.5)) await turn();
    this.#checkLimits();
  }

  /** Lets everything come to its end; returns how many events were seen. */
  async finish(): Promise<number> {
    this.#log.options = { failing: 0, lateReads: 0, lateAppends: 0 };
    for (const client of this.#clients) {
      // Readers are limited, so each gets its turn alone.
      await this.#settle(client);
      if (client.isOff) this.#connect(client);
      await this.#settle(client);
      client.checkComplete();
      client.leave();
    }
    await this.#settle(null);
    assertEquals(this.#publishing.size, 0, "a publish never settled");
    if (this.#faults.length > 0) throw this.#faults[0];
    this.#checkCounters();
    await this.#hub.close();
    await this.#log.close();
    this.#timers.close();
    for (const { shared } of this.#writers) {
      for (const { plain, chunked } of shared) {
        assertEquals([plain.refs, chunked.refs], [0, 0], "a body is kept");
      }
    }
    assertEquals(this.#clock.pendingCount, 0, "timers are left");
    return this.#clients.reduce((sum, { seen }) => sum + seen, 0);
  }

  async #settle(client: HubClient | null): Promise<void> {
    for (let round = 0; round < 200; round++) {
      while (this.#log.waiting > 0) this.#log.answer();
      client?.take(Infinity);
      await turn();
      if (this.#log.waiting === 0 && this.#publishing.size === 0 && !client?.hasMore) return;
    }
    throw new Error("it does not come to an end");
  }

  #topic(): string {
    return TOPICS[this.#prng.integer(0, TOPICS.length - 1)]!;
  }

  #publish(topic: string = this.#topic()): void {
    const prng = this.#prng;
    const isBad = prng.chance(0.03);
    const length = prng.chance(0.05) ? LIMITS.eventBytesMax : prng.skewed(150);
    // A publisher's own id stands for one event: where events go, none is used again.
    const key = this.#options.isTight ? this.#count : prng.integer(0, 40);
    const id = prng.chance(0.1) ? { id: `key-${key}` } : {};
    const data = `${this.#count++}-`.padEnd(length, "x");
    const publishing = this.#hub.publish(isBad ? "*" : topic, { data, ...id }).then(
      () => void this.#accepted++,
      (error) => {
        const types = [HubLimitError, TopicNameError, LogKeyTakenError, LogEntryTooLargeError, LogDownError];
        if (!types.some((type) => error instanceof type)) this.#faults.push(error);
      },
    ).then(() => void this.#publishing.delete(publishing));
    this.#publishing.add(publishing);
  }

  #move(client: HubClient): void {
    if (client.isOff) this.#connect(client);
    else if (this.#prng.chance(0.07)) client.leave();
    else if (this.#prng.chance(0.02)) client.drain();
    else client.take(this.#prng.skewed(800));
  }

  #connect(client: HubClient): void {
    const prng = this.#prng;
    const position = client.position(prng, this.#strangeId());
    const headers = position.id === "" ? {} : { "last-event-id": position.id };
    const info = { remoteAddr: { hostname: `192.0.2.${client.topic === "a" ? 1 : 2}` } };
    const request = new Request("http://a/", { headers });
    const response = this.#hub.subscribe(request, client.topic, info, { from: position.from });
    if (response.status !== 200) return assert([429, 503].includes(response.status));
    const producer = rawReply(response)!.body as BodyProducer;
    const start = () => {
      if (!client.isOff) return producer.onClosed?.(null); // it has come another way
      const options = { takesAll: prng.chance(0.2), highBytes: 300, lastEventId: position.id };
      const writer = new FakeWriter(producer, options);
      this.#writers.push(writer);
      client.begin(writer, producer, position);
      writer.onWrite = () => prng.chance(0.02) && client.leave();
      producer.start(writer);
    };
    if (prng.chance(0.9)) start();
    else this.#unsent.push(start);
  }

  #strangeId(): string {
    const prng = this.#prng;
    const { epoch } = this.#log;
    const all = [
      newEpoch() + ".3",
      `web~${newEpoch()}.1`,
      `${epoch}.999999`,
      `${epoch}.0`,
      "key-1",
      "nonsense",
      "ü",
    ];
    return prng.chance(0.5)
      ? `${epoch}.${prng.integer(0, this.#count)}`
      : all[prng.integer(0, all.length - 1)]!;
  }

  #checkLimits(): void {
    if (this.#faults.length > 0) throw this.#faults[0];
    const open = this.#clients.filter(({ isOff }) => !isOff);
    const { readers, topics } = this.#hub.stats;
    const byTopic = new Map<string, number>();
    for (const { topic } of open) byTopic.set(topic, (byTopic.get(topic) ?? 0) + 1);
    assertEquals([readers, topics], [open.length, byTopic.size], "readers and their topics");
    assert(readers <= LIMITS.readersMax && topics <= LIMITS.topicsMax, "more readers than may be");
    for (const count of byTopic.values()) assert(count <= LIMITS.topicReadersMax, "more readers of a topic");
    if (this.#options.log.lateReads > 0) return; // what is published while an answer is awaited comes on top
    for (const client of open) {
      assert(client.bufferedBytes <= WAITING_MAX, `${client.bufferedBytes} bytes wait`);
    }
  }

  #checkCounters(): void {
    const { stats } = this.#hub;
    const aborted = this.#writers.filter(({ ended }) => ended === "abort");
    const slow = aborted.filter(({ reason }) => reason instanceof SlowReaderError);
    for (const { reason } of aborted) {
      if (!(reason instanceof SlowReaderError)) assertInstanceOf(reason, LogDownError);
    }
    assertEquals([stats.published, stats.cutSlow], [this.#accepted, slow.length], "published and cut");
    assertEquals(stats.logFailures, aborted.length - slow.length, "failures of the log");
    assertEquals([stats.readers, stats.topics], [0, 0]);
  }
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
