import { assertEquals } from "@std/assert";
import type { ComputeMessage } from "../../../server/jobs/stream_runner.ts";
import { streamRunner } from "../../../server/jobs/stream_runner.ts";
import { HeldRunner, JobsStage, settle } from "./support/jobs_stage.ts";

async function* speak(input: unknown): AsyncGenerator<ComputeMessage> {
  for (const message of input as ComputeMessage[]) yield await Promise.resolve(message);
}

Deno.test("what a computation says becomes progress, output and the result", async () => {
  const runners = { speak: streamRunner(speak, { slots: 1, attemptsMax: 3 }) };
  await using stage = new JobsStage(new HeldRunner(), { runners });
  const input = [{ progress: 0 }, { output: "a", progress: 0.5 }, { result: 1 }, { output: "b", result: 2 }];
  const { job } = await stage.jobs.enqueue({ runner: "speak", input });
  await settle();
  assertEquals(await stage.story(job.id), ["queued", "started", "progress", "a", "b", "progress", "done"]);
  const done = await stage.jobs.get(job.id);
  assertEquals([done?.result, done?.progress, done?.attemptsMax], ["2", "0.5", 3]);
});

Deno.test("one that says no result gives null, one that fails fails", async () => {
  const runners = {
    speak: streamRunner(speak, { slots: 1 }),
    // deno-lint-ignore require-yield
    fail: streamRunner(async function* () {
      throw await Promise.resolve(new RangeError("too far"));
    }, { slots: 1 }),
  };
  await using stage = new JobsStage(new HeldRunner(), { runners });
  const quiet = await stage.jobs.enqueue({ runner: "speak", input: [] });
  const failing = await stage.jobs.enqueue({ runner: "fail" });
  await settle();
  assertEquals((await stage.jobs.get(quiet.job.id))?.result, "null");
  assertEquals((await stage.jobs.get(failing.job.id))?.failure?.message, "too far");
});

Deno.test("there are as many at once as there are slots, and the signal reaches each", async () => {
  let running = 0;
  let most = 0;
  async function* wait(_input: unknown, { signal }: { signal: AbortSignal }): AsyncGenerator<ComputeMessage> {
    most = Math.max(most, ++running);
    try {
      yield { progress: 0 };
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    } finally {
      running--;
    }
  }
  await using stage = new JobsStage(new HeldRunner(), {
    runners: { wait: streamRunner(wait, { slots: 2 }) },
  });
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push((await stage.jobs.enqueue({ runner: "wait" })).job.id);
  await settle();
  assertEquals(running, 2);
  for (const id of ids) {
    await stage.jobs.cancel(id);
    await settle();
  }
  assertEquals([running, most], [0, 2]);
  assertEquals((await stage.store.counts()).cancelled, 5);
});
