/** Responses: how they are framed, what is interim, and what no client should believe. */
import type { Vector } from "./vector.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const EMPTY = OK + "Content-Length: 0\r\n\r\n";
const EMPTY_SEEN = "200 OK 1.1 [content-length: 0] length=0";

/** A response to GET. */
function response(name: string, wire: string, ...events: string[]): Vector {
  return { name, wire, answers: ["GET"], events };
}

/** A refused response to GET. */
function refused(name: string, wire: string, refusal: string): Vector {
  return response(name, wire, `error ${refusal}`);
}

export const RESPONSES: readonly Vector[] = [
  // ---- Status lines ------------------------------------------------------------------------------------------------
  response("a length of zero", EMPTY, EMPTY_SEEN, "end"),
  response("no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 1.1 [content-length: 0] length=0", "end"),
  response(
    "no reason and no space either, as some servers send it",
    "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "200 1.1 [content-length: 0] length=0",
    "end",
  ),
  response(
    "a reason of several words, tabs and obs-text",
    "HTTP/1.1 404 Not \t F\xf6und!\r\nContent-Length: 0\r\n\r\n",
    "404 Not \t F\xf6und! 1.1 [content-length: 0] length=0",
    "end",
  ),
  ...[200, 299, 301, 404, 500, 599].map((status) =>
    response(
      `the status ${status}`,
      `HTTP/1.1 ${status} X\r\nContent-Length: 1\r\n\r\nx`,
      `${status} X 1.1 [content-length: 1] length=1`,
      "body x",
      "end",
    )
  ),
  response(
    "a later minor version",
    "HTTP/1.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    EMPTY_SEEN,
    "end",
  ),
  refused("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "version-unsupported"),
  refused("HTTP/0.9: no status line at all", "<html>", "version-syntax"),
  refused("lower case", "http/1.1 200 OK\r\n\r\n", "version-syntax"),
  refused("ICY", "ICY 200 OK\r\n\r\n", "version-syntax"),
  refused("an empty line first", "\r\n" + EMPTY, "version-syntax"),
  refused("a space first", " " + EMPTY, "version-syntax"),
  refused("LF after the reason", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "bare-lf"),
  refused("LF after the status", "HTTP/1.1 200\nContent-Length: 0\r\n\r\n", "bare-lf"),
  refused("CR alone after the reason", "HTTP/1.1 200 OK\rX", "bare-cr"),
  refused("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "status-line"),
  refused("a status of letters", "HTTP/1.1 abc OK\r\n\r\n", "status-line"),
  refused("a fold", OK + "a: b\r\n c\r\n\r\n", "obs-fold"),
  refused("a space before the colon", OK + "a : b\r\n\r\n", "field-name-space"),
  refused("NUL in a value", OK + "a: \0\r\n\r\n", "field-value-byte"),
  // ---- Framing -----------------------------------------------------------------------------------------------------
  response("a length", OK + "Content-Length: 2\r\n\r\nhi", "200 OK 1.1 [content-length: 2] length=2", "body hi", "end"),
  response(
    "chunks with a trailer",
    OK + "Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n",
    "200 OK 1.1 [transfer-encoding: Chunked] chunked",
    "body hi",
    "end [x: y]",
  ),
  {
    name: "until the connection ends",
    wire: OK + "\r\nhello",
    answers: ["GET"],
    fin: true,
    events: ["200 OK 1.1 [] until-close close", "body hello", "end"],
  },
  {
    name: "until the connection ends, at once",
    wire: OK + "\r\n",
    answers: ["GET"],
    fin: true,
    events: ["200 OK 1.1 [] until-close close", "end"],
  },
  response("until the connection ends, which it does not", OK + "\r\nhello", "200 OK 1.1 [] until-close close", "body hello"),
  {
    name: "until the connection ends, above the limit",
    wire: OK + "\r\nhello",
    answers: ["GET"],
    limits: { bodyBytesMax: 4 },
    events: ["200 OK 1.1 [] until-close close", "body hell", "error body-too-large"],
  },
  {
    name: "HTTP/1.0 with a length closes",
    wire: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi+",
    answers: ["GET"],
    events: ["200 OK 1.0 [content-length: 2] length=2 close", "body hi", "end", "rest +"],
  },
  response(
    "HTTP/1.0 with keep-alive goes on",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    "200 OK 1.0 [connection: keep-alive | content-length: 0] length=0",
    "end",
  ),
  {
    name: "the length of a response to HEAD is not its body's",
    wire: OK + "Content-Length: 5\r\n\r\n" + EMPTY,
    answers: ["HEAD", "GET"],
    events: ["200 OK 1.1 [content-length: 5]", "end", EMPTY_SEEN, "end"],
  },
  {
    name: "nor are the chunks of one",
    wire: OK + "Transfer-Encoding: chunked\r\n\r\n" + EMPTY,
    answers: ["HEAD", "GET"],
    events: ["200 OK 1.1 [transfer-encoding: chunked]", "end", EMPTY_SEEN, "end"],
  },
  {
    name: "a response to HEAD without a length does not last until the end",
    wire: OK + "\r\n" + EMPTY,
    answers: ["HEAD", "GET"],
    events: ["200 OK 1.1 []", "end", EMPTY_SEEN, "end"],
  },
  {
    name: "204 has no body",
    wire: "HTTP/1.1 204 No Content\r\n\r\n" + EMPTY,
    answers: ["GET", "GET"],
    events: ["204 No Content 1.1 []", "end", EMPTY_SEEN, "end"],
  },
  response(
    "204 with a length of zero",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "204 No Content 1.1 [content-length: 0]",
    "end",
  ),
  {
    name: "304 with a length has no body",
    wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + EMPTY,
    answers: ["GET", "GET"],
    events: ["304 Not Modified 1.1 [content-length: 5]", "end", EMPTY_SEEN, "end"],
  },
  {
    name: "304 with chunks has no body",
    wire: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + EMPTY,
    answers: ["GET", "GET"],
    events: ["304 Not Modified 1.1 [transfer-encoding: chunked]", "end", EMPTY_SEEN, "end"],
  },
  {
    name: "205 has the body it says it has",
    wire: "HTTP/1.1 205 Reset Content\r\nContent-Length: 1\r\n\r\nx",
    answers: ["GET"],
    events: ["205 Reset Content 1.1 [content-length: 1] length=1", "body x", "end"],
  },
  {
    name: "2xx to CONNECT is a tunnel, whatever the fields say",
    wire: OK + "Content-Length: 5\r\n\r\n\x16\x03\x01",
    answers: ["CONNECT"],
    events: ["200 OK 1.1 [content-length: 5] close", "end", "rest \x16\x03\x01"],
  },
  {
    name: "an error to CONNECT is a response",
    wire: "HTTP/1.1 407 X\r\nContent-Length: 2\r\n\r\nhi",
    answers: ["CONNECT"],
    events: ["407 X 1.1 [content-length: 2] length=2", "body hi", "end"],
  },
  {
    name: "101 to an upgrade: what follows is not HTTP",
    wire: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00",
    answers: ["GET+upgrade"],
    events: ["101 Switching Protocols 1.1 [connection: upgrade | upgrade: x] close upgrade", "end", "rest \x81\x00"],
  },
  {
    name: "101 to an upgrade, without saying to what",
    wire: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
    answers: ["GET+upgrade"],
    events: ["error unasked-switch"],
  },
  {
    name: "an upgrade that is declined",
    wire: EMPTY,
    answers: ["GET+upgrade"],
    events: [EMPTY_SEEN, "end"],
  },
  {
    name: "Connection: close",
    wire: OK + "Connection: close\r\nContent-Length: 0\r\n\r\n" + EMPTY,
    answers: ["GET", "GET"],
    events: ["200 OK 1.1 [connection: close | content-length: 0] length=0 close", "end", "rest " + EMPTY],
  },
  // ---- Interim -----------------------------------------------------------------------------------------------------
  response(
    "100, then the response",
    "HTTP/1.1 100 Continue\r\n\r\n" + EMPTY,
    "100 Continue 1.1 [] interim",
    EMPTY_SEEN,
    "end",
  ),
  response(
    "103 twice and 102",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" +
      "HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + EMPTY,
    "103 Early Hints 1.1 [link: </a>] interim",
    "102 Processing 1.1 [] interim",
    "103 Early Hints 1.1 [link: </b>] interim",
    EMPTY_SEEN,
    "end",
  ),
  {
    name: "interim heads are counted for each response by itself",
    wire: ("HTTP/1.1 102 X\r\n\r\n".repeat(20) + EMPTY).repeat(2),
    answers: ["GET", "GET"],
    events: [1, 2].flatMap(() => [...Array(20).fill("102 X 1.1 [] interim"), EMPTY_SEEN, "end"]),
  },
  // ---- What fields must not say ------------------------------------------------------------------------------------
  ...([
    ["length-with-coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"],
    ["length-repeated", "Content-Length: 5\r\nContent-Length: 5\r\n"],
    ["length-repeated", "Content-Length: 5\r\nContent-Length: 6\r\n"],
    ["length-syntax", "Content-Length: 5, 5\r\n"],
    ["length-syntax", "Content-Length: -1\r\n"],
    ["length-overflow", "Content-Length: 99999999999999999999\r\n"],
    ["coding-syntax", "Transfer-Encoding: gzip\r\n"],
    ["coding-unknown", "Transfer-Encoding: gzip, chunked\r\n"],
    ["coding-syntax", "Transfer-Encoding: chunked, chunked\r\n"],
    ["coding-syntax", "Transfer-Encoding: identity\r\n"],
    ["connection-syntax", "Connection: a b\r\n"],
  ] as const).map(([refusal, lines]) => refused(`${refusal}: ${lines.replaceAll("\r\n", " ")}`, OK + lines + "\r\n", refusal)),
  refused("chunks on 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "coding-version"),
  {
    name: "chunks beside a length, even to HEAD",
    wire: OK + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    answers: ["HEAD"],
    events: ["error length-with-coding"],
  },
  { name: "a response to nobody", wire: EMPTY, answers: [], events: ["error unasked-response"] },
  {
    name: "a response too many",
    wire: EMPTY + "H",
    answers: ["GET"],
    events: [EMPTY_SEEN, "end", "error unasked-response"],
  },
  // ---- Ends --------------------------------------------------------------------------------------------------------
  { name: "a FIN instead of a response", wire: "", answers: ["GET"], fin: true, events: [] },
  { name: "a FIN in the status line", wire: "HTTP/1.1 2", answers: ["GET"], fin: true, events: ["error incomplete-head"] },
  {
    name: "a FIN in a body with a length",
    wire: OK + "Content-Length: 5\r\n\r\nhel",
    answers: ["GET"],
    fin: true,
    events: ["200 OK 1.1 [content-length: 5] length=5", "body hel", "error incomplete-body"],
  },
  {
    name: "a FIN in chunks",
    wire: OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    answers: ["GET"],
    fin: true,
    events: ["200 OK 1.1 [transfer-encoding: chunked] chunked", "body hello", "error incomplete-body"],
  },
  {
    name: "a FIN after an interim head",
    wire: "HTTP/1.1 100 Continue\r\n\r\n",
    answers: ["GET"],
    fin: true,
    events: ["100 Continue 1.1 [] interim"],
  },
];
