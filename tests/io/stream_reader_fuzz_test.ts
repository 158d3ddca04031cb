import { assertEquals } from "@std/assert";
import { StreamReader } from "../../io/stream_reader.ts";
import { Prng } from "../../io/testing/prng.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { FakeTransport } from "../support/fake_transport.ts";

/**
 * asyncio's StreamReader written down as plainly as can be: text instead of bytes, searched from its beginning every
 * time. A read is tried when it is made and after everything that comes.
 */
class Model {
  buffer = "";
  isEnded = false;
  isPaused = false;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  feed(piece: string): void {
    this.buffer += piece;
    if (this.buffer.length > 2 * this.limit) this.isPaused = true;
  }

  /** Outcome of a read, `null` while it has to wait. */
  attempt(read: Read): string | null {
    const outcome = this.#attempt(read);
    // A read that waits resumes the transport; one that is done resumes it when it left no more than the limit.
    if (outcome === null || this.buffer.length <= this.limit) this.isPaused = false;
    return outcome;
  }

  #attempt(read: Read): string | null {
    switch (read.kind) {
      case "read":
        if (this.buffer === "" && !this.isEnded && read.n > 0) return null;
        return this.#take(read.n);
      case "exactly":
        if (this.buffer.length >= read.n) return this.#take(read.n);
        return this.isEnded ? `incomplete of ${read.n}: ${this.#take(Infinity)}` : null;
      case "until": {
        const found = this.#until(read.separators);
        if (found === null && this.isEnded) return `incomplete of null: ${this.#take(Infinity)}`;
        if (typeof found === "number") return `overrun: ${found}`;
        return found;
      }
      case "line": {
        const found = this.#until(["\n"]);
        if (found === null && this.isEnded) return this.#take(Infinity);
        if (typeof found !== "number") return found;
        if (this.buffer[found] === "\n") this.#take(found + 1);
        else this.buffer = "";
        return `overrun: ${found}`;
      }
    }
  }

  /** What was found; how much can be skipped if it is too long; `null` to wait. */
  #until(separators: readonly string[]): string | number | null {
    const sorted = separators.toSorted((a, b) => a.length - b.length);
    let start = -1, end = Infinity;
    for (const separator of sorted) {
      const index = this.buffer.indexOf(separator);
      if (index >= 0 && index + separator.length < end) [start, end] = [index, index + separator.length];
    }
    if (start >= 0) return start > this.limit ? start : this.#take(end);
    const skippable = Math.max(0, this.buffer.length + 1 - sorted.at(-1)!.length);
    return this.buffer.length >= sorted[0]!.length && skippable > this.limit ? skippable : null;
  }

  #take(count: number): string {
    const taken = this.buffer.slice(0, count);
    this.buffer = this.buffer.slice(taken.length);
    return `${taken}`;
  }
}

type Read =
  | { kind: "read" | "exactly"; n: number }
  | { kind: "until"; separators: string[] }
  | { kind: "line" };

/** The same read on the real reader, its outcome written down in the model's words. */
async function readFrom(reader: StreamReader, read: Read, signal: AbortSignal): Promise<string> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const start = {
    read: () => reader.read((read as { n: number }).n, { signal }),
    exactly: () => reader.readExactly((read as { n: number }).n, { signal }),
    until: () => reader.readUntil((read as { separators: string[] }).separators, { signal }),
    line: () => reader.readLine({ signal }),
  }[read.kind];
  try {
    return text(await start());
  } catch (error) {
    const { code, partial, expected, consumed } = error as Record<string, unknown>;
    if (code === "SLUICE_INCOMPLETE_READ") return `incomplete of ${expected}: ${text(partial as Uint8Array)}`;
    if (code === "SLUICE_LIMIT_OVERRUN") return `overrun: ${consumed}`;
    throw error;
  }
}

const SEPARATORS = [["\n"], ["ab"], ["aab", "b"], ["\r\n\r\n"], ["aa", "aaa", "ba"], ["c\n", "\n"]];

Deno.test("1,500 seeds of random pieces, reads and cancellations agree with asyncio's rules", async () => {
  for (let seed = 1; seed <= 1500; seed++) await runSeed(seed);
});

async function runSeed(seed: number): Promise<void> {
  const prng = new Prng(seed);
  const random = () => prng.next();
  const below = (bound: number) => Math.floor(random() * bound);
  const limit = 1 + below(24);
  const transport = new FakeTransport();
  const reader = new StreamReader(new TimerWheel(new VirtualClock()), transport, { limitBytes: limit });
  const model = new Model(limit);
  const alphabet = ["ab\n", "aab\r\n", "abcdefgh\n", "a"][below(4)]!;
  let read: Read | null = null;
  let outcome: string | null = null;
  let controller = new AbortController();

  const check = async (what: string, expected: string | null) => {
    for (let hop = 0; hop < 6; hop++) await null;
    const where = `seed ${seed}: ${what}; waiting: ${JSON.stringify(read)}; limit ${limit}`;
    assertEquals(outcome, expected, where);
    assertEquals(reader.bufferedBytes, model.buffer.length, where);
    if (!model.isEnded) assertEquals(!transport.isReading, model.isPaused, where);
    if (expected !== null) read = outcome = null;
  };

  for (let step = 0; step < 60; step++) {
    const choice = random();
    if (read === null && choice < 0.6) {
      const n = below(3 * limit);
      const made: Read = [
        { kind: "read" as const, n },
        { kind: "exactly" as const, n },
        { kind: "until" as const, separators: SEPARATORS[below(SEPARATORS.length)]! },
        { kind: "line" as const },
      ][below(4)]!;
      read = made;
      controller = new AbortController();
      readFrom(reader, made, controller.signal).then(
        (done) => outcome = done,
        (error) => outcome = `${error}`,
      );
      await check("a new read", model.attempt(made));
    } else if (read !== null && choice < 0.1) {
      controller.abort("cancelled");
      if (model.buffer.length > 2 * limit) model.isPaused = true; // at once, where asyncio waits for the next piece
      await check("a cancelled read", "cancelled");
    } else if (step > 40 && choice < 0.75 && !model.isEnded) {
      model.isEnded = true;
      reader.feedEnd();
      await check("the end", read === null ? null : model.attempt(read));
    } else if (!model.isEnded && transport.isReading) {
      const length = 1 + below(random() < 0.2 ? 4 * limit : 5);
      const piece = Array.from({ length }, () => alphabet[below(alphabet.length)]).join("");
      model.feed(piece);
      const loan = new TextEncoder().encode(piece);
      reader.feed(loan);
      loan.fill(0xdd);
      await check(`the piece ${JSON.stringify(piece)}`, read === null ? null : model.attempt(read));
    }
  }
  controller.abort("the test is over");
  for (let hop = 0; hop < 6; hop++) await null;
}
