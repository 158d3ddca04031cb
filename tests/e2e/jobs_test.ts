/** Jobs over real sockets: a thousand at once, clients that leave at odd moments, and other servers than ours. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openSelector } from "../../io/open_selector.ts";
import { chatRunner } from "../../server/demo/chat_runner.ts";
import { gateway } from "../../server/gateway/gateway.ts";
import type { JobContext } from "../../server/jobs/job_runner.ts";
import { Jobs } from "../../server/jobs/jobs.ts";
import { jobsRouter } from "../../server/jobs/jobs_router.ts";
import { streamRunner } from "../../server/jobs/stream_runner.ts";
import type { ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { Router } from "../../server/router.ts";
import { serve } from "../../server/serve.ts";
import { decodeEvents } from "../../server/sse/decode.ts";
import { seededRandom } from "../server/sse/support/random.ts";
import { curl, curlStream } from "../support/curl.ts";
import { RawClient } from "../support/raw_client.ts";

const JSON_TYPE = { "content-type": "application/json" };

/** Begins a job, and returns its URL. */
async function begin(base: string, runner: string, input: unknown = null): Promise<string> {
  const body = JSON.stringify({ runner, input });
  const response = await fetch(`${base}/jobs`, { method: "POST", body, headers: JSON_TYPE });
  await response.body?.cancel();
  assertEquals(response.status, 202);
  return `${base}${response.headers.get("location")}`;
}

/** The names of a job's events, outputs as they are, when its story is over. */
async function story(job: string, headers: HeadersInit = {}): Promise<string[]> {
  const response = await fetch(`${job}/events`, { headers });
  const seen: string[] = [];
  for await (const { event, data } of decodeEvents(response.body!)) {
    seen.push(event === "output" ? data : event);
  }
  return seen;
}

/** A runner that says the words it is given, until it is told to end. For one job at a time. */
class Speaker {
  #words: (string | null)[] = [];
  #wake: (() => void) | null = null;
  readonly runner = {
    run: async (_input: unknown, { output, signal }: JobContext): Promise<number> => {
      for (let said = 0;; said++) {
        while (this.#words.length === 0) {
          signal.throwIfAborted();
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
            signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
        const word = this.#words.shift()!;
        if (word === null) return said;
        await output(word);
      }
    },
  };
  say(word: string | null): void {
    this.#words.push(word);
    this.#wake?.();
  }
}

Deno.test("a thousand chats are at work at once in one process, beside jobs that compute in two slots", async () => {
  const JOBS = 1_000;
  await using selector = openSelector();
  // An upstream that says nothing to anybody before all have asked: with fewer at once, none would ever end.
  const allAsked = Promise.withResolvers<void>();
  let asked = 0;
  await using upstream = serve({ selector, port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    if (++asked === JOBS) allAsked.resolve();
    async function* answer() {
      yield 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n';
      await allAsked.promise;
      yield 'data: {"choices":[{"delta":{"content":"two"}}]}\n\ndata: [DONE]\n\n';
    }
    return new Reply(answer(), { headers: { "content-type": "text/event-stream" } });
  });
  assert(upstream.addr.transport === "tcp");
  await using proxy = gateway({ upstream: `http://127.0.0.1:${upstream.addr.port}`, selector });
  let computing = 0;
  let computingMost = 0;
  async function* compute() {
    computingMost = Math.max(computingMost, ++computing);
    await allAsked.promise; // as long as the chats
    computing--;
    yield { result: "computed" };
  }
  await using jobs = new Jobs({
    time: selector,
    runners: { chat: chatRunner(proxy), compute: streamRunner(compute, { slots: 2 }) },
  });
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) ids.push((await jobs.enqueue({ runner: "compute" })).job.id);
  for (let n = 0; n < JOBS; n++) {
    ids.push((await jobs.enqueue({ runner: "chat", input: { prompt: `${n}`, model: "m" } })).job.id);
  }
  await allAsked.promise;
  assertEquals(jobs.stats.runners["chat"]!.running, JOBS);
  for (const id of ids.slice(-3)) {
    const text = await (await jobs.subscribe(new Request("http://a/"), id)).text();
    const names = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
    assertEquals(names, ["queued", "started", "output", "output", "done"]);
  }
  for (const id of ids) await (await jobs.subscribe(new Request("http://a/"), id)).body?.cancel();
  while (jobs.stats.runners["chat"]!.running + jobs.stats.runners["compute"]!.running > 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { chat, compute: slots } = jobs.stats.runners;
  assertEquals([chat!.outcomes.done, slots!.outcomes.done, computingMost], [JOBS, 6, 2]);
});

Deno.test("clients that leave at odd moments leave the jobs alone, and whoever comes gets the whole story", async () => {
  const speaker = new Speaker();
  await using jobs = new Jobs({ runners: { speak: speaker.runner } });
  const { handler } = new Router().mount("/jobs", jobsRouter(jobs));
  await using server = serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  assert(server.addr.transport === "tcp");
  const { port } = server.addr;
  const base = `http://127.0.0.1:${port}`;
  const job = await begin(base, "speak");
  const path = new URL(job).pathname;
  const random = seededRandom(5);
  const enqueue = '{"runner":"speak","input":"half"}';
  const requests = [
    `GET ${path}/events HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /jobs?limit=3 HTTP/1.1\r\nHost: a\r\n\r\n`,
  ];
  const cut = `POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: ${enqueue.length + 1}\r\n\r\n${enqueue}`; // never whole
  const words: string[] = [];
  for (let n = 0; n < 60; n++) {
    using client = await RawClient.connect({ port });
    const request = random.int(4) === 0 ? cut : requests[random.int(requests.length)]!;
    await client.send(request.slice(0, 1 + random.int(request.length)));
    if (random.int(2) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (n % 3 === 0) {
      words.push(`word ${n}`);
      speaker.say(`word ${n}`);
    }
  } // and each is closed with whatever it had not read
  const early = story(job);
  speaker.say(null);
  const whole = ["queued", "started", ...words, "done"];
  assertEquals(await early, whole);
  assertEquals(await story(job), whole);
  assertEquals(jobs.stats.enqueued, 1);
});

Deno.test("curl follows a job through a cut connection, with nothing lost and nothing twice", async () => {
  const speaker = new Speaker();
  await using jobs = new Jobs({ runners: { speak: speaker.runner } });
  const { handler } = new Router().mount("/jobs", jobsRouter(jobs));
  await using server = serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  assert(server.addr.transport === "tcp");
  const job = await begin(`http://127.0.0.1:${server.addr.port}`, "speak");
  const reader = curlStream(`${job}/events`);
  await reader.stdout.match(/event: started\n/);
  speaker.say("one");
  await reader.stdout.match(/data: one\n\n/);
  await reader.stop("SIGKILL");
  const id = [...reader.stdout.text.matchAll(/^id: (\S+)$/gm)].at(-1)![1]!;
  speaker.say("two"); // nobody is there
  const again = curlStream("--header", `Last-Event-ID: ${id}`, `${job}/events`);
  await again.stdout.match(/data: two\n\n/);
  speaker.say("three");
  await again.stdout.match(/data: three\n\n/);
  speaker.say(null);
  assertEquals((await again.status).code, 0); // the stream ends with the job, in order
  await again.stdout.ended;
  const seen = [...again.stdout.text.matchAll(/^(?:event: output\ndata|event): (.+)$/gm)].map((match) =>
    match[1]
  );
  assertEquals(seen, ["two", "three", "done"]);
  const last = [...again.stdout.text.matchAll(/^id: (\S+)$/gm)].at(-1)![1]!;
  const { stdout } = await curl("--include", "--header", `Last-Event-ID: ${last}`, `${job}/events`);
  assertMatch(stdout, /^HTTP\/1\.1 204 /);
});

Deno.test("Deno.serve mounts the same router: enqueue, follow, cancel, bad input", async () => {
  const speaker = new Speaker();
  await using jobs = new Jobs({ runners: { speak: speaker.runner } });
  const { handler } = new Router().mount("/api/jobs", jobsRouter(jobs));
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => handler(request, {} as ServeInfo),
  );
  try {
    const base = `http://127.0.0.1:${server.addr.port}/api`;
    const post = (body: string) => fetch(`${base}/jobs`, { method: "POST", body });
    const created = await post('{"runner":"speak"}');
    const { id } = await created.json();
    assertEquals([created.status, created.headers.get("location")], [202, `/api/jobs/${id}`]);
    const reader = curlStream(`${base}/jobs/${id}/events`);
    await reader.stdout.match(/event: started\n/);
    speaker.say("hello");
    await reader.stdout.match(/data: hello\n\n/);
    const cancelled = await fetch(`${base}/jobs/${id}`, { method: "DELETE" });
    assertEquals([cancelled.status, (await cancelled.json()).isCancelRequested], [202, true]);
    assertEquals((await reader.status).code, 0);
    await reader.stdout.ended;
    assertMatch(reader.stdout.text, /event: cancelled\ndata: \{"how":"stopped",/);
    for (const [body, status] of [["{", 400], ["x".repeat(100_000), 413], ['{"runner":"x"}', 400]] as const) {
      const refused = await post(body);
      assertEquals([refused.status, (await refused.json()).status], [status, status]);
    }
  } finally {
    await server.shutdown();
  }
});
