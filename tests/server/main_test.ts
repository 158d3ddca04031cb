import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { curl, curlStream } from "../support/curl.ts";
import { spawnServe, spawnServeCommand } from "../support/spawn_serve.ts";

Deno.test("it listens on a port of its own choosing, with the task's permissions, and says so in one line", async () => {
  await using server = await spawnServe();
  assertNotEquals(server.port, 0);
  assertEquals(server.stdout.text, `listening on ${server.url}\n`);
  assertEquals((await curl(`${server.url}/healthz`)).stdout, '{"status":"ok"}');
});

Deno.test("curl follows a topic while another curl publishes, and resumes it without a loss or a repeat", async () => {
  await using server = await spawnServe();
  const topic = `${server.url}/events/x`;
  const reader = curlStream(topic);
  await reader.stdout.match(/^id: \S+\n\n/m); // its position: it is a reader now
  for (const text of ["one", "two"]) await curl("--data", text, topic);
  await reader.stdout.match(/data: two\n\n/);
  await reader.stop("SIGKILL");
  const ids = [...reader.stdout.text.matchAll(/^id: (\S+)$/gm)].map((match) => match[1]);
  assertEquals([...reader.stdout.text.matchAll(/^data: (\S+)$/gm)].map((match) => match[1]), ["one", "two"]);

  for (const text of ["three", "four"]) await curl("--data", text, topic); // nobody is there
  const again = curlStream("--header", `Last-Event-ID: ${ids.at(-1)}`, topic);
  await again.stdout.match(/data: four\n\n/);
  await curl("--data", "five", topic);
  await again.stdout.match(/data: five\n\n/);
  await again.stop("SIGKILL");
  const seen = [...again.stdout.text.matchAll(/^data: (\S+)$/gm)].map((match) => match[1]);
  assertEquals(seen, ["three", "four", "five"]);
});

Deno.test("without an upstream the embedded demo answers behind the gateway, plainly called a demo", async () => {
  await using server = await spawnServe();
  assertStringIncludes(server.stderr.text, "embedded demo");
  const models = await curl(`${server.url}/v1/models`);
  assertStringIncludes(models.stdout, "a demo, no model");
  const body = '{"model":"sluice-demo","stream":true,"messages":[{"role":"user","content":"hello"}]}';
  const { stdout } = await curl("--json", body, `${server.url}/v1/chat/completions`);
  assert(stdout.endsWith("data: [DONE]\n\n"));
});

Deno.test("an upstream that refuses is a 502 with a problem body, and standard error says which and why", async () => {
  await using server = await spawnServe(["--upstream", "http://127.0.0.1:9"]);
  const { stdout } = await curl("--include", `${server.url}/v1/models`);
  assertMatch(stdout, /^HTTP\/1\.1 502 /);
  assertStringIncludes(stdout, "application/problem+json");
  await server.stderr.match(/upstream: .*127\.0\.0\.1:9/);
});

Deno.test("curl starts a chat as a job, follows it, cancels it, and reads its whole story again", async () => {
  await using server = await spawnServe();
  const input = { prompt: "hello", sluice_demo: { tokens: 100_000, tokens_per_second: 200 } };
  const key = ["--header", "Idempotency-Key: once"];
  const start = async () => {
    const { stdout } = await curl(
      "--include",
      ...key,
      "--json",
      JSON.stringify({ runner: "chat", input }),
      `${server.url}/jobs`,
    );
    return /^location: (\S+)/im.exec(stdout)![1]!;
  };
  const path = await start();
  assertEquals(await start(), path);
  const job = `${server.url}${path}`;
  const reader = curlStream(`${job}/events`);
  await reader.stdout.match(/(event: output\ndata: .+\n\n[^]*){3}/);
  await reader.stop("SIGKILL"); // a reader that goes leaves the job alone
  const cancelled = await curl("--request", "DELETE", "--write-out", " %{http_code}", job);
  assertMatch(cancelled.stdout, /"isCancelRequested":true.* 202$/);
  const whole = await curl(`${job}/events`); // and ends by itself
  const names = [...whole.stdout.matchAll(/^event: (\w+)$/gm)].map((match) => match[1]);
  assertEquals([names.slice(0, 3), names.at(-1)], [["queued", "started", "output"], "cancelled"]);
  assertMatch(whole.stdout, /event: cancelled\ndata: \{"how":"stopped",/);
  const metrics = await curl(`${server.url}/metrics`);
  assertStringIncludes(metrics.stdout, 'sluice_jobs_attempts_total{runner="chat",outcome="cancelled"} 1\n');
});

Deno.test("a job that computes runs on the pool with the task's permissions, and stops when it is cancelled", async () => {
  await using server = await spawnServe();
  const start = async (below: number) => {
    const body = JSON.stringify({ runner: "primes", input: { below } });
    return JSON.parse((await curl("--json", body, `${server.url}/jobs`)).stdout).id;
  };
  const short = await curl(`${server.url}/jobs/${await start(1_000_000)}/events`); // and ends by itself
  assertMatch(short.stdout, /event: progress\ndata: \{"part":1,"found":78498\}\n/);
  assertMatch(short.stdout, /event: done\ndata: \{"result":\{"count":78498,"largest":999983\},/);
  const long = `${server.url}/jobs/${await start(5_000_000_000)}`;
  const reader = curlStream(`${long}/events`);
  await reader.stdout.match(/event: progress\n/);
  assertEquals((await curl(`${server.url}/healthz`)).stdout, '{"status":"ok"}'); // answered meanwhile
  await curl("--request", "DELETE", long);
  assertEquals((await reader.status).code, 0);
  await reader.stdout.ended;
  // "obeyed", unless the machine is so busy that the thread does not get to hear of it in time.
  assertMatch(reader.stdout.text, /event: cancelled\ndata: \{"how":"\w+",/);
  const bad = await curl("--json", '{"runner":"primes","input":{"below":1}}', `${server.url}/jobs`);
  assertMatch(bad.stdout, /"SLUICE_JOB_BAD_INPUT"/);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends event streams with a retry, says what became of them, and exits 0`, async () => {
    await using server = await spawnServe();
    const reader = curlStream(`${server.url}/events/x`);
    await reader.stdout.match(/^id: \S+\n\n/m);
    const { code } = await server.stop(signal);
    assertEquals(code, 0, server.stderr.text);
    assertStringIncludes(server.stdout.text, "stopped: 0 finished, 1 streams ended, 0 cut\n");
    assertEquals((await reader.status).code, 0); // a complete response: curl reports a cut one as 18
    assertMatch(reader.stdout.text, /^retry: \d+$/m);
  });
}

Deno.test("with workers, topics and metrics are the same whichever worker answers, and SIGTERM ends them all", async () => {
  await using server = await spawnServe(["--workers", "2"]);
  assertStringIncludes(server.stderr.text, "2 workers");
  const topic = `${server.url}/events/x`;
  const readers = Array.from({ length: 8 }, () => curlStream(topic));
  for (const reader of readers) await reader.stdout.match(/^id: \S+\n\n/m);
  const texts = Array.from({ length: 8 }, (_, i) => `event ${i}`);
  for (const text of texts) await curl("--data", text, topic); // each on a connection of its own, dealt out anew
  for (const reader of readers) {
    await reader.stdout.match(/data: event 7\n\n/);
    assertEquals([...reader.stdout.text.matchAll(/^data: (.*)$/gm)].map((match) => match[1]), texts);
  }
  assertStringIncludes((await curl(`${server.url}/v1/models`)).stdout, "a demo, no model");
  const metrics = (await curl(`${server.url}/metrics`)).stdout;
  for (
    const line of ["sluice_streams_open 8", 'sluice_responses_total{status="201"} 8', "sluice_hub_readers 8"]
  ) {
    assertStringIncludes(metrics, `\n${line}\n`);
  }
  assertStringIncludes(metrics, '\nsluice_gateway_requests_total{outcome="completed"} 1\n');
  const { code } = await server.stop("SIGTERM");
  assertEquals(code, 0, server.stderr.text);
  // All 8, unless the machine is so busy that a worker hears of the stop after its streams' end.
  assertMatch(server.stdout.text, /stopped: 0 finished, \d streams ended, 0 cut\n/);
  for (const reader of readers) {
    assertEquals((await reader.status).code, 0);
    assertMatch(reader.stdout.text, /^retry: \d+$/m);
  }
});

Deno.test("with workers, a taken port is one line and exit code 1 as well", async () => {
  using taken = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  await using child = spawnServeCommand(["--workers", "2", "--port", String(taken.addr.port)]);
  assertEquals((await child.status).code, 1);
  await child.stderr.ended;
  assertEquals(child.stderr.text, `error: Cannot listen on 127.0.0.1:${taken.addr.port}: it is in use\n`);
});

Deno.test("a wrong command line is one line that says what is accepted, and exit code 2", async () => {
  await using child = spawnServeCommand(["--port", "http"]);
  assertEquals((await child.status).code, 2);
  await child.stderr.ended;
  assertEquals(
    child.stderr.text,
    'error: --port cannot be "http"; accepted: a whole number from 0 to 65535\n',
  );
  assertEquals(child.stdout.text, "");
});

Deno.test("a taken port is one line and exit code 1", async () => {
  using taken = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  await using child = spawnServeCommand(["--port", String(taken.addr.port)]);
  assertEquals((await child.status).code, 1);
  await child.stderr.ended;
  assertEquals(child.stderr.text, `error: Cannot listen on 127.0.0.1:${taken.addr.port}: it is in use\n`);
});

Deno.test("an unknown selector is one line that names those there are, and exit code 1", async () => {
  await using child = spawnServeCommand([], { SLUICE_SELECTOR: "kqueue" });
  assertEquals((await child.status).code, 1);
  await child.stderr.ended;
  assertMatch(child.stderr.text, /^error: Cannot open the selector "kqueue": .*"native".*\n$/);
});
