/** What a jobs service does when its store answers late, or when others on the store are faster. Found by torture. */
import { assert, assertEquals } from "@std/assert";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import type { BodyProducer } from "../../../server/body_writer.ts";
import { StaleClaimError } from "../../../server/jobs/errors.ts";
import type { JobStore } from "../../../server/jobs/job_store.ts";
import { Jobs, type JobsOptions } from "../../../server/jobs/jobs.ts";
import { MemoryJobStore } from "../../../server/jobs/memory_job_store.ts";
import { rawReply } from "../../../server/reply.ts";
import { FakeWriter } from "../sse/support/fake_writer.ts";
import { HeldRunner, settle } from "./support/jobs_stage.ts";

/** Holds the answers to some of a store's calls back; what was asked has taken effect. */
class HoldingStore {
  /** The store, as the service sees it. */
  readonly store: JobStore;
  /** Calls whose answers are held back from now on. */
  readonly held = new Set<keyof JobStore>();
  /** Calls that fail from now on, and change nothing. */
  readonly failing = new Set<keyof JobStore>();
  #waiting: (() => void)[] = [];

  constructor(inner: JobStore) {
    this.store = new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...parameters: unknown[]) => {
          if (this.failing.has(name as keyof JobStore)) return Promise.reject(new Error("down"));
          const answer = value.apply(target, parameters);
          if (!this.held.has(name as keyof JobStore)) return answer;
          return new Promise((resolve) => this.#waiting.push(() => resolve(answer)));
        };
      },
    });
  }

  /** Lets all answers go. */
  async answer(): Promise<void> {
    this.held.clear();
    for (const answer of this.#waiting.splice(0)) answer();
    await settle();
  }
}

/** Some services on one store, and a clock that is moved by hand. */
class Stage implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly inner = new MemoryJobStore({ clock: this.clock });
  readonly holding = new HoldingStore(this.inner);
  readonly held: HeldRunner;
  readonly services: Jobs[] = [];

  constructor(held = new HeldRunner()) {
    this.held = held;
  }

  service(options: Partial<JobsOptions> = {}): Jobs {
    const { clock, timers, holding, held } = this;
    const jobs = new Jobs({ runners: { held }, store: holding.store, time: { clock, timers }, ...options });
    this.services.push(jobs);
    return jobs;
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.holding.failing.clear();
    await this.holding.answer();
    for (const attempt of this.held.attempts) attempt.done();
    const stopped = this.services.map((jobs) => jobs.shutdown({ graceMs: 0 }));
    await this.clock.advance(60_000);
    await Promise.all(stopped);
    await this.inner.close();
    this.timers.close();
  }
}

/** Somebody who follows a job. */
async function follow(jobs: Jobs, id: string): Promise<FakeWriter> {
  const response = await jobs.subscribe(new Request("http://a/"), id);
  const producer = rawReply(response)!.body as BodyProducer;
  const writer = new FakeWriter(producer);
  producer.start(writer);
  return writer;
}

const names = (writer: FakeWriter) => writer.messages.map(({ event }) => event);

Deno.test("a job whose enqueuing is answered after its end has one story, which is over", async () => {
  await using stage = new Stage();
  const jobs = stage.service();
  stage.holding.held.add("enqueue");
  const asked = jobs.enqueue({ runner: "held" });
  await settle();
  stage.held.last.done("fast");
  await settle();
  await stage.holding.answer();
  const writer = await follow(jobs, (await asked).job.id);
  assertEquals([names(writer), writer.ended], [["queued", "started", "done"], "end"]);
});

Deno.test("who follows a job that an earlier process had enqueued is told when it is cancelled", async () => {
  await using stage = new Stage();
  const { job } = stage.inner.enqueue({ runner: "held", input: "null", delayMs: 60_000 });
  const jobs = stage.service();
  const writer = await follow(jobs, job.id);
  await jobs.cancel(job.id);
  await settle();
  assertEquals([names(writer), writer.ended], [["queued", "cancelled"], "end"]);
  assertEquals(jobs.stats.cancelledQueued, 1);
});

Deno.test("who asks for a story with an answer that is out of date is not kept waiting for its end", async () => {
  await using stage = new Stage();
  const { job } = stage.inner.enqueue({ runner: "held", input: "null", delayMs: 60_000 });
  const jobs = stage.service();
  stage.holding.held.add("get");
  const following = follow(jobs, job.id);
  await jobs.cancel(job.id);
  await stage.holding.answer();
  assertEquals((await following).ended, "end");
});

Deno.test("progress that the store answers after the job's end is not told after it", async () => {
  await using stage = new Stage();
  const jobs = stage.service();
  const { job } = await jobs.enqueue({ runner: "held" });
  const writer = await follow(jobs, job.id);
  await settle();
  stage.holding.held.add("progress");
  void stage.held.last.context.progress(0.5);
  stage.held.last.done();
  await settle();
  await stage.holding.answer();
  assertEquals(names(writer), ["queued", "started", "done"]);
  assertEquals(names(await follow(jobs, job.id)), ["queued", "started", "done"]);
});

Deno.test("a lease that ends unanswered does not queue a job again that was cancelled meanwhile", async () => {
  await using stage = new Stage(new HeldRunner({ attemptsMax: 2 }));
  const jobs = stage.service({ leaseMs: 1_000 });
  const { job } = await jobs.enqueue({ runner: "held" });
  await settle();
  stage.holding.failing.add("renew");
  stage.holding.held.add("expire");
  await stage.advance(1_100);
  assertEquals((await jobs.cancel(job.id))?.state, "cancelled");
  await settle();
  await stage.holding.answer();
  const writer = await follow(jobs, job.id);
  assertEquals([names(writer), writer.ended], [["queued", "started", "cancelled"], "end"]);
});

Deno.test("a runner whose job is taken away by its own service is told at once, and tells nothing more", async () => {
  await using stage = new Stage(new HeldRunner({ obeys: false }));
  const jobs = stage.service({ leaseMs: 1_000 });
  const { job } = await jobs.enqueue({ runner: "held" });
  await settle();
  stage.holding.failing.add("renew");
  await stage.advance(1_100);
  assertEquals((await jobs.get(job.id))?.state, "failed");
  const { context } = stage.held.last;
  assert(context.signal.reason instanceof StaleClaimError);
  await context.output("more").catch(() => {});
  assertEquals(names(await follow(jobs, job.id)), ["queued", "started", "failed"]);
});

Deno.test("a stop tells runners whose claim was lost, too, and counts those that do not obey", async () => {
  await using stage = new Stage(new HeldRunner({ obeys: false, attemptsMax: 2 }));
  const jobs = stage.service({ leaseMs: 1_000, abortGraceMs: 500 });
  await jobs.enqueue({ runner: "held" });
  await settle();
  stage.holding.failing.add("renew");
  await stage.advance(1_100);
  stage.holding.failing.clear();
  assertEquals(stage.held.attempts.length, 2); // the first one's claim was lost
  const stopping = jobs.shutdown({ graceMs: 0 });
  stage.held.attempts[1]!.done();
  await stage.advance(600);
  assertEquals((await stopping).abandoned, 1);
  assert(stage.held.attempts[0]!.context.signal.aborted);
});

Deno.test("a story of a job that another service runs is ended within the time between two polls", async () => {
  await using stage = new Stage();
  const runs = stage.service();
  const [asks, asksToo] = [
    stage.service({ runners: {}, pollMs: 500 }),
    stage.service({ pollMs: 500, runners: {} }),
  ];
  const { job } = await runs.enqueue({ runner: "held", delayMs: 100 });
  const { job: lost } = await runs.enqueue({ runner: "held", delayMs: 100 });
  const writers = [await follow(asks, job.id), await follow(asksToo, lost.id)];
  await stage.advance(150);
  stage.held.attempts[0]!.done("elsewhere");
  stage.held.attempts[1]!.fail(new TypeError("no luck"));
  await stage.advance(600);
  assertEquals(writers.map(names), [["queued", "done"], ["queued", "failed"]]);
  assertEquals(writers.map(({ ended }) => ended), ["end", "end"]);
  assertEquals(JSON.parse(writers[0]!.messages[1]!.data), { result: "elsewhere", ranMs: 50 });
});
