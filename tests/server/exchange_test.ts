import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { Addr } from "../../io/selector.ts";
import { RequestUrls } from "../../server/request_urls.ts";
import { Exchange, type ExchangeOwner, SENT } from "../../server/exchange.ts";
import type { HijackedConnection } from "../../server/handler.ts";
import { LocalProtocolError } from "../../server/http1/errors.ts";
import type { Fields } from "../../server/http1/message.ts";
import { IncomingBody } from "../../server/incoming_body.ts";
import { EarlyHintsError } from "../../server/response_errors.ts";
import { parseHead } from "../support/incoming_request.ts";

/** The connection's side, recorded. */
class Owner implements ExchangeOwner {
  readonly urls = new RequestUrls();
  readonly calls: string[] = [];
  remoteAddr: Addr = { transport: "tcp", hostname: "192.0.2.1", port: 5000 };
  localAddr: Addr = { transport: "tcp", hostname: "192.0.2.9", port: 80 };
  isDraining = false;

  watch(): void {
    this.calls.push("watch");
  }
  sendInterim(_exchange: Exchange, text: string): void {
    this.calls.push(text);
  }
  hijack(): HijackedConnection {
    throw new TypeError("Cannot hijack: this is a test");
  }
  bodyWanted(): void {
    this.calls.push("wanted");
  }
  bodyPaused(): void {
    this.calls.push("paused");
  }
  bodyResumed(): void {
    this.calls.push("resumed");
  }
  bodyCancelled(): void {
    this.calls.push("cancelled");
  }
}

function open(...lines: string[]) {
  const owner = new Owner();
  const head = parseHead(...(lines.length > 0 ? lines : ["GET / HTTP/1.1", "Host: a"]));
  const exchange = new Exchange(owner, head, 0, true);
  if (head.framing.kind !== "none") exchange.body = new IncomingBody(exchange, null);
  return { owner, exchange };
}

const post = () => open("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked");
const gone = new Error("gone");

/** Trailers as the parser lends them: of no use once `revoke` was called. */
function loan(pairs: readonly [string, string][]) {
  let isRevoked = false;
  const at = (index: number): [string, string] => {
    if (isRevoked) throw new LocalProtocolError("Cannot read the fields: the loan is over");
    return pairs[index]!;
  };
  const fields: Fields = {
    count: pairs.length,
    nameAt: (index) => at(index)[0],
    valueAt: (index) => at(index)[1],
    get: () => null,
    getAll: () => [],
    has: () => false,
  };
  return { fields, revoke: () => void (isRevoked = true) };
}

Deno.test("a cut is seen by whoever asked before and whoever asks after, with the same reason", async () => {
  for (const asksBefore of [true, false]) {
    const { exchange } = open();
    if (asksBefore) {
      assertEquals([exchange.disconnected.aborted, exchange.completed instanceof Promise], [false, true]);
    }
    exchange.cut(gone);
    assertStrictEquals(exchange.disconnected.reason, gone);
    assertStrictEquals(await assertRejects(() => exchange.completed), gone);
    assertEquals(exchange.draining.aborted, false);
  }
});

Deno.test("only the first cut counts, and none after the response was delivered", async () => {
  const { exchange } = open();
  exchange.cut(gone);
  exchange.cut(new Error("later"));
  assertStrictEquals(exchange.cutReason, gone);
  const { exchange: done } = open();
  done.delivered();
  done.cut(gone);
  await done.completed;
  assertEquals([done.disconnected.aborted, done.cutReason], [false, null]);
});

Deno.test("a client that sent its FIN counts as gone, but its response can still be completed", async () => {
  for (const asksBefore of [true, false]) {
    const { exchange } = open();
    const before = asksBefore ? exchange.disconnected : null;
    exchange.clientLeft(gone);
    exchange.clientLeft(new Error("later"));
    assertStrictEquals((before ?? exchange.disconnected).reason, gone);
    exchange.delivered();
    await exchange.completed;
    assertEquals(exchange.cutReason, null);
  }
});

Deno.test("draining aborts for who asked before it begins, and is aborted for who asks later; disconnected is not", () => {
  const { exchange, owner } = open();
  const signal = exchange.draining;
  assertEquals(signal.aborted, false);
  owner.isDraining = true;
  exchange.beginDraining();
  exchange.beginDraining();
  assertEquals([signal.aborted, signal.reason.name, exchange.disconnected.aborted], [
    true,
    "AbortError",
    false,
  ]);
  const { exchange: other, owner: otherOwner } = open();
  otherOwner.isDraining = true;
  assertEquals(other.draining.aborted, true);
});

Deno.test("completed is watched for once, and only if somebody asks before it is known", () => {
  const { exchange, owner } = open();
  exchange.completed.then(() => {});
  exchange.completed.then(() => {});
  assertEquals([owner.calls, exchange.isWatched], [["watch"], true]);
  const { exchange: done, owner: doneOwner } = open();
  done.delivered();
  done.completed.then(() => {});
  assertEquals(doneOwner.calls, []);
});

Deno.test("a rejection nobody waits for ends nothing", async () => {
  const { exchange } = post();
  void exchange.completed;
  void exchange.trailers;
  exchange.cut(gone);
  await new Promise<void>((resolve) => setImmediate(resolve)); // An unhandled rejection would fail the test here.
  assert(exchange.cutReason !== null);
});

Deno.test("trailers are kept beyond their loan, for who asked before and for who asks after", async () => {
  for (const asksBefore of [true, false]) {
    const { exchange } = post();
    const before = asksBefore ? exchange.trailers : null;
    const { fields, revoke } = loan([["x-sum", "1"], ["x-sum", "2"]]);
    exchange.bodyEnded(fields);
    revoke();
    assertEquals([...await (before ?? exchange.trailers)], [["x-sum", "1, 2"]]);
  }
});

Deno.test("trailers of a request without any are empty, at once when it has no body", async () => {
  assertEquals([...await open().exchange.trailers], []);
  const { exchange } = post();
  exchange.bodyEnded(null);
  assertEquals([...await exchange.trailers], []);
});

Deno.test("a body that fails rejects the trailers and its reader, once; one that ended does not fail any more", async () => {
  for (const asksBefore of [true, false]) {
    const { exchange } = post();
    const before = asksBefore ? exchange.trailers : null;
    const heard: unknown[] = [];
    exchange.body!.consume({
      chunk() {},
      end: () => heard.push("end"),
      failed: (reason) => heard.push(reason),
    });
    exchange.bodyFailed(gone);
    exchange.bodyFailed(new Error("later"));
    assertEquals(heard, [gone]);
    assertStrictEquals(await assertRejects(() => before ?? exchange.trailers), gone);
  }
  const { exchange } = post();
  exchange.bodyEnded(null);
  exchange.cut(gone);
  await exchange.trailers;
});

Deno.test("a cut ends what hangs on the exchange: its body, its writer", () => {
  const { exchange } = post();
  const heard: unknown[] = [];
  exchange.body!.consume({ chunk() {}, end() {}, failed: (reason) => heard.push(reason) });
  exchange.writer = { cut: (reason: Error) => heard.push(reason) } as unknown as NonNullable<
    typeof exchange.writer
  >;
  exchange.cut(gone);
  assertEquals([heard, exchange.writer], [[gone, gone], null]);
});

Deno.test("early hints are one interim head, not for a client of HTTP/1.0, and not after the response", () => {
  const { exchange, owner } = open();
  exchange.earlyHints({ link: "</a.css>; rel=preload" });
  assertEquals(owner.calls, ["HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"]);
  const old = open("GET / HTTP/1.0");
  old.exchange.earlyHints({ link: "</a.css>" });
  assertEquals(old.owner.calls, []);
  const error = assertThrows(
    () => exchange.earlyHints({ link: "</a>\x01" }),
    EarlyHintsError,
    "no head may carry",
  );
  assertInstanceOf(error.cause, LocalProtocolError);
  assertThrows(() => exchange.earlyHints({ "a b": "1" }), TypeError);
  exchange.phase = SENT;
  assertThrows(() => exchange.earlyHints({}), EarlyHintsError, "Cannot send early hints");
  const cut = open();
  cut.exchange.cut(gone);
  assertThrows(() => cut.exchange.earlyHints({}), EarlyHintsError, "nobody waits");
});

Deno.test("what the body's reader asks for reaches the connection, and a cancel lets the rest come to be dropped", () => {
  const { exchange, owner } = post();
  const flow = exchange.body!.consume({ chunk() {}, end() {}, failed() {} });
  exchange.body!.push(new Uint8Array(10));
  flow.cancel();
  assertEquals([owner.calls, exchange.isBodyUnwanted], [["wanted", "cancelled"], true]);
});

Deno.test("the authority of a request that names none is the connection's own address", () => {
  const { exchange, owner } = open();
  assertEquals(exchange.authority, "192.0.2.9");
  owner.localAddr = { transport: "tcp", hostname: "::1", port: 8000 };
  assertEquals(exchange.authority, "[::1]:8000");
  owner.localAddr = { transport: "unix", path: "/run/s" };
  assertEquals(exchange.authority, "localhost");
  assertEquals(Object.keys(exchange.params), []);
});
