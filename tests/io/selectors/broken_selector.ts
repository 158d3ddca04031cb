/**
 * A selector that does exactly what a test tells it to, right or wrong: for tests of the checking wrapper.
 *
 * @module
 */
import type {
  Addr,
  Clock,
  ConnectOptions,
  Listener,
  ListenOptions,
  Protocol,
  Selector,
  Timers,
  Transport,
} from "../../../io/selector.ts";
import type { SharedChunk } from "../../../io/shared_chunk.ts";
import { SystemClock } from "../../../io/system_clock.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";

const addr: Addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };

/** A transport that holds its state in the open, and behaves unless a test replaces a part. */
export class PlainTransport implements Transport {
  readonly id = 1;
  localAddr: Addr = addr;
  readonly remoteAddr: Addr = addr;
  bufferedBytes = 0;
  confirmedBytes = 0;
  isReading = true;
  isClosing = false;
  /** What was written, by reference: to see whether it was copied. */
  readonly written: Uint8Array[] = [];
  readonly chunks: SharedChunk[] = [];

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    this.bufferedBytes += bytes.length;
  }
  writeText(text: string): void {
    this.bufferedBytes += text.length;
  }
  writeLatin1(text: string): void {
    this.bufferedBytes += text.length;
  }
  writeShared(chunk: SharedChunk): void {
    chunk.retain();
    this.chunks.push(chunk);
    this.bufferedBytes += chunk.bytes.length;
  }
  setWriteLimits(): void {}
  pauseReading(): void {
    this.isReading = false;
  }
  resumeReading(): void {
    this.isReading = true;
  }
  closeWrite(): void {}
  close(): void {
    this.isClosing = true;
  }
  abort(_reason?: Error): void {
    this.isClosing = true;
  }
  setProtocol(): void {}
}

/** Gives the protocols it is given to the test. */
export class PlainSelector implements Selector {
  readonly kind = "plain";
  readonly clock: Clock = new SystemClock();
  readonly timers: Timers = new TimerWheel(this.clock);
  /** Makes the protocol of a listener's next connection. */
  accept: () => Protocol = () => {
    throw new TypeError("nobody listens");
  };
  /** What `connect` does. */
  connecting: (createProtocol: () => Protocol) => Promise<Transport> = () =>
    Promise.reject(new TypeError("no"));
  /** What `close` does. */
  closing: () => void = () => {};
  /** What the listener counts. */
  openCount = 0;

  listen(_options: ListenOptions, createProtocol: () => Protocol): Listener {
    this.accept = createProtocol;
    const { openCount } = this;
    return {
      addr,
      stats: { accepted: 0, refused: 0, open: openCount, acceptErrors: 0 },
      close: () => Promise.resolve(),
      ref: () => {},
      unref: () => {},
    };
  }
  connect(_options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    return this.connecting(createProtocol);
  }
  close(): Promise<void> {
    this.closing();
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
