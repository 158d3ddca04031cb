/**
 * Which of many descriptors are ready: `epoll`, for the selector of that name and for `PollSet`.
 *
 * Strategy: level-triggered, so that nothing is lost by looking late. The kernel keeps 64 bits of ours with each descriptor: its
 * number, and how many registrations there were before. An event whose registration is not the present one is about a
 * descriptor that was closed and whose number was given anew within one batch: it is dropped.
 *
 * Bounds: as many entries as there are descriptors; one select reports at most `EVENTS_MAX`, the others next time (the
 * kernel takes them in turn).
 *
 * @module
 */
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
} from "../ffi/constants.ts";
import { EINTR } from "../ffi/errno.ts";
import { checkLayouts, epollEventLayout } from "../ffi/layout.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Probe } from "../ffi/load.ts";
import { detectRuntime } from "../runtime.ts";
import { descriptorError } from "./native_errors.ts";

/** Interest: there is something to read, or to accept. */
export const EVENT_READ = 1;
/** Interest: there is room to write, or the connection is made. */
export const EVENT_WRITE = 2;

/** 16 events at most per select: some 0.15 ms of requests, less than a go of the loop, so that a batch does not outlast it much. */
export const EVENTS_MAX = 16;

/** A descriptor that is ready. */
export interface ReadyDescriptor<T> {
  /** The descriptor. */
  readonly fd: number;
  /**
   * For what: `EVENT_READ`, `EVENT_WRITE` or both. One that failed or hung up is ready for all it was registered for, and
   * if that was nothing, it is reported with 0.
   */
  readonly events: number;
  /** What it was registered with. */
  readonly data: T;
}

interface Entry<T> {
  readonly generation: number;
  data: T;
  interest: number;
}

/** See the module's text. */
export class EpollSet<T> {
  /** The descriptor of the epoll itself: readable when any in the set is ready, so it may be in another set. */
  readonly fd: number;
  readonly #libc: Libc;
  readonly #words: number;
  readonly #dataAt: number;
  readonly #ready: Int32Array<ArrayBuffer>;
  readonly #event = new Int32Array(new ArrayBuffer(256), 0, 4);
  readonly #entries = new Map<number, Entry<T>>();
  #generation = 0;

  private constructor(libc: Libc, fd: number, arch: string) {
    this.#libc = libc;
    this.fd = fd;
    const { words, dataAt } = epollEventLayout(arch);
    this.#words = words;
    this.#dataAt = dataAt;
    this.#ready = new Int32Array(new ArrayBuffer(EVENTS_MAX * words * 4));
  }

  /**
   * Makes a set, after libc's structures were compared with this kernel's.
   *
   * @param libc libc
   * @returns the set, or what is missing
   */
  static probe<T>(libc: Libc): Probe<EpollSet<T>> {
    const { arch } = detectRuntime();
    const refusal = checkLayouts(libc, arch);
    if (refusal !== null) return { found: null, refusal };
    const fd = libc.call.epollCreate1(EPOLL_CLOEXEC);
    if (fd < 0) return { found: null, refusal: `epoll_create1 fails with error ${libc.errno()}` };
    return { found: new EpollSet<T>(libc, fd, arch), refusal: null };
  }

  /** Descriptors in the set. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Adds a descriptor.
   *
   * @param fd an open descriptor of something that can be waited for (no plain file)
   * @param interest `EVENT_READ`, `EVENT_WRITE` or both; 0 to hear of failures only
   * @param data what `select` returns with it
   * @throws TypeError when it is in the set already
   * @throws UnsupportedError when the system cannot wait for it
   */
  register(fd: number, interest: number, data: T): void {
    if (this.#entries.has(fd)) {
      throw new TypeError(`Cannot register descriptor ${fd}: it is registered already`);
    }
    this.#generation = (this.#generation + 1) | 0;
    const entry: Entry<T> = { generation: this.#generation, data, interest };
    this.#control(EPOLL_CTL_ADD, fd, entry, "register");
    this.#entries.set(fd, entry);
  }

  /**
   * Changes what a descriptor is waited for, and what it is known by.
   *
   * @param fd a registered descriptor
   * @param interest as for `register`; the present one costs no system call
   * @param data as for `register`
   * @throws TypeError when it is not registered
   */
  modify(fd: number, interest: number, data: T): void {
    const entry = this.#entries.get(fd);
    if (entry === undefined) throw new TypeError(`Cannot modify descriptor ${fd}: it is not registered`);
    entry.data = data;
    if (entry.interest === interest) return;
    const before = entry.interest;
    entry.interest = interest;
    try {
      this.#control(EPOLL_CTL_MOD, fd, entry, "modify");
    } catch (error) {
      entry.interest = before;
      throw error;
    }
  }

  /**
   * Takes a descriptor out of the set; it stays open.
   *
   * @param fd a registered descriptor
   * @throws TypeError when it is not registered
   */
  unregister(fd: number): void {
    const entry = this.#entries.get(fd);
    if (entry === undefined) throw new TypeError(`Cannot unregister descriptor ${fd}: it is not registered`);
    this.#entries.delete(fd);
    this.#control(EPOLL_CTL_DEL, fd, entry, "unregister");
  }

  /** Forgets a descriptor that is closed next, which takes it out of the epoll. Without a system call. */
  forget(fd: number): void {
    this.#entries.delete(fd);
  }

  /**
   * Waits until a descriptor is ready, and **holds this thread** meanwhile, as in Python.
   *
   * @param timeoutMs how long at most, milliseconds; 0 only looks
   * @returns the ready ones, at most 16; empty when none was ready in time
   */
  select(timeoutMs = 0): ReadyDescriptor<T>[] {
    const found: ReadyDescriptor<T>[] = [];
    this.dispatch((data, events, fd) => void found.push({ fd, events, data }), timeoutMs);
    return found;
  }

  /**
   * As `select`, without the list.
   *
   * @param visit called for each ready descriptor
   * @param timeoutMs as for `select`
   * @param most how many at most, from 1 to `EVENTS_MAX`
   * @returns how many the kernel reported
   */
  dispatch(
    visit: (data: T, events: number, fd: number) => void,
    timeoutMs = 0,
    most = EVENTS_MAX,
  ): number {
    const ready = this.#ready;
    const count = this.#libc.call.epollWait(this.fd, ready, most, timeoutMs);
    if (count <= 0) {
      if (count < 0 && this.#libc.errno() !== EINTR) {
        throw descriptorError(this.#libc.errno(), "Cannot select");
      }
      return 0;
    }
    const words = this.#words;
    for (let i = 0, at = 0; i < count; i++, at += words) {
      const fd = ready[at + this.#dataAt]!;
      const entry = this.#entries.get(fd);
      if (entry === undefined || entry.generation !== ready[at + this.#dataAt + 1]) continue;
      visit(entry.data, eventsOf(ready[at]!, entry.interest), fd);
    }
    return count;
  }

  /** Closes the set; the descriptors in it stay open. Call it once. */
  close(): void {
    this.#entries.clear();
    this.#libc.call.close(this.fd);
  }

  #control(operation: number, fd: number, entry: Entry<T>, doing: string): void {
    const event = this.#event;
    event[0] = ((entry.interest & EVENT_READ) !== 0 ? EPOLLIN : 0) |
      ((entry.interest & EVENT_WRITE) !== 0 ? EPOLLOUT : 0);
    event[this.#dataAt] = fd;
    event[this.#dataAt + 1] = entry.generation;
    if (this.#libc.call.epollCtl(this.fd, operation, fd, event) === 0) return;
    throw descriptorError(this.#libc.errno(), `Cannot ${doing} descriptor ${fd}`);
  }
}

/** What the kernel reports, as interests. */
function eventsOf(reported: number, interest: number): number {
  if ((reported & (EPOLLERR | EPOLLHUP)) !== 0) return interest;
  return ((reported & EPOLLIN) !== 0 ? EVENT_READ : 0) | ((reported & EPOLLOUT) !== 0 ? EVENT_WRITE : 0);
}
