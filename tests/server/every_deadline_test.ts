/**
 * Every field of `ServeDeadlines`: before its time nothing happens; then comes the stated answer, one counter rises by
 * one, and a neighbour on the same server is served all along. Switched off by `null`, nothing comes at all.
 */
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { DeadlineExceededError } from "../../io/errors.ts";
import { resolveDeadlines, SERVE_DEADLINES_DEFAULT, type ServeDeadlines } from "../../server/deadlines.ts";
import type { Handler } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import type { ServeOptions } from "../../server/serve.ts";
import type { DeadlineCounters } from "../../server/server_stats.ts";
import { type MemoryClient, MemoryHttp, parseResponse } from "../support/memory_http.ts";
import { boundsReached, Neighbour, NEIGHBOUR_PATH } from "../support/neighbour.ts";

type DeadlineName = keyof ServeDeadlines;

/** What the client got and how it ended, when the time was over. */
type Check = (client: MemoryClient) => void;

interface Case {
  readonly name: DeadlineName;
  readonly counter: keyof DeadlineCounters;
  /** What the deadline's own text promises. */
  readonly answer: string;
  /** The deadline, and others that must not come first. */
  readonly deadlines: ServeDeadlines;
  /** What else would come where this one does not. */
  readonly alsoOff?: readonly DeadlineName[];
  /** How long after `begin` it passes. */
  readonly afterMs: number;
  readonly handler?: Handler;
  readonly options?: ServeOptions;
  /** What a client must send before anything else. */
  readonly preface?: string;
  /** Brings the client into the phase that is bounded. */
  readonly begin: (http: MemoryHttp, client: MemoryClient) => Promise<void> | void;
  /** What the client does meanwhile that must not put the deadline off. */
  readonly drip?: (client: MemoryClient) => void;
  readonly check: Check;
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PROXY = "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n";
const BODY = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin";
const LARGE = new Uint8Array(1024 * 1024);

/** Steps of the clock before a deadline passes; the neighbour is served after each. */
const STEPS = 4;
/** How far the server's time may be off: a tick of its clock and one of the timer wheel. */
const TICKS_MS = 40;

const hello: Handler = () => new Reply("hello");
const never: Handler = () => new Promise<Response>(() => {});
const readBody: Handler = async (request) => new Reply(await request.text());

/** The client was answered with this status as the last thing, and the connection closed in order. */
function refused(status: number): Check {
  return (client) => {
    const response = parseResponse(client.text);
    assertEquals([response.status, response.headers.get("connection"), response.rest], [status, "close", ""]);
    assertEquals(client.end, "closed");
  };
}

/** The client was told nothing, and the connection ended so. */
function endedSilently(end: "closed" | "reset"): Check {
  return (client) => assertEquals([client.text, client.end], ["", end]);
}

const CASES: readonly Case[] = [
  {
    name: "preludeMs",
    counter: "prelude",
    answer: "a proxy that does not send its header whole is reset",
    deadlines: { preludeMs: 1_000 },
    afterMs: 1_000,
    options: { proxyProtocol: { trusted: ["127.0.0.1"] } },
    preface: PROXY,
    begin: (_http, client) => client.send("PRO"),
    drip: (client) => client.send(PROXY.charAt(3 + drips++)),
    check: endedSilently("reset"),
  },
  {
    name: "firstByteMs",
    counter: "firstByte",
    answer: "a connection on which nothing comes is closed",
    deadlines: { firstByteMs: 1_000 },
    afterMs: 1_000,
    begin: () => {},
    check: endedSilently("closed"),
  },
  {
    name: "headMs",
    counter: "head",
    answer: "a head that drips in is answered 408, and more bytes do not extend its time",
    deadlines: { headMs: 1_000 },
    afterMs: 1_000,
    begin: (_http, client) => client.send("GET / HTTP/1.1\r\nHost: a\r\n"),
    drip: (client) => client.send("A: b\r\n"),
    check: refused(408),
  },
  {
    name: "bodyIdleMs",
    counter: "bodyIdle",
    answer: "a body that stops coming is answered 408",
    deadlines: { bodyIdleMs: 1_000, bodyBytesPerSecondMin: null },
    afterMs: 1_000,
    alsoOff: ["handlerMs"],
    handler: readBody,
    begin: (_http, client) => client.send(BODY),
    check: refused(408),
  },
  {
    name: "bodyBytesPerSecondMin",
    counter: "bodyRate",
    answer: "a body that comes too slowly is answered 408",
    deadlines: { bodyBytesPerSecondMin: 100, bodyIdleMs: null },
    afterMs: 5_000,
    alsoOff: ["handlerMs"],
    handler: readBody,
    begin: (_http, client) => client.send(BODY),
    drip: (client) => client.send("x".repeat(100)), // Every 1,250 ms: 80 bytes a second.
    check: refused(408),
  },
  {
    name: "handlerMs",
    counter: "handler",
    answer: "a handler that does not answer is answered for with 503",
    deadlines: { handlerMs: 1_000 },
    afterMs: 1_000,
    handler: never,
    begin: (_http, client) => client.send(GET),
    check: refused(503),
  },
  {
    name: "writeStallMs",
    counter: "writeStall",
    answer: "a reader that takes nothing is reset",
    deadlines: { writeStallMs: 1_000 },
    afterMs: 2_000, // In the first of them the network takes something.
    handler: () => new Reply(LARGE),
    begin: (_http, client) => {
      client.stopReading();
      client.send(GET);
    },
    check: (client) => assertEquals(client.end, "reset"),
  },
  {
    name: "writeBytesPerSecondMin",
    counter: "writeRate",
    answer: "a reader that takes too little is reset",
    deadlines: { writeBytesPerSecondMin: 500_000, writeStallMs: null },
    afterMs: 15_000, // Found waiting at 5 s; by then 10 s more are too much for 4 MiB.
    handler: () => new Reply(LARGE),
    begin: (_http, client) => {
      client.stopReading();
      client.send(GET);
    },
    check: (client) => assertEquals(client.end, "reset"),
  },
  {
    name: "keepAliveMs",
    counter: "keepAlive",
    answer: "a connection on which no next request comes is closed",
    deadlines: { keepAliveMs: 1_000 },
    afterMs: 1_000,
    begin: async (http, client) => {
      client.send(GET);
      await http.settle();
      assertEquals(parseResponse(client.take()).status, 200);
    },
    check: endedSilently("closed"),
  },
  {
    name: "totalMs",
    counter: "total",
    answer: "a request that is not over is reset, even while it streams",
    deadlines: { totalMs: 1_000 },
    afterMs: 1_000,
    handler: () => new Reply(new ReadableStream()),
    begin: async (http, client) => {
      client.send(GET);
      await http.settle();
      assert(client.take().startsWith("HTTP/1.1 200 OK"));
    },
    check: endedSilently("reset"),
  },
  {
    name: "lingerMs",
    counter: "linger",
    answer: "a client that does not close after the last answer is closed, though it goes on sending",
    deadlines: { lingerMs: 1_000 },
    afterMs: 1_000,
    handler: () => new Reply("last", { headers: { connection: "close" } }),
    begin: async (http, client) => {
      client.keepsOpen = true;
      client.send(GET);
      await http.settle();
      assertEquals([parseResponse(client.take()).status, client.hasEnded], [200, true]);
    },
    drip: (client) => client.send("x"),
    check: (client) => assertEquals(client.text, ""),
  },
];

/** How many drips the PROXY header has had: each is its next byte. */
let drips = 0;

function open({ handler = hello, options }: Case, deadlines: ServeDeadlines): MemoryHttp {
  const service: Handler = (request, info) =>
    new URL(request.url).pathname === NEIGHBOUR_PATH ? new Reply("well") : handler(request, info);
  return new MemoryHttp(service, { ...options, deadlines });
}

for (const one of CASES) {
  const { name, counter, answer, deadlines, afterMs, preface = "", alsoOff = [], begin, drip, check } = one;

  Deno.test(`${name}: ${answer}`, async () => {
    drips = 0;
    await using http = open(one, deadlines);
    const { stats } = http.server;
    const neighbour = await Neighbour.join(http, preface);
    const client = await http.connect();
    if (name !== "preludeMs") client.send(preface);
    await begin(http, client);
    await http.settle();
    for (let step = 1; step < STEPS; step++) {
      await http.advance(afterMs / STEPS);
      drip?.(client);
      await neighbour.isServed();
    }
    await http.advance(afterMs / STEPS - 1);
    await neighbour.isServed();
    assertEquals([client.text, client.end], ["", "open"], "cut before its time");
    assertEquals(boundsReached(stats), {});
    await http.advance(1 + TICKS_MS);
    client.startReading();
    await http.settle();
    check(client);
    assertEquals(stats.connectionsOpen, 1, "only the neighbour is left");
    await neighbour.isServed();
    assertEquals(boundsReached(stats), { [`deadlinesPassed.${counter}`]: 1 });
  });

  if (name === "lingerMs") {
    Deno.test(`${name}: cannot be switched off`, () => {
      assertThrows(() => resolveDeadlines({ lingerMs: null as unknown as number }), TypeError);
    });
    continue;
  }

  Deno.test(`${name}: null switches it off`, async () => {
    drips = 0;
    const nulls = Object.fromEntries([...Object.keys(deadlines), ...alsoOff].map((key) => [key, null]));
    await using http = open(one, nulls);
    const neighbour = await Neighbour.join(http, preface);
    const client = await http.connect();
    if (name !== "preludeMs") client.send(preface);
    await begin(http, client);
    await http.settle();
    for (let minute = 0; minute < 10; minute++) { // Twice the longest default there is.
      await http.advance(60_000);
      await neighbour.isServed();
    }
    assertEquals([client.text, client.end], ["", "open"]);
    assertEquals(boundsReached(http.server.stats), {});
  });
}

Deno.test("bodyBytesPerSecondMin: a body at just that rate goes on, window after window", async () => {
  await using http = new MemoryHttp(readBody, {
    deadlines: { bodyBytesPerSecondMin: 100, bodyIdleMs: null },
  });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
  await http.settle();
  for (let second = 0; second < 20; second++) {
    client.send("x".repeat(100));
    await http.advance(1_000);
  }
  assertEquals(parseResponse(client.text).body.length, 2_000);
  assertEquals(boundsReached(http.server.stats), {});
});

Deno.test("bodyIdleMs and the minimum rate do not run while the handler does not take the body", async () => {
  const go = Promise.withResolvers<void>();
  const handler: Handler = async (request) => {
    const reader = request.body!.getReader();
    await go.promise;
    for (let bytes = 0;;) {
      const { done, value } = await reader.read();
      if (done) return new Reply(`${bytes}`);
      bytes += value.length;
    }
  };
  await using http = new MemoryHttp(handler, { deadlines: { bodyIdleMs: 1_000 } });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
  client.send("x".repeat(400_000));
  await http.settle();
  await http.advance(60_000);
  assertEquals([client.text, client.end], ["", "open"]);
  go.resolve();
  await http.settle();
  assertEquals(parseResponse(client.text).body, "400000");
  assertEquals(boundsReached(http.server.stats), {});
});

Deno.test("handlerMs: the handler's signals abort with the reason, and its late answer is discarded", async () => {
  const answer = Promise.withResolvers<Response>();
  let signal: AbortSignal | null = null;
  await using http = new MemoryHttp((_request, info) => {
    signal = info.disconnected;
    return answer.promise;
  }, { deadlines: { handlerMs: 1_000 } });
  const client = await http.connect();
  client.send(GET);
  await http.advance(1_000 + TICKS_MS);
  refused(503)(client);
  assertInstanceOf(signal!.reason, DeadlineExceededError);
  let isCancelled = false;
  answer.resolve(new Response(new ReadableStream({ cancel: () => void (isCancelled = true) })));
  await http.settle();
  assertEquals([isCancelled, http.errors], [true, []]);
});

Deno.test("every deadline has a case here, and every counter of one is reached by it", async () => {
  assertEquals(CASES.map(({ name }) => name).sort(), Object.keys(SERVE_DEADLINES_DEFAULT).sort());
  await using http = new MemoryHttp(hello);
  const counters = Object.keys(http.server.stats.deadlinesPassed);
  assertEquals(CASES.map(({ counter }): string => counter).sort(), counters.sort());
});

Deno.test("bodyIdleMs and the minimum rate also bound a body that did not wait for 100 (Continue)", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n";
  for (const deadlines of [{ bodyBytesPerSecondMin: null }, { bodyIdleMs: null }]) {
    await using http = new MemoryHttp(async (request) => {
      await new Promise<void>((resolve) => setImmediate(resolve)); // By then the first bytes are there.
      return new Reply(await request.text());
    }, { deadlines });
    const client = await http.connect();
    client.send(head + "x");
    for (let i = 0; i < 5; i++) {
      await http.advance(10_000);
      if (client.end === "open" && deadlines.bodyIdleMs === null) client.send("x");
    }
    await http.settle();
    refused(408)(client);
  }
});

Deno.test("lingerMs: the rest of a body nobody reads is waited for no longer, once", async () => {
  await using http = new MemoryHttp(hello, { deadlines: { lingerMs: 1_000 } });
  const client = await http.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  await http.settle();
  assertEquals(parseResponse(client.take()).status, 200);
  await http.advance(990);
  assertEquals(client.end, "open");
  await http.advance(10 + TICKS_MS);
  assertEquals([client.text, client.end], ["", "closed"]);
  assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.linger": 1 });
});

Deno.test("a body that its handler goes on reading behind the answer is bounded as any other", async () => {
  let failure: unknown = null;
  await using http = new MemoryHttp((request) => {
    request.text().catch((error) => failure = error);
    return new Reply("at once");
  }, { deadlines: { bodyIdleMs: 1_000, bodyBytesPerSecondMin: null } });
  const client = await http.connect();
  client.send(BODY);
  await http.settle();
  assertEquals(parseResponse(client.take()).body, "at once");
  await http.advance(1_000 + TICKS_MS);
  assertEquals([client.text, client.end], ["", "closed"]);
  assertInstanceOf(failure, DeadlineExceededError);
  assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.bodyIdle": 1 });
});
