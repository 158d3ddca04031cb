/**
 * The writing half of a connection for code that awaits: asyncio's `StreamWriter` in camelCase, with a signal and a
 * deadline on every wait.
 *
 * `write*` never wait: what they are given is buffered by the transport and sent when the turn ends. Whoever writes more
 * than a little awaits `drain()` in between, which waits while the buffer is over its high-water mark; that keeps memory
 * bounded by the mark and one write.
 *
 * Differences from asyncio, on purpose: a drain on a connection that closes fails instead of returning (a loop of
 * write and drain ends, and never spins); `waitClosed()` after the writer's own `abort()` resolves, since it is what was
 * asked for.
 *
 * Source: https://docs.python.org/3/library/asyncio-stream.html#streamwriter
 *
 * @module
 */
import type { WaitOptions } from "./deadline.ts";
import { ConnectionAbortedError, ConnectionClosedError, DeadlineExceededError } from "./errors.ts";
import type { Addr, Transport } from "./selector.ts";
import type { SharedChunk } from "./shared_chunk.ts";
import type { WriteGate } from "./write_gate.ts";

/** For who waits without a signal and a deadline. */
const NO_OPTIONS: WaitOptions = {};

/**
 * Writes a stream of bytes. `listen` and `connect` make it.
 *
 * @example
 * ```ts
 * import { connect, listen, openSelector } from "@sluice/kit/io";
 *
 * await using selector = openSelector();
 * const server = listen(selector, { hostname: "127.0.0.1", port: 0, onError: console.error }, async (reader, writer) => {
 *   for await (const line of reader) {
 *     writer.write(line);
 *     await writer.drain({ timeoutMs: 5000 });
 *   }
 * });
 * const { port } = server.addr as { port: number };
 * const { reader, writer } = await connect(selector, { hostname: "127.0.0.1", port });
 * writer.writeText("echo\n");
 * console.log(await reader.readLine()); // "echo\n"
 * writer.closeWrite();
 * await writer.waitClosed();
 * await server.close();
 * ```
 */
export class StreamWriter {
  /** The connection below: water marks, buffered bytes, `setProtocol`. */
  readonly transport: Transport;
  readonly #gate: WriteGate;
  #isAborted = false;
  #writable: WritableStream<Uint8Array> | null = null;

  /** Makes the writer of a connection. @param transport what to write to @param gate what its protocol tells of pauses and the close */
  constructor(transport: Transport, gate: WriteGate) {
    this.transport = transport;
    this.#gate = gate;
  }

  /** Own address. */
  get localAddr(): Addr {
    return this.transport.localAddr;
  }

  /** The peer's address. */
  get remoteAddr(): Addr {
    return this.transport.remoteAddr;
  }

  /**
   * Writes a copy of `bytes`. Dropped when the connection is closing or lost, which `drain` tells.
   *
   * @throws WriteAfterEndError after `closeWrite()`
   */
  write(bytes: Uint8Array): void {
    this.transport.write(bytes);
  }

  /**
   * Writes `text` as UTF-8; else like `write`.
   *
   * @throws WriteAfterEndError after `closeWrite()`
   */
  writeText(text: string): void {
    this.transport.writeText(text);
  }

  /**
   * Writes several pieces, one after the other and with nothing in between; else like `write`.
   *
   * @throws WriteAfterEndError after `closeWrite()`
   */
  writeLines(lines: Iterable<Uint8Array | string>): void {
    for (const line of lines) {
      if (typeof line === "string") this.transport.writeText(line);
      else this.transport.write(line);
    }
  }

  /**
   * Writes an immutable chunk without a copy; else like `write`.
   *
   * @param chunk retained until its bytes are with the kernel or the connection is lost
   * @throws WriteAfterEndError after `closeWrite()`
   */
  writeShared(chunk: SharedChunk): void {
    this.transport.writeShared(chunk);
  }

  /**
   * Waits until it is time to write more. Any number of callers may wait at once.
   *
   * @param options signal and deadline
   * @throws the connection's error when it is lost, or ConnectionClosedError when it was closed in order, also while
   *   waiting; on a connection that is closing it waits for that. What `WaitOptions` says. TooManyWaitersError
   */
  drain(options: WaitOptions = NO_OPTIONS): Promise<void> {
    return this.#gate.drain(this.transport.isClosing, options);
  }

  /** Whether `closeWrite()` ends the writing half alone: every transport of Sluice can. */
  get canCloseWrite(): boolean {
    return true;
  }

  /** Ends the writing half after everything written so far; reading goes on. Idempotent. */
  closeWrite(): void {
    this.transport.closeWrite();
  }

  /** Closes both halves after everything written so far is sent. Idempotent; `waitClosed` waits for it. */
  close(): void {
    this.transport.close();
  }

  /**
   * Closes at once; what is buffered is dropped, and the peer sees a reset.
   *
   * @param reason what reads and drains fail with. Default a ConnectionAbortedError
   */
  abort(reason?: Error): void {
    if (!this.#gate.isClosed) this.#isAborted = true;
    this.transport.abort(reason);
  }

  /** Whether the connection is closed or on its way there. */
  get isClosing(): boolean {
    return this.transport.isClosing;
  }

  /**
   * Waits until the connection is closed.
   *
   * @param options signal and deadline: with a peer that reads nothing the close waits for ever
   * @throws the connection's error when it was lost, unless by this writer's own `abort`; what `WaitOptions` says
   */
  async waitClosed(options: WaitOptions = {}): Promise<void> {
    try {
      await this.#gate.waitClosed(options);
    } catch (error) {
      if (!(this.#isAborted && this.#gate.isClosed)) throw error;
    }
  }

  /**
   * Closes, and waits for it no longer than `timeoutMs`; then aborts. Never fails for what the peer does.
   *
   * @param timeoutMs how long the peer has to take what was written, milliseconds
   * @returns whether the peer took everything
   */
  async closeWithin(timeoutMs: number): Promise<boolean> {
    this.close();
    try {
      await this.#gate.waitClosed({ timeoutMs });
      return true;
    } catch (error) {
      if (!(error instanceof DeadlineExceededError) || this.#gate.isClosed) return false;
      this.abort(error);
      await this.waitClosed();
      return false;
    }
  }

  /**
   * The same half as a web stream. Each chunk waits for `drain()`; closing it is `closeWrite()`, aborting it is `abort()`,
   * and it errors as soon as the connection is gone.
   */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= new WritableStream<Uint8Array>({
      start: (controller) => {
        const fail = () => controller.error(new ConnectionClosedError("Cannot write"));
        this.waitClosed().then(fail, (error) => controller.error(error));
      },
      write: (chunk) => {
        this.transport.write(chunk);
        return this.drain();
      },
      close: () => this.closeWrite(),
      abort: (cause) => {
        const why = "its writable stream was aborted";
        this.abort(cause instanceof Error ? cause : new ConnectionAbortedError(why, { cause }));
      },
    });
  }
}
