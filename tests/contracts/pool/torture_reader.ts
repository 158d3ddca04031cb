/** Somebody who reads a stream of the pool's torture in one of several ways, and checks each item. */
import { assert, assertEquals } from "@std/assert";
import type { Prng } from "../../../io/testing/prng.ts";
import type { TaskStream } from "../../../pool/mod.ts";
import { valueOf } from "../../support/pool_torture_tasks.ts";

/** What the stream was told. */
export interface StreamExpectation {
  readonly seed: number;
  readonly count: number;
  readonly credits: number;
  /** How many items it has made; `null` where that is not known. */
  readonly made: Int32Array | null;
}

/**
 * Reads a stream.
 *
 * @param stream of the pool
 * @param expected what it must give
 * @param prng decides how it is read
 * @param turn lets a turn of the event loop pass
 * @returns how many items there were, or "left"
 * @throws what it failed with, with the number of items read before as `read`
 */
export async function readStream(
  stream: TaskStream<unknown>,
  expected: StreamExpectation,
  prng: Prng,
  turn: () => Promise<void>,
): Promise<number | "left"> {
  const { seed, count, credits, made } = expected;
  const leavesAt = prng.chance(0.3) ? prng.integer(0, count) : Infinity;
  const atOnce = prng.chance(0.3) ? prng.integer(2, 5) : 1;
  const pauses = prng.chance(0.4) ? 0.4 : 0;
  let read = 0;
  for (;;) {
    if (read >= leavesAt) return await leave(stream, prng.chance(0.5), turn);
    const asked = Array.from({ length: atOnce }, () => stream.next());
    const answers = await Promise.allSettled(asked);
    for (const [index, answer] of answers.entries()) {
      if (answer.status === "rejected") {
        await assertOver(stream, answers.slice(index + 1));
        throw Object.assign(answer.reason as Error, { read });
      }
      if (answer.value.done) {
        await assertOver(stream, answers.slice(index + 1));
        return read;
      }
      assertEquals(answer.value.value, valueOf(seed, read++), "items in their order");
    }
    // What was made may have been asked for while this looks, so only what is too much for sure counts.
    if (made !== null) {
      const ahead = Atomics.load(made, 0) - read;
      assert(ahead <= credits, `${ahead} items ahead with ${credits} credits`);
    }
    if (prng.chance(pauses)) await turn();
  }
}

async function leave(
  stream: TaskStream<unknown>,
  isReading: boolean,
  turn: () => Promise<void>,
): Promise<"left"> {
  const reading = isReading ? stream.next() : null;
  const left = stream.return();
  reading?.catch(() => {}); // it may have failed before
  assertEquals(await left, { done: true, value: undefined });
  await reading?.catch(() => {});
  await turn();
  assertEquals(await stream.next(), { done: true, value: undefined }, "nothing comes after return()");
  return "left";
}

/** After its end or its failure a stream has nothing more. */
async function assertOver(
  stream: TaskStream<unknown>,
  later: PromiseSettledResult<IteratorResult<unknown, undefined>>[],
): Promise<void> {
  const more = await Promise.allSettled([stream.next()]);
  for (const answer of [...later, ...more]) {
    assertEquals(
      answer,
      { status: "fulfilled", value: { done: true, value: undefined } },
      "nothing after the end",
    );
  }
}
