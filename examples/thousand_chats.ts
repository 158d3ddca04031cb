/**
 * A thousand chats as jobs of one process, beside jobs that compute on a pool: what waits for a token holds no slot.
 * Run: `deno run --allow-net --allow-read examples/thousand_chats.ts [port [chats [seconds]]]`
 */

import { chatRunner, demoUpstream, gateway, Jobs, jobsRouter } from "../mod.ts";
import { createPool, openSelector, Router, serve, streamRunner } from "../mod.ts";

const [port = 8000, chats = 1_000, seconds = 3] = Deno.args.map(Number);
const TASKS = new URL("../server/demo/primes.ts", import.meta.url);
const TOKENS_PER_SECOND = 5;
const SLOTS = 2;

const selector = openSelector();
const local = { hostname: "127.0.0.1", selector };
const demo = serve({ ...local, port: 0 }, demoUpstream(selector));
const pool = createPool<typeof import("../server/demo/primes.ts")>(TASKS, { workersMax: SLOTS });
const jobs = new Jobs({
  time: selector,
  runners: {
    chat: chatRunner(
      gateway({ upstream: `http://127.0.0.1:${demo.addr.port}`, selector, connectTimeoutMs: 30_000 }),
    ),
    primes: streamRunner((input, options) => pool.stream("primes", input as { below: number }, options), {
      slots: SLOTS,
    }),
  },
});
const server = serve({ ...local, port }, new Router().mount("/jobs", jobsRouter(jobs)).handler);
console.log(`listening on http://127.0.0.1:${server.addr.port}/jobs`);

/** Enqueues a job, and reads its story to the end. */
async function play(runner: string, input: unknown): Promise<string> {
  const { job } = await jobs.enqueue({ runner, input });
  return await (await jobs.subscribe(new Request("http://localhost/"), job.id)).text();
}

const computing = Array.from({ length: SLOTS }, () => play("primes", { below: 5_000_000_000 }));
const startedMs = performance.now();
let most = 0;
const tokens = seconds * TOKENS_PER_SECOND + 1; // the first comes at once
const input = {
  model: "sluice-demo",
  prompt: "Why?",
  sluice_demo: { tokens, tokens_per_second: TOKENS_PER_SECOND },
};
const watch = setInterval(() => most = Math.max(most, jobs.stats.runners["chat"]!.running), 20);
const stories = await Promise.all(Array.from({ length: chats }, () => play("chat", input)));
clearInterval(watch);
const tookSeconds = (performance.now() - startedMs) / 1_000;
const done = stories.filter((story) => /^event: done$/m.test(story)).length;
console.log(
  `${done} chats of ${seconds} s each took ${tookSeconds.toFixed(1)} s in all, ${most} at once`,
);
console.log(`25 slots would have needed ${Math.ceil(chats / 25) * seconds} s`);
console.log(`computing meanwhile: ${jobs.stats.runners["primes"]!.running} of ${SLOTS} slots`);
for (const { id } of (await jobs.list({ runner: "primes", limit: SLOTS })).jobs) await jobs.cancel(id);
await Promise.all(computing);
