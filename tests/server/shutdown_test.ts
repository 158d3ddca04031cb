import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { UnsupportedError } from "../../io/errors.ts";
import { openSelector, type SelectorKind } from "../../io/open_selector.ts";
import type { BodyWriter } from "../../server/body_writer.ts";
import type { ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { serve } from "../../server/serve.ts";
import type { ShutdownReport } from "../../server/shutdown.ts";
import { EventHub } from "../../server/sse/event_hub.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";
import { RawClient } from "../support/raw_client.ts";
import type { LateAnswer, LateClientData } from "./late_client.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const never = () => new Promise<Response>(() => {});

/** A stream that ends when it is told to, or not. */
function stream(endsWhenTold: boolean): Response {
  let writer: BodyWriter | null = null;
  return new Reply({
    kind: "stream",
    start(given) {
      writer = given;
      given.writeText("begun");
    },
    onDraining() {
      if (!endsWhenTold) return;
      writer!.writeText("bye");
      writer!.end();
    },
  });
}

Deno.test("idle connections are closed at once, and no new ones are accepted", async () => {
  await using http = new MemoryHttp(() => new Reply("x"));
  const fresh = await http.connect();
  const kept = await http.connect();
  kept.send(GET);
  await http.settle();
  const report = http.server.shutdown();
  await http.settle();
  assertEquals(await report, { finished: 0, ended: 0, cut: 0, left: 0, idle: 2, elapsedMs: 0 });
  assertEquals([fresh.end, kept.end], ["closed", "closed"]);
  await assertRejects(() => http.connect());
});

Deno.test("a request that had come, but was not read, is answered; who sent none is ended", async () => {
  await using http = new MemoryHttp(() => new Reply("x"));
  const [asking, resting] = [await http.connect(), await http.connect()];
  asking.send(GET);
  const report = http.server.shutdown();
  await http.settle();
  const { status, headers } = parseResponse(asking.text);
  assertEquals([status, headers.get("connection"), asking.end], [200, "close", "closed"]);
  assertEquals([resting.text, resting.end], ["", "closed"]);
  assertEquals(await report, { finished: 1, ended: 0, cut: 0, left: 0, idle: 1, elapsedMs: 0 });
});

Deno.test("requests that come one after another do not keep the idle ones waiting for ever", async () => {
  const count = 100;
  await using http = new MemoryHttp(() => new Reply("x"));
  const clients = await Promise.all(Array.from({ length: count }, () => http.connect()));
  const sendFrom = (index: number) => {
    if (index === count) return;
    clients[index]!.send(GET);
    http.clock.setWake(0, () => sendFrom(index + 1));
  };
  const report = http.server.shutdown();
  sendFrom(0);
  await http.settle();
  const { finished, idle, cut } = await report;
  assertEquals([finished + idle, cut], [count, 0]);
  assert(finished > 0 && idle > 0, `${finished} were answered, ${idle} ended`);
});

Deno.test("idle clients that do not close hold the shutdown up for a moment only, and what they send is dropped", async () => {
  let requests = 0;
  await using http = new MemoryHttp(() => new Reply(`${++requests}`), { deadlines: { lingerMs: 60_000 } });
  const client = await http.connect();
  client.keepsOpen = true;
  client.send(GET);
  await http.settle();
  const report = http.server.shutdown();
  await http.settle();
  assert(client.hasEnded, "the FIN comes at once");
  client.send(GET);
  await http.advance(1_000);
  const { idle, finished, left, elapsedMs } = await report;
  assertEquals({ idle, finished, left, requests }, { idle: 1, finished: 0, left: 0, requests: 1 });
  assert(elapsedMs >= 300 && elapsedMs < 400);
});

Deno.test("what is in flight is answered with Connection: close, also a request whose head is still coming", async () => {
  const answer = Promise.withResolvers<Response>();
  await using http = new MemoryHttp((request) =>
    request.url.endsWith("/slow") ? answer.promise : new Reply("late")
  );
  const slow = await http.connect();
  slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  const late = await http.connect();
  late.send("GET /late HTTP/1.1\r\n");
  await http.settle();
  const report = http.server.shutdown();
  late.send("Host: a\r\n\r\n");
  await http.settle();
  answer.resolve(new Reply("done"));
  await http.settle();
  for (const client of [slow, late]) {
    assertEquals(parseResponse(client.text).headers.get("connection"), "close");
    assertEquals(client.end, "closed");
  }
  assertEquals((await report).finished, 2);
});

Deno.test("of pipelined requests in flight all are answered, and the last says close", async () => {
  const answers: PromiseWithResolvers<Response>[] = [];
  await using http = new MemoryHttp(() => {
    const answer = Promise.withResolvers<Response>();
    answers.push(answer);
    return answer.promise;
  });
  const client = await http.connect();
  client.send(GET + GET);
  await http.settle();
  const report = http.server.shutdown();
  answers[1]!.resolve(new Reply("2"));
  answers[0]!.resolve(new Reply("1"));
  await http.settle();
  const first = parseResponse(client.text);
  const second = parseResponse(first.rest);
  assertEquals([first.headers.get("connection"), second.headers.get("connection")], [null, "close"]);
  assertEquals((await report).finished, 2);
});

Deno.test("info.draining aborts, disconnected does not, and who asks later finds it aborted", async () => {
  const seen: string[] = [];
  let ask: (() => boolean) | null = null;
  await using http = new MemoryHttp((_request, info) => {
    info.disconnected.addEventListener("abort", () => seen.push("disconnected"));
    if (seen.length === 0) info.draining.addEventListener("abort", () => seen.push("draining"));
    ask = () => info.draining.aborted;
    return never();
  });
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  assertEquals(ask!(), false);
  http.server.shutdown();
  await http.settle();
  assertEquals([seen, ask!()], [["draining"], true]);
});

Deno.test("a stream that ends when told is counted as ended, one that does not is cut after streamGraceMs", async () => {
  await using http = new MemoryHttp((request) => stream(request.url.endsWith("/good")));
  const good = await http.connect();
  good.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
  const bad = await http.connect();
  bad.send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.settle();
  const report = http.server.shutdown({ graceMs: 5_000, streamGraceMs: 1_000 });
  await http.advance(900);
  assertStringIncludes(good.text, "3\r\nbye\r\n0\r\n\r\n");
  assertEquals([good.end, bad.end], ["closed", "open"]);
  await http.advance(200);
  assertEquals(bad.end, "reset");
  const { ended, cut, elapsedMs } = await report;
  assertEquals([ended, cut], [1, 1]);
  assert(elapsedMs >= 1_000 && elapsedMs <= 1_100);
});

Deno.test("a stream whose reader does not take its end is cut after streamGraceMs, and not counted as ended", async () => {
  let writer: BodyWriter | null = null;
  await using http = new MemoryHttp(() =>
    new Reply({
      kind: "stream",
      start(given) {
        writer = given;
      },
      onDraining() {
        writer!.writeText("bye");
        writer!.end();
      },
    })
  );
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  client.stopReading();
  const piece = new Uint8Array(16 * 1024);
  while (!writer!.isPaused) {
    writer!.write(piece);
    await http.settle();
  }
  const report = http.server.shutdown({ graceMs: 5_000, streamGraceMs: 1_000 });
  await http.advance(900);
  assertEquals(client.end, "open");
  await http.advance(200);
  assertEquals(client.end, "reset");
  const { ended, cut } = await report;
  assertEquals([ended, cut], [0, 1]);
});

for (const [end, asksFirst] of [["cut", true], ["cut", false], ["left", true], ["left", false]] as const) {
  const when = asksFirst ? "before" : "afterwards";
  Deno.test(`of responses that wait for their reader all that were not taken are ${end}, also for who asks ${when}`, async () => {
    const count = 6;
    const infos: ServeInfo[] = [];
    const answers: ((response: Response) => void)[] = [];
    await using http = new MemoryHttp((_request, info) => {
      infos.push(info);
      return new Promise<Response>((resolve) => answers.push(resolve));
    });
    const client = await http.connect();
    client.stopReading();
    client.send(GET.repeat(count));
    await http.settle();
    const report = http.server.shutdown({ graceMs: 1_000 });
    for (const answer of answers) answer(new Reply("x".repeat(20_000))); // The network takes 64 KiB, three of them.
    await http.settle();
    assertEquals(http.server.stats.requestsActive, 0, "all are written");
    const ask = () => Promise.all(infos.map((info) => info.completed.then(() => "completed", () => "cut")));
    const asked = asksFirst ? ask() : null;
    if (end === "left") client.abort();
    await http.advance(1_100);
    assertEquals(client.end, "reset");
    const { elapsedMs: _, ...counts } = await report;
    assertEquals(counts, { finished: 3, ended: 0, cut: 0, left: 0, idle: 0, [end]: 3 });
    const outcomes = await (asked ?? ask());
    assertEquals(outcomes, ["completed", "completed", "completed", "cut", "cut", "cut"]);
  });
}

Deno.test("a stream whose end was not taken is cut after streamGraceMs, though another response follows it", async () => {
  let writer: BodyWriter | null = null;
  const answer = Promise.withResolvers<Response>();
  await using http = new MemoryHttp((request) => {
    if (request.url.endsWith("/next")) return answer.promise;
    return new Reply({ kind: "stream", start: (given) => void (writer = given) });
  });
  const client = await http.connect();
  client.send(GET + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.settle();
  client.stopReading();
  writer!.write(new Uint8Array(64 * 1024));
  await http.settle();
  const report = http.server.shutdown({ graceMs: 5_000, streamGraceMs: 1_000 });
  writer!.writeText("bye");
  writer!.end();
  answer.resolve(new Reply("next"));
  await http.settle();
  assertEquals([http.server.stats.requestsActive, client.end], [0, "open"]);
  await http.advance(1_100);
  const { finished, ended, cut } = await report;
  assertEquals([finished, ended, cut, client.end], [0, 0, 2, "reset"]);
});

Deno.test("an event stream of any Response counts as a stream, a download does not", async () => {
  await using http = new MemoryHttp((request) =>
    new Response(new ReadableStream(), {
      headers: { "content-type": request.url.endsWith("/events") ? "text/event-stream" : "application/zip" },
    })
  );
  const events = await http.connect();
  events.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  const download = await http.connect();
  download.send(GET);
  await http.settle();
  const report = http.server.shutdown({ graceMs: 5_000, streamGraceMs: 1_000 });
  await http.advance(1_100);
  assertEquals([events.end, download.end], ["reset", "open"]);
  await http.advance(4_000);
  assertEquals([download.end, (await report).cut], ["reset", 2]);
});

Deno.test("a handler that never answers is cut after graceMs", async () => {
  await using http = new MemoryHttp(never);
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  const report = http.server.shutdown({ graceMs: 1_000 });
  await http.advance(900);
  assertEquals(client.end, "open");
  await http.advance(200);
  assertEquals([client.end, (await report).cut], ["reset", 1]);
});

Deno.test("a client that leaves during the shutdown is counted as such", async () => {
  await using http = new MemoryHttp(never);
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  const report = http.server.shutdown({ graceMs: 1_000 });
  client.abort();
  await http.settle();
  assertEquals(await report, { finished: 0, ended: 0, cut: 0, left: 1, idle: 0, elapsedMs: 0 });
});

Deno.test("a second call joins the first, can shorten it, and cannot lengthen it", async () => {
  await using http = new MemoryHttp(never);
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  const first = http.server.shutdown({ graceMs: 10_000 });
  const longer = http.server.shutdown({ graceMs: 60_000 });
  await http.advance(1_000);
  const shorter = http.server.shutdown({ graceMs: 1_000 });
  await http.advance(1_100);
  assertEquals(client.end, "reset");
  assertEquals(await first, await shorter);
  assertEquals(await first, await longer);
});

Deno.test("clients that do not close after their last answer hold the shutdown up for a moment only", async () => {
  await using http = new MemoryHttp(() => new Reply("x"), { deadlines: { lingerMs: 60_000 } });
  const clients = [await http.connect(), await http.connect()];
  for (const client of clients) client.keepsOpen = true;
  clients[0]!.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  clients[1]!.send("GET / HTTP/1.1\r\nHost: a\r\n");
  await http.settle();
  const report = http.server.shutdown();
  clients[1]!.send("\r\n");
  await http.advance(1_000);
  assertEquals((await report).finished, 1);
  for (const client of clients) assertEquals(parseResponse(client.text).body, "x");
});

Deno.test("wrong times are a RangeError, and the server serves on", async () => {
  await using http = new MemoryHttp(() => new Reply("x"));
  for (const graceMs of [-1, NaN, Infinity]) {
    assertThrows(() => http.server.shutdown({ graceMs }), RangeError);
  }
  assertEquals(parseResponse(await http.exchange(GET)).status, 200);
});

Deno.test("a connection that a handler took over hears draining, and is cut after graceMs", async () => {
  let isTold = false;
  await using http = new MemoryHttp((_request, info) => {
    info.draining.addEventListener("abort", () => isTold = true);
    const { writer } = info.hijack();
    writer.writeText("mine");
    return new Reply();
  });
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  const report = http.server.shutdown({ graceMs: 1_000 });
  await http.settle();
  assert(isTold);
  await http.advance(1_100);
  assertEquals([client.text, client.end, (await report).cut], ["mine", "reset", 1]);
});

/** A thread with `count` idle connections, and what came back on them of a request that the server had not read when it stopped. */
async function stopWithUnread(kind: SelectorKind, count: number): Promise<[LateAnswer[], ShutdownReport]> {
  await using selector = openSelector({ kind });
  const handler = async (request: Request) => {
    await request.text();
    return new Reply(new URL(request.url).pathname);
  };
  const server = serve({ selector, port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  const signal = new Int32Array(new SharedArrayBuffer(8));
  const workerData: LateClientData = { port: server.addr.port, count, signal };
  const worker = new Worker(new URL("./late_client.ts", import.meta.url), { workerData });
  try {
    await once(worker, "message");
    Atomics.store(signal, 0, 1);
    Atomics.notify(signal, 0);
    const answers = once(worker, "message");
    assertNotEquals(Atomics.wait(signal, 1, 0, 60_000), "timed-out"); // Nothing is read meanwhile.
    const stopped = server.shutdown({ graceMs: 60_000 });
    const [came] = await answers;
    return [came, await stopped];
  } finally {
    await worker.terminate();
    await server.shutdown({ graceMs: 0 });
  }
}

for (const kind of ["native", "epoll", "uring"] as const) {
  Deno.test(`a request that lies unread in the kernel when the server stops meets no reset: ${kind}`, async () => {
    let answers: LateAnswer[];
    let report: ShutdownReport;
    try {
      [answers, report] = await stopWithUnread(kind, 20);
    } catch (error) {
      if (error instanceof UnsupportedError) return; // Not every selector opens everywhere.
      throw error;
    }
    const answered = answers.filter(({ text }) => text !== "");
    for (const { text } of answered) {
      const { status, headers, body } = parseResponse(text);
      assertEquals([status, headers.get("connection"), body], [200, "close", "/late"]);
    }
    assertEquals(answers.map(({ end }) => end), new Array(20).fill("end"));
    const { finished, cut, left, idle } = report;
    assertEquals({ finished, cut, left, idle }, {
      finished: answered.length,
      cut: 0,
      left: 0,
      idle: 20 - answered.length,
    });
  });
}

Deno.test("with 100 event streams, 100 idle connections, 50 requests in flight and 10 stalled readers it stops in time", async () => {
  const answer = Promise.withResolvers<void>();
  const hub = new EventHub();
  const flood = new Uint8Array(64 * 1024 * 1024);
  const server = serve({ port: 0 }, async (request, info) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/events") return hub.subscribe(request, "topic", info);
    if (pathname === "/flood") return new Reply(flood);
    if (pathname === "/slow") await answer.promise;
    return new Reply(pathname);
  });
  const clients: RawClient[] = [];
  const open = async (count: number, path: string | null): Promise<RawClient[]> => {
    const opened = await Promise.all(
      Array.from({ length: count }, () => RawClient.connect({ port: server.addr.port })),
    );
    clients.push(...opened);
    if (path !== null) {
      await Promise.all(opened.map((client) => client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)));
    }
    return opened;
  };
  try {
    const streams = await open(100, "/events");
    await Promise.all(streams.map((client) => client.readUntil("\r\n\r\n")));
    const idle = await open(100, "/idle");
    await Promise.all(idle.map((client) => client.readResponse()));
    const stalled = await open(10, "/flood");
    await Promise.all(stalled.map((client) => client.readUntil("\r\n\r\n")));
    const slow = await open(50, "/slow");
    await Promise.all(slow.map((client) => client.send(""))); // all sent
    while (server.stats.requestsActive < 160) await new Promise<void>((resolve) => setImmediate(resolve));

    const stopped = server.shutdown({ graceMs: 1_000, streamGraceMs: 500 });
    answer.resolve();
    const answers = await Promise.all(slow.map((client) => client.readResponse()));
    for (const { headers, body } of answers) {
      assertEquals([headers.get("connection"), body], ["close", "/slow"]);
    }
    for (const client of streams) assertStringIncludes(await client.readToEnd(), "retry:");
    for (const client of idle) await client.expectClosed();
    const { elapsedMs: _, ...report } = await stopped;
    assertEquals(report, { finished: 50, ended: 100, cut: 10, left: 0, idle: 100 });
    for (const client of stalled) assertEquals(await client.waitEnd(), "reset");
    assertEquals(server.stats.connectionsOpen, 0);
  } finally {
    for (const client of clients) client.close();
    hub.close();
    await server.shutdown({ graceMs: 0 });
  }
});
