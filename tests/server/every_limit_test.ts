/**
 * Every field of `ServeLimits`: within it nothing happens; beyond it comes the stated answer, one counter rises by one,
 * and a neighbour on the same server is served before, during and after.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SharedChunk } from "../../io/shared_chunk.ts";
import type { Handler } from "../../server/handler.ts";
import { resolveLimits, SERVE_LIMITS_DEFAULT, type ServeLimits } from "../../server/limits.ts";
import { Reply } from "../../server/reply.ts";
import type { ServeOptions } from "../../server/serve.ts";
import { type MemoryClient, MemoryHttp, parseResponse, type WireResponse } from "../support/memory_http.ts";
import { boundsReached, Neighbour, NEIGHBOUR_PATH } from "../support/neighbour.ts";

type LimitName = keyof ServeLimits;

/** Limits with a case below, and those of them that are shown to be switched off by `null`. */
const reached = new Set<string>();
const switchedOff = new Set<string>();

const pathOf = (request: Request): string => new URL(request.url).pathname;
const get = (path: string, fields = ""): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const post = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
const chunked = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
const never = (): Promise<Response> => new Promise<Response>(() => {});

/** Answers the neighbour, and everybody else by `handler`. */
function withNeighbour(handler: Handler): Handler {
  return (request, info) => pathOf(request) === NEIGHBOUR_PATH ? new Reply("well") : handler(request, info);
}

/** Reads the body to its end and says how long it was. */
const measure: Handler = async (request) => new Reply(`${(await request.text()).length}`);

/** Opens the server with a neighbour, runs `attack`, and asserts that `counters` and nothing else was counted. */
async function reach(
  name: LimitName,
  limits: ServeLimits,
  counters: Record<string, number>,
  handler: Handler,
  attack: (http: MemoryHttp, neighbour: Neighbour) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  assert(name in limits);
  await using http = new MemoryHttp(withNeighbour(handler), { ...options, limits });
  const neighbour = await Neighbour.join(http);
  assertEquals(boundsReached(http.server.stats), {}, "something was counted before the limit");
  await attack(http, neighbour);
  await neighbour.isServed();
  assertEquals(boundsReached(http.server.stats), counters);
}

/** Declares the test that reaches a limit. */
function beyond(
  name: LimitName,
  answer: string,
  limits: ServeLimits,
  counters: Record<string, number>,
  handler: Handler,
  attack: (http: MemoryHttp, neighbour: Neighbour) => Promise<void>,
): void {
  reached.add(name);
  Deno.test(`${name}: ${answer}`, () => reach(name, limits, counters, handler, attack));
}

/** Declares the test that `null` switches a limit off. */
function off(
  name: LimitName,
  limits: ServeLimits,
  handler: Handler,
  use: (http: MemoryHttp) => Promise<void>,
): void {
  switchedOff.add(name);
  Deno.test(`${name}: null switches it off`, async () => {
    await using http = new MemoryHttp(handler, { limits: { ...limits, [name]: null } });
    await use(http);
    assertEquals(boundsReached(http.server.stats), {});
  });
}

/** Sends text and returns what came back by itself. */
async function ask(http: MemoryHttp, client: MemoryClient, text: string): Promise<string> {
  client.send(text);
  await http.settle();
  return client.take();
}

/** Asserts the last answer a client gets: this status, `Connection: close`, nothing behind it, an orderly end. */
function assertRefused(text: string, status: number, client: MemoryClient): WireResponse {
  const response = parseResponse(text);
  assertEquals([response.status, response.headers.get("connection"), response.rest], [status, "close", ""]);
  assertEquals(client.end, "closed");
  return response;
}

// ---- connections ---------------------------------------------------------------------------------------------------

for (
  const [name, counter] of [
    ["connectionsMax", "connectionsRefused"],
    ["connectionsPerAddressMax", "connectionsRefusedByAddress"],
  ] as const
) {
  const attack = async (http: MemoryHttp, neighbour: Neighbour): Promise<void> => {
    const second = await http.connect();
    assertEquals(parseResponse(await ask(http, second, get("/"))).status, 200);
    await neighbour.isServed();
    const third = await http.connect();
    assertEquals([third.end === "open", third.text], [false, ""]);
    await neighbour.isServed();
    assertEquals(parseResponse(await ask(http, second, get("/"))).status, 200);
    second.abort();
    await http.settle();
    const fourth = await http.connect();
    assertEquals(
      parseResponse(await ask(http, fourth, get("/"))).status,
      200,
      "the place was not given back",
    );
  };
  beyond(
    name,
    "one more is closed on arrival without a byte, and served once another has left",
    { [name]: 2 },
    { [counter]: 1 },
    () => new Reply("x"),
    attack,
  );
}

off("connectionsPerAddressMax", {}, () => new Reply("x"), async (http) => {
  for (let i = 0; i < 20; i++) {
    assertEquals(parseResponse(await ask(http, await http.connect(), get("/"))).status, 200);
  }
});

// ---- requests ------------------------------------------------------------------------------------------------------

beyond(
  "requestsPerConnectionMax",
  "the last one's answer says Connection: close, and what follows it is not answered",
  { requestsPerConnectionMax: 4 }, // The neighbour needs three.
  { "limitsReached.requestsPerConnection": 1 },
  (request) => new Reply(pathOf(request)),
  async (http, neighbour) => {
    const client = await http.connect();
    for (const path of ["/1", "/2", "/3"]) {
      const { body, headers } = parseResponse(await ask(http, client, get(path)));
      assertEquals([body, headers.get("connection")], [path, null]);
    }
    await neighbour.isServed();
    assertEquals(assertRefused(await ask(http, client, get("/4") + get("/5")), 200, client).body, "/4");
  },
);

off("requestsPerConnectionMax", {}, (request) => new Reply(pathOf(request)), async (http) => {
  const client = await http.connect();
  for (let i = 0; i < 50; i++) {
    assertEquals(parseResponse(await ask(http, client, get(`/${i}`))).headers.get("connection"), null);
  }
});

Deno.test("pipelinedRequestsMax: the next request waits unparsed until one is answered, and counts once", async () => {
  const answers = new Map<string, PromiseWithResolvers<Response>>();
  const handler: Handler = (request) => {
    const answer = Promise.withResolvers<Response>();
    answers.set(pathOf(request), answer);
    return answer.promise;
  };
  const attack = async (http: MemoryHttp, neighbour: Neighbour): Promise<void> => {
    const client = await http.connect();
    assertEquals(await ask(http, client, get("/1") + get("/2") + get("/3")), "");
    assertEquals([...answers.keys()], ["/1", "/2"]);
    await neighbour.isServed();
    client.closeWrite(); // Makes the server look again whether the third may be begun; it may not.
    await http.settle();
    assertEquals(http.server.stats.limitsReached.pipelinedRequests, 1);
    for (const path of ["/2", "/1", "/3"]) {
      answers.get(path)!.resolve(new Reply(path));
      await http.settle();
    }
    const first = parseResponse(client.text);
    const second = parseResponse(first.rest);
    assertEquals([first.body, second.body, parseResponse(second.rest).body], ["/1", "/2", "/3"]);
  };
  const counters = { "limitsReached.pipelinedRequests": 1 };
  await reach("pipelinedRequestsMax", { pipelinedRequestsMax: 2 }, counters, handler, attack, {
    allowHalfClose: true,
  });
});
reached.add("pipelinedRequestsMax");

/** Limits of the grammar: what is just within, what is beyond, and the answer. */
const GRAMMAR: readonly {
  readonly name: LimitName;
  readonly max: number;
  readonly within: string;
  readonly beyond: string;
  readonly status: number;
  readonly code: string;
}[] = [
  {
    name: "requestLineBytesMax",
    max: 40,
    within: get("/" + "x".repeat(40 - "GET / HTTP/1.1".length)),
    beyond: get("/" + "x".repeat(41 - "GET / HTTP/1.1".length)),
    status: 414,
    code: "START_LINE_TOO_LONG",
  },
  {
    name: "headersMax",
    max: 3,
    within: get("/", "A: 1\r\nB: 2\r\n"),
    beyond: get("/", "A: 1\r\nB: 2\r\nC: 3\r\n"),
    status: 431,
    code: "TOO_MANY_HEADERS",
  },
  {
    name: "headerBytesMax",
    max: 60,
    within: get("/", `A: ${"x".repeat(40)}\r\n`),
    beyond: get("/", `A: ${"x".repeat(60)}\r\n`),
    status: 431,
    code: "HEADERS_TOO_LARGE",
  },
  {
    name: "bodyBytesMax",
    max: 10,
    within: post("/", 10) + "0123456789",
    beyond: post("/", 11),
    status: 413,
    code: "BODY_TOO_LARGE",
  },
  {
    name: "chunkExtensionBytesMax",
    max: 10,
    within: chunked("/") + "1;a=b\r\nx\r\n0\r\n\r\n",
    beyond: chunked("/") + `1;a=b\r\nx\r\n1;c=${"d".repeat(10)}\r\nx\r\n0\r\n\r\n`,
    status: 400,
    code: "CHUNK_EXTENSIONS_TOO_LARGE",
  },
  {
    name: "trailerBytesMax",
    max: 30,
    within: chunked("/") + `0\r\nA: ${"x".repeat(10)}\r\n\r\n`,
    beyond: chunked("/") + `0\r\nA: ${"x".repeat(31)}\r\n\r\n`,
    status: 431,
    code: "TRAILERS_TOO_LARGE",
  },
  {
    name: "trailersMax",
    max: 2,
    within: chunked("/") + "0\r\nA: 1\r\nB: 2\r\n\r\n",
    beyond: chunked("/") + "0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
    status: 431,
    code: "TOO_MANY_TRAILERS",
  },
];

for (const { name, max, within, beyond: tooMuch, status, code } of GRAMMAR) {
  beyond(
    name,
    `as much as that is served, more is answered ${status} and the connection closed`,
    { [name]: max },
    { [`SLUICE_HTTP_${code}`]: 1 },
    measure,
    async (http, neighbour) => {
      const client = await http.connect();
      assertEquals(parseResponse(await ask(http, client, within)).status, 200, "refused at the limit");
      await neighbour.isServed();
      assertRefused(await ask(http, client, tooMuch + get("/next")), status, client);
    },
  );
}

Deno.test("bodyBytesMax: a chunked body that passes it is answered 413, and its handler's read fails", async () => {
  let failure: unknown = null;
  const handler: Handler = async (request) => {
    await request.text().catch((error) => failure = error);
    return new Reply("too late");
  };
  const counters = { SLUICE_HTTP_BODY_TOO_LARGE: 1 };
  await reach("bodyBytesMax", { bodyBytesMax: 10 }, counters, handler, async (http, neighbour) => {
    const client = await http.connect();
    assertEquals(await ask(http, client, chunked("/") + "8\r\n01234567\r\n"), "");
    await neighbour.isServed();
    assertRefused(await ask(http, client, "8\r\n01234567\r\n0\r\n\r\n"), 413, client);
    assert(failure instanceof Error);
  });
});

off("bodyBytesMax", {}, never, async (http) => {
  const client = await http.connect();
  assertEquals(await ask(http, client, post("/", Number.MAX_SAFE_INTEGER) + "x"), "");
  assertEquals([client.end, http.server.stats.requestsActive], ["open", 1]);
});

// ---- bodies that nobody reads ------------------------------------------------------------------------------------

beyond(
  "unreadBodyBytesMax",
  "so much of a body nobody reads is dropped, after more the connection is closed behind the answer",
  { unreadBodyBytesMax: 100 },
  { "limitsReached.unreadBodyBytes": 1 },
  () => new Reply("not read"),
  async (http, neighbour) => {
    const patient = await http.connect();
    assertEquals(parseResponse(await ask(http, patient, chunked("/"))).status, 200);
    await ask(http, patient, `64\r\n${"x".repeat(100)}\r\n0\r\n\r\n`);
    assertEquals(parseResponse(await ask(http, patient, get("/"))).status, 200);
    await neighbour.isServed();
    const client = await http.connect();
    assertEquals(parseResponse(await ask(http, client, chunked("/"))).status, 200);
    assertEquals(await ask(http, client, `65\r\n${"x".repeat(101)}\r\n0\r\n\r\n` + get("/")), "");
    assertEquals(client.end, "closed");
  },
);

Deno.test("unreadBodyBytesMax: a longer declared body that nobody reads has its answer say Connection: close", async () => {
  await using http = new MemoryHttp(() => new Reply("x"), { limits: { unreadBodyBytesMax: 100 } });
  const client = await http.connect();
  assertEquals(
    parseResponse(await ask(http, client, post("/", 100) + "x".repeat(100))).headers.get("connection"),
    null,
  );
  assertRefused(await ask(http, client, post("/", 101)), 200, client);
});

beyond(
  "lingerBytesMax",
  "so much is read and dropped after the last answer, after more the connection is closed",
  { lingerBytesMax: 1_000 },
  { SLUICE_HTTP_METHOD: 1, "limitsReached.lingerBytes": 1 },
  () => new Reply("x"),
  async (http, neighbour) => {
    const client = await http.connect();
    client.keepsOpen = true;
    assertEquals(parseResponse(await ask(http, client, "@\r\n")).status, 400);
    assertEquals(await ask(http, client, "x".repeat(1_000)), "");
    await neighbour.isServed();
    assertEquals(http.server.stats.connectionsOpen, 2, "closed within the limit");
    client.send("x");
    await http.settle();
    assertEquals(http.server.stats.connectionsOpen, 1);
  },
);

// ---- bytes that wait for a slow reader ---------------------------------------------------------------------------

const MEBIBYTE = new Uint8Array(1024 * 1024);

/** Writes `count` times `bytes`, whatever the writer says about pausing; costs no copy. */
function flood(bytes: Uint8Array, count: number): Handler {
  return () =>
    new Reply({
      length: bytes.length * count,
      start(writer) {
        const chunk = new SharedChunk(bytes);
        for (let i = 0; i < count && !writer.isClosed; i++) {
          writer.writeShared({ plain: chunk, chunked: chunk });
        }
        chunk.release();
        writer.end();
      },
    });
}

beyond(
  "bufferedBytesMax",
  "a producer that writes on while it is paused has its connection reset, and one that pauses does not",
  { bufferedBytesMax: 100_000 },
  { "limitsReached.bufferedBytes": 1 },
  (request, info) =>
    pathOf(request) === "/heedless" ? flood(MEBIBYTE, 2)(request, info) : new Reply(MEBIBYTE),
  async (http, neighbour) => {
    const heedful = await http.connect();
    const heedless = await http.connect();
    for (const client of [heedful, heedless]) client.stopReading();
    await ask(http, heedful, get("/heedful"));
    await neighbour.isServed();
    await ask(http, heedless, get("/heedless"));
    for (const client of [heedful, heedless]) client.startReading();
    await http.settle();
    assertEquals([heedful.end, heedless.end], ["open", "reset"]);
    assertEquals(parseResponse(heedful.text).body.length, MEBIBYTE.length);
  },
);

beyond(
  "bufferedBytesTotalMax",
  "the connection that stalled longest is reset, the others are served to their end",
  { bufferedBytesTotalMax: 500_000 }, // Each holds 192 KiB: 256 KiB are written at once, of which the network takes 64.
  { "limitsReached.bufferedBytesTotal": 1 },
  () => new Reply(MEBIBYTE.subarray(0, 256 * 1024)),
  async (http, neighbour) => {
    const clients: MemoryClient[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await http.connect();
      client.stopReading();
      clients.push(client);
      await ask(http, client, get("/"));
      await http.advance(30); // So that the clock tells their stalls apart.
      await neighbour.isServed();
    }
    for (const client of clients) client.startReading();
    await http.settle();
    assertEquals(clients.map(({ end }) => end), ["reset", "open", "open"]);
    for (const { text } of clients.slice(1)) assertEquals(parseResponse(text).body.length, 256 * 1024);
  },
);

/** Twice the default of `bufferedBytesMax`. */
off("bufferedBytesMax", {}, flood(MEBIBYTE, 2), async (http) => {
  const client = await http.connect();
  client.stopReading();
  await ask(http, client, get("/"));
  client.startReading();
  await http.settle();
  assertEquals([client.end, parseResponse(client.text).body.length], ["open", 2 * MEBIBYTE.length]);
});

/** No more than the default would let through, which takes seconds to reach; that `null` is `Infinity` is asserted below. */
off("bufferedBytesTotalMax", { bufferedBytesMax: null }, flood(MEBIBYTE, 4), async (http) => {
  const client = await http.connect();
  client.stopReading();
  await ask(http, client, get("/"));
  client.startReading();
  await http.settle();
  assertEquals([client.end, parseResponse(client.text).body.length], ["open", 4 * MEBIBYTE.length]);
});

// ---- all of them -------------------------------------------------------------------------------------------------

Deno.test("every limit has a case here, and every one that can be switched off has one for that", () => {
  const names = Object.keys(SERVE_LIMITS_DEFAULT);
  assertEquals([...reached].sort(), [...names].sort());
  for (const name of names) {
    if (switchedOff.has(name)) assertEquals(resolveLimits({ [name]: null })[name as LimitName], Infinity);
    else assertThrows(() => resolveLimits({ [name]: null }), TypeError, "cannot be switched off");
  }
});
