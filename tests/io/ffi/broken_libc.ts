/** libc with some functions replaced, for tests of what happens when the system refuses. */

import { assertEquals } from "@std/assert";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../../io/ffi/constants.ts";
import { Libc, type LibcFunctions, probeLibc } from "../../../io/ffi/libc.ts";
import { type Library, type TryLibrary, tryLibrary } from "../../../io/ffi/load.ts";

/** Makes a call fail: returns -1, and the next `errno()` is `errno`. */
export type Fail = (errno: number) => number;

/** Says which functions to replace; `real` are the true ones. */
export type Breakage = (real: LibcFunctions, fail: Fail) => Partial<LibcFunctions>;

/** A loader of libc whose functions are replaced. */
export function breakingLoader(breakage: Breakage): TryLibrary {
  return (paths, signatures) => {
    const probe = tryLibrary(paths, signatures);
    if (probe.found === null) return probe;
    return { found: breakLibrary(probe.found as never, breakage) as never, refusal: null };
  };
}

function breakLibrary(library: Library<LibcFunctions>, breakage: Breakage): Library<LibcFunctions> {
  const real = library.functions;
  let next: number | null = null;
  const fail: Fail = (errno) => {
    next = errno;
    return -1;
  };
  const functions: LibcFunctions = {
    ...real,
    errnoCopy: (target, source, bytes) => {
      if (next === null) return real.errnoCopy(target, source, bytes);
      (target as Int32Array)[0] = next;
      next = null;
      return source;
    },
    ...breakage(real, fail),
  };
  return { ...library, functions };
}

/** Runs with libc, some of its functions replaced, and unloads it. */
export function withLibc<T>(run: (libc: Libc) => T, breakage: Breakage = () => ({})): T {
  const { found, refusal } = probeLibc({ load: breakingLoader(breakage) });
  assertEquals(refusal, null);
  const libc = found!;
  let result: T;
  try {
    result = run(libc);
  } catch (error) {
    libc.close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(() => libc.close()) as T;
  libc.close();
  return result;
}

/** What descriptors are open because of a libc that counts, for tests that nothing is left. */
export class OpenDescriptors {
  readonly open: Set<number> = new Set();

  /** The functions that open and close, counted. */
  readonly breakage: Breakage = (real) => {
    const opened = (fd: number): number => (fd >= 0 && this.open.add(fd), fd);
    return {
      socket: (...all) => opened(real.socket(...all)),
      eventfd: (...all) => opened(real.eventfd(...all)),
      epollCreate1: (flags) => opened(real.epollCreate1(flags)),
      ioUringSetup: (...all) => opened(real.ioUringSetup(...all)),
      accept4: (...all) => opened(real.accept4(...all)),
      close: (fd) => (this.open.delete(fd), real.close(fd)),
    };
  };
}

/** Runs with two ends that are joined, and that do wait: only who reads or writes says that it must not. As `withLibc` besides. */
export function withEnds(run: (libc: Libc, ours: number, peers: number) => void, breakage?: Breakage): void {
  withLibc((libc) => {
    const ends = new Int32Array(new ArrayBuffer(256), 0, 2);
    libc.call.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    try {
      run(libc, ends[0]!, ends[1]!);
    } finally {
      for (const end of ends) libc.call.close(end);
    }
  }, breakage);
}
