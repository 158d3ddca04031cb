/**
 * Sends through a `node:net` socket's handle, beside the socket's own stream machinery.
 *
 * Why: `Socket.write` passes every buffer through a Writable (a queue, a Buffer view, a callback in a later tick). A
 * transport has its own queue and never more than one send outstanding, so it needs none of that; leaving it out saves
 * 0.3 µs of 1.9 µs of user time per small answer on Deno 2.9.6.
 *
 * Strategy: what the socket itself does, with the same parts, which Node and Deno both hand out by `process.binding`
 * (the request object, and the shared array that says whether a write was completed at once). Where a runtime or its
 * permissions refuse them, `HandleWriter.open` says so, and the transport writes through the socket.
 *
 * Invariant: what is being sent later stays referenced by its request, as the runtime reads it then.
 *
 * @module
 */
import process from "node:process";
import type { LastRead } from "./native_read.ts";

/** A write in the runtime's hands. */
interface WriteRequest {
  /** Called by the runtime when a write that was not completed at once is, or failed (negative). */
  oncomplete: ((status: number) => void) | null;
  /** Keeps the bytes alive. */
  buffer: unknown;
}

/** The part of a socket's handle that writes. */
export interface WriteHandle {
  writeBuffer(request: object, bytes: Uint8Array): number;
  writev(request: object, parts: readonly Uint8Array[], areAllBytes: true): number;
}

/** What the binding called `stream_wrap` has, as far as it is used here. */
interface StreamWrap {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: ArrayLike<number>;
  readonly kLastWriteWasAsync: number;
  readonly kReadBytesOrError?: number;
}

/** Answer of `write`: the kernel has all of it. */
export const WRITTEN = 0;

/** Answer of `write`: `done` will be called. */
export const WRITE_PENDING = 1;

/** Sends through handles; one per selector. */
export class HandleWriter {
  readonly #wrap: StreamWrap;
  /** A request that the runtime has no hold of: writes completed at once need none of their own. */
  #idle: WriteRequest | null = null;

  private constructor(wrap: StreamWrap) {
    this.#wrap = wrap;
  }

  /** Opens a writer; `null` where the runtime does not give what it takes. */
  static open(): HandleWriter | null {
    const { binding } = process as unknown as { binding?: (name: string) => Partial<StreamWrap> };
    if (typeof binding !== "function") return null;
    try {
      const wrap = binding.call(process, "stream_wrap");
      const { WriteWrap, streamBaseState, kLastWriteWasAsync } = wrap;
      if (typeof WriteWrap !== "function" || typeof kLastWriteWasAsync !== "number") return null;
      if (typeof streamBaseState?.[kLastWriteWasAsync] !== "number") return null;
      return new HandleWriter(wrap as StreamWrap);
    } catch {
      return null; // The runtime refuses its binding: that is the answer which was asked for.
    }
  }

  /** Tells what the last read of any handle brought (native_read.ts); `null` where the runtime does not say. */
  get lastRead(): LastRead | null {
    const { streamBaseState, kReadBytesOrError } = this.#wrap;
    if (typeof kReadBytesOrError !== "number" || typeof streamBaseState[kReadBytesOrError] !== "number") {
      return null;
    }
    return () => streamBaseState[kReadBytesOrError]!;
  }

  /** Whether a socket's handle can be written through. */
  canWrite(handle: unknown): handle is WriteHandle {
    const { writeBuffer, writev } = (handle ?? {}) as Partial<WriteHandle>;
    return typeof writeBuffer === "function" && typeof writev === "function";
  }

  /**
   * Sends one or several parts, in order, by one system call.
   *
   * @param handle where to
   * @param bytes what; not to be touched before `done` when the answer is `WRITE_PENDING`
   * @param done gets the outcome of a pending write: 0, or the system's error number (negative)
   * @returns `WRITTEN`, `WRITE_PENDING`, or the system's error number (negative)
   */
  write(
    handle: WriteHandle,
    bytes: Uint8Array | readonly Uint8Array[],
    done: (status: number) => void,
  ): number {
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = this.#wrap;
    const request = this.#idle ?? new WriteWrap();
    this.#idle = request;
    const status = bytes instanceof Uint8Array
      ? handle.writeBuffer(request, bytes)
      : handle.writev(request, bytes, true);
    if (status !== 0 || streamBaseState[kLastWriteWasAsync] === 0) return status;
    this.#idle = null;
    request.oncomplete = done;
    request.buffer = bytes;
    return WRITE_PENDING;
  }
}
