/** What a child process prints, kept as it comes, to be waited for. */

import { deadline } from "@std/async";

/** How long to wait for a line: a cold start compiles everything first, on a machine that may be busy. */
const WAIT_MS = 60_000;

/** How much is kept: the last that was said matters most. */
const TEXT_LENGTH_MAX = 1024 * 1024;

/** One output of a child process, read to its end whether anybody looks or not. */
export class ChildOutput {
  /** Resolves when the child has closed this output. */
  readonly ended: Promise<void>;
  #text = "";
  #isEnded = false;
  #more = Promise.withResolvers<void>();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#readAll(stream);
  }

  /** Everything so far; the last MiB if it is more. */
  get text(): string {
    return this.#text;
  }

  /** Waits until a pattern is seen; fails when the output ends without it, or time runs out. */
  async match(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#text);
      if (found) return found;
      if (this.#isEnded) throw new Error(`the output ended without ${pattern}: ${this.#text}`);
      await deadline(this.#more.promise, WAIT_MS);
    }
  }

  async #readAll(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      this.#text = (this.#text + decoder.decode(bytes, { stream: true })).slice(-TEXT_LENGTH_MAX);
      this.#wake();
    }
    this.#isEnded = true;
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#more;
    this.#more = Promise.withResolvers<void>();
    resolve();
  }
}
