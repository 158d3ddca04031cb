/** `sse()` under torture: generators that wait, throw and are slow to end, for clients that take slowly, leave, and are drained. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { Prng } from "../../../io/testing/prng.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import type { BodyProducer } from "../../../server/body_writer.ts";
import type { Handler, ServeInfo } from "../../../server/handler.ts";
import { rawReply } from "../../../server/reply.ts";
import type { SseEvent } from "../../../server/sse/encode.ts";
import { sse, type SseContext } from "../../../server/sse/sse.ts";
import { forSeeds } from "../../support/seeds.ts";
import { FakeWriter } from "./support/fake_writer.ts";

/** One stream and all that is known of it. */
class Stream {
  writer: FakeWriter | null = null;
  producer: BodyProducer | null = null;
  context: SseContext | null = null;
  /** Events it was asked for, and how often its generator was begun and ended. */
  asked = 0;
  begun = 0;
  ended = 0;
  /** What its generator threw. */
  thrown: Error | null = null;
  /** Whether it was asked for an event while its client had enough. */
  isRushed = false;
  /** How `start()` ended. */
  outcome: "open" | "done" | Error = "open";
  /** What it waits for. */
  release: () => void = () => {};
  readonly #prng: Prng;
  readonly #count: number;

  constructor(prng: Prng) {
    this.#prng = prng;
    this.#count = prng.skewed(40) - 1;
  }

  /** The generator. */
  async *events(context: SseContext): AsyncGenerator<SseEvent> {
    this.context = context;
    this.begun++;
    try {
      for (let index = 0; index < this.#count; index++) {
        this.isRushed ||= this.writer!.isPaused;
        this.asked++;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.release = resolve;
        if (this.#prng.chance(0.3)) await promise;
        if (this.#prng.chance(0.2)) {
          context.signal.addEventListener("abort", () => resolve());
          await promise;
        }
        if (this.#prng.chance(0.02)) throw this.thrown = new RangeError(`at ${index}`);
        yield {
          data: `${index}`,
          ...(this.#prng.chance(0.2) && { comment: "c".repeat(this.#prng.skewed(300)) }),
        };
      }
    } finally {
      if (this.#prng.chance(0.2)) await null;
      this.ended++;
      if (this.#prng.chance(0.05)) this.#failInTheEnd();
    }
  }

  #failInTheEnd(): never {
    throw this.thrown = new TypeError("in the end");
  }

  async open(handler: Handler): Promise<void> {
    const response = await handler(new Request("http://a/"), {} as ServeInfo);
    const producer = this.producer = rawReply(response)!.body as BodyProducer;
    const options = { takesAll: this.#prng.chance(0.3), highBytes: this.#prng.integer(20, 200) };
    const writer = this.writer = new FakeWriter(producer, options);
    // As a server does it: what comes out of start() is the stream's failure.
    Promise.resolve(producer.start(writer)).then(() => this.outcome = "done", (error) => {
      this.outcome = error;
      writer.abort(error);
    });
  }

  check(): void {
    const { messages, ended } = this.writer!;
    assert(this.outcome !== "open", "start() never settled");
    assertEquals([this.begun, this.ended], [1, 1], "its generator was begun and ended once");
    // Who waits for its client to take something hears that it has left.
    const isLeft = ended === "left" && this.outcome === this.writer!.reason;
    if (!isLeft) {
      assertEquals(this.outcome === "done" ? null : this.outcome, this.thrown, "what it threw comes out");
    }
    assertEquals(
      messages.map(({ data }) => data),
      messages.map((_, index) => `${index}`),
      "events in their order",
    );
    assert(messages.length <= this.asked);
    if (ended === "end" && !this.context!.signal.aborted) {
      assertEquals(messages.length, this.#count, "all of them");
    }
    if (this.thrown === null) assert(ended === "end" || ended === "left", `it ended by ${ended}`);
    assert(!this.isRushed, "it was asked for an event while its client had enough");
  }
}

/** One seed. */
async function torture(seed: number): Promise<number> {
  const prng = Prng.derive(seed, 51);
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const opened: Stream[] = [];
  const draining = prng.chance(0.5) ? "end" as const : "finish" as const;
  const handler = sse((_request, _info, context) => opened.at(-1)!.events(context), {
    timers,
    heartbeatMs: null,
    draining,
    ...(prng.chance(0.5) && { retryMs: 500 }),
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  for (let step = 0; step < 400; step++) {
    const what = prng.next();
    const stream = opened[prng.integer(0, Math.max(0, opened.length - 1))];
    if (what < 0.1 || stream === undefined) {
      opened.push(new Stream(Prng.derive(seed, 52, opened.length)));
      await opened.at(-1)!.open(handler);
    } else if (what < 0.5) stream.writer!.take(prng.skewed(400));
    else if (what < 0.8) stream.release();
    else if (what < 0.83) stream.writer!.leave();
    else if (what < 0.85 && !stream.writer!.isClosed) stream.producer!.onDraining?.();
    if (prng.chance(0.5)) await turn();
  }
  for (let round = 0; round < 200 && opened.some(({ outcome }) => outcome === "open"); round++) {
    for (const stream of opened) {
      stream.release();
      stream.writer!.take(Infinity);
    }
    await turn();
  }
  for (const stream of opened) {
    stream.writer!.take(Infinity);
    stream.check();
  }
  timers.close();
  assertEquals(clock.pendingCount, 0);
  return opened.reduce((sum, { writer }) => sum + writer!.messages.length, 0);
}

const NAME =
  "streams of generators under torture: each begun and ended once, its events in order, as fast as they are taken";
Deno.test(NAME, () => forSeeds(NAME, 12, async (seed) => assertGreater(await torture(seed), 10)));
