/** A body's writer whose client takes bytes when it is told to, and decodes them as an event stream. */
import { SseDecoder, type SseMessage } from "../../../../server/sse/decode.ts";
import type { BodyProducer, BodyWriter, SharedBody } from "../../../../server/body_writer.ts";

/** Options of a `FakeWriter`. */
export interface FakeWriterOptions {
  /** Above this many buffered bytes it is paused. Default 64 KiB. */
  readonly highBytes?: number;
  /** Whether the client takes everything at once. Default true; then nothing is ever buffered. */
  readonly takesAll?: boolean;
  /** The client's last event id before the stream. */
  readonly lastEventId?: string;
}

/** See the file's text. */
export class FakeWriter implements BodyWriter {
  /** Events the client got. */
  readonly messages: SseMessage[] = [];
  /** Reconnection times the client was told. */
  readonly retries: number[] = [];
  /** Comments the client got. */
  readonly comments: string[] = [];
  /** Everything the client got, as text. */
  text = "";
  /** Shared bodies that were written. */
  readonly shared: SharedBody[] = [];
  /** How it ended: `null` while it goes on. */
  ended: "end" | "abort" | "left" | null = null;
  /** The reason of an abort. */
  reason: Error | null = null;
  /** Runs inside every write, before it is buffered. */
  onWrite: (() => void) | null = null;
  readonly #producer: BodyProducer;
  readonly #highBytes: number;
  readonly #takesAll: boolean;
  readonly #decoder: SseDecoder;
  readonly #utf8 = new TextDecoder();
  #queue: Uint8Array[] = [];
  #isPaused = false;
  #drains: { resolve(): void; reject(reason: Error): void }[] = [];
  bufferedBytes = 0;

  constructor(producer: BodyProducer, options: FakeWriterOptions = {}) {
    this.#producer = producer;
    this.#highBytes = options.highBytes ?? 64 * 1024;
    this.#takesAll = options.takesAll ?? true;
    this.#decoder = new SseDecoder({
      event: (message) => void this.messages.push(message),
      retry: (retryMs) => void this.retries.push(retryMs),
      comment: (text) => void this.comments.push(text),
    }, { lastEventId: options.lastEventId ?? "" });
  }

  get isPaused(): boolean {
    return this.#isPaused && this.ended === null;
  }

  get isClosed(): boolean {
    return this.ended !== null;
  }

  /** What the client would send as `Last-Event-ID` now. */
  get lastEventId(): string {
    return this.#decoder.lastEventId;
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed || bytes.length === 0) return;
    this.onWrite?.();
    if (this.isClosed) return;
    this.#queue.push(bytes.slice());
    this.bufferedBytes += bytes.length;
    if (this.#takesAll) return this.take(Infinity);
    if (this.bufferedBytes > this.#highBytes) this.#isPaused = true;
  }

  writeText(text: string): void {
    this.write(new TextEncoder().encode(text));
  }

  writeShared(body: SharedBody): void {
    if (this.isClosed) return;
    this.shared.push(body);
    this.write(body.plain.bytes);
  }

  drain(): Promise<void> {
    if (this.isClosed) return Promise.reject(this.reason ?? new TypeError("closed"));
    if (!this.isPaused) return Promise.resolve();
    return new Promise((resolve, reject) => void this.#drains.push({ resolve, reject }));
  }

  end(): void {
    this.#close("end", null);
  }

  abort(reason: Error): void {
    if (this.isClosed) return;
    this.#close("abort", reason);
    this.#producer.onClosed?.(reason);
  }

  /** The client leaves: what it has not taken is lost. */
  leave(): void {
    if (this.isClosed) return;
    const reason = new DOMException("the client left", "AbortError");
    this.#close("left", reason);
    this.#producer.onClosed?.(reason);
  }

  /** The client takes up to that many bytes, also after the end. */
  take(bytes: number): void {
    if (this.ended === "abort" || this.ended === "left") return;
    let left = bytes;
    while (left > 0 && this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const taken = first.subarray(0, left);
      left -= taken.length;
      this.bufferedBytes -= taken.length;
      if (taken.length === first.length) this.#queue.shift();
      else this.#queue[0] = first.subarray(taken.length);
      this.text += this.#utf8.decode(taken, { stream: true });
      this.#decoder.feed(taken);
    }
    if (!this.#isPaused || this.bufferedBytes > this.#highBytes / 4) return;
    this.#isPaused = false;
    const drains = this.#drains;
    this.#drains = [];
    for (const { resolve } of drains) resolve();
    if (!this.isClosed) this.#producer.onDrain?.();
  }

  #close(ended: "end" | "abort" | "left", reason: Error | null): void {
    if (this.isClosed) return;
    this.ended = ended;
    this.reason = reason;
    if (ended !== "end") {
      this.#queue = [];
      this.bufferedBytes = 0;
    }
    for (const { resolve, reject } of this.#drains) reason === null ? resolve() : reject(reason);
    this.#drains = [];
  }
}
