import { assert, assertEquals, assertRejects } from "@std/assert";
import { iterableStream, toBytes } from "../../server/iterable_stream.ts";

/** An iterable that records what is asked of it. */
function recording(
  values: readonly (Uint8Array | string)[],
  log: string[],
): AsyncIterable<Uint8Array | string> {
  return {
    [Symbol.asyncIterator]() {
      log.push("iterator");
      let index = 0;
      return {
        next() {
          log.push("next");
          const value = values[index++];
          return Promise.resolve(value === undefined ? { done: true, value } : { done: false, value });
        },
        return() {
          log.push("return");
          return Promise.resolve({ done: true, value: undefined });
        },
      };
    },
  };
}

Deno.test("bytes and text come in order, text as UTF-8", async () => {
  const stream = iterableStream(recording(["h\u00e9", new Uint8Array([0x6c, 0x6c]), "", "\ud83d\ude00"], []));
  assertEquals(await new Response(stream).text(), "h\u00e9ll\ud83d\ude00");
});

Deno.test("a value is asked for by a read, and not before", async () => {
  const log: string[] = [];
  const reader = iterableStream(recording(["a", "b"], log)).getReader();
  await null;
  assertEquals(log, []);
  await reader.read();
  assertEquals(log, ["iterator", "next"]);
  await reader.read();
  assert((await reader.read()).done);
  assertEquals(log, ["iterator", "next", "next", "next"]);
});

Deno.test("cancelling returns the iterator, started or not", async () => {
  const log: string[] = [];
  const reader = iterableStream(recording(["a", "b"], log)).getReader();
  await reader.read();
  await reader.cancel();
  assertEquals(log, ["iterator", "next", "return"]);

  let isClean = false;
  const generator = (async function* () {
    try {
      yield "a";
      yield "b";
    } finally {
      isClean = true;
    }
  })();
  const started = iterableStream(generator).getReader();
  await started.read();
  await started.cancel();
  assert(isClean);
});

Deno.test("an iterable that throws, and a piece that is neither bytes nor text, fail the stream", async () => {
  const failing = iterableStream((async function* () {
    yield "a";
    throw new Error("upstream died");
  })());
  await assertRejects(() => new Response(failing).text(), Error, "upstream died");
  const wrong = iterableStream(recording([5 as unknown as string], []));
  await assertRejects(() => new Response(wrong).text(), TypeError, "neither bytes nor text");
});

Deno.test("a piece is bytes or text", () => {
  assertEquals(toBytes("\u00e9"), new Uint8Array([0xc3, 0xa9]));
  const bytes = new Uint8Array(1);
  assert(toBytes(bytes) === bytes);
});
