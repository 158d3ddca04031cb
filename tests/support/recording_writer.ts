/**
 * A body writer that only records: for tests of producers. The test fills and drains it by hand.
 *
 * @module
 */
import type { BodyWriter, SharedBody } from "../../server/body_writer.ts";

/** Keeps what is written, as text, one item per write. */
export class RecordingWriter implements BodyWriter {
  /** What was written, and `"end"` or `"abort …"`. */
  readonly calls: string[] = [];
  bufferedBytes = 0;
  isPaused = false;
  isClosed = false;
  /** Runs after every write. */
  onWrite: () => void = () => {};
  #drained = Promise.withResolvers<void>();

  write(bytes: Uint8Array): void {
    this.#record(new TextDecoder().decode(bytes));
  }

  writeText(text: string): void {
    this.#record(text);
  }

  writeShared(body: SharedBody): void {
    this.#record(new TextDecoder().decode(body.plain.bytes));
  }

  drain(): Promise<void> {
    return this.isPaused ? this.#drained.promise : Promise.resolve();
  }

  end(): void {
    this.isClosed = true;
    this.calls.push("end");
  }

  abort(reason: Error): void {
    this.isClosed = true;
    this.calls.push(`abort ${reason.message}`);
  }

  /** The reader took all. */
  release(): void {
    this.isPaused = false;
    this.#drained.resolve();
    this.#drained = Promise.withResolvers();
  }

  #record(text: string): void {
    this.calls.push(text);
    this.onWrite();
  }
}
