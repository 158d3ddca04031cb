/** The base of all transports, on a driver that a test plays by hand. The contract suite has the rest. */

import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ConnectionAbortedError } from "../../io/errors.ts";
import { SharedChunk } from "../../io/shared_chunk.ts";
import { SEND_PENDING, TransportBase } from "../../io/transport.ts";
import { TransportHub } from "../../io/transport_hub.ts";
import { Recorder, type RecorderHooks } from "../contracts/selector/recorder.ts";

const decoder = new TextDecoder();
const addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;

/** Records what it is asked to do; the test makes its reports. */
class ManualTransport extends TransportBase {
  readonly asked: string[] = [];
  /** How many bytes the next sends take; all, when empty. */
  readonly answers: number[] = [];
  #answer(name: string, parts: Uint8Array[]): number {
    const text = parts.map((part) => decoder.decode(part)).join("|");
    this.asked.push(text.length > 20 ? `${name} ${text.length}` : `${name} ${text}`);
    return this.answers.shift() ?? parts.reduce((sum, part) => sum + part.length, 0);
  }
  override sendOne(bytes: Uint8Array): number {
    return this.#answer("one", [bytes]);
  }
  override sendMany(parts: Uint8Array[]): number {
    return this.#answer("many", parts);
  }
  override startReading(): void {
    this.asked.push("start");
  }
  override stopReading(): void {
    this.asked.push("stop");
  }
  override shutdownWrite(): void {
    this.asked.push("shutdown");
  }
  override release(): void {
    this.asked.push("release");
  }
  override reset(): void {
    this.asked.push("reset");
  }
  // A driver reports by these; here the test does.
  override opened(): void {
    super.opened();
  }
  override received(bytes: Uint8Array): void {
    super.received(bytes);
  }
  override end(): void {
    super.end();
  }
  override sent(): void {
    super.sent();
  }
  override finSent(): void {
    super.finSent();
  }
  override lost(error: Error | null): void {
    super.lost(error);
  }
}

function open(hooks: RecorderHooks = {}) {
  const turns: (() => void)[] = [];
  const hub = new TransportHub((run) => turns.push(run));
  const recorder = new Recorder(hooks);
  const transport = new ManualTransport(hub, recorder, addr, addr);
  transport.opened();
  const endTurn = () => {
    while (turns.length > 0) turns.shift()!();
  };
  return { hub, recorder, transport, endTurn };
}

Deno.test("a turn's writes are one send, and nothing is sent before its end", () => {
  const { transport, endTurn } = open();
  transport.writeText("a");
  transport.write(new TextEncoder().encode("b"));
  assertEquals([transport.asked, transport.bufferedBytes], [[], 2]);
  endTurn();
  assertEquals([transport.asked, transport.bufferedBytes], [["one ab"], 0]);
});

Deno.test("what the driver did not take is offered again when it reports", () => {
  const { transport, endTurn } = open();
  transport.writeText("abcdef");
  transport.answers.push(2, 0);
  endTurn();
  assertEquals([transport.asked, transport.bufferedBytes], [["one abcdef"], 4]);
  transport.writeText("gh");
  endTurn();
  assertEquals([transport.asked.splice(0), transport.bufferedBytes], [["one abcdef", "one cdefgh"], 6]);
  transport.sent();
  assertEquals([transport.asked, transport.bufferedBytes], [["one cdefgh"], 0]);
});

Deno.test("while a send is pending nothing more is sent, and what it holds still counts", () => {
  const { hub, transport, endTurn } = open();
  transport.writeText("first");
  transport.answers.push(SEND_PENDING);
  endTurn();
  transport.writeText("second");
  endTurn();
  assertEquals([transport.asked, transport.bufferedBytes], [["one first"], 11]);
  transport.sent();
  assertEquals([transport.asked, transport.bufferedBytes], [["one first", "one second"], 0]);
  assertEquals(hub.pool.freeCount, 2);
});

Deno.test("one send is bounded, in bytes and in parts", () => {
  const { transport, endTurn } = open();
  const chunk = new SharedChunk(new Uint8Array(100_000));
  for (let i = 0; i < 6; i++) transport.writeShared(chunk);
  endTurn();
  assertEquals(transport.asked, ["many 262146", "many 262147", "one 75712"]);
  const small = new SharedChunk(new Uint8Array(1));
  transport.asked.length = 0;
  for (let i = 0; i < 100; i++) transport.writeShared(small);
  endTurn();
  assertEquals(transport.asked, ["many 127", "many 71"], "64 parts and 36, with the marks between them");
  assertEquals([chunk.refs, small.refs], [1, 1]);
});

Deno.test("FIN follows the last byte, once", () => {
  const { transport, endTurn } = open();
  transport.writeText("last");
  transport.answers.push(SEND_PENDING);
  transport.closeWrite();
  endTurn();
  assertEquals(transport.asked, ["one last"]);
  transport.sent();
  transport.closeWrite();
  transport.pauseReading();
  transport.resumeReading();
  endTurn();
  assertEquals(transport.asked, ["one last", "shutdown", "stop", "start"]);
});

Deno.test("both ends of the stream make the end of the connection, in either order", () => {
  const ours = open({ ended: () => true });
  ours.transport.closeWrite();
  ours.endTurn();
  ours.transport.finSent();
  ours.transport.end();
  ours.endTurn();
  assertEquals(ours.transport.asked, ["shutdown", "stop", "release"]);
  const theirs = open({ ended: () => true });
  theirs.transport.end();
  theirs.endTurn();
  assertEquals([theirs.transport.asked, theirs.transport.isClosing], [[], false]);
  theirs.transport.closeWrite();
  theirs.endTurn();
  theirs.transport.finSent();
  theirs.endTurn();
  assertEquals(theirs.transport.asked, ["shutdown", "stop", "release"]);
});

Deno.test("an end that comes while reading is paused is delivered from a later turn, not from the call", () => {
  const { transport, recorder, endTurn } = open();
  transport.pauseReading();
  transport.end();
  transport.resumeReading();
  assertEquals(recorder.calls, ["opened"]);
  endTurn();
  assertEquals(recorder.calls, ["opened", "ended"]);
  transport.lost(null);
  assertEquals(recorder.calls, ["opened", "ended", "closed"]);
});

Deno.test("what a driver reports after close or loss is not passed on", () => {
  const { transport, recorder, endTurn } = open();
  transport.close();
  transport.received(new Uint8Array(1));
  transport.end();
  endTurn();
  transport.lost(null);
  transport.lost(new Error("again"));
  transport.sent();
  transport.finSent();
  assertEquals(recorder.calls, ["opened", "closed"]);
  assertStrictEquals(recorder.reason, null);
});

Deno.test("abort resets at once, even while an orderly close waits, and its reason is the one told", () => {
  const { transport, recorder, endTurn } = open();
  transport.writeText("never sent");
  transport.answers.push(SEND_PENDING);
  transport.close();
  endTurn();
  transport.abort(new Error("too slow"));
  assertEquals([transport.asked, transport.bufferedBytes], [["stop", "one never sent", "reset"], 0]);
  transport.sent();
  assertEquals(transport.bufferedBytes, 0);
  transport.lost(new Error("what the driver thinks"));
  assertEquals(recorder.reason?.message, "too slow");
});

Deno.test("a loss releases what was queued and what was held, and lets the hub go", () => {
  const { hub, transport, recorder, endTurn } = open();
  const chunk = new SharedChunk(new Uint8Array(10));
  transport.writeShared(chunk);
  transport.answers.push(SEND_PENDING);
  endTurn();
  transport.writeShared(chunk);
  assertEquals([chunk.refs, hub.openCount], [3, 1]);
  let lostBytes = -1;
  recorder.closed = (reason) => {
    lostBytes = transport.bufferedBytes;
    Recorder.prototype.closed.call(recorder, reason);
  };
  transport.lost(new Error("gone"));
  assertEquals(lostBytes, 20, "closed may ask how much was not sent");
  assertEquals([chunk.refs, hub.openCount, transport.bufferedBytes], [1, 0, 0]);
  endTurn();
  assertEquals(recorder.calls, ["opened", "closed"]);
});

Deno.test("a protocol that throws from a call of its own is aborted by that", () => {
  const error = new Error("no more");
  const { transport, recorder } = open({
    pauseWriting: () => {
      throw error;
    },
  });
  transport.write(new Uint8Array(100_000));
  assertEquals([transport.asked, transport.isClosing], [["reset"], true]);
  transport.lost(null);
  assertStrictEquals(recorder.reason, error);
});

Deno.test("an error thrown from closed is reported, and the hub lets go all the same", async () => {
  const error = new Error("from closed");
  const reported: unknown[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", listen);
  try {
    const { hub, transport } = open({
      closed: () => {
        throw error;
      },
    });
    transport.lost(null);
    await Promise.resolve(); // It is reported from a microtask.
    assertEquals([reported, hub.openCount], [[error], 0]);
  } finally {
    removeEventListener("error", listen);
  }
});

Deno.test("aborting without a reason gives one that says so", () => {
  const { transport, recorder } = open();
  transport.abort();
  transport.lost(null);
  assertInstanceOf(recorder.reason, ConnectionAbortedError);
});
