import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ServeInfo } from "../../../server/handler.ts";
import type { JobRunner } from "../../../server/jobs/job_runner.ts";
import { jobsRouter } from "../../../server/jobs/jobs_router.ts";
import { Router } from "../../../server/router.ts";
import { MemoryHttp, parseResponse } from "../../support/memory_http.ts";
import { HeldRunner, JobsStage, settle, type StageOptions } from "./support/jobs_stage.ts";

const NO_INFO = {} as ServeInfo;

/** A stage, and a way to ask it as a foreign server would. */
function setUp(options: StageOptions = {}, held?: HeldRunner) {
  const stage = new JobsStage(held, options);
  const { handler } = new Router().mount("/api/jobs", jobsRouter(stage.jobs));
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
    const request = new Request(`http://a/api/jobs${path}`, { method, body: text, headers });
    const response = await handler(request, NO_INFO);
    await settle();
    return response;
  };
  const json = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await ask(method, path, body, headers);
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return { stage, ask, json, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

Deno.test("a job is enqueued, shown, followed to its end, and listed", async () => {
  await using http = setUp();
  const { json, ask, stage } = http;
  const created = await json("POST", "", { runner: "held", input: { n: 1 }, priority: 2 });
  const { id } = created.body;
  assertEquals([created.status, created.headers.get("location")], [202, `/api/jobs/${id}`]);
  assertEquals([created.body.state, created.body.input, created.body.priority], ["queued", { n: 1 }, 2]);
  const shown = await json("GET", `/${id}`);
  assertEquals([shown.status, shown.body.state, shown.body.attempt], [200, "running", 1]);
  assertMatch(shown.body.startedAt, /^\d{4}-\d\d-\d\dT.*Z$/);
  const story = await ask("GET", `/${id}/events`);
  assertEquals(story.headers.get("content-type"), "text/event-stream");
  await stage.held.last.context.output("hello");
  stage.held.last.done(7);
  assertMatch(
    await story.text(),
    /event: queued\n(.*\n)+.*event: started\n(.*\n)+.*event: output\ndata: hello\n\n.*\nevent: done\ndata: \{"result":7,"ranMs":0\}\n\n$/,
  );
  const { body } = await json("GET", "?state=done");
  assertEquals([body.jobs.map((job: { id: string }) => job.id), body.next], [[id], null]);
  assertEquals([body.jobs[0].result, body.jobs[0].failure, body.runners], [7, null, ["held"]]);
});

Deno.test("an EventSource that comes back after the end is answered 204, and so stops", async () => {
  await using http = setUp();
  const { id } = (await http.json("POST", "", { runner: "held" })).body;
  http.stage.held.last.done();
  await settle();
  const text = await (await http.ask("GET", `/${id}/events`)).text();
  const lastEventId = [...text.matchAll(/^id: (\S+)$/gm)].at(-1)![1]!;
  const again = await http.ask("GET", `/${id}/events`, undefined, { "last-event-id": lastEventId });
  assertEquals([again.status, again.body], [204, null]);
});

Deno.test("an idempotency key makes one job of many requests, and none of another job's", async () => {
  await using http = setUp();
  const key = { "idempotency-key": "order-7" };
  const first = await http.json("POST", "", { runner: "held", input: 1 }, key);
  const second = await http.json("POST", "", { runner: "held", input: 1 }, key);
  assertEquals([first.headers.get("idempotency-replayed"), second.headers.get("idempotency-replayed")], [
    null,
    "true",
  ]);
  assertEquals([second.status, second.body.id], [202, first.body.id]);
  assertEquals(second.headers.get("location"), first.headers.get("location"));
  const other = await http.json("POST", "", { runner: "held", input: 2 }, key);
  assertEquals([other.status, other.body.code], [422, "SLUICE_JOB_KEY_REUSED"]);
  const bad = await http.json("POST", "", { runner: "held" }, { "idempotency-key": "a key" });
  assertEquals([bad.status, bad.body.code], [400, "SLUICE_JOB_BAD_INPUT"]);
  assertEquals(http.stage.held.attempts.length, 1);
});

Deno.test("cancelling answers with what became of the job", async () => {
  await using http = setUp({}, new HeldRunner({ obeys: false, concurrencyMax: 1 }));
  const running = (await http.json("POST", "", { runner: "held" })).body.id;
  const queued = (await http.json("POST", "", { runner: "held" })).body.id;
  const first = await http.json("DELETE", `/${queued}`);
  assertEquals([first.status, first.body.state], [200, "cancelled"]);
  const second = await http.json("DELETE", `/${running}`);
  assertEquals([second.status, second.body.state, second.body.isCancelRequested], [202, "running", true]);
  http.stage.held.last.done();
  await settle();
  assertEquals((await http.json("DELETE", `/${running}`)).status, 200);
  const done = (await http.json("POST", "", { runner: "held" })).body.id;
  http.stage.held.last.done(1);
  await settle();
  const late = await http.json("DELETE", `/${done}`);
  assertEquals([late.status, late.body.code, late.body.job.state], [409, "SLUICE_JOB_OVER", "done"]);
  for (
    const [method, path] of [["DELETE", "/nobody"], ["GET", "/nobody"], ["GET", "/nobody/events"]] as const
  ) {
    const nobody = await http.json(method, path);
    assertEquals([nobody.status, nobody.body.code], [404, "SLUICE_JOB_NOT_FOUND"]);
  }
});

Deno.test("bad input is refused with a problem that says what is wrong", async () => {
  const picky: JobRunner = {
    run: () => Promise.resolve(),
    check(input) {
      if (typeof input !== "number") throw new TypeError("Cannot run picky: a number is needed");
    },
  };
  await using http = setUp({ runners: { picky }, store: { inputBytesMax: 100 } });
  const cases: [body: unknown, status: number, code: string, detail: string][] = [
    ["{", 400, "SLUICE_JOB_BAD_INPUT", "no JSON"],
    ["", 400, "SLUICE_JOB_BAD_INPUT", "no JSON"],
    ["[]", 400, "SLUICE_JOB_BAD_INPUT", '"runner"'],
    ["null", 400, "SLUICE_JOB_BAD_INPUT", '"runner"'],
    [{ input: 1 }, 400, "SLUICE_JOB_BAD_INPUT", '"runner"'],
    [{ runner: "nobody" }, 400, "SLUICE_JOB_UNKNOWN_RUNNER", "held, picky"],
    [{ runner: 7 }, 400, "SLUICE_JOB_UNKNOWN_RUNNER", "held, picky"],
    [{ runner: "picky", input: "x" }, 400, "SLUICE_JOB_BAD_INPUT", "a number is needed"],
    [{ runner: "held", delay: 5 }, 400, "SLUICE_JOB_BAD_INPUT", "delay"],
    [{ runner: "held", delayMs: -5 }, 400, "SLUICE_JOB_BAD_INPUT", "-5 ms"],
    [{ runner: "held", delayMs: "5" }, 400, "SLUICE_JOB_BAD_INPUT", "5 ms"],
    [{ runner: "held", priority: 10 }, 400, "SLUICE_JOB_BAD_INPUT", "priority"],
    [{ runner: "held", input: "x".repeat(100) }, 413, "SLUICE_JOB_TOO_LARGE", "100 bytes"],
    [{ runner: "held", input: "x".repeat(90_000) }, 413, "SLUICE_BODY_TOO_LARGE", "81920 bytes"],
  ];
  for (const [body, status, code, detail] of cases) {
    const answer = await http.json("POST", "", body);
    assertEquals([answer.status, answer.body.code], [status, code], JSON.stringify(body).slice(0, 60));
    assertEquals(answer.headers.get("content-type"), "application/problem+json");
    assertStringIncludes(answer.body.detail, detail);
  }
  for (const query of ["state=lost", "limit=0", "limit=101", "limit=x", "cursor=x"]) {
    const answer = await http.json("GET", `?${query}`);
    assertEquals([answer.status, answer.body.code], [400, "SLUICE_JOB_BAD_INPUT"], query);
  }
  assertEquals((await http.json("GET", "")).body.jobs, []);
});

Deno.test("a full queue is 503 and says when to come back", async () => {
  await using http = setUp({ store: { queuedMax: 1 } }, new HeldRunner({ concurrencyMax: 1 }));
  for (let n = 0; n < 2; n++) await http.json("POST", "", { runner: "held" });
  const refused = await http.json("POST", "", { runner: "held" });
  assertEquals([refused.status, refused.body.code, refused.headers.get("retry-after")], [
    503,
    "SLUICE_JOB_QUEUE_FULL",
    "5",
  ]);
});

Deno.test("a list is paged, and its link leads to the next page", async () => {
  await using http = setUp();
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.unshift((await http.json("POST", "", { runner: "held" })).body.id);
  const seen: string[] = [];
  let path = "?limit=2&runner=held";
  for (;;) {
    const { body, headers } = await http.json("GET", path);
    seen.push(...body.jobs.map((job: { id: string }) => job.id));
    const [, link] = /^<\/api\/jobs(\?.*)>; rel="next"$/.exec(headers.get("link") ?? "") ?? [];
    assertEquals(link === undefined, body.next === null);
    if (link === undefined) break;
    path = link;
  }
  assertEquals(seen, ids);
});

Deno.test("another site's request changes nothing", async () => {
  await using http = setUp();
  const headers = { "sec-fetch-site": "cross-site" };
  assertEquals((await http.json("POST", "", { runner: "held" }, headers)).status, 403);
  const { id } = (await http.json("POST", "", { runner: "held" }, { "sec-fetch-site": "same-origin" })).body;
  assertEquals((await http.json("DELETE", `/${id}`, undefined, headers)).status, 403);
  assertEquals(await http.stage.state(id), "running");
});

Deno.test("when the service stops, enqueuing is 503, and what is kept can still be asked for", async () => {
  await using http = setUp();
  const { id } = (await http.json("POST", "", { runner: "held" })).body;
  const stopped = http.stage.jobs.shutdown({ graceMs: 1_000 });
  const refused = await http.json("POST", "", { runner: "held" });
  assertEquals([refused.status, refused.body.code], [503, "SLUICE_JOBS_STOPPING"]);
  assert(refused.headers.has("retry-after"));
  http.stage.held.last.done();
  await stopped;
  assertEquals((await http.json("GET", `/${id}`)).body.state, "done");
});

Deno.test("under our server the body is bounded by the route before it is read, and wrong methods are told the right ones", async () => {
  await using stage = new JobsStage();
  await using http = new MemoryHttp(new Router().mount("/jobs", jobsRouter(stage.jobs)).handler);
  const body = '{"runner":"held","input":1}';
  const post = (length: number, text: string) =>
    `POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${text}`;
  const created = parseResponse(await http.exchange(post(body.length, body)));
  assertEquals(created.status, 202);
  const large = parseResponse(await http.exchange(post(100_000, "")));
  assertEquals(large.status, 413);
  const wrong = parseResponse(await http.exchange("PUT /jobs/x HTTP/1.1\r\nHost: a\r\n\r\n"));
  assertEquals([wrong.status, wrong.headers.get("allow")], [405, "DELETE, GET, HEAD, OPTIONS"]);
});
