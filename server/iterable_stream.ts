/**
 * An async iterable of bytes and text as a web stream of bytes.
 *
 * @module
 */

/** Text is UTF-8. */
const UTF8 = new TextEncoder();

/**
 * Makes the stream. The iterable is asked for its iterator at the first read, and for a value at each read; its
 * `return` runs when the stream is cancelled.
 *
 * @param iterable yields bytes or text
 * @throws {TypeError} (from a read) what was yielded is neither
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { iterableStream } from "./iterable_stream.ts";
 *
 * async function* words() {
 *   yield "one ";
 *   yield new TextEncoder().encode("two");
 * }
 * assert(await new Response(iterableStream(words())).text() === "one two");
 * ```
 */
export function iterableStream(
  iterable: AsyncIterable<Uint8Array | string>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let iterator: AsyncIterator<Uint8Array | string> | null = null;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      iterator ??= iterable[Symbol.asyncIterator]();
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    async cancel(reason) {
      iterator ??= iterable[Symbol.asyncIterator]();
      await iterator.return?.(reason);
    },
  }, { highWaterMark: 0 });
}

/**
 * A piece of a body as bytes.
 *
 * @param piece what was yielded
 * @throws {TypeError} it is neither bytes nor text
 */
export function toBytes(piece: unknown): Uint8Array<ArrayBuffer> {
  if (typeof piece === "string") return UTF8.encode(piece);
  if (piece instanceof Uint8Array) return piece as Uint8Array<ArrayBuffer>;
  throw new TypeError("Cannot send a piece of the body: it is neither bytes nor text");
}
