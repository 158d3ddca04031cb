/**
 * Which of many descriptors are ready, as Python's `selectors` tell it: the low level, for event loops of one's own.
 *
 * @module
 */
import { UnsupportedError } from "../errors.ts";
import { type Libc, probeLibc } from "../ffi/libc.ts";
import { EpollSet, type ReadyDescriptor } from "./epoll_set.ts";
import { type Parking, probeParking } from "./parking.ts";

/**
 * A set of descriptors to wait for, by `epoll` through FFI: for Linux, on Deno and Bun. Its methods are those of
 * Python's `selectors.EpollSelector`. For sockets with protocols use `openSelector()`.
 *
 * Level-triggered: what is not taken is told again.
 *
 * @typeParam T what is registered along with a descriptor, to know it by
 * @example
 * ```ts
 * import { EVENT_READ, PollSet, UnsupportedError } from "@sluice/kit/io";
 *
 * try {
 *   using poll = PollSet.open<string>();
 *   poll.register(0, EVENT_READ, "standard input");
 *   for (const { fd, data } of poll.select(10)) console.log(`${data} (descriptor ${fd}) can be read`);
 * } catch (error) {
 *   if (!(error instanceof UnsupportedError)) throw error;
 *   console.log(error.message); // Not Linux, no permission for FFI, or standard input is a plain file.
 * }
 * ```
 */
export class PollSet<T> {
  readonly #libc: Libc;
  readonly #set: EpollSet<T>;
  #parking: Parking | null = null;
  #waiting: (() => void) | null = null;
  #isClosed = false;

  private constructor(libc: Libc, set: EpollSet<T>) {
    this.#libc = libc;
    this.#set = set;
  }

  /**
   * Opens an empty set.
   *
   * @typeParam T as for the class
   * @throws UnsupportedError when this system has no epoll, or this process may not use it
   */
  static open<T>(): PollSet<T> {
    const libc = probeLibc();
    if (libc.found === null) throw new UnsupportedError("Cannot open a PollSet", libc.refusal);
    const set = EpollSet.probe<T>(libc.found);
    if (set.found !== null) return new PollSet(libc.found, set.found);
    libc.found.close();
    throw new UnsupportedError("Cannot open a PollSet", set.refusal);
  }

  /** The descriptor of the set itself: readable when any in it is ready, so that it may be in another set. */
  get fd(): number {
    return this.#set.fd;
  }

  /** How many descriptors are in the set. */
  get size(): number {
    return this.#set.size;
  }

  /**
   * Adds a descriptor. Take it out before it is closed.
   *
   * @param fd an open descriptor of something that can be waited for (no plain file)
   * @param interest `EVENT_READ`, `EVENT_WRITE` or both (`|`); 0 to hear of failures only
   * @param data what `select` returns with it
   * @throws TypeError when it is in the set already
   * @throws UnsupportedError when the system cannot wait for it
   */
  register(fd: number, interest: number, data: T): void {
    this.#set.register(fd, interest, data);
  }

  /**
   * Changes what a descriptor is waited for, and what it is known by.
   *
   * @param fd a registered descriptor
   * @param interest as for `register`
   * @param data as for `register`
   * @throws TypeError when it is not registered
   */
  modify(fd: number, interest: number, data: T): void {
    this.#set.modify(fd, interest, data);
  }

  /**
   * Takes a descriptor out of the set; it stays open.
   *
   * @param fd a registered descriptor
   * @throws TypeError when it is not registered
   */
  unregister(fd: number): void {
    this.#set.unregister(fd);
  }

  /**
   * Waits until a descriptor is ready, and **holds this thread** meanwhile, as in Python.
   *
   * @param timeoutMs how long at most, milliseconds, an integer; default 0, which only looks
   * @returns the ready ones, at most 16; empty when none was ready in time
   */
  select(timeoutMs = 0): ReadyDescriptor<T>[] {
    const found: ReadyDescriptor<T>[] = [];
    this.#set.dispatch((data, events, fd) => void found.push({ fd, events, data }), timeoutMs);
    return found;
  }

  /**
   * Waits until a descriptor is ready, while the runtime goes on with its other work. One wait at a time.
   *
   * @returns the ready ones, at most 16; empty when the set was closed meanwhile
   * @throws TypeError when a wait is out already
   * @throws UnsupportedError when this runtime cannot wait for a set
   */
  async selectLater(): Promise<ReadyDescriptor<T>[]> {
    if (this.#waiting !== null) throw new TypeError("Cannot wait for a PollSet: another wait is out");
    for (;;) {
      const ready = this.#isClosed ? [] : this.select();
      if (ready.length > 0 || this.#isClosed) return ready;
      const parking = this.#parking ??= this.#makeParking();
      parking.ref();
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        parking.park();
      });
      this.#waiting = null;
      parking.unref();
    }
  }

  /** Closes the set; the descriptors in it stay open. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting?.();
    if (this.#parking === null) this.#release();
    else void this.#parking.close().then(() => this.#release());
  }

  /** Same as `close()`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #release(): void {
    this.#set.close();
    this.#libc.close();
  }

  #makeParking(): Parking {
    const { found, refusal } = probeParking(this.#libc, this.#set.fd, () => this.#waiting?.());
    if (found === null) throw new UnsupportedError("Cannot wait for a PollSet", refusal);
    return found;
  }
}
