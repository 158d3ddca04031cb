import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { BodyWriter } from "../../../server/body_writer.ts";
import { Download } from "../../../server/gateway/download.ts";

/** Writes down what is done to it. */
class Writer implements BodyWriter {
  readonly log: string[] = [];
  isPaused = false;
  bufferedBytes = 0;
  isClosed = false;
  reason: Error | null = null;
  onWrite = () => {};
  write(bytes: Uint8Array) {
    this.log.push(new TextDecoder().decode(bytes));
    this.onWrite();
  }
  writeText() {}
  writeShared() {}
  drain() {
    return Promise.resolve();
  }
  end(trailers?: Iterable<readonly [string, string]>) {
    this.log.push(["end", ...[...trailers ?? []].flat()].join(" "));
  }
  abort(reason: Error) {
    this.reason = reason;
    this.log.push("abort");
  }
}

interface Stage {
  readonly download: Download;
  readonly writer: Writer;
  /** What happened to the upstream's connection and to the exchange. */
  readonly log: string[];
}

function stage(length: number | null = null): Stage {
  const log: string[] = [];
  const source = { pause: () => void log.push("pause"), resume: () => void log.push("resume") };
  const download = new Download(source, length, () => void log.push("gone"));
  return { download, writer: new Writer(), log };
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("what comes before the start is held, what comes later goes straight on", () => {
  const { download, writer, log } = stage();
  const loan = bytes("a");
  download.push(loan);
  loan.fill(0x2e); // a loan: whoever lent it uses it again
  download.push(bytes("b"));
  download.start(writer);
  download.push(bytes("c"));
  download.finish([["x-sum", "1"]]);
  assertEquals(writer.log, ["a", "b", "c", "end x-sum 1"]);
  assertEquals(log, []);
});

Deno.test("a body that is whole before the start is ended there", () => {
  const { download, writer } = stage();
  download.push(bytes("a"));
  download.finish([]);
  download.start(writer);
  assertEquals(writer.log, ["a", "end"]);
});

Deno.test("a whole body can be taken in one piece", () => {
  const { download } = stage();
  assert(!download.isWhole);
  download.push(bytes("a"));
  download.push(bytes("bc"));
  download.finish([]);
  assert(download.isWhole);
  assertEquals(new TextDecoder().decode(download.takeHeld()), "abc");
  const empty = stage().download;
  empty.finish([]);
  assertEquals(empty.takeHeld().length, 0);
});

Deno.test("a body with trailers, or that failed, is not whole", () => {
  const trailing = stage().download;
  trailing.finish([["x", "1"]]);
  assert(!trailing.isWhole);
  const failing = stage().download;
  failing.fail(new Error("cut"));
  assert(!failing.isWhole);
});

Deno.test("the declared length is passed on, and only then", () => {
  assertEquals(stage(7).download.length, 7);
  assertEquals(stage(null).download.length, undefined);
});

Deno.test("too much before the start pauses the upstream until then", () => {
  const { download, writer, log } = stage();
  download.push(new Uint8Array(64 * 1024));
  assertEquals(log, []);
  download.push(new Uint8Array(1));
  download.push(new Uint8Array(1));
  assertEquals(log, ["pause"]);
  download.start(writer);
  assertEquals(log, ["pause", "resume"]);
});

Deno.test("a client that does not keep up pauses the upstream until it has drained", () => {
  const { download, writer, log } = stage();
  download.start(writer);
  writer.isPaused = true;
  download.push(bytes("a"));
  download.push(bytes("b"));
  assertEquals(log, ["pause"]);
  writer.isPaused = false;
  download.onDrain();
  download.onDrain();
  assertEquals(log, ["pause", "resume"]);
});

Deno.test("what still comes when the client has enough is held until it has drained, and so is the end", () => {
  const { download, writer, log } = stage();
  writer.onWrite = () => writer.isPaused = true;
  const drain = () => {
    writer.isPaused = false;
    download.onDrain();
  };
  download.push(bytes("a"));
  download.push(bytes("b"));
  download.start(writer);
  const loan = bytes("c");
  download.push(loan);
  loan.fill(0x2e);
  assertEquals([writer.log, log], [["a"], ["pause"]]);
  drain();
  assertEquals([writer.log, log], [["a", "b"], ["pause"]]);
  download.finish([["x-sum", "1"]]);
  assertEquals(writer.log, ["a", "b"]);
  drain();
  assertEquals([writer.log, log], [["a", "b", "c", "end x-sum 1"], ["pause"]]);
});

Deno.test("a body that fails while something is held does not get it", () => {
  const { download, writer } = stage();
  download.start(writer);
  writer.isPaused = true;
  download.push(bytes("a"));
  download.fail(new Error("cut"));
  writer.isPaused = false;
  download.onDrain();
  assertEquals(writer.log, ["abort"]);
});

Deno.test("a client that is slow from the start pauses the upstream there", () => {
  const { download, writer, log } = stage();
  writer.isPaused = true;
  download.start(writer);
  assertEquals(log, ["pause"]);
});

Deno.test("a body that fails aborts the writer, and is never ended", () => {
  const { download, writer, log } = stage();
  const reason = new Error("cut");
  download.start(writer);
  download.push(bytes("a"));
  download.fail(reason);
  download.finish([]);
  assertStrictEquals(writer.reason, reason);
  assertEquals(writer.log.slice(0, 2), ["a", "abort"]);
  download.onClosed(reason); // as writers do after their own abort
  assertEquals(log, []);
});

Deno.test("a body that failed before the start aborts the writer there, and holds nothing", () => {
  const { download, writer } = stage();
  download.push(bytes("a"));
  download.fail(new Error("cut"));
  download.start(writer);
  assertEquals(writer.log, ["abort"]);
});

Deno.test("a failure after the end changes nothing", () => {
  const { download, writer } = stage();
  download.start(writer);
  download.finish([]);
  download.fail(new Error("late"));
  assertEquals(writer.log, ["end"]);
});

Deno.test("a client that leaves is told of once, and only while more was to come", () => {
  const early = stage();
  early.download.onClosed(null);
  early.download.onClosed(null);
  assertEquals(early.log, ["gone"]);
  const late = stage();
  late.download.finish([]);
  late.download.onClosed(null);
  assertEquals(late.log, []);
});

Deno.test("nothing is written for a client that left", () => {
  const { download, writer, log } = stage();
  download.start(writer);
  download.onClosed(new Error("reset"));
  download.finish([]);
  assertEquals([writer.log, log], [[], ["gone"]]);
});
