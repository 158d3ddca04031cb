/** Tasks for the pool's torture: what they give, and how they go wrong, follows from a seed. */
import process from "node:process";
import type { TaskContext } from "../../pool/mod.ts";

/** How a task, or a stream after its items, ends. */
export type TortureEnd = "value" | "throw" | "reject" | "uncloneable" | "exit" | "uncaught" | "wait" | "spin";

/** What a task is told. */
export interface TortureInput {
  readonly seed: number;
  readonly end: TortureEnd;
}

/** What a stream is told. */
export interface TortureStreamInput extends TortureInput {
  /** Items before the end. */
  readonly count: number;
  /** Where it says how many items it has made; `null` where no memory is shared. */
  readonly made: Int32Array | null;
}

/** The value that follows from two numbers. */
export function valueOf(seed: number, index: number): number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  mixed ^= mixed >>> 15;
  return Math.imul(mixed, 0x2c1b3c6d) >>> 0;
}

/** A task: at once or some turns later. */
export function work(input: TortureInput, context: TaskContext): unknown {
  const { seed, end } = input;
  return valueOf(seed, -2) % 3 === 0 && end !== "reject"
    ? finish(seed, end, context)
    : workLater(input, context);
}

async function workLater({ seed, end }: TortureInput, context: TaskContext): Promise<unknown> {
  for (let turns = valueOf(seed, -3) % 3; turns > 0; turns--) await pause(seed + turns);
  return await finish(seed, end, context);
}

/** A stream of items that come one by one or in bursts. */
export async function* items(input: TortureStreamInput, context: TaskContext): AsyncGenerator<unknown> {
  const { seed, count, end, made } = input;
  for (let index = 0; index < count; index++) {
    if (valueOf(seed, index) % 5 === 0) await pause(seed + index);
    if (made !== null) Atomics.add(made, 0, 1);
    yield valueOf(seed, index);
  }
  if (end === "uncloneable") yield () => seed;
  else if (end !== "value") await finish(seed, end, context);
}

/** The same without a wait: all items in a row. */
export function* itemsAtOnce(input: TortureStreamInput): Generator<unknown> {
  const { seed, count, end, made } = input;
  for (let index = 0; index < count; index++) {
    if (made !== null) Atomics.add(made, 0, 1);
    yield valueOf(seed, index);
  }
  if (end === "uncloneable") yield () => seed;
  else if (end !== "value") throw new RangeError(`no ${seed}`);
}

/** A buffer whose bytes follow from a seed, and the sum of the one it was given. */
export function exchange(
  { seed, bytes }: { seed: number; bytes: Uint8Array },
): { sum: number; bytes: Uint8Array } {
  const sum = bytes.reduce((all, byte) => (all + byte) >>> 0, 0);
  return { sum, bytes: new Uint8Array(bytes.length).fill(valueOf(seed, 0) & 255) };
}

function finish(seed: number, end: TortureEnd, context: TaskContext): unknown {
  switch (end) {
    case "throw":
    case "reject":
      throw new RangeError(`no ${seed}`);
    case "uncloneable":
      return () => seed;
    case "exit":
      return exit();
    case "uncaught":
      setTimeout(() => {
        throw new RangeError(`uncaught ${seed}`);
      });
      return aborted(context); // it may be a stray one, if others run as well
    case "wait":
      return aborted(context);
    case "spin":
      for (;;) context.throwIfCancelled();
    default:
      return valueOf(seed, 0);
  }
}

function aborted({ signal }: TaskContext): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

function exit(): never {
  const { Deno: deno } = globalThis as unknown as { Deno?: { exit(code: number): never } };
  return deno === undefined ? process.exit(3) : deno.exit(3);
}

function pause(seed: number): Promise<void> | null {
  return valueOf(seed, 7) % 2 === 0 ? null : new Promise((resolve) => setImmediate(resolve));
}
