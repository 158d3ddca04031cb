/**
 * What the clients of the faults test ask for, the handler that answers, and how a response is read.
 *
 * @module
 */
import type { Prng } from "../../../io/testing/prng.ts";
import type { ServeInfo } from "../../../server/handler.ts";
import { Reply } from "../../../server/reply.ts";

/** Bodies are this long at most: more than the high-water mark, so that backpressure takes part. */
const BODY_BYTES_MAX = 90_000;

/** Every way to make a body, and what is done with a request's. */
const KINDS = [
  "text",
  "bytes",
  "response",
  "stream",
  "length",
  "iterable",
  "producer",
  "later",
  "hints",
  "fail",
  "echo-text",
  "echo-stream",
  "ignore",
] as const;

type Kind = typeof KINDS[number];

/** One request, and what is to come back. */
export interface Plan {
  /** The request's bytes. */
  readonly wire: string;
  /** Its method. */
  readonly method: string;
  /** Whether it is HTTP/1.0, whose streamed bodies end with the connection. */
  readonly isOld: boolean;
  /** Status of the response. */
  readonly status: number;
  /** Whether its body fails after the head. */
  readonly fails: boolean;
  /** What its body is made of. */
  readonly kind: Kind;
  /** How long the body is. */
  readonly length: number;
  /** Tells bodies apart. */
  readonly mark: number;
}

/** Makes a request up. */
export function planRequest(prng: Prng, index: number): Plan {
  const kind = KINDS[prng.integer(0, KINDS.length - 1)]!;
  const hasBody = kind.startsWith("echo") || kind === "ignore";
  const method = hasBody ? "POST" : prng.chance(0.15) ? "HEAD" : "GET";
  const length = prng.chance(0.5) ? prng.skewed(BODY_BYTES_MAX) : prng.integer(0, 300);
  const mark = prng.integer(0, 25);
  const isOld = prng.chance(0.08);
  const head =
    `${method} /${kind}/${length}/${mark} HTTP/1.${isOld ? 0 : 1}\r\nHost: a\r\nX-Index: ${index}\r\n` +
    (isOld ? "Connection: keep-alive\r\n" : "");
  const fails = kind === "fail" && method !== "HEAD";
  const plan = { method, isOld, status: 200, fails, kind, length, mark };
  // What offers an upgrade keeps the parser from what follows; it is declined, at once or later.
  const offer = prng.chance(0.15) && !isOld ? "Connection: upgrade\r\nUpgrade: x\r\n" : "";
  if (!hasBody) return { ...plan, wire: `${head}${offer}\r\n` };
  return { ...plan, wire: head + bodyOf(prng, plan) };
}

/** The rest of a request with a body, which may not wait for the 100 it expects. */
function bodyOf(prng: Prng, { isOld, length, mark }: Omit<Plan, "wire">): string {
  const head = prng.chance(0.15) ? "Expect: 100-continue\r\n" : "";
  const body = fill(length, mark);
  if (isOld || prng.chance(0.5)) return `${head}Content-Length: ${length}\r\n\r\n${body}`;
  let chunks = "";
  for (let at = 0; at < length;) {
    const size = Math.min(length - at, prng.skewed(5_000));
    chunks += `${size.toString(16)}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
}

/** The body of a plan's response. */
export function expectedBody({ method, kind, length, mark }: Plan): string {
  if (method === "HEAD") return "";
  return kind === "ignore" ? "ignored" : fill(length, mark);
}

function fill(length: number, mark: number): string {
  const letter = String.fromCharCode(97 + mark);
  let text = "";
  for (let i = 0; text.length < length; i++) text += `${letter}${i}`;
  return text.slice(0, length);
}

/** The service. */
export async function handle(request: Request, info: ServeInfo): Promise<Response> {
  const [kind, length, mark] = new URL(request.url).pathname.slice(1).split("/") as [Kind, string, string];
  const text = fill(Number(length), Number(mark));
  if (Number(length) % 3 === 0) info.completed.catch(() => {});
  switch (kind) {
    case "text":
      return new Reply(text);
    case "bytes":
      return new Reply(new TextEncoder().encode(text));
    case "response":
      return new Response(text);
    case "stream":
      return new Response(streamOf(text));
    case "length":
      return new Response(streamOf(text), { headers: { "content-length": length } });
    case "iterable":
      return new Reply(pieces(text));
    case "producer":
      return new Reply({
        async start(writer) {
          for await (const piece of pieces(text)) {
            writer.writeText(piece);
            if (writer.isPaused) await writer.drain();
          }
          writer.end();
        },
      });
    case "later":
      for (let i = 0; i < Number(length) % 50; i++) await null;
      return new Reply(text);
    case "hints":
      info.earlyHints({ link: "</x>; rel=preload" });
      await null;
      return new Reply(text);
    case "fail":
      return new Reply(async function* () {
        yield* pieces(text);
        throw new Error("mid");
      }());
    case "echo-text":
      return new Reply(await request.text());
    case "echo-stream":
      return new Response(request.body);
    case "ignore":
      return new Reply("ignored");
  }
}

function streamOf(text: string): ReadableStream<Uint8Array> {
  const source = pieces(text);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(new TextEncoder().encode(value));
    },
  });
}

/** The text in pieces, with some waiting in between. */
async function* pieces(text: string): AsyncGenerator<string, void, void> {
  let size = 1 + text.length % 7;
  for (let at = 0; at < text.length; at += size) {
    size = Math.min(20_000, size * 3);
    for (let i = 0; i < size % 9; i++) await null;
    yield text.slice(at, at + size);
  }
}

/** A response that was read whole. */
export interface WholeResponse {
  /** Its status. */
  readonly status: number;
  /** Its body without framing. */
  readonly body: string;
  /** Whether it says that the connection ends. */
  readonly isClosing: boolean;
  /** What follows. */
  readonly rest: string;
}

/** Reads one response as a client would; `null` when it is not whole, or there is none. */
export function readOne(text: string, plan: Plan, hasEnded: boolean, isReset: boolean): WholeResponse | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd + 2).toLowerCase();
  const status = Number(head.slice(9, 12));
  const after = text.slice(headEnd + 4);
  if (status < 200) return readOne(after, plan, hasEnded, isReset);
  const isClosing = head.includes("\r\nconnection: close\r\n");
  const whole = (body: string, rest: string): WholeResponse => ({ status, body, isClosing, rest });
  if (plan.method === "HEAD") return whole("", after);
  const length = /\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1];
  if (length !== undefined) {
    return after.length < Number(length)
      ? null
      : whole(after.slice(0, Number(length)), after.slice(Number(length)));
  }
  if (head.includes("\r\ntransfer-encoding: chunked\r\n")) return readChunks(after, whole);
  // Up to the connection's end (RFC 9112 §6.3): whole only when that was in order.
  return hasEnded && !isReset ? whole(after, "") : null;
}

function readChunks(
  text: string,
  whole: (body: string, rest: string) => WholeResponse,
): WholeResponse | null {
  let body = "";
  for (let at = 0;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = parseInt(text.slice(at, lineEnd), 16);
    const dataEnd = lineEnd + 2 + size;
    if (text.length < dataEnd + 2) return null;
    if (size === 0) return whole(body, text.slice(dataEnd + 2));
    body += text.slice(lineEnd + 2, dataEnd);
    at = dataEnd + 2;
  }
}
