import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { BodyConsumer, BodyFlow } from "../../server/body_source.ts";
import type { Fields } from "../../server/http1/message.ts";
import { IncomingBody } from "../../server/incoming_body.ts";
import { RecordingOwner, utf8 } from "../support/incoming_request.ts";

/** Records what it hears; `onChunk` may use the flow. */
class Recorder implements BodyConsumer {
  readonly heard: string[] = [];
  trailers: Fields | null = null;
  flow: BodyFlow | null = null;
  onChunk: (text: string) => void = () => {};

  chunk(bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes);
    this.heard.push(text);
    this.onChunk(text);
  }
  end(trailers: Fields | null): void {
    this.trailers = trailers;
    this.heard.push("end");
  }
  failed(reason: Error): void {
    this.heard.push(`failed ${reason.message}`);
  }
}

/** Trailers on loan: throws when they are looked at after `release`. */
class LoanedFields implements Fields {
  #pairs: [string, string][] | null;
  constructor(pairs: [string, string][]) {
    this.#pairs = pairs;
  }
  release(): void {
    this.#pairs = null;
  }
  get #lent(): [string, string][] {
    if (this.#pairs === null) throw new Error("the loan is over");
    return this.#pairs;
  }
  get count(): number {
    return this.#lent.length;
  }
  nameAt(index: number): string {
    return this.#lent[index]![0];
  }
  valueAt(index: number): string {
    return this.#lent[index]![1];
  }
  get(name: string): string | null {
    return this.#lent.find((pair) => pair[0] === name)?.[1] ?? null;
  }
  getAll(name: string): string[] {
    return this.#lent.filter((pair) => pair[0] === name).map((pair) => pair[1]);
  }
  has(name: string): boolean {
    return this.#lent.some((pair) => pair[0] === name);
  }
}

/** A body with a high mark of 8 bytes, so that 2 is the low one. */
function smallBody(): { body: IncomingBody; owner: RecordingOwner; reader: Recorder } {
  const owner = new RecordingOwner();
  return { body: new IncomingBody(owner, null, { highBytes: 8 }), owner, reader: new Recorder() };
}

Deno.test("bytes pass through without a copy while a consumer takes them", () => {
  const { body } = smallBody();
  const bytes = utf8("abc");
  let seen: Uint8Array | undefined;
  body.consume({ chunk: (chunk) => seen = chunk, end: () => {}, failed: () => {} });
  body.push(bytes);
  assertStrictEquals(seen, bytes);
});

Deno.test("what came before the consumer is delivered from within consume, as one chunk, and then the end", () => {
  const { body, reader } = smallBody();
  body.push(utf8("a"));
  body.push(utf8("bc"));
  body.end(null);
  body.consume(reader);
  assertEquals(reader.heard, ["abc", "end"]);
});

Deno.test("what waits is a copy: the loaned bytes may change", () => {
  const { body, reader } = smallBody();
  const loan = utf8("abc");
  body.push(loan);
  loan.fill(0);
  body.consume(reader);
  assertEquals(reader.heard, ["abc"]);
});

Deno.test("the owner is paused once at the high mark before anybody reads, and resumed when it is read", () => {
  const { body, owner, reader } = smallBody();
  body.push(utf8("1234567"));
  assertEquals(owner.calls, []);
  body.push(utf8("8"));
  assertEquals(owner.calls, ["paused"]);
  body.push(utf8("in flight"));
  assertEquals(owner.calls, ["paused"]);
  assertEquals(body.bufferedBytes, 17);
  body.consume(reader);
  assertEquals(reader.heard, ["12345678in flight"]);
  assertEquals(owner.calls, ["paused", "wanted", "resumed"]);
});

Deno.test("a consumer that pauses hears no more until it resumes, and the owner is paused at the high mark", () => {
  const { body, owner, reader } = smallBody();
  const flow = body.consume(reader);
  flow.pause();
  for (const text of ["1234", "5678"]) body.push(utf8(text));
  assertEquals([reader.heard, owner.calls], [[], ["wanted", "paused"]]);
  flow.resume();
  assertEquals([reader.heard, owner.calls], [["12345678"], ["wanted", "paused", "resumed"]]);
  body.push(utf8("9"));
  body.end(null);
  assertEquals(reader.heard, ["12345678", "9", "end"]);
});

Deno.test("a consumer that pauses within its chunk gets the rest at its resume, in order", () => {
  const { body, reader } = smallBody();
  const flow = body.consume(reader);
  reader.onChunk = () => flow.pause();
  body.push(utf8("a"));
  body.push(utf8("b"));
  body.push(utf8("c"));
  body.end(null);
  assertEquals(reader.heard, ["a"]);
  flow.resume();
  assertEquals(reader.heard, ["a", "bc", "end"]);
});

Deno.test("the end waits for a paused consumer only while bytes wait", () => {
  const { body, reader } = smallBody();
  const flow = body.consume(reader);
  flow.pause();
  body.end(null);
  assertEquals(reader.heard, ["end"]);
});

Deno.test("single bytes cost no more memory than a block", () => {
  const body = new IncomingBody(new RecordingOwner(), null);
  const one = new Uint8Array(1);
  for (let i = 0; i < 65_536; i++) body.push(one);
  assertEquals(body.bufferedBytes, 65_536);
  let chunks = 0;
  body.consume({ chunk: () => chunks++, end: () => {}, failed: () => {} });
  assertEquals(chunks, 1);
});

Deno.test("100 (Continue) is asked for by the first read of a body that is not complete, and only then", () => {
  const open = smallBody();
  open.body.consume(open.reader);
  assertEquals(open.owner.calls, ["wanted"]);

  const complete = smallBody();
  complete.body.end(null);
  complete.body.consume(complete.reader);
  assertEquals(complete.owner.calls, []);
});

Deno.test("a failure drops what waits, so that a part is never taken for the whole", () => {
  const { body, reader } = smallBody();
  body.push(utf8("abc"));
  body.fail(new Error("reset"));
  assertEquals(body.bufferedBytes, 0);
  body.consume(reader);
  assertEquals(reader.heard, ["failed reset"]);
});

Deno.test("a failure reaches a paused consumer at once", () => {
  const { body, reader } = smallBody();
  const flow = body.consume(reader);
  flow.pause();
  body.push(utf8("abc"));
  body.fail(new Error("reset"));
  assertEquals(reader.heard, ["failed reset"]);
  flow.resume();
  body.push(utf8("late"));
  body.end(null);
  assertEquals(reader.heard, ["failed reset"]);
});

Deno.test("a failure during a chunk is heard after it", () => {
  const { body, reader } = smallBody();
  body.consume(reader);
  reader.onChunk = () => body.fail(new Error("limit"));
  body.push(utf8("a"));
  assertEquals(reader.heard, ["a", "failed limit"]);
});

Deno.test("nothing fails after the end, and nothing ends after a failure", () => {
  const ended = smallBody();
  ended.body.consume(ended.reader);
  ended.body.end(null);
  ended.body.fail(new Error("late"));
  assertEquals(ended.reader.heard, ["end"]);
  assert(!ended.body.isFailed);

  const failed = smallBody();
  failed.body.consume(failed.reader);
  failed.body.fail(new Error("first"));
  failed.body.end(null);
  failed.body.fail(new Error("second"));
  assertEquals(failed.reader.heard, ["failed first"]);
  assert(!failed.body.isComplete);
});

Deno.test("a cancelled consumer hears nothing any more, and the owner hears of it once with the reason", () => {
  const { body, owner, reader } = smallBody();
  const flow = body.consume(reader);
  const reason = new Error("enough");
  flow.cancel(reason);
  flow.cancel();
  body.push(utf8("abc"));
  body.end(null);
  assertEquals(reader.heard, []);
  assertEquals(owner.calls, ["wanted", "cancelled Error: enough"]);
  assertEquals(body.receivedBytes, 3);
});

Deno.test("a consumer may cancel within its chunk", () => {
  const { body, owner, reader } = smallBody();
  body.push(utf8("abc"));
  reader.onChunk = () => body.cancel();
  body.consume(reader);
  body.push(utf8("def"));
  body.end(null);
  assertEquals(reader.heard, ["abc"]);
  assertEquals(owner.calls, ["wanted", "cancelled null"]);
});

Deno.test("a cancel after the last byte came is nobody's business", () => {
  const { body, owner } = smallBody();
  body.push(utf8("abc"));
  body.end(null);
  body.cancel();
  assertEquals(owner.calls, []);
  assertEquals(body.bufferedBytes, 0);
});

Deno.test("a body is consumed once: a second consumer, and one after a cancel or discard, is a TypeError", () => {
  const read = smallBody();
  read.body.consume(read.reader);
  assertThrows(() => read.body.consume(read.reader), TypeError, "Cannot read the body");

  const cancelled = smallBody();
  cancelled.body.cancel();
  assertThrows(() => cancelled.body.consume(cancelled.reader), TypeError, "Cannot read the body");

  const discarded = smallBody();
  discarded.body.discard(new Error("answered"));
  assertThrows(() => discarded.body.consume(discarded.reader), TypeError, "Cannot read the body");
  assertEquals(discarded.owner.calls, []);
});

Deno.test("discarding fails a consumer that is not through, even when all bytes have come", () => {
  const { body, reader } = smallBody();
  const flow = body.consume(reader);
  flow.pause();
  body.push(utf8("abc"));
  body.end(null);
  body.discard(new Error("answered"));
  assertEquals(reader.heard, ["failed answered"]);
  body.push(utf8("more"));
  assertEquals(body.bufferedBytes, 0);
});

Deno.test("trailers on loan outlive the call when the consumer gets to the end later", () => {
  const { body, reader } = smallBody();
  const flow = body.consume(reader);
  flow.pause();
  body.push(utf8("abc"));
  const loan = new LoanedFields([["digest", "1"], ["digest", "2"], ["x", "3"]]);
  body.end(loan);
  loan.release();
  flow.resume();
  const kept = reader.trailers!;
  assertEquals([kept.count, kept.nameAt(2), kept.valueAt(2)], [3, "x", "3"]);
  assertEquals([kept.get("digest"), kept.getAll("digest"), kept.has("y")], ["1", ["1", "2"], false]);
  assertThrows(() => kept.valueAt(3), RangeError);
});

Deno.test("trailers are passed on as they are when the consumer is at the end", () => {
  const { body, reader } = smallBody();
  body.consume(reader);
  const loan = new LoanedFields([["digest", "1"]]);
  body.end(loan);
  assertStrictEquals(reader.trailers, loan);
});

Deno.test("a consumer that throws lets its caller know, and gets no further call from within", () => {
  const { body, reader } = smallBody();
  body.consume(reader);
  reader.onChunk = () => {
    throw new Error("bug");
  };
  assertThrows(() => body.push(utf8("abc")), Error, "bug");
  body.fail(new Error("aborted"));
  assertEquals(reader.heard, ["abc", "failed aborted"]);
});

/** Chunks below four bytes are gathered. */
function gatheringBody() {
  const { body, owner, reader } = smallBody();
  body.consume(Object.assign(reader, { gathersBelowBytes: 4 }));
  return { body, owner, reader };
}

Deno.test("a consumer that gathers gets the small chunks of a turn at its end as one, a large one at once", async () => {
  const { body, owner, reader } = gatheringBody();
  body.push(utf8("a"));
  body.push(utf8("bc"));
  body.push(utf8("defg")); // Large, but behind what waits.
  assertEquals(reader.heard, []);
  await null;
  assertEquals(reader.heard, ["abcdefg"]);
  body.push(utf8("hijk"));
  assertEquals(reader.heard, ["abcdefg", "hijk"]);
  body.push(utf8("l"));
  body.end(null);
  await null;
  assertEquals(reader.heard, ["abcdefg", "hijk", "l", "end"]);
  assertEquals(owner.calls, ["wanted"]);
});

Deno.test("what is gathered is delivered at the high mark, so that the owner need not pause", async () => {
  const { body, owner, reader } = gatheringBody();
  for (const text of ["abc", "def", "ghi", "j"]) body.push(utf8(text));
  assertEquals(reader.heard, ["abcdefghi"]);
  await null;
  assertEquals([reader.heard, owner.calls], [["abcdefghi", "j"], ["wanted"]]);
});

Deno.test("what is gathered waits for a consumer that pauses, and is dropped by a failure and a cancel", async () => {
  const paused = gatheringBody();
  paused.body.push(utf8("a"));
  paused.body.pause();
  paused.body.push(utf8("b"));
  await null;
  assertEquals(paused.reader.heard, []);
  paused.body.resume();
  assertEquals(paused.reader.heard, ["ab"]);
  const failed = gatheringBody();
  failed.body.push(utf8("a"));
  failed.body.fail(new Error("reset"));
  await null;
  assertEquals(failed.reader.heard, ["failed reset"]);
  const cancelled = gatheringBody();
  cancelled.body.push(utf8("a"));
  cancelled.body.cancel();
  await null;
  assertEquals([cancelled.reader.heard, cancelled.body.bufferedBytes], [[], 0]);
});

Deno.test("a body that turned out large is kept in buffers of the mark's size, not in ever larger ones", () => {
  const body = new IncomingBody(new RecordingOwner(), 100_000, { highBytes: 64 * 1024 });
  const sizes = new Set<number>();
  let isPaused = false;
  const flow = body.consume({
    chunk: (bytes, isGiven) => {
      if (isGiven) sizes.add(bytes.buffer.byteLength);
      isPaused = true;
    },
    end: () => {},
    failed: () => {},
  });
  for (let sent = 0; sent < 100_000; sent += 10_000) {
    body.push(new Uint8Array(10_000));
    if (isPaused) flow.pause();
    if (body.bufferedBytes >= 50_000) flow.resume();
  }
  flow.resume();
  assertEquals([...sizes], [64 * 1024, 30_000]); // The second holds what is left.
});

Deno.test("however a body is pushed, paused and resumed, its bytes come in order and whole", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    let state = seed;
    const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
    const { body, owner } = smallBody();
    let sent = "";
    let seen = "";
    let isEnded = false;
    let flow: BodyFlow | null = null;
    for (let step = 0; step < 40; step++) {
      const dice = random(4);
      if (dice === 0) {
        flow ??= body.consume({
          gathersBelowBytes: seed % 3 * 4,
          chunk: (bytes) => {
            seen += new TextDecoder().decode(bytes);
            if (random(3) === 0) flow?.pause();
          },
          end: () => isEnded = true,
          failed: () => {},
        });
        flow.resume();
      } else if (dice === 1) flow?.pause();
      else {
        const text = "abcdefghij".slice(0, 1 + random(10));
        body.push(utf8(text));
        sent += text;
      }
      if (dice === 3) await null;
    }
    body.end(null);
    flow ??= body.consume({
      chunk: (bytes) => seen += new TextDecoder().decode(bytes),
      end: () => isEnded = true,
      failed: () => {},
    });
    for (let i = 0; i < 50; i++) {
      flow.resume();
      await null;
    }
    assertEquals([seen, isEnded], [sent, true], `seed ${seed}`);
    const marks = owner.calls.filter((call) => call !== "wanted");
    marks.forEach((call, index) =>
      assertEquals(call, index % 2 === 0 ? "paused" : "resumed", `seed ${seed}`)
    );
  }
});

Deno.test("many tiny pieces above the mark are not copied as a whole for every one of them", () => {
  const body = new IncomingBody(new RecordingOwner(), null, { highBytes: 1024 });
  const count = 20_000; // one read of a connection can hold as many chunks
  const { set } = Uint8Array.prototype;
  let copiedBytes = 0;
  Uint8Array.prototype.set = function (source, offset) {
    copiedBytes += source.length;
    set.call(this, source, offset);
  };
  try {
    for (let i = 0; i < count; i++) body.push(Uint8Array.of(i));
  } finally {
    Uint8Array.prototype.set = set;
  }
  assertEquals(body.bufferedBytes, count);
  assert(copiedBytes < 4 * count, `${copiedBytes} bytes were copied`);
});

Deno.test("a pause at once stops the owner though nothing waits, until the consumer goes on", () => {
  const owner = new RecordingOwner();
  const body = new IncomingBody(owner, null);
  const recorder = new Recorder();
  const flow = body.consume(recorder);
  recorder.onChunk = (text) => {
    if (text === "a" || text === "b") flow.pause(true);
    if (text === "b") flow.resume();
  };
  body.push(utf8("a"));
  assertEquals(owner.calls, ["wanted", "paused"]);
  body.push(utf8("in flight"));
  assertEquals([recorder.heard, owner.calls.length], [["a"], 2]);
  flow.resume();
  assertEquals([recorder.heard, owner.calls.slice(2)], [["a", "in flight"], ["resumed"]]);
  body.push(utf8("b"));
  assertEquals(owner.calls.slice(3), ["paused", "resumed"], "it went on within the call");
  flow.pause(true);
  body.end(null);
  assertEquals([recorder.heard.at(-1), owner.calls.slice(5)], ["end", ["paused"]]);
  flow.pause(true);
  assertEquals(owner.calls.length, 6, "there is nobody to stop any more");
});
