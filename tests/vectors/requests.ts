/** Requests that are accepted, and what is heard of them. */
import type { Vector } from "./vector.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\n";

/** Every token character, as a method or field name. */
const TCHARS = "!#$%&'*+-.^_`|~09azAZ";

export const REQUESTS: readonly Vector[] = [
  // ---- Start lines -------------------------------------------------------------------------------------------------
  { name: "the smallest request", wire: GET + "\r\n", events: ["GET / 1.1 [host: a]", "end"] },
  { name: "HTTP/1.0 without Host", wire: "GET / HTTP/1.0\r\n\r\n", events: ["GET / 1.0 [] close", "end"] },
  {
    name: "HTTP/1.0 with keep-alive",
    wire: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    events: ["GET / 1.0 [connection: keep-alive]", "end"],
  },
  {
    name: "a later minor version is taken as 1.1 (RFC 9110 §2.5)",
    wire: "GET / HTTP/1.7\r\nHost: a\r\n\r\n",
    events: ["GET / 1.1 [host: a]", "end"],
  },
  {
    name: "one empty line before the request line",
    wire: "\r\n" + GET + "\r\n",
    events: ["GET / 1.1 [host: a]", "end"],
  },
  {
    name: "one empty line before each of two",
    wire: "\r\n" + GET + "\r\n" + "\r\n" + GET + "\r\n",
    events: ["GET / 1.1 [host: a]", "end", "GET / 1.1 [host: a]", "end"],
  },
  ...["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get", "X", TCHARS].map((
    method,
  ): Vector => ({
    name: `the method ${method}`,
    wire: `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    events: [`${method} / 1.1 [host: a]`, "end"],
  })),
  ...[
    "/a/b/c",
    "/?q=a&b=c",
    "/%20%E2%82%AC",
    "//double/slash",
    "/a;b=c/d,e",
    "/!$&'()*+,;=:@-._~",
    "/?a=[1]&b={c}|3\\4^5`6",
    "/100%",
    "/a/../b/./c",
  ].map((target): Vector => ({
    name: `the target ${target}`,
    wire: `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    events: [`GET ${target} 1.1 [host: a]`, "end"],
  })),
  ...["http://b/", "http://b", "HTTP://b/x?y", "https://b:8443/x", "http://[::1]:80/", "http://b?q"].map((
    target,
  ): Vector => ({
    name: `the absolute target ${target}`,
    wire: `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    events: [`GET ${target} 1.1 [host: a]`, "end"],
  })),
  {
    name: "OPTIONS *",
    wire: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    events: ["OPTIONS * 1.1 [host: a]", "end"],
  },
  {
    name: "CONNECT, and the tunnel's bytes are left alone",
    wire: "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n\x16\x03\x01",
    events: ["CONNECT b.example:443 1.1 [host: b.example:443] close", "end", "rest \x16\x03\x01"],
  },
  {
    name: "CONNECT to IPv6 with an empty length",
    wire: "CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    events: ["CONNECT [::1]:443 1.1 [host: x | content-length: 0] length=0 close", "end"],
  },
  // ---- Fields ------------------------------------------------------------------------------------------------------
  {
    name: "white space around a value is left out, inside it is kept",
    wire: GET + "X: \t a \t b \t \r\nY:c\r\nZ:\r\nE:   \r\n\r\n",
    events: ["GET / 1.1 [host: a | x: a \t b | y: c | z:  | e: ]", "end"],
  },
  {
    name: "a name of every token character, folded to lower case",
    wire: GET + TCHARS + ": 1\r\n\r\n",
    events: [`GET / 1.1 [host: a | ${TCHARS.toLowerCase()}: 1]`, "end"],
  },
  {
    name: "obs-text in a value, byte for byte",
    wire: GET + "X: \x80\xe9\xff\r\n\r\n",
    events: ["GET / 1.1 [host: a | x: \x80\xe9\xff]", "end"],
  },
  {
    name: "every visible character in a value",
    wire: GET + "X: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\r\n\r\n",
    events: ["GET / 1.1 [host: a | x: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~]", "end"],
  },
  {
    name: "a name twice, in order",
    wire: GET + "X: 1\r\nY: 2\r\nx: 3\r\n\r\n",
    events: ["GET / 1.1 [host: a | x: 1 | y: 2 | x: 3]", "end"],
  },
  {
    name: "as many lines as the limit",
    wire: GET + "b: c\r\nd: e\r\n\r\n",
    limits: { headersMax: 3 },
    events: ["GET / 1.1 [host: a | b: c | d: e]", "end"],
  },
  {
    name: "as many bytes of lines as the limit",
    wire: GET + "b: c\r\n\r\n",
    limits: { headerBytesMax: 15 },
    events: ["GET / 1.1 [host: a | b: c]", "end"],
  },
  {
    name: "a request line as long as the limit",
    wire: GET + "\r\n",
    limits: { startLineBytesMax: 14 },
    events: ["GET / 1.1 [host: a]", "end"],
  },
  // ---- Host --------------------------------------------------------------------------------------------------------
  ...[
    "a.example",
    "a.example:8000",
    "a:",
    "127.0.0.1",
    "127.0.0.1:65535",
    "[::1]",
    "[::1]:8000",
    "[2001:db8::7]",
    "[::ffff:192.0.2.1]",
    "[1:2:3:4:5:6:7:8]",
    "xn--bcher-kva.example",
    "under_score",
    "%E4%BD%A0",
    "",
    "a:00080",
  ].map((host): Vector => ({
    name: `the host "${host}"`,
    wire: `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    events: [`GET / 1.1 [host: ${host}]`, "end"],
  })),
  // ---- Connection --------------------------------------------------------------------------------------------------
  ...["close", "Close", "keep-alive, close", "close,", "x, close, y", ",,close", "close\t,\tx"].map((options): Vector => ({
    name: `Connection: ${options}`,
    wire: GET + `Connection: ${options}\r\n\r\nGET`,
    events: [`GET / 1.1 [host: a | connection: ${options}] close`, "end", "rest GET"],
  })),
  ...["keep-alive", "Keep-Alive", "", "x", "closed", "te, x"].map((options): Vector => ({
    name: `Connection: "${options}" goes on`,
    wire: GET + `Connection: ${options}\r\n\r\n` + GET + "\r\n",
    events: [`GET / 1.1 [host: a | connection: ${options}]`, "end", "GET / 1.1 [host: a]", "end"],
  })),
  {
    name: "close in a second Connection",
    wire: GET + "Connection: x\r\nConnection: close\r\n\r\n",
    events: ["GET / 1.1 [host: a | connection: x | connection: close] close", "end"],
  },
  {
    name: "close beats keep-alive on 1.0",
    wire: "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
    events: ["GET / 1.0 [connection: keep-alive, close] close", "end"],
  },
  // ---- Upgrade and Expect ------------------------------------------------------------------------------------------
  {
    name: "an upgrade",
    wire: GET + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    events: ["GET / 1.1 [host: a | connection: Upgrade | upgrade: websocket] upgrade", "end"],
  },
  {
    name: "an upgrade among other options",
    wire: GET + "Upgrade: x/1\r\nConnection: keep-alive, Upgrade\r\n\r\n",
    events: ["GET / 1.1 [host: a | upgrade: x/1 | connection: keep-alive, Upgrade] upgrade", "end"],
  },
  {
    name: "Upgrade without the option is none",
    wire: GET + "Upgrade: websocket\r\n\r\n",
    events: ["GET / 1.1 [host: a | upgrade: websocket]", "end"],
  },
  {
    name: "the option without Upgrade is none",
    wire: GET + "Connection: upgrade\r\n\r\n",
    events: ["GET / 1.1 [host: a | connection: upgrade]", "end"],
  },
  {
    name: "h2c is not offered",
    wire: GET + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    events: ["GET / 1.1 [host: a | connection: Upgrade, HTTP2-Settings | upgrade: h2c]", "end"],
  },
  {
    name: "Upgrade on 1.0 is ignored (RFC 9110 §7.8)",
    wire: "GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: x\r\n\r\n",
    events: ["GET / 1.0 [connection: upgrade, keep-alive | upgrade: x]", "end"],
  },
  {
    name: "an upgrade with a body: the body is HTTP's",
    wire: POST + "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi",
    events: ["POST / 1.1 [host: a | connection: upgrade | upgrade: x | content-length: 2] length=2 upgrade", "body hi", "end"],
  },
  {
    name: "Expect: 100-continue",
    wire: POST + "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi",
    events: ["POST / 1.1 [host: a | expect: 100-Continue | content-length: 2] length=2 continue", "body hi", "end"],
  },
  {
    name: "Expect: 100-continue with chunks",
    wire: POST + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    events: ["POST / 1.1 [host: a | expect: 100-continue | transfer-encoding: chunked] chunked continue", "end"],
  },
  {
    name: "Expect without content waits for nothing",
    wire: GET + "Expect: 100-continue\r\n\r\n",
    events: ["GET / 1.1 [host: a | expect: 100-continue]", "end"],
  },
  {
    name: "Expect on 1.0 is ignored (RFC 9110 §10.1.1)",
    wire: "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    events: ["POST / 1.0 [expect: 100-continue | content-length: 1] length=1 close", "body x", "end"],
  },
  // ---- Lengths -----------------------------------------------------------------------------------------------------
  {
    name: "a body with a length",
    wire: POST + "Content-Length: 5\r\n\r\nhello",
    events: ["POST / 1.1 [host: a | content-length: 5] length=5", "body hello", "end"],
  },
  {
    name: "a length of zero",
    wire: POST + "Content-Length: 0\r\n\r\n",
    events: ["POST / 1.1 [host: a | content-length: 0] length=0", "end"],
  },
  {
    name: "a length with leading zeros, sixteen digits at most",
    wire: POST + "Content-Length: 0000000000000002\r\n\r\nhi",
    events: ["POST / 1.1 [host: a | content-length: 0000000000000002] length=2", "body hi", "end"],
  },
  {
    name: "GET with a body",
    wire: GET + "Content-Length: 2\r\n\r\nhi",
    events: ["GET / 1.1 [host: a | content-length: 2] length=2", "body hi", "end"],
  },
  {
    name: "a body that looks like a request",
    wire: POST + "Content-Length: 27\r\n\r\n" + GET + "\r\n" + GET + "\r\n",
    events: [
      "POST / 1.1 [host: a | content-length: 27] length=27",
      "body " + GET + "\r\n",
      "end",
      "GET / 1.1 [host: a]",
      "end",
    ],
  },
  {
    name: "a body as long as the limit",
    wire: POST + "Content-Length: 4\r\n\r\nbody",
    limits: { bodyBytesMax: 4 },
    events: ["POST / 1.1 [host: a | content-length: 4] length=4", "body body", "end"],
  },
  {
    name: "HTTP/1.0 with a length",
    wire: "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi+more",
    events: ["POST / 1.0 [content-length: 2] length=2 close", "body hi", "end", "rest +more"],
  },
  // ---- Several -----------------------------------------------------------------------------------------------------
  {
    name: "three in a row",
    wire: GET + "\r\n" + POST + "Content-Length: 2\r\n\r\nhi" + "DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n",
    events: [
      "GET / 1.1 [host: a]",
      "end",
      "POST / 1.1 [host: a | content-length: 2] length=2",
      "body hi",
      "end",
      "DELETE /x 1.1 [host: a]",
      "end",
    ],
  },
  {
    name: "a good one before a bad one",
    wire: GET + "\r\n" + "GET / HTTP/1.1\r\n\r\n" + GET + "\r\n",
    events: ["GET / 1.1 [host: a]", "end", "error host-missing"],
  },
  {
    name: "bytes after a closing one are nobody's",
    wire: POST + "Connection: close\r\nContent-Length: 2\r\n\r\nhi" + GET + "\r\n",
    events: [
      "POST / 1.1 [host: a | connection: close | content-length: 2] length=2 close",
      "body hi",
      "end",
      "rest " + GET + "\r\n",
    ],
  },
  { name: "nothing but a FIN", wire: "", fin: true, events: [] },
  { name: "an empty line and a FIN", wire: "\r\n", fin: true, events: [] },
  { name: "a FIN after a request", wire: GET + "\r\n", fin: true, events: ["GET / 1.1 [host: a]", "end"] },
];
