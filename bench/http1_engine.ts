/**
 * What the HTTP/1.1 engine costs by itself: nanoseconds for each head parsed, retained, read and encoded. No socket.
 *
 * Run: `deno run bench/http1_engine.ts`. Each figure is the best of several rounds, since a shared machine only ever adds.
 *
 * @module
 */
import {
  encodeResponseHead,
  FieldBlock,
  HeadStore,
  type MessageSink,
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from "../server/http1/mod.ts";

/** Rounds of each figure; the best counts. */
const ROUNDS = 7;
/** Time of one round, ms: long enough for the optimising compiler in the first one. */
const ROUND_MS = 150;

/** The bytes of a text of one code unit each. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

const WRK = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n\r\n";

const BROWSER = [
  "GET /articles/42?page=2&sort=new HTTP/1.1",
  "Host: www.example.com",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept-Language: en-US,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Referer: https://www.example.com/articles/",
  "Connection: keep-alive",
  "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
  "Upgrade-Insecure-Requests: 1",
  "Sec-Fetch-Dest: document",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Site: same-origin",
  "\r\n",
].join("\r\n");

const COMPLETION = [
  "POST /v1/chat/completions HTTP/1.1",
  "host: 127.0.0.1:8000",
  "accept: application/json",
  "content-type: application/json",
  "user-agent: OpenAI/JS 6.0.0",
  "authorization: Bearer sk-0123456789abcdef0123456789abcdef",
  "content-length: 100",
  "connection: keep-alive",
  "\r\n",
].join("\r\n") + "x".repeat(100);

const RESPONSE =
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Runs `work` (which does `units` of it) and prints the best time of one unit. */
function measure(name: string, units: number, work: () => void): void {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    let times = 0;
    const start = performance.now();
    let now = start;
    while (now - start < ROUND_MS) {
      for (let i = 0; i < 100; i++) work();
      times += 100;
      now = performance.now();
    }
    best = Math.min(best, (now - start) * 1e6 / times / units);
  }
  console.log(`${name.padEnd(64)} ${best.toFixed(0).padStart(7)} ns`);
}

/** A sink that does `onHead` and counts. */
class Sink implements MessageSink<RequestHead & ResponseHead> {
  heads = 0;
  bytes = 0;
  readonly #onHead: (head: RequestHead & ResponseHead) => void;
  constructor(onHead: (head: RequestHead & ResponseHead) => void) {
    this.#onHead = onHead;
  }
  head(head: RequestHead & ResponseHead): void {
    this.heads++;
    this.#onHead(head);
  }
  body(bytes: Uint8Array): void {
    this.bytes += bytes.length;
  }
  end(): void {}
  error(error: Error): void {
    throw error;
  }
}

const store = new HeadStore();
let last: unknown;

function requests(name: string, text: string, pipelined: number, onHead: (head: RequestHead) => void): void {
  const sink = new Sink(onHead);
  const parser = new RequestParser(sink, undefined, { store });
  // In the middle of a larger buffer, as a selector hands it over.
  const buffer = new Uint8Array(65536);
  const bytes = bytesOf(text.repeat(pipelined));
  buffer.set(bytes, 512);
  const fed = buffer.subarray(512, 512 + bytes.length);
  measure(`${name}${pipelined > 1 ? `, ${pipelined} in one read` : ""}`, pipelined, () => parser.feed(fed));
}

for (const [name, text] of [["wrk", WRK], ["browser", BROWSER], ["completion", COMPLETION]] as const) {
  console.log(`\n${name}: ${text.length} bytes`);
  requests("parse", text, 1, () => {});
  requests("parse and retain", text, 1, (head) => last = head.retain());
  requests("parse and retain", text, 16, (head) => last = head.retain());
  requests("parse, retain, method, target, host", text, 1, (head) => {
    const kept = head.retain();
    last = kept.method + kept.target + kept.get("host");
  });
  requests("parse, retain, all fields as strings", text, 1, (head) => {
    const kept = head.retain();
    const all = [];
    for (let i = 0; i < kept.count; i++) all.push(kept.nameAt(i), kept.valueAt(i));
    last = all;
  });
}
{
  const parser = new RequestParser(new Sink((head) => last = head.retain()), undefined, { store });
  const bytes = [...bytesOf(WRK)].map((byte) => new Uint8Array([byte]));
  console.log();
  measure("wrk, byte by byte, per byte", bytes.length, () => {
    for (const byte of bytes) parser.feed(byte);
  });
}
{
  console.log(`\nresponses`);
  const parser = new ResponseParser(new Sink(() => {}));
  const chunk = "2d\r\n" + "d".repeat(45) + "\r\n";
  const head = bytesOf(RESPONSE);
  const stream = bytesOf(chunk.repeat(100));
  const end = bytesOf("0\r\n\r\n");
  measure("response head, 3 fields, and last chunk", 1, () => {
    parser.expectResponseTo("POST");
    parser.feed(head);
    parser.feed(end);
  });
  parser.expectResponseTo("POST");
  parser.feed(head);
  measure("chunk of 45 bytes, 100 in one read", 100, () => parser.feed(stream));
}
{
  console.log(`\nencoder`);
  const framing = { kind: "length", length: 5 } as const;
  const block = new FieldBlock([["content-type", "text/plain;charset=UTF-8"], ["server", "sluice"]]);
  const date = "Sat, 21 Nov 2026 03:41:14 GMT";
  const common = { status: 200, framing, method: "GET", minorVersion: 1, keepAlive: true, date } as const;
  const few = [["content-type", "text/plain;charset=UTF-8"]] as const;
  const many = [
    ["content-type", "text/html; charset=utf-8"],
    ["cache-control", "private, max-age=0, must-revalidate"],
    ["etag", '"0123456789abcdef"'],
    ["set-cookie", "session=0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax"],
    ["vary", "accept-encoding"],
    ["x-request-id", "0123456789abcdef0123456789abcdef"],
  ] as const;
  const headers = new Headers(few as unknown as [string, string][]);
  let total = 0;
  measure("one field", 1, () => {
    total += encodeResponseHead({ ...common, fields: few }).charCodeAt(40);
  });
  measure("six fields", 1, () => {
    total += encodeResponseHead({ ...common, fields: many }).charCodeAt(40);
  });
  measure("a constant block", 1, () => {
    total += encodeResponseHead({ ...common, block }).charCodeAt(40);
  });
  measure("one field from Headers", 1, () => {
    total += encodeResponseHead({ ...common, fields: headers }).charCodeAt(40);
  });
  console.log(total > 0 && last !== undefined ? "" : "nothing measured");
}
