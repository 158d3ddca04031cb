/**
 * A web stream as a `BodySource`: what a foreign server's `request.body` is to the gateway.
 *
 * Strategy: one read at a time, the next one only when the consumer has taken the last and is not paused; so the stream's
 * own backpressure reaches whoever fills it. A stream that ends short of its declared length, or runs beyond it, fails.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";
import type { BodyConsumer, BodyFlow, BodySource } from "../body_source.ts";

/** The stream's bytes are fewer or more than were declared. */
export class UploadLengthError extends SluiceError {
  /** @param declared bytes that were declared @param came bytes that came */
  constructor(declared: number, came: number) {
    super(
      "SLUICE_UPLOAD_LENGTH",
      `Cannot forward the body: ${declared} bytes were declared and ${came} came`,
    );
  }
}

/** The stream failed with something that is no `Error`, which is the `cause`. */
export class UploadFailedError extends SluiceError {
  /** @param cause what the stream failed with */
  constructor(cause: unknown) {
    super("SLUICE_UPLOAD_FAILED", `Cannot forward the body: ${cause}`, { cause });
  }
}

/** Reads a web stream for a `BodyConsumer`. */
export class StreamSource implements BodySource, BodyFlow {
  /** Bytes in all when declared, else `null`. */
  readonly length: number | null;
  readonly #stream: ReadableStream<Uint8Array>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #consumer: BodyConsumer | null = null;
  #cameBytes = 0;
  #isPaused = false;
  #isReading = false;

  /**
   * @param stream where the bytes come from; nobody else may read it
   * @param length bytes in all when declared
   */
  constructor(stream: ReadableStream<Uint8Array>, length: number | null) {
    this.#stream = stream;
    this.length = length;
  }

  /** Whether a consumer was attached. */
  get isUsed(): boolean {
    return this.#reader !== null;
  }

  /** Attaches the one consumer; `TypeError` when used. */
  consume(consumer: BodyConsumer): BodyFlow {
    if (this.isUsed) throw new TypeError("Cannot read the body: it is being read already");
    this.#reader = this.#stream.getReader();
    this.#consumer = consumer;
    void this.#pump();
    return this;
  }

  /** Reads no more for now. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Goes on. */
  resume(): void {
    this.#isPaused = false;
    void this.#pump();
  }

  /** Wants no more: the stream is cancelled, the consumer hears nothing further. */
  cancel(reason?: Error): void {
    this.#consumer = null;
    // Whoever fills the stream may refuse the cancellation; there is nobody left to tell.
    this.#reader?.cancel(reason).catch(() => {});
  }

  /** Reads until the end or the next pause. Never rejects: what goes wrong is the consumer's `failed`. */
  async #pump(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#isPaused && this.#consumer !== null) {
        const { done, value } = await this.#reader!.read();
        this.#take(done ? null : value!);
      }
    } catch (cause) {
      const consumer = this.#consumer;
      this.#consumer = null;
      consumer?.failed(cause instanceof Error ? cause : new UploadFailedError(cause));
    } finally {
      this.#isReading = false;
    }
  }

  #take(bytes: Uint8Array | null): void {
    const consumer = this.#consumer;
    if (consumer === null) return;
    if (bytes !== null) this.#cameBytes += bytes.length;
    const isShort = bytes === null && this.length !== null && this.#cameBytes < this.length;
    if (isShort || this.#cameBytes > (this.length ?? Infinity)) {
      throw new UploadLengthError(this.length!, this.#cameBytes);
    }
    if (bytes === null) {
      this.#consumer = null;
      consumer.end(null);
    } else if (bytes.length > 0) {
      consumer.chunk(bytes);
    }
  }
}
