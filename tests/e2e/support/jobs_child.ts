/**
 * A jobs service in a process of its own, whose jobs wait until they are let go: `POST /fill?count=` begins that many and
 * waits until all are at work, `POST /tick` has each of them say a word, `POST /go` ends them and waits until none is left,
 * `GET /heap` collects garbage and tells what is held.
 */
import { Jobs } from "../../../server/jobs/jobs.ts";
import { Router } from "../../../server/router.ts";
import { jobsRouter } from "../../../server/jobs/jobs_router.ts";
import { serve } from "../../../server/serve.ts";

const { gc } = globalThis as unknown as { gc(): void };
const held = new Set<{ go(): void; say(word: string): Promise<void> }>();

const jobs = new Jobs({
  leaseMs: 10_000, // so that leases are renewed, and none expires where others keep the machine busy
  runners: {
    wait: {
      timeoutMs: null,
      run: (_input, { output, signal }) =>
        new Promise<void>((resolve, reject) => {
          const entry = { go: resolve, say: output };
          held.add(entry);
          signal.addEventListener("abort", () => reject(signal.reason));
          signal.addEventListener("abort", () => held.delete(entry));
        }),
    },
  },
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

const router = new Router()
  .mount("/jobs", jobsRouter(jobs))
  .post("/fill", async (request) => {
    const count = Number(new URL(request.url).searchParams.get("count"));
    for (let n = 0; n < count; n++) {
      await jobs.enqueue({ runner: "wait", input: { n, text: "some input of a job" } });
      if (n % 100 === 0) await turn();
    }
    while (held.size < count) await turn();
    return Response.json(jobs.stats);
  })
  .post("/tick", async () => {
    for (const { say } of held) await say("a word");
    return Response.json(jobs.stats);
  })
  .post("/go", async () => {
    for (const { go } of held) go();
    held.clear();
    while (jobs.stats.runners["wait"]!.running > 0) await turn();
    return Response.json(jobs.stats);
  })
  .get("/heap", () => {
    gc();
    gc();
    return Response.json(Deno.memoryUsage());
  });

const server = serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, router.handler);
console.log(`listening on http://127.0.0.1:${"port" in server.addr ? server.addr.port : 0} `);
