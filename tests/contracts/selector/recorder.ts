/**
 * A protocol that writes down what it hears, and lets a test wait for it.
 *
 * @module
 */
import { assert } from "@std/assert";
import type { Protocol, Transport } from "../../../io/selector.ts";

/** What a test does in a protocol's methods; the recorder has noted the call before. */
export interface RecorderHooks {
  opened?(transport: Transport, recorder: Recorder): void;
  received?(bytes: Uint8Array, transport: Transport, recorder: Recorder): void;
  ended?(transport: Transport): boolean | void;
  pauseWriting?(transport: Transport): void;
  resumeWriting?(transport: Transport): void;
  closed?(reason: Error | null): void;
}

/** Writes down calls and bytes. */
export class Recorder implements Protocol {
  /** Names of the methods called, in order; a run of `received` is one entry. */
  readonly calls: string[] = [];
  /** What came with each `received`. */
  readonly chunks: Uint8Array[] = [];
  /** `bufferedBytes` when `pauseWriting` and `resumeWriting` came, in order. */
  readonly bufferedAt: number[] = [];
  /** Bytes received. */
  length = 0;
  /** What `closed` said. */
  reason: Error | null | undefined = undefined;
  readonly #hooks: RecorderHooks;
  #transport: Transport | null = null;
  #waiters: { isMet: () => boolean; resolve: () => void }[] = [];

  constructor(hooks: RecorderHooks = {}) {
    this.#hooks = hooks;
  }

  /** The transport it was opened with. */
  get transport(): Transport {
    assert(this.#transport !== null, "the protocol was not opened");
    return this.#transport;
  }

  /** Everything received, as one array. */
  get bytes(): Uint8Array {
    const whole = new Uint8Array(this.length);
    let offset = 0;
    for (const chunk of this.chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }

  /** Everything received, as text. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Resolves when `isMet` holds; looks after every call. */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isMet, resolve }));
  }

  /** Resolves with the connection's end: what `closed` said. */
  async untilClosed(): Promise<Error | null> {
    await this.until(() => this.reason !== undefined);
    return this.reason!;
  }

  /** Resolves when `text` came, whole. */
  untilText(text: string): Promise<void> {
    return this.until(() => this.text === text);
  }

  /** How often a method was called. */
  count(call: string): number {
    return this.calls.filter((name) => name === call).length;
  }

  opened(transport: Transport): void {
    this.#transport = transport;
    this.#note("opened", () => this.#hooks.opened?.(transport, this));
  }

  received(bytes: Uint8Array): void {
    this.chunks.push(bytes.slice());
    this.length += bytes.length;
    this.#note("received", () => this.#hooks.received?.(bytes, this.transport, this));
  }

  ended(): boolean | void {
    let answer: boolean | void = undefined;
    this.#note("ended", () => answer = this.#hooks.ended?.(this.transport));
    return answer;
  }

  pauseWriting(): void {
    this.bufferedAt.push(this.transport.bufferedBytes);
    this.#note("pauseWriting", () => this.#hooks.pauseWriting?.(this.transport));
  }

  resumeWriting(): void {
    this.bufferedAt.push(this.transport.bufferedBytes);
    this.#note("resumeWriting", () => this.#hooks.resumeWriting?.(this.transport));
  }

  closed(reason: Error | null): void {
    this.reason = reason;
    this.#note("closed", () => this.#hooks.closed?.(reason));
  }

  #note(call: string, run: () => void): void {
    if (call !== "received" || this.calls.at(-1) !== "received") this.calls.push(call);
    try {
      run();
    } finally {
      const met = this.#waiters.filter(({ isMet }) => isMet());
      this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
      for (const { resolve } of met) resolve();
    }
  }
}
