import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  encodeChunkHeader,
  encodeInterimHead,
  encodeLastChunk,
  encodeRequestHead,
  encodeResponseHead,
  FieldBlock,
  LAST_CHUNK,
  type RequestHeadInit,
  type ResponseHeadInit,
} from "../../../server/http1/encoder.ts";
import { LocalProtocolError } from "../../../server/http1/errors.ts";
import type { Framing } from "../../../server/http1/message.ts";

const NONE: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const CLOSE: Framing = { kind: "close" };
const lengthOf = (length: number): Framing => ({ kind: "length", length });

/** A response head: GET over 1.1, kept alive, no date, unless told otherwise. */
function response(init: Partial<ResponseHeadInit> = {}): string {
  return encodeResponseHead({
    status: 200,
    framing: NONE,
    method: "GET",
    minorVersion: 1,
    keepAlive: true,
    date: null,
    ...init,
  });
}

/** A request head: GET / on host a, kept alive, unless told otherwise. */
function request(init: Partial<RequestHeadInit> = {}): string {
  return encodeRequestHead({
    method: "GET",
    target: "/",
    host: "a",
    framing: NONE,
    keepAlive: true,
    ...init,
  });
}

/** Lines of a head without the start line. */
function lines(head: string): string[] {
  assert(head.endsWith("\r\n\r\n"));
  return head.slice(0, -4).split("\r\n").slice(1);
}

Deno.test("a status has its registered phrase, or the caller's, or none", () => {
  assert(response({ status: 404 }).startsWith("HTTP/1.1 404 Not Found\r\n"));
  assert(response({ status: 404, statusText: "" }).startsWith("HTTP/1.1 404 Not Found\r\n"));
  assert(response({ status: 404, statusText: "F\xf6und\tnot" }).startsWith("HTTP/1.1 404 F\xf6und\tnot\r\n"));
  assert(response({ status: 299 }).startsWith("HTTP/1.1 299 \r\n"));
});

Deno.test("a status that no final response has is refused", () => {
  for (const status of [0, 99, 100, 103, 199, 600, 1000, -200, 200.5, NaN]) {
    assertThrows(() => response({ status }), LocalProtocolError, "status");
  }
});

Deno.test("lines go out in order: fields, block, date, framing, connection", () => {
  const head = response({
    fields: [["a", "1"], ["B", "2"]],
    block: new FieldBlock([["c", "3"]]),
    date: "now",
    framing: lengthOf(5),
    keepAlive: false,
  });
  assertEquals(lines(head), ["a: 1", "B: 2", "c: 3", "date: now", "content-length: 5", "connection: close"]);
});

Deno.test("fields come from an array, a Map, Headers or a generator", () => {
  function* generator(): Generator<[string, string]> {
    yield ["x-a", "1"];
  }
  for (
    const fields of [
      [["x-a", "1"]] as const,
      new Map([["x-a", "1"]]),
      new Headers({ "x-a": "1" }),
      generator(),
    ]
  ) {
    assertEquals(lines(response({ fields, framing: CHUNKED })), ["x-a: 1", "transfer-encoding: chunked"]);
  }
});

Deno.test("the caller's framing and connection fields are left out, whatever their case", () => {
  const fields: [string, string][] = [
    ["Content-Length", "99"],
    ["TRANSFER-ENCODING", "gzip"],
    ["connection", "close"],
    ["Keep-Alive", "timeout=5"],
    ["Host", "evil"],
    ["x", "1"],
  ];
  assertEquals(lines(response({ fields, framing: lengthOf(3) })), ["x: 1", "content-length: 3"]);
  assertEquals(lines(request({ fields, block: new FieldBlock(fields) })), ["host: a", "x: 1", "x: 1"]);
});

Deno.test("a Date of the caller's is not doubled", () => {
  assertEquals(lines(response({ fields: [["DATE", "then"]], date: "now", status: 304 })), ["DATE: then"]);
  assertEquals(lines(response({ block: new FieldBlock([["date", "then"]]), date: "now", status: 304 })), [
    "date: then",
  ]);
});

Deno.test("a response is framed once and exactly", () => {
  const cases: [Partial<ResponseHeadInit>, string[]][] = [
    [{ framing: NONE }, ["content-length: 0"]],
    [{ framing: lengthOf(0) }, ["content-length: 0"]],
    [{ framing: lengthOf(2 ** 53 - 1) }, ["content-length: 9007199254740991"]],
    [{ framing: CHUNKED }, ["transfer-encoding: chunked"]],
    [{ framing: CLOSE }, ["connection: close"]],
    [{ framing: CLOSE, keepAlive: true, minorVersion: 0 }, ["connection: close"]],
    [{ status: 204 }, []],
    [{ status: 304 }, []],
    [{ status: 304, framing: lengthOf(7) }, ["content-length: 7"]],
    [{ status: 205 }, ["content-length: 0"]],
    [{ status: 205, framing: lengthOf(0) }, ["content-length: 0"]],
    [{ method: "HEAD" }, []],
    [{ method: "HEAD", framing: lengthOf(7) }, ["content-length: 7"]],
    [{ method: "HEAD", framing: CHUNKED }, ["transfer-encoding: chunked"]],
    [{ method: "CONNECT" }, []],
    [{ method: "CONNECT", keepAlive: false }, []],
    [{ method: "CONNECT", status: 403 }, ["content-length: 0"]],
  ];
  for (const [init, expected] of cases) assertEquals(lines(response(init)), expected, JSON.stringify(init));
});

Deno.test("a framing the message cannot have is refused", () => {
  const cases: Partial<ResponseHeadInit>[] = [
    { status: 204, framing: lengthOf(0) },
    { status: 204, framing: CHUNKED },
    { status: 101, framing: CHUNKED, fields: [["upgrade", "x"]] },
    { status: 205, framing: CHUNKED },
    { status: 205, framing: lengthOf(1) },
    { method: "CONNECT", framing: lengthOf(1) },
    { minorVersion: 0, framing: CHUNKED },
    { framing: lengthOf(-1) },
    { framing: lengthOf(1.5) },
    { framing: lengthOf(NaN) },
    { framing: lengthOf(2 ** 53) },
  ];
  for (const init of cases) assertThrows(() => response(init), LocalProtocolError, "Cannot encode the head");
});

Deno.test("whether the connection goes on is said as the version needs it", () => {
  const connection = (init: Partial<ResponseHeadInit>) => lines(response({ status: 304, ...init }));
  assertEquals(connection({ minorVersion: 1, keepAlive: true }), []);
  assertEquals(connection({ minorVersion: 1, keepAlive: false }), ["connection: close"]);
  assertEquals(connection({ minorVersion: 0, keepAlive: true }), ["connection: keep-alive"]);
  assertEquals(connection({ minorVersion: 0, keepAlive: false }), ["connection: close"]);
  assertEquals(connection({ connection: "upgrade" }), ["connection: upgrade"]);
  assertEquals(connection({ connection: "upgrade", keepAlive: false }), ["connection: close, upgrade"]);
  for (const bad of ["a b", "a,", 'x"', "a\r\nb"]) {
    assertThrows(() => connection({ connection: bad }), LocalProtocolError);
  }
});

Deno.test("101 says that and to what it switches", () => {
  assertEquals(lines(response({ status: 101, fields: [["Upgrade", "websocket"]], keepAlive: false })), [
    "Upgrade: websocket",
    "connection: upgrade",
  ]);
  assertThrows(() => response({ status: 101 }), LocalProtocolError, "Upgrade");
});

Deno.test("nothing in a name, value or phrase can break a line", () => {
  for (let unit = 0; unit < 0x300; unit++) {
    const char = String.fromCharCode(unit);
    const isValue = /[\t\x20-\x7e\x80-\xff]/.test(char);
    const isName = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char);
    const tries: [boolean, () => string][] = [
      [isValue, () => response({ fields: [["x", `a${char}b`]] })],
      [isName, () => response({ fields: [[`a${char}b`, "x"]] })],
      [isValue, () => response({ statusText: `a${char}b` })],
      [isValue, () => response({ date: `a${char}b` })],
      [isValue, () => encodeInterimHead(103, [["link", char]])],
      [isName, () => encodeLastChunk([[char, ""]])],
      [isValue, () => encodeLastChunk([["a", char]])],
      [isName, () => request({ method: `G${char}` })],
      [isValue, () => new FieldBlock([["a", char]]).text],
    ];
    for (const [isGood, encode] of tries) {
      if (isGood) encode();
      else assertThrows(encode, LocalProtocolError, undefined, `code unit ${unit}`);
    }
  }
  assertThrows(() => response({ fields: [["", "x"]] }), LocalProtocolError);
});

Deno.test("a request has Host first, and its target and host are checked", () => {
  assertEquals(request({ fields: [["a", "b"]] }), "GET / HTTP/1.1\r\nhost: a\r\na: b\r\n\r\n");
  assertEquals(lines(request({ host: "[::1]:80" })), ["host: [::1]:80"]);
  assertEquals(lines(request({ host: "" })), ["host: "]);
  for (const target of ["", "/ x", "/\r\n", "/\xe9", "/\u0141", "/#x", '/"', "/<"]) {
    assertThrows(() => request({ target }), LocalProtocolError, "target");
  }
  for (const host of ["a b", "a\r\nb", "a/b", "u@a", "a:b", "\xe9", "\u0141", "[::1"]) {
    assertThrows(() => request({ host }), LocalProtocolError, "host");
  }
});

Deno.test("a request is framed once and exactly", () => {
  assertEquals(lines(request({ framing: lengthOf(5) })), ["host: a", "content-length: 5"]);
  assertEquals(lines(request({ framing: CHUNKED })), ["host: a", "transfer-encoding: chunked"]);
  for (const method of ["POST", "PUT", "PATCH"]) {
    assertEquals(lines(request({ method })).at(-1), "content-length: 0");
  }
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"]) {
    assertEquals(lines(request({ method })), ["host: a"]);
  }
  assertThrows(() => request({ framing: CLOSE }), LocalProtocolError, "end with the connection");
  assertThrows(
    () => request({ method: "CONNECT", target: "a:1", framing: CHUNKED }),
    LocalProtocolError,
    "CONNECT",
  );
});

Deno.test("a request's connection options are written beside close", () => {
  assertEquals(lines(request({ keepAlive: false })), ["host: a", "connection: close"]);
  assertEquals(lines(request({ connection: "upgrade" })), ["host: a", "connection: upgrade"]);
  assertEquals(lines(request({ connection: "TE, x", keepAlive: false })), [
    "host: a",
    "connection: close, TE, x",
  ]);
  assertThrows(() => request({ connection: "a b" }), LocalProtocolError);
});

Deno.test("interim heads are 100 to 199 without 101", () => {
  assertEquals(encodeInterimHead(100), "HTTP/1.1 100 Continue\r\n\r\n");
  assertEquals(encodeInterimHead(103, [["link", "</a>"]]), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
  for (const status of [99, 101, 200, 100.5, NaN]) {
    assertThrows(() => encodeInterimHead(status), LocalProtocolError);
  }
});

Deno.test("chunk headers are hexadecimal, and none is empty", () => {
  assertEquals(encodeChunkHeader(1), "1\r\n");
  assertEquals(encodeChunkHeader(65_536), "10000\r\n");
  for (const bad of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => encodeChunkHeader(bad), LocalProtocolError);
  }
});

Deno.test("trailers follow the last chunk, but none that cannot be one", () => {
  assertEquals(encodeLastChunk(), LAST_CHUNK);
  assertEquals(encodeLastChunk([]), LAST_CHUNK);
  assertEquals(encodeLastChunk([["a", "1"], ["b", "2"]]), "0\r\na: 1\r\nb: 2\r\n\r\n");
  for (const name of ["Content-Length", "authorization", "HOST"]) {
    assertThrows(() => encodeLastChunk([[name, "1"]]), LocalProtocolError, "RFC 9110 §6.5.1");
  }
});
