/** A request's `ServeInfo` and body under `node:http`, played by a recorder. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { NodeExchange } from "../../server/node_exchange.ts";
import { NodeHead } from "../../server/node_head.ts";
import type { IncomingLike, ServerResponseLike } from "../../server/node_http.ts";
import { createRequest } from "../../server/request.ts";
import { EarlyHintsError } from "../../server/response_errors.ts";

/** A request that is fed by hand. */
class Incoming {
  method = "POST";
  url = "/";
  httpVersionMinor = 1;
  rawHeaders = ["Host", "a", "Transfer-Encoding", "chunked"];
  rawTrailers: string[] = [];
  complete = false;
  readableEnded = false;
  socket = { remoteAddress: "::1", remotePort: 5, localAddress: "::1", localPort: 80 };
  readonly calls: string[] = [];
  readonly #listeners = new Map<string, (chunk?: unknown) => void>();

  on(event: string, listener: (chunk?: unknown) => void): void {
    this.#listeners.set(event, listener);
  }
  emit(event: string, chunk?: unknown): void {
    this.#listeners.get(event)?.(chunk);
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
}

function exchange(
  change: Partial<Incoming> = {},
  bodyBytesMax = Infinity,
  writeEarlyHints?: (hint: unknown) => void,
) {
  const incoming = Object.assign(new Incoming(), change);
  const like = incoming as unknown as IncomingLike;
  const hints: unknown[] = [];
  const response = { writeEarlyHints: writeEarlyHints ?? ((hint: unknown) => void hints.push(hint)) };
  const made = new NodeExchange(
    like,
    response as unknown as ServerResponseLike,
    new NodeHead(like),
    bodyBytesMax,
  );
  return { incoming, made, hints, request: createRequest(made) };
}

const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("addresses and the URL's authority come from the socket", () => {
  const { made } = exchange();
  assertEquals(made.remoteAddr, { transport: "tcp", hostname: "::1", port: 5 });
  assertEquals([made.scheme, made.authority], ["http", "[::1]"]);
  const unix = exchange({ socket: {} as Incoming["socket"] });
  assertEquals([unix.made.localAddr, unix.made.authority], [{ transport: "unix", path: "" }, "localhost"]);
});

Deno.test("a body flows when it is read, and its trailers come with its end", async () => {
  const { incoming, made, request } = exchange();
  const text = request.text();
  incoming.emit("data", utf8("one "));
  incoming.emit("data", utf8("two"));
  Object.assign(incoming, { complete: true, rawTrailers: ["X-Sum", "1"] });
  const { trailers } = made;
  incoming.emit("end");
  incoming.emit("close");
  assertEquals([await text, (await trailers).get("x-sum")], ["one two", "1"]);
});

Deno.test("a body that nobody reads fast enough pauses the request", async () => {
  const { incoming, made } = exchange();
  let bytes = 0;
  const flow = made.body!.consume({ chunk: (chunk) => bytes += chunk.length, end() {}, failed() {} });
  flow.pause();
  incoming.emit("data", new Uint8Array(100_000));
  assertEquals(incoming.calls, ["pause"]);
  flow.resume();
  await Promise.resolve();
  assertEquals([incoming.calls, bytes], [["pause", "resume"], 100_000]);
  flow.cancel();
  incoming.emit("data", new Uint8Array(1));
  assertEquals(bytes, 100_000);
});

Deno.test("a connection that breaks fails the body, the signals and the promises, asked before or after", async () => {
  const { incoming, made, request } = exchange();
  const text = request.text();
  const { completed, disconnected } = made;
  incoming.emit("close");
  await assertRejects(() => text, Error, "reset");
  made.cut(new TypeError("left"));
  await assertRejects(() => completed, TypeError, "left");
  assert(disconnected.aborted && !made.draining.aborted);
  const late = exchange().made;
  late.cut(new TypeError("left"));
  assert(late.disconnected.aborted);
  await assertRejects(() => late.completed, TypeError, "left");
  await assertRejects(() => late.trailers, TypeError, "left");
});

Deno.test("a response that was delivered completes, and nothing cuts it later", async () => {
  const { made } = exchange();
  const { completed } = made;
  made.delivered();
  made.cut(new TypeError("too late"));
  await completed;
  assertEquals([made.cutReason, made.disconnected.aborted], [null, false]);
});

Deno.test("a body over its limit, and one that a parser read before, fail their reader", async () => {
  const { incoming, request } = exchange({}, 2);
  const text = request.text();
  incoming.emit("data", utf8("123"));
  incoming.emit("data", utf8("4"));
  await assertRejects(() => text, Error, "more than 2 bytes");
  await assertRejects(() => exchange({ readableEnded: true }).request.text(), TypeError, "read");
});

Deno.test("early hints have their links apart, and come before the answer only", () => {
  const { made, hints } = exchange();
  made.earlyHints([["link", "</a>; rel=preload"], ["link", "</b>; rel=preload"], ["x", "1"]]);
  assertEquals(hints, [{ link: ["</a>; rel=preload", "</b>; rel=preload"], x: "1" }]);
  made.isAnswered = true;
  assertThrows(() => made.earlyHints({ link: "</a>" }), EarlyHintsError, "early hints");
});

Deno.test("early hints that Node does not take are an EarlyHintsError, what else it throws is not", () => {
  for (
    const [code, refused] of [
      ["ERR_INVALID_ARG_VALUE", true],
      ["ERR_INVALID_CHAR", true],
      ["ERR_HTTP_HEADERS_SENT", true],
      [undefined, false],
    ] as const
  ) {
    const failure = Object.assign(new TypeError("no"), { code });
    const { made } = exchange({}, Infinity, () => {
      throw failure;
    });
    const error = assertThrows(() => made.earlyHints({ link: "</a>" }));
    if (refused) assertInstanceOf(error, EarlyHintsError);
    assertEquals(refused ? (error as Error).cause : error, failure);
  }
});
