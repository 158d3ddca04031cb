import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ServeInfo } from "../../server/handler.ts";
import { Reply } from "../../server/reply.ts";
import { EarlyHintsError } from "../../server/response_errors.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const LARGE = 300_000;

/** One request as its handler has it. */
interface Held {
  readonly info: ServeInfo;
  answer(response: Response): void;
}

/** A server whose answers are given by hand, and the requests it was given, by path. */
function manual(options: ConstructorParameters<typeof MemoryHttp>[1] = {}) {
  const held = new Map<string, Held>();
  const http = new MemoryHttp((request, info) => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    held.set(new URL(request.url).pathname, { info, answer: resolve });
    return promise;
  }, options);
  const answer = async (path: string, response: Response): Promise<void> => {
    held.get(path)!.answer(response);
    await http.settle();
  };
  return { http, held, answer };
}

/** A stream whose chunks are given by hand. */
function stream() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void (isCancelled = true),
  });
  return {
    body,
    write: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    close: () => controller.close(),
    isCancelled: () => isCancelled,
  };
}

Deno.test("a response that is streamed holds back the next one, which then comes whole", async () => {
  const { http, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  const first = stream();
  await answer("/1", new Response(first.body));
  await answer("/2", new Reply("second"));
  first.write("a");
  await http.settle();
  assert(!client.text.includes("second"));
  assertEquals(http.server.stats.streamsOpen, 1);
  first.close();
  await http.settle();
  const response = parseResponse(client.text);
  assertEquals([response.body, parseResponse(response.rest).body], ["a", "second"]);
  assertEquals(http.server.stats.streamsOpen, 0);
});

Deno.test("early hints of a later request come after the response before it, and before its own", async () => {
  const { http, held, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  held.get("/2")!.info.earlyHints({ link: "</2>" });
  held.get("/1")!.info.earlyHints({ link: "</1>" });
  await http.settle();
  assertStringIncludes(client.text, "</1>");
  assert(!client.text.includes("</2>"));
  await answer("/2", new Reply("second"));
  await answer("/1", new Reply("first"));
  const order = ["</1>", "first", "</2>", "second"].map((part) => client.text.indexOf(part));
  assertEquals(order, [...order].sort((a, b) => a - b));
  assert(!order.includes(-1));
});

Deno.test("early hints that wait are bounded by what a head may have", async () => {
  const { http, held } = manual({ limits: { headerBytesMax: 100 } });
  await using _ = http;
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  const { info } = held.get("/2")!;
  let failure: unknown = null;
  try {
    for (let i = 0; i < 10; i++) info.earlyHints({ link: "</a>" });
  } catch (error) {
    failure = error;
  }
  assert(failure instanceof EarlyHintsError);
});

Deno.test("while the peer takes nothing no next response is begun, and the counts stay right", async () => {
  const { http, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.stopReading();
  client.send(get("/1") + get("/2"));
  await http.settle();
  await answer("/1", new Reply("x".repeat(LARGE)));
  const before = http.server.stats.bytesSent;
  await answer("/2", new Reply("second"));
  assertEquals(http.server.stats.bytesSent, before);
  client.startReading();
  await http.settle();
  assertStringIncludes(client.text, "second");
  assertEquals([http.server.stats.requestsActive, http.server.stats.bytesSent], [0, client.text.length]);
});

Deno.test("a client that resets ends every request it had: signals, streams, kept responses, counts", async () => {
  const { http, held, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.send(get("/1") + get("/2") + get("/3"));
  await http.settle();
  const [first, second] = [stream(), stream()];
  const signals = [...held.values()].map(({ info }) => info.disconnected);
  await answer("/1", new Response(first.body));
  await answer("/2", new Response(second.body)); // Kept: it is not its turn.
  client.abort();
  await http.settle();
  assertEquals(signals.map(({ aborted }) => aborted), [true, true, true]);
  assertEquals([first.isCancelled(), second.isCancelled()], [true, true]);
  const { disconnects, requestsActive, streamsOpen, responsesAborted } = http.server.stats;
  assertEquals([disconnects, requestsActive, streamsOpen, responsesAborted], [3, 0, 0, 0]);
  const late = stream();
  await answer("/3", new Response(late.body));
  assertEquals([late.isCancelled(), http.errors], [true, []]);
});

Deno.test("a stream that fails cuts the requests behind it, too, and is counted and reported once", async () => {
  const { http, held, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  const boom = new Error("boom");
  const { disconnected } = held.get("/2")!.info;
  await answer("/1", new Reply({ start: () => Promise.reject(boom) }));
  assertEquals([client.end, disconnected.aborted, http.errors], ["reset", true, [boom]]);
  const { responsesAborted, disconnects, handlerErrors, requestsActive } = http.server.stats;
  assertEquals([responsesAborted, disconnects, handlerErrors, requestsActive], [1, 0, 0, 0]);
});

Deno.test("a response that says close ends those behind it, whose handlers hear of it", async () => {
  const { http, held, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.send(get("/1") + get("/2"));
  await http.settle();
  const { disconnected } = held.get("/2")!.info;
  await answer("/1", new Reply("last", { headers: { connection: "close" } }));
  assertEquals([parseResponse(client.text).rest, client.end, disconnected.aborted], ["", "closed", true]);
  await answer("/2", new Reply("never sent"));
  assertEquals(http.server.stats.requestsActive, 0);
});

Deno.test("completed resolves for each response when its own bytes are with the kernel", async () => {
  const { http, held, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.stopReading();
  client.send(get("/1") + get("/2"));
  await http.settle();
  const done: string[] = [];
  for (const [path, { info }] of held) {
    info.completed.then(() => done.push(path), () => done.push(`not ${path}`));
  }
  await answer("/1", new Reply("small"));
  assertEquals(done, ["/1"]);
  await answer("/2", new Reply("x".repeat(LARGE)));
  assertEquals(done, ["/1"]);
  client.startReading();
  await http.settle();
  assertEquals(done, ["/1", "/2"]);
});

Deno.test("a response that was not taken when the client reset was not completed", async () => {
  const { http, held, answer } = manual();
  await using _ = http;
  const client = await http.connect();
  client.stopReading();
  client.send(get("/1"));
  await http.settle();
  let outcome = "pending";
  held.get("/1")!.info.completed.then(() => outcome = "resolved", () => outcome = "rejected");
  await answer("/1", new Reply("x".repeat(LARGE)));
  client.abort();
  await http.settle();
  assertEquals(outcome, "rejected");
});

Deno.test("a handler that has answered is not called late because the reader is slow", async () => {
  const { http, answer } = manual({ deadlines: { handlerMs: 1_000, writeStallMs: 10_000 } });
  await using _ = http;
  const client = await http.connect();
  client.stopReading();
  client.send(get("/1") + get("/2"));
  await http.settle();
  await answer("/1", new Reply("x".repeat(200_000))); // One piece: written at once, and taken by nobody.
  await answer("/2", new Reply("second"));
  await http.advance(5_000);
  client.startReading();
  await http.settle();
  assertEquals([client.end, http.server.stats.deadlinesPassed.handler], ["open", 0]);
  assertEquals(parseResponse(parseResponse(client.text).rest).body, "second");
});
