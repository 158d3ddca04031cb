/**
 * A descriptor by which the kernel wakes the runtime's own loop: something the runtime waits for by itself, and that
 * poll_ring.ts or a `write` can make readable.
 *
 * - Deno waits for any descriptor that its pipe handle is opened on (`process.binding("pipe_wrap")`, an old door of
 *   Node's, probed for), so it gets an eventfd: one read of 8 bytes a wake, about 9 µs in all.
 * - Bun takes over a connected socket (`Bun.connect({ fd })`), so it gets one end of a socket pair.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import {
  AF_UNIX,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "../ffi/constants.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Probe } from "../ffi/load.ts";
import type { Signal } from "../ffi/poll_ring.ts";

/** What wakes the runtime's loop. */
export interface Wake {
  /** What to make readable. */
  readonly signal: Signal;
  /** Lets the process live for it (as it does at first not). */
  ref(): void;
  /** Lets the process exit although it waits. */
  unref(): void;
  /** Resolves when its descriptors are closed. */
  close(): Promise<void>;
}

/** The part of Deno's `Pipe` that is used here. */
interface PipeHandle {
  open(fd: number): number;
  readStart(): number;
  onread: (bytes: unknown) => void;
  ref(): void;
  unref(): void;
  close(done: () => void): void;
}

interface PipeWrap {
  readonly Pipe: new (type: number) => PipeHandle;
  readonly constants: { readonly SOCKET: number };
}

interface BunSocketLike {
  ref(): void;
  unref(): void;
  terminate(): void;
}

interface BunConnect {
  connect(options: { readonly fd: number; readonly socket: object }): Promise<BunSocketLike>;
}

/**
 * Makes one.
 *
 * @param libc libc
 * @param onSignal runs after each signal, from the runtime's loop
 * @returns it, unref'ed, or why this runtime has none
 */
export function probeWake(libc: Libc, onSignal: () => void): Probe<Wake> {
  const { Deno: deno, Bun: bun } = globalThis as unknown as {
    readonly Deno?: object;
    readonly Bun?: BunConnect;
  };
  if (deno !== undefined) return probePipe(libc, onSignal);
  if (bun !== undefined) return probeBunSocket(bun, libc, onSignal);
  return { found: null, refusal: "it is for Deno and Bun" };
}

/** `process.binding` of a runtime that has it and this module in it. */
function pipeWrap(): PipeWrap | null {
  const { binding } = process as unknown as { readonly binding?: (name: string) => unknown };
  try {
    const found = binding?.("pipe_wrap") as Partial<PipeWrap> | undefined;
    const isWhole = typeof found?.Pipe === "function" && typeof found.constants?.SOCKET === "number";
    return isWhole ? found as PipeWrap : null;
  } catch {
    return null; // What throws is not there.
  }
}

function probePipe(libc: Libc, onSignal: () => void): Probe<Wake> {
  const wrap = pipeWrap();
  if (wrap === null) return { found: null, refusal: "this Deno has no pipe handles (Deno 2.9.6 has)" };
  const eventfd = libc.call.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (eventfd < 0) return { found: null, refusal: `eventfd fails with error ${libc.errno()}` };
  const pipe = new wrap.Pipe(wrap.constants.SOCKET);
  const status = pipe.open(eventfd);
  if (status !== 0) {
    libc.call.close(eventfd);
    return { found: null, refusal: `a pipe handle takes no eventfd (${status})` };
  }
  pipe.onread = onSignal;
  pipe.readStart();
  pipe.unref();
  // Not at once: Deno forgets a handle that is closed while it reports that another one is (seen when two selectors are closed one
  // after the other), until something else wakes its loop.
  const close = (): Promise<void> => new Promise((resolve) => void setImmediate(() => pipe.close(resolve)));
  return {
    found: { signal: { eventfd }, ref: () => pipe.ref(), unref: () => pipe.unref(), close },
    refusal: null,
  };
}

function probeBunSocket(bun: BunConnect, libc: Libc, onSignal: () => void): Probe<Wake> {
  const pair = new Int32Array(new ArrayBuffer(256), 0, 2);
  if (libc.call.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
    return { found: null, refusal: `socketpair fails with error ${libc.errno()}` };
  }
  const wake = new BunWake(libc, pair[1]!);
  // An error is seen by its close, and a close that nobody asked for cannot happen to a pair whose other end is ours.
  const socket = { data: onSignal, open: (made: BunSocketLike) => wake.opened(made), error() {}, close() {} };
  bun.connect({ fd: pair[0]!, socket }).catch(() => wake.opened(null));
  return { found: wake, refusal: null };
}

/** The two ends of a socket pair: Bun has one, the kernel sends on the other. Bun may open its end a little later. */
class BunWake implements Wake {
  readonly signal: Signal;
  readonly #libc: Libc;
  readonly #other: number;
  readonly #ready: Promise<BunSocketLike | null>;
  #resolve!: (socket: BunSocketLike | null) => void;
  #socket: BunSocketLike | null = null;
  #isWanted = false;

  constructor(libc: Libc, other: number) {
    this.#libc = libc;
    this.#other = other;
    this.signal = { socket: other };
    this.#ready = new Promise((resolve) => this.#resolve = resolve);
  }

  opened(socket: BunSocketLike | null): void {
    this.#socket = socket;
    if (!this.#isWanted) socket?.unref();
    this.#resolve(socket);
  }

  ref(): void {
    this.#isWanted = true;
    this.#socket?.ref();
  }

  unref(): void {
    this.#isWanted = false;
    this.#socket?.unref();
  }

  async close(): Promise<void> {
    const socket = await this.#ready;
    socket?.terminate();
    this.#libc.call.close(this.#other);
  }
}
