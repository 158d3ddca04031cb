/**
 * A transport that only records: for tests of what sits on top of one. Nothing is sent, nothing comes by itself.
 *
 * @module
 */
import type { Addr, Protocol, Transport } from "../../io/selector.ts";
import type { SharedChunk } from "../../io/shared_chunk.ts";

/** Records the calls made to it, in order; the test plays the peer on the protocol. */
export class FakeTransport implements Transport {
  readonly id = 1;
  readonly localAddr: Addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
  readonly remoteAddr: Addr = { transport: "tcp", hostname: "127.0.0.1", port: 2 };
  /** What was called, e.g. `"write abc"`, `"pauseReading"`. */
  readonly calls: string[] = [];
  bufferedBytes = 0;
  confirmedBytes = 0;
  isReading = true;
  isClosing = false;
  protocol: Protocol | null = null;

  write(bytes: Uint8Array): void {
    this.calls.push(`write ${new TextDecoder().decode(bytes)}`);
  }
  writeText(text: string): void {
    this.calls.push(`writeText ${text}`);
  }
  writeLatin1(text: string): void {
    this.calls.push(`writeLatin1 ${text}`);
  }
  writeShared(chunk: SharedChunk): void {
    this.calls.push(`writeShared ${new TextDecoder().decode(chunk.bytes)}`);
  }
  setWriteLimits(): void {}
  pauseReading(): void {
    this.isReading = false;
    this.calls.push("pauseReading");
  }
  resumeReading(): void {
    this.isReading = true;
    this.calls.push("resumeReading");
  }
  closeWrite(): void {
    this.calls.push("closeWrite");
  }
  close(): void {
    this.isClosing = true;
    this.calls.push("close");
  }
  abort(reason?: Error): void {
    this.isClosing = true;
    this.calls.push(`abort ${reason?.message ?? ""}`.trim());
  }
  setProtocol(protocol: Protocol): void {
    this.protocol = protocol;
  }
}
