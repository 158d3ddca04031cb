import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openSelector } from "../../io/open_selector.ts";
import { createApp } from "../../server/app.ts";
import type { JobRunner } from "../../server/jobs/job_runner.ts";
import { serve, type Server } from "../../server/serve.ts";
import { RawClient } from "../support/raw_client.ts";

/** Runs `body` against a served app whose upstream nobody listens at. */
async function withApp(
  body: (url: string, server: Server) => Promise<void>,
  runners: Record<string, JobRunner> = {},
): Promise<void> {
  await using selector = openSelector();
  let server: Server | null = null;
  const app = createApp({
    selector,
    upstream: "http://127.0.0.1:9",
    runners,
    serverStats: () => server?.stats ?? null,
  });
  server = serve({ selector, port: 0, hostname: "127.0.0.1", onListen() {} }, app.handler);
  assert(server.addr.transport === "tcp");
  try {
    await body(`http://127.0.0.1:${server.addr.port}`, server);
  } finally {
    await server.shutdown({ graceMs: 0 });
    await app.close();
  }
}

/** Publishes and returns status and body. */
async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: "POST", body, headers });
  return { status: response.status, body: await response.json() };
}

const JSON_TYPE = { "content-type": "application/json" };

Deno.test("an event is published as text, or as JSON with a name and an id", async () => {
  await withApp(async (url) => {
    const stream = await fetch(`${url}/events/t`);
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    assertMatch((await reader.read()).value!, /^id: /);
    assertEquals((await post(`${url}/events/t`, "plain text")).status, 201);
    assertMatch((await reader.read()).value!, /^id: \S+\ndata: plain text\n\n$/);
    const event = JSON.stringify({ event: "note", data: { a: 1 }, id: "mine-1" });
    assertEquals(await post(`${url}/events/t`, event, JSON_TYPE), { status: 201, body: { id: "mine-1" } });
    assertEquals((await reader.read()).value, 'id: mine-1\nevent: note\ndata: {"a":1}\n\n');
    await reader.cancel();
  });
});

Deno.test("what cannot be published is refused with a problem that says why", async () => {
  await withApp(async (url) => {
    const cases: [
      path: string,
      body: string,
      headers: Record<string, string>,
      status: number,
      code: string,
    ][] = [
      ["t", "{", JSON_TYPE, 400, "SLUICE_BAD_EVENT"],
      ["t", "[1]", JSON_TYPE, 400, "SLUICE_BAD_EVENT"],
      ["t", '{"data":1,"event":2}', JSON_TYPE, 400, "SLUICE_BAD_EVENT"],
      ["t", '{"data":1,"event":"a\\nb"}', JSON_TYPE, 400, "SLUICE_BAD_EVENT"],
      ["bad%20name", "x", {}, 400, "SLUICE_TOPIC_NAME"],
      ["t", "x".repeat(65 * 1024), {}, 413, "SLUICE_HUB_EVENT_BYTES"],
      ["t", "x", { "sec-fetch-site": "cross-site" }, 403, "SLUICE_CROSS_SITE"],
    ];
    for (const [path, body, headers, status, code] of cases) {
      const answer = await post(`${url}/events/${path}`, body, headers);
      assertEquals([answer.status, answer.body.code], [status, code], body.slice(0, 40));
      assert(answer.body.detail.length > 0);
    }
    await post(`${url}/events/t`, '{"data":1,"id":"k"}', JSON_TYPE);
    assertEquals((await post(`${url}/events/t`, '{"data":2,"id":"k"}', JSON_TYPE)).status, 409);
  });
});

Deno.test("a body above the route's own bound is refused before it is read", async () => {
  await withApp(async (url) => {
    const response = await fetch(`${url}/events/t`, { method: "POST", body: new Uint8Array(300 * 1024) });
    assertEquals(response.status, 413);
    await response.body?.cancel();
  });
});

Deno.test("the page comes with a policy that admits nothing from elsewhere", async () => {
  await withApp(async (url) => {
    const response = await fetch(url);
    assertEquals(response.headers.get("content-type"), "text/html;charset=UTF-8");
    assertStringIncludes(response.headers.get("content-security-policy")!, "default-src 'none'");
    assertStringIncludes(await response.text(), "<title>Sluice</title>");
  });
});

Deno.test("metrics tell what the server, gateway and hub did", async () => {
  await withApp(async (url) => {
    await (await fetch(`${url}/v1/x`)).body?.cancel();
    await (await fetch(`${url}/nowhere`)).body?.cancel();
    await post(`${url}/events/t`, "x");
    const text = await (await fetch(`${url}/metrics`)).text();
    for (
      const sample of [
        'sluice_responses_total{status="502"} 1',
        'sluice_responses_total{status="404"} 1',
        'sluice_responses_total{status="201"} 1',
        'sluice_gateway_requests_total{outcome="failed"} 1',
        'sluice_gateway_upstream_errors_total{kind="refused"} 1',
        'sluice_hub_events_total{kind="published"} 1',
        "sluice_gateway_upstream_cancels_total 0",
        'sluice_gateway_first_byte_seconds_bucket{le="+Inf"} 0',
      ]
    ) assertStringIncludes(text, `${sample}\n`);
    assertMatch(text, /^sluice_connections_open [1-9]\d*$/m);
    assertMatch(text, /^sluice_bytes_total\{direction="sent"\} [1-9]\d*$/m);
  });
});

Deno.test("jobs are served, with the runners that were given beside the chat, and are counted", async () => {
  const double = { run: (input: unknown) => Promise.resolve(2 * Number(input)) };
  await withApp(async (url) => {
    const created = await post(`${url}/jobs`, '{"runner":"double","input":21}', JSON_TYPE);
    assertEquals(created.status, 202);
    const story = await (await fetch(`${url}/jobs/${created.body.id}/events`)).text();
    assertMatch(story, /event: done\ndata: \{"result":42,/);
    const { runners, jobs } = await (await fetch(`${url}/jobs`)).json();
    assertEquals([runners, jobs.length], [["chat", "double"], 1]);
    const chat = await post(`${url}/jobs`, '{"runner":"chat","input":{"prompt":"hello"}}', JSON_TYPE);
    const failed = await (await fetch(`${url}/jobs/${chat.body.id}/events`)).text();
    assertMatch(failed, /event: failed\ndata: .*answered 502/); // nobody listens at the upstream
    const text = await (await fetch(`${url}/metrics`)).text();
    for (
      const sample of [
        'sluice_jobs{state="done"} 1',
        'sluice_jobs{state="failed"} 1',
        'sluice_jobs_attempts_total{runner="double",outcome="done"} 1',
        'sluice_jobs_wait_seconds_count{runner="double"} 1',
      ]
    ) assertStringIncludes(text, `${sample}\n`);
  }, { double });
});

Deno.test("a server that is stopping is not healthy", async () => {
  await withApp(async (url, server) => {
    assertEquals((await fetch(`${url}/healthz`).then((response) => response.json())).status, "ok");
    // A request in progress keeps the server from being gone before its health can be asked for. Its head has begun to
    // arrive for certain once the request before it, which came in the same bytes, is answered.
    using client = await RawClient.connect({ port: Number(new URL(url).port) });
    const head = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    await client.send(`${head}\r\n${head}`);
    assertEquals((await client.readResponse()).status, 200);
    const stopped = server.shutdown({ graceMs: 5_000 });
    await client.send("\r\n");
    assertEquals((await client.readResponse()).status, 503);
    await stopped;
  });
});
