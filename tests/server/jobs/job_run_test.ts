import { assert, assertEquals, assertRejects } from "@std/assert";
import { JobTooLargeError } from "../../../server/jobs/errors.ts";
import { HubLimitError } from "../../../server/sse/hub_errors.ts";
import { HeldRunner, JobsStage, settle } from "./support/jobs_stage.ts";

Deno.test("what a runner says is refused when it is too large or has no JSON, and the job goes on", async () => {
  await using stage = new JobsStage(new HeldRunner(), { store: { progressBytesMax: 10 } });
  const id = await stage.begin();
  const { context, done } = stage.held.last;
  await assertRejects(() => context.progress("x".repeat(20)), JobTooLargeError);
  await assertRejects(() => context.progress(undefined), TypeError);
  await assertRejects(() => context.output(undefined), TypeError);
  await assertRejects(() => context.output("x".repeat(100_000)), HubLimitError);
  context.progress("x".repeat(20)); // nobody waits for these, and nothing is uncaught
  context.output(undefined);
  done("fine");
  await settle();
  assertEquals(await stage.story(id), ["queued", "started", "done"]);
  assertEquals((await stage.jobs.get(id))?.result, '"fine"');
});

Deno.test("a runner that throws at once, or whose input is no JSON, fails its job and nothing else", async () => {
  const rash = {
    run() {
      throw new TypeError("at once");
    },
  };
  await using stage = new JobsStage(new HeldRunner(), { runners: { rash } });
  const { job } = await stage.jobs.enqueue({ runner: "rash" });
  const { job: broken } = stage.store.enqueue({ runner: "held", input: "{" });
  await settle();
  assertEquals((await stage.jobs.get(job.id))?.failure, { code: "SLUICE_JOB_FAILED", message: "at once" });
  assertEquals(await stage.state(broken.id), "failed");
});

Deno.test("a result of undefined is null", async () => {
  await using stage = new JobsStage();
  const id = await stage.begin();
  stage.held.last.done(undefined);
  await settle();
  assertEquals((await stage.jobs.get(id))?.result, "null");
});

Deno.test("a runner whose backoff makes no sense is tried again at once", async () => {
  class Hasty extends HeldRunner {
    override backoffMs(): number {
      return NaN;
    }
  }
  await using stage = new JobsStage(new Hasty({ attemptsMax: 2 }));
  await stage.begin();
  stage.held.last.fail(new TypeError("x"));
  await stage.advance(10);
  assertEquals(stage.held.attempts.length, 2);
});

Deno.test("an end leaves no timer behind", async () => {
  await using stage = new JobsStage(new HeldRunner({ timeoutMs: 60_000 }));
  await stage.begin();
  assert(stage.clock.pendingCount > 0);
  stage.held.last.done();
  await settle();
  assertEquals(stage.clock.pendingCount, 0);
});
