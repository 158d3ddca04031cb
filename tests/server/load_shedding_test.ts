import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { LoopLag } from "../../io/loop_lag.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import type { Handler } from "../../server/handler.ts";
import { shedLoad } from "../../server/load_shedding.ts";
import { Reply } from "../../server/reply.ts";
import { Router } from "../../server/router.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const everything = new Router().get("/healthz", () => new Reply("well")).get("/", () => new Reply("in time"));

/** Blocks a server's loop three times in a row: more work than time. */
async function overload(http: MemoryHttp, ms: number): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await http.clock.jumpTo(http.clock.now() + 20 + ms);
}

Deno.test("while every wake-up is late requests are answered 503, and again 200 once one is in time", async () => {
  await using http = new MemoryHttp(everything.handler, { shedding: { lagMs: 100 } });
  const ask = async (path: string) => parseResponse(await http.exchange(get(path)));
  await http.advance(200);
  assertEquals((await ask("/")).status, 200);
  await overload(http, 150);
  const refused = await ask("/");
  assertEquals([refused.status, refused.headers.get("content-type")], [503, "application/problem+json"]);
  assertMatch(refused.headers.get("retry-after")!, /^[234]$/);
  const { code, detail, status } = JSON.parse(refused.body);
  assertEquals([code, status], ["SLUICE_OVERLOADED", 503]);
  assertMatch(detail, /150 ms late/);
  assertEquals(http.server.stats.limitsReached.loopLag, 1);
  await http.advance(20);
  assertEquals((await ask("/")).status, 200);
  assertEquals(http.server.stats.limitsReached.loopLag, 1);
});

Deno.test("one long task, or a lag within the limit, sheds nobody", async () => {
  await using http = new MemoryHttp(everything.handler, { shedding: { lagMs: 100 } });
  await http.advance(200);
  await http.clock.jumpTo(http.clock.now() + 10_000);
  assertEquals(parseResponse(await http.exchange(get("/"))).status, 200);
  await overload(http, 90);
  assertEquals(parseResponse(await http.exchange(get("/"))).status, 200);
  assertEquals(http.server.stats.limitsReached.loopLag, 0);
});

Deno.test("health and metrics are answered all the same, or whatever is exempt instead", async () => {
  for (const [path, shedding] of [["/healthz", {}], ["/", { exemptPaths: ["/"] }]] as const) {
    await using http = new MemoryHttp(everything.handler, { shedding: { lagMs: 100, ...shedding } });
    await overload(http, 150);
    assertEquals(parseResponse(await http.exchange(get(`${path}?x=1`))).status, 200);
    assertEquals(parseResponse(await http.exchange(get("/other"))).status, 503);
  }
});

Deno.test("the lag can be measured by somebody else, who goes on when the server has stopped", async () => {
  const clock = new VirtualClock();
  const lag = new LoopLag(clock);
  lag.start();
  {
    await using http = new MemoryHttp(everything.handler, { shedding: { lagMs: 100, lag } });
    for (let turn = 0; turn < 3; turn++) await clock.jumpTo(clock.now() + 300);
    assertEquals(parseResponse(await http.exchange(get("/"))).status, 503);
  }
  assert(lag.isRunning);
  lag.stop();
});

Deno.test("limits of a router's routes hold behind it, too", async () => {
  const router = new Router().post(
    "/",
    { bodyBytesMax: 3 },
    async (request) => new Reply(await request.text()),
  );
  await using http = new MemoryHttp(router.handler, { shedding: { lagMs: 100 } });
  const answer = await http.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
  assertEquals(parseResponse(answer).status, 413);
});

Deno.test("it works in front of any handler, and a number out of range is refused", async () => {
  const lag = new LoopLag(new VirtualClock());
  const handler: Handler = () => new Response("plain");
  const info = {} as Parameters<Handler>[1];
  const response = await shedLoad(handler, lag, { lagMs: 1 })(new Request("http://a/"), info);
  assertEquals(await response.text(), "plain");
  for (const lagMs of [0, -1, NaN]) assertThrows(() => shedLoad(handler, lag, { lagMs }), RangeError);
  for (const retryAfterSeconds of [0, 1.5, NaN]) {
    assertThrows(() => shedLoad(handler, lag, { lagMs: 1, retryAfterSeconds }), RangeError);
  }
});
