/**
 * The service under torture: a handler for each kind of request, which checks what it is given.
 *
 * @module
 */
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { Prng } from "../../../io/testing/prng.ts";
import type { BodyProducer, BodyWriter } from "../../../server/body_writer.ts";
import type { Handler, ServeInfo } from "../../../server/handler.ts";
import { Reply } from "../../../server/reply.ts";
import { sse } from "../../../server/sse/sse.ts";
import { type Call, DeliberateError, type Ledger } from "./ledger.ts";
import { eventCount, eventData, fill, type Kind } from "./plan.ts";

/** What a request asks for. */
interface Order {
  readonly ledger: Ledger;
  readonly kind: Kind;
  readonly id: number;
  readonly length: number;
  readonly uploadBytes: number;
  readonly prng: Prng;
  readonly headers: Record<string, string>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One turn of the runtime's loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Some microtasks or turns, by chance. */
async function dawdle({ prng }: Order): Promise<void> {
  const waits = prng.integer(0, 5);
  if (waits === 0) await turn();
  for (let i = 0; i < waits; i++) await null;
}

function orderOf(request: Request, ledger: Ledger): Order {
  const path = new URL(request.url).pathname.replace(/^\/via/, "");
  const [kind, id, length, uploadBytes] = path.slice(1).split("/") as [Kind, ...string[]];
  return {
    ledger,
    kind,
    id: Number(id),
    length: Number(length),
    uploadBytes: Number(uploadBytes),
    prng: new Prng(Number(id)),
    headers: { "x-id": id! },
  };
}

/** Watches what the handler is told, and notes it. */
function watch(order: Order, info: ServeInfo): void {
  const { ledger, id, kind } = order;
  const call: Call = {
    id,
    kind,
    completed: "pending",
    reason: null,
    hasTrailers: false,
    isDisconnected: false,
  };
  if (ledger.calls.has(id)) ledger.fault(`${kind} ${id} was given to the handler twice`);
  ledger.calls.set(id, call);
  const settle = (outcome: "resolved" | "rejected") => (reason: unknown) => {
    if (call.completed !== "pending") ledger.fault(`${kind} ${id} completed twice`);
    call.completed = outcome;
    call.reason = reason;
  };
  info.completed.then(settle("resolved"), settle("rejected"));
  info.disconnected.addEventListener("abort", () => {
    if (call.isDisconnected) ledger.fault(`${kind} ${id} was told twice that the client left`);
    call.isDisconnected = true;
  });
  if (info.disconnected.aborted) ledger.fault(`${kind} ${id} began with a client that had left`);
  info.draining.addEventListener("abort", () => {
    if (!ledger.isStopping) ledger.fault(`${kind} ${id} was told of a stop that is none`);
  });
  const end = (): boolean => call.hasTrailers = true;
  info.trailers.then(end, end);
}

/**
 * Makes the service.
 *
 * @param ledger what it writes down
 * @param proxy asks another server; `null` for that one
 */
export function createService(ledger: Ledger, proxy: Handler | null): Handler {
  const events = sse(async function* (request) {
    const order = orderOf(request, ledger);
    const end = ledger.begin(`events ${order.id}`);
    try {
      for (let index = 0; index < eventCount(order.length); index++) {
        await dawdle(order);
        yield { data: eventData(order.id, index) };
      }
    } finally {
      end();
    }
  }, { heartbeatMs: null });
  return (request, info) => {
    const order = orderOf(request, ledger);
    if (proxy !== null) watch(order, info);
    ledger.running++;
    const done = (): void => void ledger.running--;
    let result: Response | Promise<Response>;
    try {
      if (proxy !== null && new URL(request.url).pathname.startsWith("/via/")) result = proxy(request, info);
      else result = order.kind === "events" ? events(request, info) : answer(order, request, info);
    } catch (error) {
      done();
      throw error;
    }
    if (result instanceof Promise) result.then(done, done);
    else done();
    return result;
  };
}

function answer(order: Order, request: Request, info: ServeInfo): Response | Promise<Response> {
  const { kind, id, length, headers } = order;
  const text = fill(id, length);
  switch (kind) {
    case "text":
      return new Reply(text, { headers });
    case "bytes":
      return new Reply(encoder.encode(text), { headers });
    case "response":
      return new Response(text, { headers });
    case "blob":
      return new Response(new Blob([text]), { headers });
    case "stream":
      return new Response(streamOf(order, text), { headers });
    case "length":
      return new Response(streamOf(order, text), { headers: { ...headers, "content-length": `${length}` } });
    case "iterable":
      return new Reply(pieces(order, text), { headers });
    case "producer":
    case "exact":
    case "rude":
      return new Reply(new Producer(order, text), { headers });
    case "empty":
      return new Response(null, { status: 204, headers });
    case "unchanged":
      return new Reply(null, { status: 304, headers });
    case "fail":
      return new Reply(failing(order, text), { headers });
    case "throw":
      if (length % 2 === 0) throw new DeliberateError("deliberate");
      return turn().then(() => {
        throw new DeliberateError("deliberate");
      });
    default:
      return answerLater(order, text, request, info);
  }
}

async function answerLater(order: Order, text: string, request: Request, info: ServeInfo): Promise<Response> {
  const { kind, length, headers, uploadBytes } = order;
  switch (kind) {
    case "later":
      for (let i = length % 7; i > 0; i--) await turn();
      return new Reply(text, { headers });
    case "hints":
      if (!info.disconnected.aborted) info.earlyHints({ link: "</x>; rel=preload" });
      await dawdle(order);
      return new Reply(text, { headers });
    case "echo-stream":
      return new Response(request.body, { headers });
    case "echo-pieces":
      return new Reply(checked(order, chunksOf(request)), { headers });
    case "echo-text":
      return new Reply(await request.text(), { headers });
    case "echo-byob":
      return new Reply(await readByob(order, request), { headers });
    case "digest":
      await digest(order, request, info);
      return new Reply(text, { headers });
    case "half":
      await readSome(order, request);
      return new Reply(text, { headers });
    case "ignore":
      return new Reply(text, { headers });
    case "later-ignore":
      for (let i = 1 + uploadBytes % 5; i > 0; i--) await turn();
      return new Reply(text, { headers });
    case "hijack":
      echoRaw(order, info);
      return new Reply();
    default:
      throw new TypeError(`Cannot answer "${kind}"`);
  }
}

/** Sends back what comes, raw. */
function echoRaw({ ledger, id, uploadBytes }: Order, info: ServeInfo): void {
  const { reader, writer } = info.hijack();
  const end = ledger.begin(`hijack ${id}`);
  const run = async () => {
    writer.writeText(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\nX-Id: ${id}\r\n\r\n`,
    );
    for (let left = uploadBytes; left > 0;) {
      const bytes = await reader.read(Math.min(left, 20_000));
      if (bytes.length === 0) break;
      left -= bytes.length;
      writer.write(bytes);
      await writer.drain();
    }
    writer.close();
  };
  run().catch(() => {}) // The client left.
    .finally(end);
}

// ---- uploads --------------------------------------------------------------------------------------------------------

async function* chunksOf(request: Request): AsyncGenerator<Uint8Array, void, void> {
  if (request.body !== null) yield* request.body;
}

/** Passes an upload on, looking at every byte of it. */
async function* checked(
  order: Order,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const { ledger, id, uploadBytes } = order;
  const end = ledger.begin(`upload ${id}`);
  const expected = fill(id, uploadBytes);
  let at = 0;
  try {
    for await (const chunk of chunks) {
      if (!expected.startsWith(decoder.decode(chunk), at)) {
        ledger.fault(`the upload of ${order.kind} ${id} is another's from byte ${at} on`);
      }
      at += chunk.length;
      await dawdle(order);
      yield chunk;
    }
    if (at !== uploadBytes) {
      ledger.fault(`the upload of ${order.kind} ${id} ended after ${at} bytes of ${uploadBytes}`);
    }
  } finally {
    end();
  }
}

async function digest(order: Order, request: Request, info: ServeInfo): Promise<void> {
  let count = 0;
  for await (const chunk of checked(order, chunksOf(request))) count += chunk.length;
  if (count !== order.uploadBytes) order.ledger.fault(`${order.id} had ${count} bytes`);
  const tail = (await info.trailers).get("x-tail");
  if (tail !== null && tail !== `${order.id}`) order.ledger.fault(`${order.id} has the trailers of ${tail}`);
}

async function readByob({ id, uploadBytes, ledger }: Order, request: Request): Promise<string> {
  if (request.body === null) return "";
  const reader = request.body.getReader({ mode: "byob" });
  let text = "";
  for (let buffer = new Uint8Array(5_000);;) {
    const { done, value } = await reader.read(buffer);
    if (value !== undefined) text += decoder.decode(value);
    if (done) break;
    buffer = new Uint8Array(value.buffer);
  }
  if (text !== fill(id, uploadBytes)) ledger.fault(`the upload of echo-byob ${id} is not what was sent`);
  return text;
}

async function readSome(order: Order, request: Request): Promise<void> {
  for await (const chunk of checked(order, chunksOf(request))) {
    void chunk;
    if (order.prng.chance(0.5)) return;
  }
}

// ---- downloads ------------------------------------------------------------------------------------------------------

/** The text in pieces, with some waiting in between. */
async function* pieces(order: Order, text: string): AsyncGenerator<string, void, void> {
  const { ledger, prng } = order;
  const end = ledger.begin(`${order.kind} ${order.id}`);
  try {
    for (let at = 0; at < text.length;) {
      const size = prng.skewed(30_000);
      await dawdle(order);
      yield text.slice(at, at + size);
      at += size;
    }
  } finally {
    end();
  }
}

async function* failing(order: Order, text: string): AsyncGenerator<string, void, void> {
  yield* pieces(order, text);
  throw new DeliberateError("deliberate, in the body");
}

function streamOf(order: Order, text: string): ReadableStream<Uint8Array> {
  const source = pieces(order, text);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await source.return();
    },
  });
}

/** Writes a body as the server's own parts do. */
class Producer implements BodyProducer {
  readonly length?: number;
  readonly #order: Order;
  readonly #text: string;
  #isOver = false;

  constructor(order: Order, text: string) {
    this.#order = order;
    this.#text = text;
    if (order.kind === "exact") this.length = text.length;
  }

  async start(writer: BodyWriter): Promise<void> {
    const { kind, prng, id } = this.#order;
    for await (const piece of pieces(this.#order, this.#text)) {
      if (writer.isClosed) return;
      if (prng.chance(0.3)) this.#writeShared(writer, piece);
      else writer.writeText(piece);
      if (writer.isPaused && kind !== "rude") await writer.drain();
    }
    if (writer.isClosed) return;
    this.#isOver = true;
    writer.end(prng.chance(0.5) ? [["x-sum", `${id}`]] : undefined);
  }

  onClosed(): void {
    const { ledger, kind, id } = this.#order;
    if (this.#isOver) ledger.fault(`${kind} ${id} was told that it is closed after its end`);
    this.#isOver = true;
  }

  #writeShared(writer: BodyWriter, piece: string): void {
    const bytes = encoder.encode(piece);
    if (bytes.length === 0) return;
    const plain = new SharedChunk(bytes);
    const chunked = new SharedChunk(encoder.encode(`${bytes.length.toString(16)}\r\n${piece}\r\n`));
    writer.writeShared({ plain, chunked });
    plain.release();
    chunked.release();
  }
}
