/**
 * Readers that take their responses slowly, or not at all: what bounds them, and who is not cut. How the rate is measured is tested in
 * write_rate_test.ts.
 */
import { assertEquals } from "@std/assert";
import { type Gateway, gateway } from "../../server/gateway/gateway.ts";
import { Reply } from "../../server/reply.ts";
import { serve } from "../../server/serve.ts";
import { EventHub } from "../../server/sse/event_hub.ts";
import { MemoryClient, MemoryHttp, parseResponse, responsesIn } from "../support/memory_http.ts";
import { boundsReached } from "../support/neighbour.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LARGE = new Uint8Array(1024 * 1024);
/** How far the server's time may be off: a tick of its clock and one of the timer wheel. */
const TICKS_MS = 40;

Deno.test("totalMs: a response that is written, but not taken, is not over", async () => {
  for (const body of ["x".repeat(60_000), LARGE]) { // The network holds the first of the short ones; the last piece of a long one waits.
    let outcome = "waits";
    await using http = new MemoryHttp((_request, info) => {
      info.completed.then(() => outcome = "completed", () => outcome = "cut");
      return new Reply(body);
    }, { deadlines: { totalMs: 10_000 } });
    const client = await http.connect();
    client.stopReading();
    client.send(GET + GET);
    await http.settle();
    await http.advance(9_000);
    assertEquals(client.end, "open");
    await http.advance(1_000 + TICKS_MS);
    assertEquals([client.end, outcome], ["reset", "cut"]);
    assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.total": 1 });
  }
});

Deno.test("totalMs: each request has its own time, and none once its response is taken", async () => {
  await using http = new MemoryHttp(() => new Reply("x".repeat(60_000)), { deadlines: { totalMs: 10_000 } });
  const client = await http.connect();
  for (let second = 0; second < 60; second++) { // Many times longer than one may take.
    client.send(GET);
    await http.advance(1_000);
  }
  assertEquals(responsesIn(client.take()).length, 60);
  client.stopReading();
  client.send(GET + GET);
  await http.settle();
  await http.advance(5_000);
  client.startReading();
  await http.settle();
  client.stopReading();
  client.send(GET + GET);
  await http.advance(9_000);
  assertEquals(client.end, "open", "the earlier ones are over");
  await http.advance(1_000 + TICKS_MS);
  assertEquals(client.end, "reset");
  assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.total": 1 });
});

Deno.test("totalMs: also bounds a last response, behind which our end of the connection waits", async () => {
  await using http = new MemoryHttp(() => new Reply(LARGE.subarray(0, 65_000)), {
    deadlines: { totalMs: 10_000 },
  });
  const client = await http.connect();
  client.stopReading();
  client.send(GET + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await http.settle();
  assertEquals([http.server.stats.requestsActive, client.hasEnded], [0, false]);
  await http.advance(9_900);
  assertEquals(client.end, "open");
  await http.advance(100 + TICKS_MS);
  assertEquals([client.end, client.hasEnded], ["reset", false]);
  assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.total": 1 });
});

Deno.test("writeStallMs: a reader that takes a little now and then is served to the end", async () => {
  await using http = new MemoryHttp(() => new Reply(LARGE), { deadlines: { writeStallMs: 1_000 } });
  const client = await http.connect();
  client.stopReading();
  client.send(GET);
  for (let i = 0; i < 40 && client.text.length < LARGE.length; i++) {
    await http.advance(800);
    client.startReading();
    await new Promise((resolve) => setImmediate(resolve));
    client.stopReading();
  }
  client.startReading();
  await http.settle();
  assertEquals(parseResponse(client.text).body.length, LARGE.length);
  assertEquals(boundsReached(http.server.stats), {});
});

Deno.test("writeBytesPerSecondMin: a reader that drips is reset, though it never stalls; one that is quicker gets all", async () => {
  for (const [pauseMs, isCut] of [[9_000, true], [1_000, false]] as const) {
    await using http = new MemoryHttp(() => new Reply(LARGE), {
      deadlines: { writeBytesPerSecondMin: 30_000 },
    });
    const client = await http.connect();
    client.received = (bytes) => { // One read at a time: 64 KiB, what the network holds.
      MemoryClient.prototype.received.call(client, bytes);
      client.stopReading();
    };
    client.send(GET);
    for (let i = 0; i < 40 && client.end === "open"; i++) {
      await http.advance(pauseMs);
      if (client.end === "open") client.startReading();
    }
    await http.settle();
    assertEquals(boundsReached(http.server.stats), isCut ? { "deadlinesPassed.writeRate": 1 } : {});
    assertEquals([client.end, client.text.length > LARGE.length], isCut ? ["reset", false] : ["open", true]);
  }
});

Deno.test("writeBytesPerSecondMin: an event stream that its reader keeps up with is never slow, whatever the rate", async () => {
  const hub = new EventHub({ heartbeatMs: null });
  await using http = new MemoryHttp((request, info) => hub.subscribe(request, "topic", info), {
    deadlines: { writeBytesPerSecondMin: 1e9, writeStallMs: 5_000 },
  });
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  for (let i = 0; i < 30; i++) {
    await hub.publish("topic", { data: "a token" });
    await http.advance(i % 2 === 0 ? 1_000 : 60_000);
  }
  assertEquals(client.end, "open");
  assertEquals(client.text.match(/a token/g)?.length, 30);
  assertEquals(boundsReached(http.server.stats), {});
  hub.close();
});

Deno.test("writeBytesPerSecondMin: also bounds the last response, whose reader is not yet awaited to close", async () => {
  await using http = new MemoryHttp(() => new Reply(LARGE.subarray(0, 65_000)), {
    deadlines: { writeBytesPerSecondMin: 500_000, writeStallMs: null, lingerMs: 1_000 },
  });
  const client = await http.connect();
  client.stopReading();
  client.send(GET + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await http.advance(15_000 - 1);
  assertEquals(client.end, "open");
  await http.advance(1 + TICKS_MS);
  assertEquals([client.end, client.hasEnded], ["reset", false]);
  assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.writeRate": 1 });
});

Deno.test("writeBytesPerSecondMin: behind a gateway the reader that is too slow is reset, and the upstream given up", async () => {
  let isCancelled = false;
  let proxy: Gateway | null = null;
  await using http = new MemoryHttp((request, info) => proxy!(request, info), {
    deadlines: { writeBytesPerSecondMin: 500_000, writeStallMs: null },
  });
  const patient = { writeBytesPerSecondMin: null, writeStallMs: null };
  await using origin = serve(
    { port: 81, selector: http.selector, deadlines: patient },
    () =>
      new Reply(
        new ReadableStream({ pull: (to) => to.enqueue(LARGE), cancel: () => void (isCancelled = true) }),
      ),
  );
  await using upstream = gateway({ upstream: "http://127.0.0.1:81", selector: http.selector });
  proxy = upstream;
  const client = await http.connect();
  client.stopReading();
  client.send(GET);
  await http.settle();
  await http.advance(15_000 - 1);
  assertEquals([client.end, proxy.stats.upstreamCancels, isCancelled], ["open", 0, false]);
  await http.advance(1 + TICKS_MS);
  assertEquals([client.end, proxy.stats.upstreamCancels, isCancelled], ["reset", 1, true]);
  assertEquals(boundsReached(http.server.stats), { "deadlinesPassed.writeRate": 1 });
  assertEquals(boundsReached(origin.stats), {});
});
