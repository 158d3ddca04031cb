/**
 * One direction of a connection in memory: bytes in order, up to a capacity, with the faults of a plan.
 *
 * Models the kernel: a buffer that fills up, an end (FIN), a reset that drops what was not read. Says what is there;
 * when it is delivered is the transport's and the selector's business.
 *
 * @module
 */
import type { PipeFaults } from "./fault_plan.ts";

/** One direction; see the module's text. */
export class MemoryPipe {
  /** What goes wrong here. */
  readonly faults: PipeFaults;
  readonly #buffer: Uint8Array;
  #start = 0;
  #length = 0;
  #totalBytes = 0;
  #hasEnd = false;

  /** @param capacityBytes how much it takes before its writer must wait @param faults what goes wrong */
  constructor(capacityBytes: number, faults: PipeFaults) {
    this.#buffer = new Uint8Array(capacityBytes);
    this.faults = faults;
  }

  /** Bytes that wait to be read. */
  get availableBytes(): number {
    return this.#length;
  }

  /** Bytes it takes now. */
  get freeBytes(): number {
    return this.#buffer.length - this.#length;
  }

  /** Whether the writer sent its end and all before it was read. */
  get isAtEnd(): boolean {
    return this.#hasEnd && this.#length === 0;
  }

  /** Whether the plan wants the connection reset now. */
  get isResetDue(): boolean {
    const { resetAfterBytes } = this.faults;
    return resetAfterBytes !== null && this.#totalBytes >= resetAfterBytes;
  }

  /** Takes as many of `bytes` as fit and as the plan lets through; returns how many. */
  write(bytes: Uint8Array): number {
    const room = Math.min(bytes.length, this.freeBytes);
    if (room === 0) return 0;
    const { resetAfterBytes } = this.faults;
    const left = resetAfterBytes === null ? room : Math.max(resetAfterBytes - this.#totalBytes, 0);
    const taken = Math.min(this.faults.writeBytes(room), left);
    const end = (this.#start + this.#length) % this.#buffer.length;
    const first = Math.min(taken, this.#buffer.length - end);
    this.#buffer.set(bytes.subarray(0, first), end);
    this.#buffer.set(bytes.subarray(first, taken), 0);
    this.#length += taken;
    this.#totalBytes += taken;
    return taken;
  }

  /** The writer's FIN, after all written so far. */
  end(): void {
    this.#hasEnd = true;
  }

  /** Copies the next bytes into `target`, as many as the plan lets a read find; returns how many. */
  read(target: Uint8Array): number {
    if (this.#length === 0) return 0;
    const count = Math.min(this.faults.readBytes(this.#length), target.length);
    const first = Math.min(count, this.#buffer.length - this.#start);
    target.set(this.#buffer.subarray(this.#start, this.#start + first));
    target.set(this.#buffer.subarray(0, count - first), first);
    this.#start = (this.#start + count) % this.#buffer.length;
    this.#length -= count;
    return count;
  }

  /** Drops what was not read, the end included: a reset must not read as an end. */
  clear(): void {
    this.#length = 0;
    this.#hasEnd = false;
  }
}
