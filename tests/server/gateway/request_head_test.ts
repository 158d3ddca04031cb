import { assertEquals } from "@std/assert";
import type { ClientFacts } from "../../../server/gateway/forwarded.ts";
import { type HeadPolicy, mapTarget, refusalOf, upstreamHead } from "../../../server/gateway/request_head.ts";
import { parseUpstream } from "../../../server/gateway/upstream.ts";
import { inbound } from "./heads.ts";

const POLICY: HeadPolicy = { preservesHost: false, via: "sluice", sendsForwarded: true, stripPrefix: "" };
const QUIET: HeadPolicy = { ...POLICY, via: null, sendsForwarded: false };
const CLIENT: ClientFacts = { address: "192.0.2.1", proto: "http", host: "me.example", isTrusted: false };
const UPSTREAM = parseUpstream("http://model.example:8080");

/** The lines of the head that goes to the upstream. */
function sent(policy: HeadPolicy, client: ClientFacts, ...lines: string[]): string[] {
  return upstreamHead(inbound(...lines), UPSTREAM, policy, client).split("\r\n").slice(0, -2);
}

Deno.test("a plain request goes on with the upstream's Host, Via and what proxies say", () => {
  assertEquals(sent(POLICY, CLIENT, "GET /a?b=c HTTP/1.1", "Host: me.example", "Accept: */*"), [
    "GET /a?b=c HTTP/1.1",
    "host: model.example:8080",
    "accept: */*",
    "x-forwarded-for: 192.0.2.1",
    "x-forwarded-proto: http",
    "x-forwarded-host: me.example",
    "via: 1.1 sluice",
  ]);
});

Deno.test("the client's Host goes on when that is wanted", () => {
  const policy = { ...QUIET, preservesHost: true };
  assertEquals(sent(policy, CLIENT, "GET / HTTP/1.1", "Host: me.example"), [
    "GET / HTTP/1.1",
    "host: me.example",
  ]);
});

Deno.test("fields of this hop, and those that Connection names, stay here", () => {
  const lines = sent(
    QUIET,
    CLIENT,
    "GET / HTTP/1.1",
    "Host: me.example",
    "Connection: keep-alive, X-Secret, upgrade",
    "Keep-Alive: timeout=5",
    "Upgrade: websocket",
    "X-Secret: 1",
    "Proxy-Authorization: Basic eA==",
    "X-Kept: 1",
    "X-Kept: 2",
  );
  assertEquals(lines, ["GET / HTTP/1.1", "host: model.example:8080", "x-kept: 1", "x-kept: 2"]);
});

Deno.test("Connection cannot take away what the gateway itself says", () => {
  const lines = sent(
    POLICY,
    CLIENT,
    "POST / HTTP/1.1",
    "Host: me.example",
    "Connection: Host, Content-Length, X-Forwarded-For, Via",
    "Content-Length: 3",
  );
  assertEquals(lines, [
    "POST / HTTP/1.1",
    "host: model.example:8080",
    "x-forwarded-for: 192.0.2.1",
    "x-forwarded-proto: http",
    "x-forwarded-host: me.example",
    "via: 1.1 sluice",
    "content-length: 3",
  ]);
});

Deno.test("the body's framing is kept", () => {
  const host = "Host: me.example";
  assertEquals(sent(QUIET, CLIENT, "POST / HTTP/1.1", host, "Content-Length: 5").at(-1), "content-length: 5");
  assertEquals(
    sent(QUIET, CLIENT, "POST / HTTP/1.1", host, "Transfer-Encoding: chunked").at(-1),
    "transfer-encoding: chunked",
  );
  assertEquals(sent(QUIET, CLIENT, "POST / HTTP/1.1", host).at(-1), "content-length: 0");
  assertEquals(sent(QUIET, CLIENT, "DELETE / HTTP/1.1", host), [
    "DELETE / HTTP/1.1",
    "host: model.example:8080",
  ]);
});

Deno.test("who takes trailers is said to the upstream, and what trailers a chunked body has", () => {
  const lines = sent(
    QUIET,
    CLIENT,
    "POST / HTTP/1.1",
    "Host: me.example",
    "TE: trailers, gzip;q=0",
    "Connection: TE",
    "Trailer: X-Sum",
    "Transfer-Encoding: chunked",
  );
  assertEquals(lines.slice(2), [
    "trailer: X-Sum",
    "te: trailers",
    "transfer-encoding: chunked",
    "connection: te",
  ]);
});

Deno.test("Trailer without a chunked body announces nothing", () => {
  const lines = sent(QUIET, CLIENT, "POST / HTTP/1.1", "Host: a", "Trailer: X-Sum", "Content-Length: 1");
  assertEquals(lines.slice(2), ["content-length: 1"]);
});

Deno.test("an expectation is handed on", () => {
  const lines = sent(
    QUIET,
    CLIENT,
    "POST / HTTP/1.1",
    "Host: a",
    "Expect: 100-continue",
    "Content-Length: 1",
  );
  assertEquals(lines.slice(2), ["expect: 100-continue", "content-length: 1"]);
});

Deno.test("nobody's word about the client is believed, unless they are trusted", () => {
  const lines = [
    "GET / HTTP/1.1",
    "Host: a",
    "X-Forwarded-For: 1.1.1.1",
    "Forwarded: for=1.1.1.1",
    "X-Real-IP: 1.1.1.1",
  ];
  assertEquals(sent(QUIET, CLIENT, ...lines).slice(2), []);
  const trusted = { ...CLIENT, isTrusted: true };
  assertEquals(sent(QUIET, trusted, ...lines).slice(2), [
    "x-forwarded-for: 1.1.1.1",
    "forwarded: for=1.1.1.1",
    "x-real-ip: 1.1.1.1",
  ]);
  assertEquals(sent({ ...POLICY, via: null }, trusted, ...lines).slice(2), [
    "forwarded: for=1.1.1.1",
    "x-real-ip: 1.1.1.1",
    "x-forwarded-for: 1.1.1.1, 192.0.2.1",
    "x-forwarded-proto: http",
    "x-forwarded-host: me.example",
  ]);
});

Deno.test("Via of others goes on also when the gateway does not name itself", () => {
  assertEquals(sent(QUIET, CLIENT, "GET / HTTP/1.1", "Host: a", "Via: 1.0 x").slice(2), ["via: 1.0 x"]);
});

Deno.test("Max-Forwards counts down with OPTIONS only", () => {
  assertEquals(sent(QUIET, CLIENT, "OPTIONS * HTTP/1.1", "Host: a", "Max-Forwards: 3"), [
    "OPTIONS * HTTP/1.1",
    "host: model.example:8080",
    "max-forwards: 2",
  ]);
  assertEquals(sent(QUIET, CLIENT, "GET / HTTP/1.1", "Host: a", "Max-Forwards: 3").at(-1), "max-forwards: 3");
});

Deno.test("the target loses the prefix and gets the base path", () => {
  assertEquals(mapTarget("/v1/chat?x=1", "", ""), "/v1/chat?x=1");
  assertEquals(mapTarget("/v1/chat?x=1", "", "/base"), "/base/v1/chat?x=1");
  assertEquals(mapTarget("/api/v1/chat", "/api", ""), "/v1/chat");
  assertEquals(mapTarget("/api/v1/chat", "/api", "/base"), "/base/v1/chat");
  assertEquals(mapTarget("/api", "/api", ""), "/");
  assertEquals(mapTarget("/api?x=1", "/api", ""), "/?x=1");
  assertEquals(mapTarget("/api?x=1", "/api", "/base"), "/base?x=1");
  assertEquals(mapTarget("*", "", "/base"), "*");
});

/** Requests that are not forwarded, and the status they get. */
const REFUSED: readonly [status: number, code: string, ...lines: string[]][] = [
  [405, "SLUICE_GATEWAY_METHOD", "TRACE / HTTP/1.1", "Host: a"],
  [405, "SLUICE_GATEWAY_METHOD", "CONNECT a:1 HTTP/1.1", "Host: a:1"],
  [501, "SLUICE_GATEWAY_LAST_HOP", "OPTIONS * HTTP/1.1", "Host: a", "Max-Forwards: 0"],
  [
    508,
    "SLUICE_GATEWAY_LOOP",
    "GET / HTTP/1.1",
    "Host: a",
    "Via: " + Array(16).fill("1.1 sluice").join(", "),
  ],
  [400, "SLUICE_GATEWAY_TARGET", "GET /v1/../admin HTTP/1.1", "Host: a"],
  [400, "SLUICE_GATEWAY_TARGET", "GET /v1/%2E%2e/admin HTTP/1.1", "Host: a"],
  [400, "SLUICE_GATEWAY_TARGET", "GET /v1/.%2e/admin?x HTTP/1.1", "Host: a"],
  [400, "SLUICE_GATEWAY_TARGET", "GET /v1/./x HTTP/1.1", "Host: a"],
  [400, "SLUICE_GATEWAY_TARGET", "GET /v1/.. HTTP/1.1", "Host: a"],
];

for (const [status, code, ...lines] of REFUSED) {
  Deno.test(`"${lines.join(" | ").slice(0, 60)}" is answered ${status} here`, () => {
    const refusal = refusalOf(inbound(...lines), POLICY);
    assertEquals([refusal?.status, refusal?.code], [status, code]);
  });
}

Deno.test("usual requests are forwarded", () => {
  for (
    const target of [
      "/",
      "/v1/.well-known",
      "/a..b/c",
      "/x?path=../y",
      "/%2efile",
      "/a/...",
      "/a%2fb",
      "/v1/%20x",
    ]
  ) assertEquals(refusalOf(inbound(`GET ${target} HTTP/1.1`, "Host: a"), POLICY), null, target);
  assertEquals(refusalOf(inbound("OPTIONS * HTTP/1.1", "Host: a", "Max-Forwards: 1"), POLICY), null);
});

Deno.test("with a prefix, only what is below it is forwarded", () => {
  const policy = { ...POLICY, stripPrefix: "/api" };
  const status = (target: string) => refusalOf(inbound(`GET ${target} HTTP/1.1`, "Host: a"), policy)?.status;
  assertEquals(["/api", "/api/", "/api?x", "/api/v1"].map(status), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(["/", "/apix", "/v1/api"].map(status), [404, 404, 404]);
});
