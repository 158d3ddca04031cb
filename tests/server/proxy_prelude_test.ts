import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { ServeInfo } from "../../server/handler.ts";
import { type ProxyProtocolOptions, ProxyRule } from "../../server/proxy_prelude.ts";
import { Reply } from "../../server/reply.ts";
import type { ShutdownReport } from "../../server/shutdown.ts";
import { FakeTransport } from "../support/fake_transport.ts";
import { MemoryHttp, parseResponse } from "../support/memory_http.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEADER = "PROXY TCP4 192.0.2.1 192.0.2.9 5000 80\r\n";
/** Version 2, LOCAL: the proxy looks whether the server is well. */
const LOCAL = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

const addresses = (_request: Request, info: ServeInfo) => Reply.json([info.remoteAddr, info.localAddr]);

/** Clients in memory come from 127.0.0.1. */
const trusting = { proxyProtocol: { trusted: ["127.0.0.0/8"] } };

function from(remoteAddr: FakeTransport["remoteAddr"]): FakeTransport {
  return Object.assign(new FakeTransport(), { remoteAddr });
}

Deno.test("the handler sees the addresses that a trusted proxy told, on every request of the connection", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  const client = await http.connect();
  client.send(HEADER + GET);
  await http.settle();
  const expected = [
    { transport: "tcp", hostname: "192.0.2.1", port: 5000 },
    { transport: "tcp", hostname: "192.0.2.9", port: 80 },
  ];
  assertEquals(JSON.parse(parseResponse(client.take()).body), expected);
  client.send(GET);
  await http.settle();
  assertEquals(JSON.parse(parseResponse(client.take()).body), expected);
  assertEquals([http.server.stats.connectionsTotal, http.server.stats.proxyHeaderErrors], [1, 0]);
});

Deno.test("header and request may come split anywhere", async () => {
  const text = HEADER + GET;
  await using http = new MemoryHttp(addresses, trusting);
  for (let at = 1; at < text.length; at += 3) {
    const client = await http.connect();
    client.send(text.slice(0, at));
    await http.settle();
    client.send(text.slice(at));
    await http.settle();
    assertStringIncludes(parseResponse(client.text).body, "192.0.2.1");
    client.abort();
  }
});

Deno.test("a proxy that speaks for itself is seen by its own address", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  for (const header of [LOCAL, "PROXY UNKNOWN\r\n"]) {
    const response = parseResponse(await http.exchange(header + GET));
    assertStringIncludes(response.body, `"hostname":"127.0.0.1"`);
  }
});

Deno.test("connections are counted by the client's address, not the proxy's", async () => {
  await using http = new MemoryHttp(addresses, { ...trusting, limits: { connectionsPerAddressMax: 1 } });
  const first = await http.connect();
  first.send(HEADER + GET);
  const second = await http.connect();
  second.send(HEADER.replace("192.0.2.1", "192.0.2.2") + GET);
  const third = await http.connect();
  third.send(HEADER + GET);
  await http.settle();
  assertEquals([first.end, second.end, third.end], ["open", "open", "reset"]);
  assertEquals([third.text, http.server.stats.connectionsRefusedByAddress], ["", 1]);
});

Deno.test("a trusted peer without a header is reset and counted, its request not read", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  const client = await http.connect();
  client.send(GET);
  await http.settle();
  assertEquals([client.text, client.end], ["", "reset"]);
  const { stats } = http.server;
  assertEquals([stats.proxyHeaderErrors, stats.requestsTotal, stats.connectionsOpen], [1, 0, 0]);
});

Deno.test("a second header is no request", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  assertEquals(parseResponse(await http.exchange(HEADER + HEADER + GET)).status, 400);
  assertEquals(http.server.stats.requestsTotal, 0);
});

Deno.test("a peer that closes before its header is complete leaves nothing behind", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  const client = await http.connect();
  client.send(HEADER.slice(0, 10));
  client.closeWrite();
  await http.settle();
  assertEquals([client.text, client.end], ["", "closed"]);
  assertEquals([http.server.stats.proxyHeaderErrors, http.clock.pendingCount], [1, 0]);
});

Deno.test("every connection that does not come to its header is in one counter, once, and no connection counts twice", async () => {
  const starts = ["", HEADER.slice(0, 10), LOCAL.slice(0, 14)];
  for (const start of starts) {
    await using http = new MemoryHttp(addresses, { ...trusting, deadlines: { preludeMs: 1_000 } });
    const [reset, ended, late] = [await http.connect(), await http.connect(), await http.connect()];
    for (const client of [reset, ended, late]) if (start !== "") client.send(start);
    await http.settle();
    reset.abort();
    await http.settle();
    const { stats } = http.server;
    assertEquals(stats.proxyHeaderErrors, 1, "the one that was reset");
    ended.closeWrite();
    await http.settle();
    assertEquals(stats.proxyHeaderErrors, 2, "the one that ended");
    await http.advance(1_050);
    assertEquals([ended.end, late.end], ["closed", "reset"]);
    const { proxyHeaderErrors, deadlinesPassed, connectionsTotal, connectionsOpen, bytesReceived } = stats;
    assertEquals([proxyHeaderErrors, deadlinesPassed.prelude, connectionsTotal, connectionsOpen], [
      2,
      1,
      0,
      0,
    ]);
    assertEquals(bytesReceived, 3 * start.length);
  }
});

Deno.test("the header's bytes count as received, as the request's do", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  await http.exchange(HEADER + GET);
  assertEquals(http.server.stats.bytesReceived, HEADER.length + GET.length);
});

Deno.test("a connection that was refused is no idle one for a server that stops in the same turn", async () => {
  const reports: Promise<ShutdownReport>[] = [];
  await using http = new MemoryHttp(() => {
    reports.push(http.server.shutdown()); // Before the end of the other connection is told.
    return new Reply("last");
  }, trusting);
  const [refused, served] = [await http.connect(), await http.connect()];
  refused.send(GET);
  served.send(HEADER + GET);
  await http.settle();
  assertEquals([refused.end, parseResponse(served.text).body], ["reset", "last"]);
  const { finished, idle } = await reports[0]!;
  const { proxyHeaderErrors, connectionsTotal } = http.server.stats;
  assertEquals([finished, idle, proxyHeaderErrors, connectionsTotal], [1, 0, 1, 1]);
});

Deno.test("who is not trusted is reset on arrival, or served as a plain client if the server says so", async () => {
  const trusted = ["10.0.0.1"];
  await using strict = new MemoryHttp(addresses, { proxyProtocol: { trusted } });
  const refused = await strict.connect();
  assertEquals([refused.end, strict.server.stats.proxyHeaderErrors], ["reset", 1]);

  await using open = new MemoryHttp(addresses, { proxyProtocol: { trusted, untrusted: "plain" } });
  assertStringIncludes(parseResponse(await open.exchange(GET)).body, "127.0.0.1");
  const liar = parseResponse(await open.exchange(HEADER + GET));
  assertEquals([liar.status, open.server.stats.requestsTotal], [400, 1], "its header is not believed");
});

Deno.test("the header's deadline ends with the header; then the first request's runs", async () => {
  await using http = new MemoryHttp(addresses, {
    ...trusting,
    deadlines: { preludeMs: 1_000, firstByteMs: 5_000 },
  });
  const client = await http.connect();
  client.send(HEADER);
  await http.advance(3_000);
  assertEquals(client.end, "open");
  await http.advance(3_000);
  const { deadlinesPassed } = http.server.stats;
  assertEquals([client.end, deadlinesPassed.prelude, deadlinesPassed.firstByte], ["closed", 0, 1]);
});

Deno.test("a shutdown closes connections whose header has not come, and counts them as idle", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  const client = await http.connect();
  client.send("PROXY");
  await http.settle();
  const report = http.server.shutdown();
  await http.settle();
  assertEquals([client.end, (await report).idle], ["closed", 1]);
});

Deno.test("what comes after that is dropped, for a moment, so that the proxy sees an end and no reset", async () => {
  await using http = new MemoryHttp(addresses, trusting);
  const client = await http.connect();
  client.keepsOpen = true;
  const report = http.server.shutdown();
  await http.settle();
  client.send(HEADER + GET);
  await http.settle();
  assertEquals([client.hasEnded, client.end, client.text], [true, "open", ""]);
  await http.advance(400);
  const { idle, finished, cut } = await report;
  assertEquals([idle, finished, cut, http.server.stats.requestsTotal], [1, 0, 0, 0]);
});

Deno.test("a header is due from trusted addresses and from Unix sockets alone", () => {
  const rule = new ProxyRule({ trusted: ["10.0.0.0/8", "::1"] });
  assertEquals(rule.due(from({ transport: "tcp", hostname: "10.9.9.9", port: 1 })), "header");
  assertEquals(rule.due(from({ transport: "tcp", hostname: "::ffff:10.9.9.9", port: 1 })), "header");
  assertEquals(rule.due(from({ transport: "unix", path: "" })), "header");
  assertEquals(rule.due(from({ transport: "tcp", hostname: "11.0.0.0", port: 1 })), "refusal");
  const plain = new ProxyRule({ trusted: [], untrusted: "plain" });
  assertEquals(plain.due(from({ transport: "tcp", hostname: "10.9.9.9", port: 1 })), "nothing");
});

Deno.test("options that say nothing clear are refused", () => {
  for (
    const wrong of [{}, { trusted: "10.0.0.1" }, { trusted: [], untrusted: "maybe" }, { trusted: ["proxy"] }]
  ) {
    assertThrows(() => new ProxyRule(wrong as unknown as ProxyProtocolOptions), TypeError);
  }
});
