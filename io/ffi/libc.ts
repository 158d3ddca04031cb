/**
 * libc as the selectors use it: the functions with their exact types, where to find the library, and the error number.
 *
 * Each function returns what C returns: -1 after a failure, and then `errno()` says why; it must be asked before anything
 * else is called. Names are C's in camelCase; a name with an ending is another declaration of the same function. See load.ts
 * for the types; a `Size` comes from `size()`, which costs nothing for the sizes that recur.
 *
 * Results of type `i32` where C says `ssize_t`: no buffer here is larger than 2^31 bytes, so the lower half is the value.
 *
 * Only Linux on x86-64 and arm64, which have the same numbers for nearly everything (layout.ts tells where not).
 *
 * @module
 */
import { detectRuntime, type Runtime } from "../runtime.ts";
import {
  type Library,
  type Pointer,
  type Probe,
  type Signature,
  type Size,
  type TryLibrary,
  tryLibrary,
} from "./load.ts";

/** A view whose memory C reads or writes during the call; `null` is NULL. */
export type Memory = ArrayBufferView<ArrayBuffer> | null;

/** The functions; see the manual's sections 2 and 3 for each. */
export interface LibcFunctions {
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, descriptors: Memory): number;
  bind(fd: number, address: Memory, length: number): number;
  listen(fd: number, backlog: number): number;
  /** `length` is a `socklen_t` that is read and written. */
  accept4(fd: number, address: Memory, length: Memory, flags: number): number;
  connect(fd: number, address: Memory, length: number): number;
  getsockname(fd: number, address: Memory, length: Memory): number;
  getpeername(fd: number, address: Memory, length: Memory): number;
  getsockopt(fd: number, level: number, name: number, value: Memory, length: Memory): number;
  setsockopt(fd: number, level: number, name: number, value: Memory, length: number): number;
  recv(fd: number, bytes: Memory, length: Size, flags: number): number;
  send(fd: number, bytes: Memory, length: Size, flags: number): number;
  recvmsg(fd: number, header: Memory, flags: number): number;
  sendmsg(fd: number, header: Memory, flags: number): number;
  read(fd: number, bytes: Memory, length: Size): number;
  write(fd: number, bytes: Memory, length: Size): number;
  readv(fd: number, vectors: Memory, count: number): number;
  writev(fd: number, vectors: Memory, count: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  /** With an `int` as its third argument. */
  fcntl(fd: number, command: number, argument: number): number;
  dup(fd: number): number;
  eventfd(initial: number, flags: number): number;
  unlink(path: Memory): number;
  epollCreate1(flags: number): number;
  epollCtl(epoll: number, operation: number, fd: number, event: Memory): number;
  epollWait(epoll: number, events: Memory, eventsMax: number, timeoutMs: number): number;
  poll(descriptors: Memory, count: Size, timeoutMs: number): number;
  /** `poll` on another thread, hence on memory that no collector frees; on Deno only. */
  pollThreaded?(descriptors: Pointer, count: Size, timeoutMs: number): Promise<number>;
  /** The address, or -1. */
  mmap(
    address: Pointer,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): number;
  munmap(address: Pointer, length: number): number;
  madvise(address: Pointer, length: number, advice: number): number;
  getrlimit(resource: number, limits: Memory): number;
  setrlimit(resource: number, limits: Memory): number;
  inetPton(family: number, text: Memory, address: Memory): number;
  inetNtop(family: number, address: Memory, text: Memory, length: number): Pointer;
  /** `io_uring_setup`, by `syscall`. */
  ioUringSetup(number: Size, entries: Size, parameters: Memory): number;
  /** `io_uring_enter2`, by `syscall`. */
  ioUringEnter(
    number: Size,
    ring: Size,
    toSubmit: Size,
    minComplete: Size,
    flags: Size,
    argument: Memory,
    argumentBytes: Size,
  ): number;
  /** `io_uring_register`, by `syscall`. */
  ioUringRegister(number: Size, ring: Size, operation: Size, argument: Memory, count: Size): number;
  errnoLocation(): Pointer;
  errnoCopy(target: Memory, source: Pointer, bytes: Size): Pointer;
  /** `memcpy` to C memory. */
  copyTo(target: Pointer, source: Memory, bytes: Size): Pointer;
}

const DECLARATIONS: Readonly<Record<keyof LibcFunctions, Signature>> = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "size", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "size", "i32"], result: "i32" },
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "size"], result: "i32" },
  write: { parameters: ["i32", "buffer", "size"], result: "i32" },
  readv: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  writev: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  dup: { parameters: ["i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  epollCreate1: { name: "epoll_create1", parameters: ["i32"], result: "i32" },
  epollCtl: { name: "epoll_ctl", parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epollWait: { name: "epoll_wait", parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  poll: { parameters: ["buffer", "size", "i32"], result: "i32" },
  pollThreaded: { name: "poll", parameters: ["pointer", "size", "i32"], result: "i32", isThreaded: true },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "i64" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  inetPton: { name: "inet_pton", parameters: ["i32", "buffer", "buffer"], result: "i32" },
  inetNtop: { name: "inet_ntop", parameters: ["i32", "buffer", "buffer", "u32"], result: "pointer" },
  ioUringSetup: { name: "syscall", parameters: ["size", "size", "buffer"], result: "i32" },
  ioUringEnter: {
    name: "syscall",
    parameters: ["size", "size", "size", "size", "size", "buffer", "size"],
    result: "i32",
  },
  ioUringRegister: { name: "syscall", parameters: ["size", "size", "size", "buffer", "size"], result: "i32" },
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
  errnoCopy: { name: "memcpy", parameters: ["buffer", "pointer", "size"], result: "pointer" },
  copyTo: { name: "memcpy", parameters: ["pointer", "buffer", "size"], result: "pointer" },
};

/** Where libc is, by architecture in Node's words: glibc first (Debian's, then others' folders), then musl. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  x64: pathsFor("x86_64"),
  arm64: pathsFor("aarch64"),
};

function pathsFor(machine: string): readonly string[] {
  const glibc = [`/lib/${machine}-linux-gnu`, `/usr/lib/${machine}-linux-gnu`];
  const folders = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
  return [
    ...[...glibc, ...folders].map((folder) => `${folder}/libc.so.6`),
    ...["/lib", "/usr/lib"].map((folder) => `${folder}/ld-musl-${machine}.so.1`),
  ];
}

/** Sizes up to 16 KiB, a block's, are made once each; above that they are usually multiples of one another, and few. */
const CACHED_SIZE_MAX = 16 * 1024;

/** libc, loaded. */
export class Libc {
  /** The functions. */
  readonly call: LibcFunctions;
  /** What it was loaded as. */
  readonly library: Library<LibcFunctions>;
  readonly #sizes: Size[] = [];
  readonly #four: Size;
  readonly #errnoAt: Pointer;
  readonly #errno = new Int32Array(new ArrayBuffer(64), 0, 1);

  /** @param library libc, with the functions declared here */
  constructor(library: Library<LibcFunctions>) {
    this.library = library;
    this.call = library.functions;
    this.#four = library.makeSize(4);
    this.#errnoAt = library.functions.errnoLocation(); // Fixed for a thread, and this object stays in its own.
  }

  /** Why the last call failed. Ask at once. */
  errno(): number {
    this.call.errnoCopy(this.#errno, this.#errnoAt, this.#four);
    return this.#errno[0]!;
  }

  /** `bytes` as a parameter of the type `size_t`, or of another of 64 bits; an integer from 0 on. */
  size(bytes: number): Size {
    if (bytes > CACHED_SIZE_MAX) return this.library.makeSize(bytes);
    return this.#sizes[bytes] ??= this.library.makeSize(bytes);
  }

  /** Unloads it. */
  close(): void {
    this.library.close();
  }
}

/** What a probe goes by; for tests. */
export interface LibcOptions {
  /** Asks the system. Default: `tryLibrary`. */
  readonly load?: TryLibrary;
  /** Where this is. Default: here. */
  readonly runtime?: Runtime;
  /** Where libc is. Default: where it usually is on this architecture. */
  readonly paths?: readonly string[];
}

/**
 * Loads libc, if this is Linux on a known architecture, with a runtime that has FFI and permits it.
 *
 * @returns libc, or one clause that says what is missing
 */
export function probeLibc(options: LibcOptions = {}): Probe<Libc> {
  const { os, arch, name } = options.runtime ?? detectRuntime();
  if (os !== "linux") return { found: null, refusal: `it is for Linux, not for "${os}"` };
  const paths = options.paths ?? PATHS[arch];
  if (paths === undefined) return { found: null, refusal: `it does not know the architecture "${arch}"` };
  if (name === "node") {
    return { found: null, refusal: "Node has no FFI without a flag (Deno and Bun have)" };
  }
  const probe = (options.load ?? tryLibrary)<LibcFunctions>(paths, DECLARATIONS);
  return probe.found === null ? probe : { found: new Libc(probe.found), refusal: null };
}
