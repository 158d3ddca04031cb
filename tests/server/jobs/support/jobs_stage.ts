/** A jobs service on a clock that is moved by hand, with runners that do what they are told, and the stories it tells. */
import { TimerWheel } from "../../../../io/timer_wheel.ts";
import { VirtualClock } from "../../../../io/testing/virtual_clock.ts";
import type { JobContext, JobRunner } from "../../../../server/jobs/job_runner.ts";
import { Jobs, type JobsOptions } from "../../../../server/jobs/jobs.ts";
import { MemoryJobStore, type MemoryJobStoreOptions } from "../../../../server/jobs/memory_job_store.ts";
import { MemoryLog } from "../../../../server/log/memory_log.ts";
import { decodeEvents, type SseMessage } from "../../../../server/sse/decode.ts";
import { EventHub } from "../../../../server/sse/event_hub.ts";

/** An attempt that is at work until the test ends it. */
export interface Attempt {
  readonly input: unknown;
  readonly context: JobContext;
  /** Ends it with a result. */
  done(value?: unknown): void;
  /** Ends it with an error. */
  fail(error: unknown): void;
}

/** A runner whose attempts are ended by the test. */
export class HeldRunner implements JobRunner {
  /** Attempts so far, the first first. */
  readonly attempts: Attempt[] = [];
  /** Attempts at work now. */
  running = 0;
  /** The most attempts that were at work at once. */
  runningMost = 0;
  readonly concurrencyMax: number;
  readonly attemptsMax: number;
  readonly timeoutMs: number | null;
  readonly #obeys: boolean;

  /** @param options bounds, and whether it stops when its signal aborts (default: yes) */
  constructor(
    options: { obeys?: boolean; concurrencyMax?: number; attemptsMax?: number; timeoutMs?: number | null } =
      {},
  ) {
    this.concurrencyMax = options.concurrencyMax ?? 10_000;
    this.attemptsMax = options.attemptsMax ?? 1;
    this.timeoutMs = options.timeoutMs ?? null;
    this.#obeys = options.obeys ?? true;
  }

  async run(input: unknown, context: JobContext): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.attempts.push({ input, context, done: resolve, fail: reject });
    if (this.#obeys) context.signal.addEventListener("abort", () => reject(context.signal.reason));
    this.running++;
    this.runningMost = Math.max(this.runningMost, this.running);
    try {
      return await promise;
    } finally {
      this.running--;
    }
  }

  backoffMs(attempt: number): number {
    return 1_000 * attempt;
  }

  /** The last attempt. */
  get last(): Attempt {
    return this.attempts.at(-1)!;
  }
}

/** Options of a `JobsStage`. */
export interface StageOptions extends Partial<Omit<JobsOptions, "store" | "hub" | "time">> {
  readonly store?: MemoryJobStoreOptions;
}

/** See the file's text. */
export class JobsStage implements AsyncDisposable {
  readonly clock: VirtualClock = new VirtualClock();
  readonly timers: TimerWheel = new TimerWheel(this.clock);
  readonly store: MemoryJobStore;
  readonly hub: EventHub;
  readonly held: HeldRunner;
  readonly jobs: Jobs;
  /** What `onError` heard. */
  readonly errors: unknown[] = [];

  constructor(held: HeldRunner = new HeldRunner(), options: StageOptions = {}) {
    this.held = held;
    this.store = new MemoryJobStore({ clock: this.clock, ...options.store });
    this.hub = new EventHub({
      heartbeatMs: null,
      log: new MemoryLog({ clock: this.clock, topicsMax: 50_000 }),
    });
    const { store: _store, runners, ...rest } = options;
    this.jobs = new Jobs({
      onError: (error) => void this.errors.push(error),
      ...rest,
      store: this.store,
      hub: this.hub,
      time: { clock: this.clock, timers: this.timers },
      runners: { held, ...runners },
    });
  }

  /** Enqueues a job of the held runner, and lets it begin. */
  async begin(input: unknown = null, options: { priority?: number; delayMs?: number } = {}): Promise<string> {
    const { job } = await this.jobs.enqueue({ runner: "held", input, ...options });
    await settle();
    return job.id;
  }

  /** Lets time pass, and everything happen that is due. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await settle();
  }

  /** What was told of a job so far: names, or outputs as they are. */
  async story(id: string): Promise<string[]> {
    return (await this.events(id)).map(({ event, data }) => event === "output" ? data : event);
  }

  /** The events of a job so far. */
  async events(id: string): Promise<SseMessage[]> {
    const { log } = this.hub;
    const { entries } = await log.read(`jobs/${id}`, null, { entriesMax: 10_000, bytesMax: 10_000_000 });
    const text = entries.map(({ bytes }) => new TextDecoder().decode(bytes)).join("\n") + "\n";
    const messages: SseMessage[] = [];
    for await (const message of decodeEvents(new Response(text).body!)) messages.push(message);
    return messages;
  }

  /** The data of the last event of a job. */
  async last(id: string): Promise<[event: string, data: Record<string, unknown>]> {
    const { event, data } = (await this.events(id)).at(-1)!;
    return [event, JSON.parse(data)];
  }

  async state(id: string): Promise<string | undefined> {
    return (await this.jobs.get(id))?.state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const attempt of this.held.attempts) attempt.done();
    const stopped = this.jobs.shutdown({ graceMs: 0 });
    await this.clock.advance(60_000);
    await stopped;
    await this.hub.close();
    await this.hub.log.close();
    await this.store.close();
    this.timers.close();
  }
}

/** Lets promise code go as far as it can. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
