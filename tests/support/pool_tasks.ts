/** Tasks that tests run in pools: well-behaved ones, stubborn ones, and those that break their worker. */

import process from "node:process";
import type { TaskContext } from "../../pool/mod.ts";

/** Adds one. */
export function increment(value: number): number {
  return value + 1;
}

/** Takes and gives nothing. */
export function nothing(): void {}

/** Waits for a turn and gives back. */
export async function echo<T>(value: T): Promise<T> {
  await null;
  return value;
}

/** Takes nothing, or a name. */
export function greet(name = "you"): string {
  return `hello ${name}`;
}

/** Computes: the n-th Fibonacci number, the slow way. */
export function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/** Bytes in a buffer. */
export function byteLength(bytes: Uint8Array): number {
  return bytes.byteLength;
}

/** A buffer of so many bytes. */
export function makeBytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(7);
}

/** Throws. */
export function fail(message: string): never {
  throw Object.assign(new RangeError(message, { cause: new TypeError("the cause") }), { code: "E_FAIL" });
}

/** Throws what is no error. */
export function failOddly(): never {
  throw "just a text";
}

/** Fails for some values, by throwing or rejecting. */
export async function failSometimes(value: number): Promise<number> {
  if (value % 7 === 0) throw new RangeError(`no ${value}`);
  if (value % 3 === 0) await null;
  if (value % 11 === 0) throw new TypeError(`not ${value} either`);
  return value;
}

/** Computes until it is told to stop by the word in shared memory; says that it has begun in the first of `words`. */
export function spinUntilCancelled(words: Int32Array, context: TaskContext): void {
  begin(words);
  for (;;) context.throwIfCancelled();
}

/** Computes and listens to nobody, until the second of `words` is set. */
export function spinStubbornly(words: Int32Array): void {
  begin(words);
  while (Atomics.load(words, 1) === 0);
}

/** Blocks its thread without computing, until the second of `words` is set. */
export function block(words: Int32Array): number {
  begin(words);
  Atomics.wait(words, 1, 0);
  return Atomics.load(words, 1);
}

/** Computes for ever. */
export function spinForever(): never {
  for (;;);
}

/** Waits until its signal aborts. */
export async function waitForSignal(words: Int32Array | null, { signal }: TaskContext): Promise<string> {
  const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  if (words !== null) begin(words);
  await aborted;
  return "too late";
}

/** How much time it is given, milliseconds. */
export function remaining(_input: null, { remainingMs }: TaskContext): number {
  return remainingMs;
}

/** Counts. */
export function* count(to: number): Generator<number> {
  for (let value = 0; value < to; value++) yield value;
}

/** Counts, and fails. */
export function* countAndFail(to: number): Generator<number> {
  yield* count(to);
  throw new RangeError(`after ${to}`);
}

/** Counts, a turn each. */
export async function* countSlowly(to: number): AsyncGenerator<number> {
  for (let value = 0; value < to; value++) {
    await null;
    yield value;
  }
}

/** Gives chunks of so many bytes, and how many it has made in the first of `words`. */
export function* chunks(
  { words, count, bytes }: { words: Int32Array | null; count: number; bytes: number },
): Generator<Uint8Array> {
  for (let made = 1; made <= count; made++) {
    if (words !== null) Atomics.store(words, 0, made);
    yield new Uint8Array(bytes).fill(made & 255);
  }
}

/** Yields once, then fails. */
export async function* failLater(): AsyncGenerator<string> {
  yield "one";
  await null;
  throw new RangeError("after one");
}

/** Yields once, then computes until the second of `words` is set, or for ever; sets the first when it has begun that. */
export async function* startThenSpin(words: Int32Array | null): AsyncGenerator<string> {
  yield "started";
  await null;
  if (words !== null) begin(words);
  while (words === null || Atomics.load(words, 1) === 0);
}

/** Yields for ever; sets the second of `words` when it is ended. */
export function* endless(words: Int32Array): Generator<number> {
  try {
    for (let value = 0;; value++) yield value;
  } finally {
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
  }
}

/** Yields what cannot be sent. */
export function* yieldFunction(): Generator<unknown> {
  yield 1;
  yield () => 2;
}

/** Returns what cannot be sent. */
export function returnFunction(): unknown {
  return () => 1;
}

/** Leaves a rejection unhandled, and then waits. */
export async function rejectUnheard(): Promise<void> {
  Promise.reject(new RangeError("nobody hears"));
  await new Promise(() => {});
}

/** Leaves a rejection unhandled, and is done. */
export function rejectBehind(): string {
  Promise.reject(new RangeError("nobody hears"));
  return "done";
}

/** Throws where nobody catches, and waits. */
export async function throwUncaught(): Promise<void> {
  setTimeout(() => {
    throw new RangeError("nobody catches");
  });
  await new Promise(() => {});
}

/** Ends its worker by `process.exit`, or `Deno.exit` where there is one. */
export function exit(code: number): never {
  const { Deno: deno } = globalThis as unknown as { Deno?: { exit(code: number): never } };
  if (deno !== undefined) deno.exit(code);
  return process.exit(code);
}

/** Fills the heap. */
export function exhaustHeap(): never {
  const kept: number[][] = [];
  for (;;) kept.push(new Array(1_000).fill(Math.random()));
}

/** The process that it runs in. */
export function processId(): number {
  return process.pid;
}

function begin(words: Int32Array): void {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}
