/** Chunked bodies that are accepted, and limits and ends that are not. */
import type { Vector } from "./vector.ts";

const HEAD = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const SEEN = "POST / 1.1 [host: a | transfer-encoding: chunked] chunked";

/** A chunked body, and the data and end expected of it. */
function body(name: string, wire: string, data: string, end = "end"): Vector {
  return { name, wire: HEAD + wire, events: [SEEN, ...(data === "" ? [] : [`body ${data}`]), end] };
}

export const CHUNKED: readonly Vector[] = [
  body("no data", "0\r\n\r\n", ""),
  body("one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"),
  body("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
  body("ten chunks of one byte", "1\r\nx\r\n".repeat(10) + "0\r\n\r\n", "xxxxxxxxxx"),
  body("sizes in both cases of letters", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"),
  body("a size with leading zeros", "0000000000000001\r\nx\r\n0\r\n\r\n", "x"),
  body("a last chunk of many zeros", "1\r\nx\r\n0000000000000000\r\n\r\n", "x"),
  body("a chunk of 300 bytes", "12c\r\n{300}\r\n0\r\n\r\n", "a".repeat(300)),
  body("data that looks like framing", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"),
  body("data with NUL and every end of line", "6\r\n\0\r\n\n\r\xff\r\n0\r\n\r\n", "\0\r\n\n\r\xff"),
  // ---- Extensions --------------------------------------------------------------------------------------------------
  body("an extension without a value", "1;a\r\nx\r\n0\r\n\r\n", "x"),
  body("an extension with a value", "1;a=b\r\nx\r\n0\r\n\r\n", "x"),
  body("several extensions", "1;a;b=c;d=e;f\r\nx\r\n0;g=h\r\n\r\n", "x"),
  body("a quoted value", '1;a="b c;d=e\\"f\\\\"\r\nx\r\n0\r\n\r\n', "x"),
  body("a quoted value that is empty, then another extension", '1;a="";b\r\nx\r\n0\r\n\r\n', "x"),
  body("a quoted value with obs-text and a tab", '1;a="\t\xe9\\\t"\r\nx\r\n0\r\n\r\n', "x"),
  {
    name: "extensions as long as the limit",
    wire: HEAD + "1;ab\r\nx\r\n0;cd\r\n\r\n",
    limits: { chunkExtensionBytesMax: 6 },
    events: [SEEN, "body x", "end"],
  },
  {
    name: "extensions of all chunks count together",
    wire: HEAD + "1;ab\r\nx\r\n0;cde\r\n\r\n",
    limits: { chunkExtensionBytesMax: 6 },
    events: [SEEN, "body x", "error chunk-extensions-too-large"],
  },
  {
    name: "a quoted extension counts, too",
    wire: HEAD + '1;a="bbb"\r\nx\r\n0\r\n\r\n',
    limits: { chunkExtensionBytesMax: 7 },
    events: [SEEN, "error chunk-extensions-too-large"],
  },
  {
    name: "no extension is allowed",
    wire: HEAD + "1;a\r\nx\r\n0\r\n\r\n",
    limits: { chunkExtensionBytesMax: 0 },
    events: [SEEN, "error chunk-extensions-too-large"],
  },
  // ---- Trailers ----------------------------------------------------------------------------------------------------
  body("a trailer", "1\r\nx\r\n0\r\nX-Sum: 42\r\n\r\n", "x", "end [x-sum: 42]"),
  body("trailers without data", "0\r\na: 1\r\nb:\t2 \r\n\r\n", "", "end [a: 1 | b: 2]"),
  body("a trailer that would frame something in a head, dropped", "0\r\nConnection: a b\r\n\r\n", ""),
  body(
    "what cannot be a trailer is dropped, the rest is kept in order",
    "0\r\na: 1\r\nAuthorization: x\r\nb: 2\r\nSet-Cookie: y\r\nContent-Type: z\r\nc: 3 \r\n\r\n",
    "",
    "end [a: 1 | b: 2 | c: 3]",
  ),
  {
    name: "trailers, then the next request",
    wire: HEAD + "0\r\na: 1\r\n\r\n" + "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    events: [SEEN, "end [a: 1]", "GET / 1.1 [host: b]", "end"],
  },
  {
    name: "two chunked requests, each with its own trailers",
    wire: HEAD + "1\r\nx\r\n0\r\na: 1\r\n\r\n" + HEAD + "1\r\ny\r\n0\r\n\r\n",
    events: [SEEN, "body x", "end [a: 1]", SEEN, "body y", "end"],
  },
  {
    name: "a bad trailer name",
    wire: HEAD + "0\r\na b: 1\r\n\r\n",
    events: [SEEN, "error field-name-space"],
  },
  { name: "a folded trailer", wire: HEAD + "0\r\na: 1\r\n b\r\n\r\n", events: [SEEN, "error obs-fold"] },
  { name: "NUL in a trailer", wire: HEAD + "0\r\na: \0\r\n\r\n", events: [SEEN, "error field-value-byte"] },
  {
    name: "as many trailers as the limit",
    wire: HEAD + "0\r\na: 1\r\nb: 2\r\n\r\n",
    limits: { trailersMax: 2, trailerBytesMax: 12 },
    events: [SEEN, "end [a: 1 | b: 2]"],
  },
  {
    name: "one trailer too many",
    wire: HEAD + "0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n",
    limits: { trailersMax: 2 },
    events: [SEEN, "error too-many-trailers"],
  },
  {
    name: "one byte of trailers too many",
    wire: HEAD + "0\r\na: 1\r\nb: 2\r\n\r\n",
    limits: { trailerBytesMax: 11 },
    events: [SEEN, "error trailers-too-large"],
  },
  // ---- Limits and ends ---------------------------------------------------------------------------------------------
  {
    name: "as much data as the limit",
    wire: HEAD + "2\r\nhe\r\n2\r\nll\r\n0\r\n\r\n",
    limits: { bodyBytesMax: 4 },
    events: [SEEN, "body hell", "end"],
  },
  {
    name: "a chunk that would pass the limit is refused before its data",
    wire: HEAD + "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    limits: { bodyBytesMax: 4 },
    events: [SEEN, "body he", "error body-too-large"],
  },
  { name: "a FIN before the size", wire: HEAD, fin: true, events: [SEEN, "error incomplete-body"] },
  { name: "a FIN in the size", wire: HEAD + "5", fin: true, events: [SEEN, "error incomplete-body"] },
  { name: "a FIN in the data", wire: HEAD + "5\r\nhel", fin: true, events: [SEEN, "body hel", "error incomplete-body"] },
  {
    name: "a FIN before the last chunk",
    wire: HEAD + "5\r\nhello\r\n",
    fin: true,
    events: [SEEN, "body hello", "error incomplete-body"],
  },
  { name: "a FIN in the trailers", wire: HEAD + "0\r\na: 1\r\n", fin: true, events: [SEEN, "error incomplete-body"] },
  { name: "a FIN before the last line", wire: HEAD + "0\r\n", fin: true, events: [SEEN, "error incomplete-body"] },
];
