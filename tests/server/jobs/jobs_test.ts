import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import {
  JobCancelledError,
  JobQueueFullError,
  JobRejectedError,
  JobsStoppingError,
  JobTimeoutError,
  StaleClaimError,
  UnknownRunnerError,
} from "../../../server/jobs/errors.ts";
import type { JobRunner } from "../../../server/jobs/job_runner.ts";
import { Jobs } from "../../../server/jobs/jobs.ts";
import { decodeEvents } from "../../../server/sse/decode.ts";
import { seededRandom } from "../sse/support/random.ts";
import { HeldRunner, JobsStage, settle } from "./support/jobs_stage.ts";

/** Asks for a job's story, and returns it as a client gets it. */
async function follow(stage: JobsStage, id: string, lastEventId?: string): Promise<Response> {
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  return await stage.jobs.subscribe(new Request("http://a/", { headers }), id);
}

async function namesOf(response: Response): Promise<string[]> {
  const names: string[] = [];
  for await (const { event, data } of decodeEvents(response.body!)) {
    names.push(event === "output" ? data : event);
  }
  return names;
}

Deno.test("a job is run, and its story is queued, started, what it said, and done", async () => {
  await using stage = new JobsStage();
  const id = await stage.begin({ n: 1 });
  const { input, context } = stage.held.last;
  assertEquals([input, context.id, context.attempt, context.signal.aborted], [{ n: 1 }, id, 1, false]);
  await context.progress({ part: 0.5 });
  await context.output("a word");
  await context.output({ and: "a value" });
  stage.held.last.done({ answer: 42 });
  await settle();
  assertEquals(await stage.story(id), [
    "queued",
    "started",
    "progress",
    "a word",
    '{"and":"a value"}',
    "done",
  ]);
  const [, { result, ranMs }] = await stage.last(id);
  assertEquals([result, ranMs], [{ answer: 42 }, 0]);
  const job = await stage.jobs.get(id);
  assertEquals([job?.state, job?.result, job?.progress], ["done", '{"answer":42}', '{"part":0.5}']);
});

Deno.test("who comes late gets the whole story, who comes back the rest, and the stream ends with the job", async () => {
  await using stage = new JobsStage();
  const id = await stage.begin();
  const early = namesOf(await follow(stage, id));
  await stage.held.last.context.output("one");
  const late = namesOf(await follow(stage, id));
  const [, , one] = await stage.events(id);
  assertEquals(one?.data, "one");
  const { log } = stage.hub;
  const position = `${log.epoch}.${await log.end("x")}`;
  await stage.held.last.context.output("two");
  const back = namesOf(await follow(stage, id, position));
  stage.held.last.done();
  const all = ["queued", "started", "one", "two", "done"];
  assertEquals([await early, await late, await back], [all, all, ["two", "done"]]);
  assertEquals(await namesOf(await follow(stage, id)), all, "after the end, too");
});

Deno.test("who has everything is answered 204, and who asks for what is not kept is told so", async () => {
  await using stage = new JobsStage(new HeldRunner(), { storiesMax: 1 });
  const ids: string[] = [];
  for (let n = 0; n < 2; n++) {
    ids.push(await stage.begin());
    stage.held.last.done();
    await settle();
  }
  const end = `${stage.hub.log.epoch}.${await stage.hub.log.end("x")}`;
  assertEquals((await follow(stage, ids[1]!, end)).status, 204);
  const gone = await follow(stage, ids[0]!);
  assertEquals([gone.status, (await gone.json()).code], [410, "SLUICE_JOB_STORY_GONE"]);
  const nobody = await follow(stage, "nobody");
  assertEquals([nobody.status, (await nobody.json()).code], [404, "SLUICE_JOB_NOT_FOUND"]);
});

Deno.test("progress is told ten times a second at most, the last one always", async () => {
  await using stage = new JobsStage();
  const id = await stage.begin();
  const { context, done } = stage.held.last;
  for (let n = 1; n <= 50; n++) {
    await context.progress(n);
    await stage.clock.advance(10);
  }
  done();
  await settle();
  const told = (await stage.events(id)).filter(({ event }) => event === "progress").map(({ data }) => data);
  assertEquals(told, ["1", "11", "21", "31", "41", "50"]);
});

Deno.test("1,000 jobs that wait are all at work at once, beside two that compute in two slots", async () => {
  const compute = new HeldRunner({ concurrencyMax: 2 });
  await using stage = new JobsStage(new HeldRunner(), { runners: { compute } });
  for (let n = 0; n < 5; n++) await stage.jobs.enqueue({ runner: "compute" });
  for (let n = 0; n < 1_000; n++) await stage.jobs.enqueue({ runner: "held", input: n });
  while (stage.held.running < 1_000) await settle();
  assertEquals([stage.held.running, compute.running], [1_000, 2]);
  for (const { done } of stage.held.attempts) done();
  for (let n = 0; n < 5; n++) {
    await settle();
    compute.attempts[n]!.done();
  }
  await settle();
  assertEquals([compute.runningMost, compute.attempts.length], [2, 5]);
  const { held, compute: counts } = stage.jobs.stats.runners;
  assertEquals([held!.outcomes.done, counts!.outcomes.done, held!.running], [1_000, 5, 0]);
});

Deno.test("the most urgent job gets the slot that is free next", async () => {
  await using stage = new JobsStage(new HeldRunner({ concurrencyMax: 1 }));
  for (const [input, priority] of [["first", 0], ["low", 1], ["high", 9], ["low too", 1]] as const) {
    await stage.begin(input, { priority });
  }
  for (let n = 0; n < 4; n++) {
    stage.held.last.done();
    await settle();
  }
  assertEquals(stage.held.attempts.map(({ input }) => input), ["first", "high", "low", "low too"]);
});

Deno.test("a delayed job begins when it is due, without anybody's asking", async () => {
  await using stage = new JobsStage();
  const id = await stage.begin(null, { delayMs: 5_000 });
  await stage.advance(4_990);
  assertEquals(stage.held.attempts.length, 0);
  await stage.advance(20);
  assertEquals([stage.held.attempts.length, await stage.state(id)], [1, "running"]);
});

Deno.test("a failed attempt is repeated after the runner's backoff, until none is left", async () => {
  await using stage = new JobsStage(new HeldRunner({ attemptsMax: 3 }));
  const id = await stage.begin();
  for (const [attempt, backoffMs] of [[1, 1_000], [2, 2_000]] as const) {
    assertEquals(stage.held.last.context.attempt, attempt);
    stage.held.last.fail(Object.assign(new Error("no luck"), { code: "LUCK" }));
    await stage.advance(backoffMs - 10);
    assertEquals(stage.held.attempts.length, attempt);
    await stage.advance(20);
  }
  stage.held.last.fail("not even an error");
  await settle();
  assertEquals(await stage.story(id), [
    ...["queued", "started", "queued", "started", "queued", "started", "failed"],
  ]);
  const events = await stage.events(id);
  assertEquals(JSON.parse(events[2]!.data).failure, { code: "LUCK", message: "no luck" });
  const [, end] = await stage.last(id);
  assertEquals([end["code"], end["message"], end["attempt"]], ["SLUICE_JOB_FAILED", "not even an error", 3]);
  assertEquals(stage.jobs.stats.runners["held"]!.outcomes, {
    done: 0,
    failed: 1,
    cancelled: 0,
    retried: 2,
    released: 0,
    lost: 0,
  });
});

Deno.test("a job that was rejected is not repeated; nor is one whose result nobody can keep", async () => {
  await using stage = new JobsStage(new HeldRunner({ attemptsMax: 3 }), { store: { resultBytesMax: 100 } });
  for (
    const [end, code] of [
      [() => stage.held.last.fail(new JobRejectedError("bad data")), "SLUICE_JOB_REJECTED"],
      [() => stage.held.last.done("x".repeat(200)), "SLUICE_JOB_TOO_LARGE"],
      [() => stage.held.last.done(1n), "SLUICE_JOB_FAILED"],
    ] as const
  ) {
    const id = await stage.begin();
    end();
    await settle();
    const [event, data] = await stage.last(id);
    assertEquals([event, data["code"]], ["failed", code]);
  }
});

Deno.test("an attempt that takes too long is told to stop, and counts as failed", async () => {
  await using stage = new JobsStage(new HeldRunner({ timeoutMs: 3_000 }));
  const id = await stage.begin();
  await stage.advance(3_010);
  assert(stage.held.last.context.signal.reason instanceof JobTimeoutError);
  const [event, { code }] = await stage.last(id);
  assertEquals([event, code], ["failed", "SLUICE_JOB_TIMEOUT"]);
});

Deno.test("cancelling reaches a job wherever it is, and says what happened", async () => {
  const deaf = new HeldRunner({ obeys: false });
  const pool: JobRunner = {
    run: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(Object.assign(new Error("x"), { how: "terminated" })));
      }),
  };
  await using stage = new JobsStage(new HeldRunner(), { runners: { deaf, pool }, abortGraceMs: 1_000 });
  const queued = await stage.begin(null, { delayMs: 9_000 });
  const obeying = await stage.begin();
  const [{ job: stubborn }, { job: abandoned }, { job: computing }] = await Promise.all([
    stage.jobs.enqueue({ runner: "deaf" }),
    stage.jobs.enqueue({ runner: "deaf" }),
    stage.jobs.enqueue({ runner: "pool" }),
  ]);
  await settle();
  const all = [queued, obeying, stubborn.id, abandoned.id, computing.id];
  const answers = [];
  for (const id of all) answers.push((await stage.jobs.cancel(id))?.state);
  assertEquals(answers, ["cancelled", "running", "running", "running", "running"]);
  assert(stage.held.last.context.signal.reason instanceof JobCancelledError);
  deaf.attempts[0]!.done("finished all the same");
  await stage.advance(1_010);
  const hows = [];
  for (const id of all) {
    const [event, { how }] = await stage.last(id);
    hows.push([event, how, await stage.state(id)]);
  }
  assertEquals(
    hows,
    ["before start", "stopped", "finished", "abandoned", "terminated"].map((
      how,
    ) => ["cancelled", how, "cancelled"]),
  );
  assertEquals(stage.jobs.stats.cancelledQueued, 1);
  assertEquals((await stage.jobs.cancel(queued))?.state, "cancelled");
  assertEquals(await stage.jobs.cancel("nobody"), null);
});

Deno.test("a runner that does not stop keeps its slot until it does, and what it says is not told", async () => {
  const deaf = new HeldRunner({ obeys: false, concurrencyMax: 1 });
  await using stage = new JobsStage(deaf, { abortGraceMs: 1_000 });
  const id = await stage.begin("deaf");
  const next = await stage.begin("next");
  await stage.jobs.cancel(id);
  await stage.advance(1_010);
  assertEquals(await stage.state(id), "cancelled");
  const counters = stage.jobs.stats.runners["held"]!;
  assertEquals([counters.running, counters.abandoned, await stage.state(next)], [1, 1, "queued"]);
  const { context, done } = deaf.attempts[0]!;
  await assertRejects(() => context.output("late"), JobCancelledError);
  await assertRejects(() => context.progress(1), JobCancelledError);
  context.output("nobody waits for this one");
  done("late result");
  await settle();
  assertEquals([counters.running, counters.abandoned, await stage.state(next)], [1, 0, "running"]);
  assertEquals(await stage.story(id), ["queued", "started", "cancelled"]);
});

Deno.test("a lease is renewed as long as its job is at work", async () => {
  await using stage = new JobsStage(new HeldRunner(), { leaseMs: 3_000 });
  const id = await stage.begin();
  await stage.advance(60_000);
  assertEquals([await stage.state(id), stage.jobs.stats.expired], ["running", 0]);
  stage.held.last.done();
  await settle();
  assertEquals(await stage.state(id), "done");
});

Deno.test("a loop that stood still for longer than the lease takes nothing from itself", async () => {
  await using stage = new JobsStage(new HeldRunner(), { leaseMs: 3_000 });
  const ids = [await stage.begin(), await stage.begin()];
  await stage.clock.jumpTo(stage.clock.now() + 20_000);
  await stage.begin(); // looks for jobs at once
  await settle();
  assertEquals(await Promise.all(ids.map((id) => stage.state(id))), ["running", "running"]);
  assertEquals([stage.jobs.stats.expired, stage.held.running], [0, 3]);
});

Deno.test("a worker that lost its claim is told to stop, and changes nothing any more", async () => {
  await using stage = new JobsStage(new HeldRunner({ attemptsMax: 2, obeys: false }), { leaseMs: 3_000 });
  const id = await stage.begin();
  const claim = stealing(stage, id);
  await stage.advance(1_010); // renews
  const [first] = stage.held.attempts;
  assert(first!.context.signal.reason instanceof StaleClaimError);
  first!.done("too late");
  await settle();
  assertEquals(await stage.state(id), "running");
  assertEquals(stage.jobs.stats.runners["held"]!.outcomes.lost, 1);
  stage.store.complete(id, claim, '"theirs"');
  assertEquals((await stage.jobs.get(id))?.result, '"theirs"');
});

Deno.test("a job of a worker that died is begun again, and its readers are told", async () => {
  await using stage = new JobsStage(new HeldRunner({ concurrencyMax: 1, attemptsMax: 2 }));
  const { job } = stage.store.enqueue({ runner: "held", input: "1", attemptsMax: 2 });
  const dead = stage.store.claim(["held"], 2_000);
  assertEquals(dead?.job.id, job.id);
  await stage.begin("looks for jobs"); // and so finds out when the lease ends
  stage.held.last.done();
  await stage.advance(2_010);
  assertEquals([stage.jobs.stats.expired, stage.held.last.context.id], [1, job.id]);
  const events = await stage.events(job.id);
  assertEquals(events.map(({ event }) => event), ["queued", "queued", "started"]);
  assertEquals(JSON.parse(events[1]!.data).failure.code, "SLUICE_JOB_LEASE_EXPIRED");
});

Deno.test("a job that is cancelled elsewhere is told to stop at its next renewal", async () => {
  await using stage = new JobsStage(new HeldRunner(), { leaseMs: 3_000 });
  const id = await stage.begin();
  stage.store.cancel(id);
  await stage.advance(1_010);
  assertEquals([await stage.state(id), (await stage.last(id))[0]], ["cancelled", "cancelled"]);
});

Deno.test("a service that stops lets jobs finish, gives back those that do not, and says so", async () => {
  await using stage = new JobsStage(new HeldRunner({ concurrencyMax: 3 }), { abortGraceMs: 500 });
  const ids: string[] = [];
  for (let n = 0; n < 4; n++) ids.push(await stage.begin(n));
  const stopped = stage.jobs.shutdown({ graceMs: 5_000 });
  await settle();
  await assertRejects(() => stage.begin(), JobsStoppingError);
  stage.held.attempts[0]!.done();
  await stage.advance(4_900);
  assertEquals(stage.held.running, 2);
  await stage.advance(200);
  assertEquals(await stopped, { finished: 1, released: 2, abandoned: 0, waiting: 3 });
  assertEquals(await Promise.all(ids.map((id) => stage.state(id))), ["done", "queued", "queued", "queued"]);
  assertEquals((await stage.store.get(ids[1]!))?.attempt, 0);
  assertEquals(await stage.story(ids[1]!), ["queued", "started", "queued"]);
  assert(stage.held.attempts[1]!.context.signal.reason instanceof JobsStoppingError);
});

Deno.test("a service with nothing at work stops at once, and one with a deaf runner after its grace", async () => {
  await using idle = new JobsStage();
  assertEquals(await idle.jobs.shutdown(), { finished: 0, released: 0, abandoned: 0, waiting: 0 });
  await using stage = new JobsStage(new HeldRunner({ obeys: false }), { abortGraceMs: 500 });
  await stage.begin();
  const stopped = stage.jobs.shutdown({ graceMs: 100 });
  await stage.advance(700);
  assertEquals(await stopped, { finished: 0, released: 1, abandoned: 1, waiting: 1 });
});

Deno.test("what cannot be enqueued is refused by its reason, and counted", async () => {
  const picky: JobRunner = {
    run: () => Promise.resolve(),
    check(input) {
      if (typeof input !== "number") throw new TypeError("Cannot run picky: a number is needed");
    },
  };
  await using stage = new JobsStage(new HeldRunner({ concurrencyMax: 1 }), {
    runners: { picky },
    store: { queuedMax: 1 },
  });
  const { jobs } = stage;
  await assertRejects(() => jobs.enqueue({ runner: "nobody" }), UnknownRunnerError, "held, picky");
  await assertRejects(() => jobs.enqueue({ runner: "picky", input: "x" }), TypeError, "a number is needed");
  await assertRejects(() => jobs.enqueue({ runner: "held", input: 1n }), TypeError);
  await assertRejects(() => jobs.enqueue({ runner: "held", priority: 99 }), RangeError);
  await stage.begin();
  await stage.begin();
  await assertRejects(() => stage.begin(), JobQueueFullError);
  assertEquals(jobs.stats.refused, {
    SLUICE_JOB_UNKNOWN_RUNNER: 1,
    SLUICE_JOB_BAD_INPUT: 3,
    SLUICE_JOB_QUEUE_FULL: 1,
  });
});

Deno.test("the same job under the same key runs once", async () => {
  await using stage = new JobsStage();
  const request = { runner: "held", input: { pay: 5 }, key: "order-1" };
  const first = await stage.jobs.enqueue(request);
  const second = await stage.jobs.enqueue(request);
  await settle();
  assertEquals([second.job.id, second.isNew, stage.held.attempts.length], [first.job.id, false, 1]);
  assertEquals([stage.jobs.stats.enqueued, stage.jobs.stats.repeated], [1, 1]);
  assertEquals(await stage.story(first.job.id), ["queued", "started"]);
});

Deno.test("a store that fails is asked again, and the failure is told", async () => {
  await using stage = new JobsStage();
  const failing = stage.store as unknown as { claim: unknown };
  failing.claim = () => Promise.reject(new TypeError("the disk is full"));
  await settle();
  const id = await stage.begin();
  const { length } = stage.errors;
  assertEquals([await stage.state(id), length > 0], ["queued", true]);
  Reflect.deleteProperty(failing, "claim");
  await stage.advance(1_010);
  assertEquals([await stage.state(id), stage.jobs.stats.storeFailures], ["running", length]);
});

Deno.test("a story that cannot be told changes nothing about the job", async () => {
  await using stage = new JobsStage();
  const id = await stage.begin();
  await stage.hub.close();
  stage.held.last.done("all the same");
  await settle();
  assertEquals([await stage.state(id), stage.jobs.stats.storyFailures], ["done", 1]);
});

Deno.test("options out of range are refused", () => {
  const run = () => Promise.resolve();
  assertThrows(() => new Jobs({ runners: { "no name": { run } } }), TypeError);
  assertThrows(() => new Jobs({ runners: { a: {} as JobRunner } }), TypeError);
  assertThrows(() => new Jobs({ runners: { a: { run, concurrencyMax: 0 } } }), RangeError);
  assertThrows(() => new Jobs({ runners: { a: { run } }, leaseMs: 0 }), RangeError);
  assertThrows(() => new Jobs({ runners: { a: { run } }, abortGraceMs: -1 }), RangeError);
});

for (const seed of [1, 2, 3, 4]) {
  Deno.test(`cancelling at any moment: one end each, and cancelled is for good (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const held = new HeldRunner({ concurrencyMax: 5, attemptsMax: 2 });
    await using stage = new JobsStage(held, { leaseMs: 3_000, abortGraceMs: 500 });
    const ids: string[] = [];
    const cancelled = new Set<string>();
    for (let step = 0; step < 300; step++) {
      const what = random.int(6);
      if (what === 0) ids.push((await stage.jobs.enqueue({ runner: "held", input: step })).job.id);
      if (what === 1 && ids.length > 0) {
        const id = ids[random.int(ids.length)]!;
        const job = await stage.jobs.cancel(id);
        if (job?.state === "cancelled" || job?.state === "running") cancelled.add(id);
      }
      const attempt = held.attempts[random.int(Math.max(1, held.attempts.length))];
      if (what === 2) attempt?.done(step);
      if (what === 3) attempt?.fail(new Error("by chance"));
      if (what === 4 && attempt !== undefined) attempt.context.output(`${step}`).catch(() => {});
      if (what === 5) await stage.clock.advance(random.int(800));
      if (random.int(2) === 0) await settle();
    }
    for (let turn = 0; turn < 60; turn++) {
      for (const attempt of held.attempts) attempt.done("at last");
      await stage.advance(1_000);
    }
    let ended = 0;
    for (const id of ids) {
      const names = (await stage.events(id)).map(({ event }) => event);
      const ends = names.filter((name) => ["done", "failed", "cancelled"].includes(name));
      assertEquals(ends, [(await stage.state(id))!], `job ${id}: ${names}`);
      assertEquals(names.at(-1), ends[0], "nothing is told after the end");
      if (cancelled.has(id)) assertEquals(ends, ["cancelled"]);
      ended++;
    }
    assertGreater(ended, 10);
    assertEquals(stage.jobs.stats.runners["held"]!.running, 0);
    assertEquals(stage.errors, []);
  });
}

/** Has the job taken away and claimed by somebody else; returns the token. */
function stealing(stage: JobsStage, id: string): number {
  const record = stage.store.get(id);
  assertEquals(record?.state, "running");
  const clock = stage.clock as unknown as { now(): number };
  const now = clock.now.bind(stage.clock);
  clock.now = () => now() + 3_600_000; // the thief's clock is ahead
  try {
    assertEquals(stage.store.expire().map((job) => job.id), [id]);
    return stage.store.claim(["held"], 7_200_000)!.token;
  } finally {
    Reflect.deleteProperty(clock, "now");
  }
}
