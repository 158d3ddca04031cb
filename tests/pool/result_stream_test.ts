/** The reader's end of a stream: credits, order, endings. */

import { assertEquals, assertRejects } from "@std/assert";
import { ResultStream } from "../../pool/result_stream.ts";

/** A stream whose worker is the test. */
function open(window: number) {
  const said: string[] = [];
  const stream = new ResultStream<number>(window, {
    grant: (credits) => said.push(`grant ${credits}`),
    setLagging: (isLagging) => isLagging && said.push("lagging"),
    cancel: () => said.push("cancel"),
  });
  return { stream, said };
}

Deno.test("credits go back in lots of half the window", async () => {
  const { stream, said } = open(4);
  stream.items([1, 2, 3]);
  assertEquals((await stream.next()).value, 1);
  assertEquals(said, []);
  assertEquals((await stream.next()).value, 2);
  assertEquals(said, ["grant 2"]);
});

Deno.test("a worker without credits is lagging", async () => {
  const { stream, said } = open(2);
  stream.items([1, 2]);
  assertEquals(said, ["lagging"]);
  await stream.next();
  assertEquals(said, ["lagging", "grant 1"]);
});

Deno.test("readers that wait are served in order, and told of the end", async () => {
  const { stream } = open(8);
  const reads = [stream.next(), stream.next(), stream.next(), stream.next()];
  stream.items([1, 2]);
  stream.succeed();
  assertEquals((await Promise.all(reads)).map(({ value, done }) => done ? "end" : value), [
    1,
    2,
    "end",
    "end",
  ]);
});

Deno.test("what came before a failure is read before it; the failure comes once", async () => {
  const { stream } = open(8);
  stream.items([1]);
  stream.fail(new RangeError("broken"));
  assertEquals((await stream.next()).value, 1);
  await assertRejects(() => stream.next(), RangeError, "broken");
  assertEquals(await stream.next(), { done: true, value: undefined });
});

Deno.test("return cancels, waits until the task has settled, and drops what was not read", async () => {
  const { stream, said } = open(8);
  stream.items([1, 2]);
  const returned = stream.return();
  assertEquals(said, ["cancel"]);
  stream.fail(new RangeError("cancelled"));
  assertEquals(await returned, { done: true, value: undefined });
  assertEquals(await stream.next(), { done: true, value: undefined });
  await stream[Symbol.asyncDispose]();
});

Deno.test("what was on its way when the reader left is not read", async () => {
  const { stream, said } = open(4);
  const left = stream.return();
  stream.items([1, 2]);
  stream.fail(new Error("cancelled"));
  assertEquals(await left, { done: true, value: undefined });
  assertEquals(await stream.next(), { done: true, value: undefined });
  assertEquals(said, ["cancel"]);
});
