/** Requests that reach a limit or end too early. */
import type { Vector } from "./vector.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\n";

export const LIMITS: readonly Vector[] = [
  {
    name: "a request line one byte above the limit",
    wire: GET + "\r\n",
    limits: { startLineBytesMax: 13 },
    events: ["error start-line-too-long"],
  },
  {
    name: "a method without end",
    wire: "{40}",
    limits: { startLineBytesMax: 30 },
    events: ["error start-line-too-long"],
  },
  {
    name: "a target without end",
    wire: "GET /{40}",
    limits: { startLineBytesMax: 30 },
    events: ["error start-line-too-long"],
  },
  {
    name: "the limit is told before a later error of the same line",
    wire: "GET /{40}\x00",
    limits: { startLineBytesMax: 30 },
    events: ["error start-line-too-long"],
  },
  {
    name: "an earlier error is told before the limit",
    wire: "GET /\x00{40}",
    limits: { startLineBytesMax: 30 },
    events: ["error target-byte"],
  },
  {
    name: "one byte of lines above the limit",
    wire: GET + "b: c\r\n\r\n",
    limits: { headerBytesMax: 14 },
    events: ["error headers-too-large"],
  },
  {
    name: "a name without end",
    wire: GET + "{40}",
    limits: { headerBytesMax: 40 },
    events: ["error headers-too-large"],
  },
  {
    name: "a value without end",
    wire: GET + "a: {40}",
    limits: { headerBytesMax: 40 },
    events: ["error headers-too-large"],
  },
  {
    name: "spaces without end",
    wire: GET + "a:" + " ".repeat(40),
    limits: { headerBytesMax: 40 },
    events: ["error headers-too-large"],
  },
  {
    name: "one line above the limit",
    wire: GET + "b: c\r\nd: e\r\n\r\n",
    limits: { headersMax: 2 },
    events: ["error too-many-headers"],
  },
  {
    name: "no lines allowed",
    wire: "GET / HTTP/1.0\r\na: b\r\n\r\n",
    limits: { headersMax: 0 },
    events: ["error too-many-headers"],
  },
  {
    name: "a declared length above the limit",
    wire: POST + "Content-Length: 5\r\n\r\nhello",
    limits: { bodyBytesMax: 4 },
    events: ["POST / 1.1 [host: a | content-length: 5] length=5", "error body-too-large"],
  },
  { name: "a FIN in the method", wire: "GE", fin: true, events: ["error incomplete-head"] },
  { name: "a FIN in the fields", wire: GET, fin: true, events: ["error incomplete-head"] },
  { name: "a FIN before the last LF", wire: GET + "\r", fin: true, events: ["error incomplete-head"] },
  { name: "a FIN within an empty line", wire: "\r", fin: true, events: ["error incomplete-head"] },
  {
    name: "a FIN in the body",
    wire: POST + "Content-Length: 5\r\n\r\nhell",
    fin: true,
    events: ["POST / 1.1 [host: a | content-length: 5] length=5", "body hell", "error incomplete-body"],
  },
  {
    name: "a FIN before the body",
    wire: POST + "Content-Length: 5\r\n\r\n",
    fin: true,
    events: ["POST / 1.1 [host: a | content-length: 5] length=5", "error incomplete-body"],
  },
  {
    name: "nothing of an incomplete head is told",
    wire: GET + "\r\n" + "GET /second HTTP/1.1\r\n",
    events: ["GET / 1.1 [host: a]", "end"],
  },
];
