/**
 * What tests of the parts of the `uring` selector share: a ring, an arena, and a kernel that can be made to refuse.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { probeLibc } from "../../../io/ffi/libc.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { LibcKernel, type MappedMemory, type UringKernel } from "../../../io/ffi/uring_kernel.ts";
import { PinnedArena } from "../../../io/selectors/uring_arena.ts";
import { Ring, type RingOptions } from "../../../io/selectors/uring_ring.ts";

/** The kernel, with some of its calls replaced. */
export class ChangedKernel implements UringKernel {
  readonly #inner: UringKernel;
  readonly #changes: Partial<UringKernel>;

  constructor(inner: UringKernel, changes: Partial<UringKernel>) {
    this.#inner = inner;
    this.#changes = changes;
  }

  setup(entries: number, params: Uint8Array<ArrayBuffer>): number {
    return this.#changes.setup?.(entries, params) ?? this.#inner.setup(entries, params);
  }

  enter(ring: number, submitCount: number, completionsMin: number, flags: number): number {
    return (this.#changes.enter ?? this.#inner.enter).call(
      this.#inner,
      ring,
      submitCount,
      completionsMin,
      flags,
    );
  }

  register(ring: number, operation: number, argument: Uint8Array<ArrayBuffer> | null, count: number): number {
    const changed = this.#changes.register?.(ring, operation, argument, count);
    return changed ?? this.#inner.register(ring, operation, argument, count);
  }

  mapRing(ring: number, bytes: number, offset: number): MappedMemory | number {
    return this.#changes.mapRing?.(ring, bytes, offset) ?? this.#inner.mapRing(ring, bytes, offset);
  }

  mapMemory(bytes: number): MappedMemory | number {
    return this.#changes.mapMemory?.(bytes) ?? this.#inner.mapMemory(bytes);
  }

  close(ring: number): number {
    return this.#inner.close(ring);
  }

  reserve(bytes: number): number {
    return this.#changes.reserve?.(bytes) ?? this.#inner.reserve(bytes);
  }

  viewOf(address: number, bytes: number): ArrayBuffer {
    return this.#inner.viewOf(address, bytes);
  }

  unmap(address: number, bytes: number): number {
    return this.#inner.unmap(address, bytes);
  }

  discard(address: number, bytes: number): number {
    return (this.#changes.discard ?? this.#inner.discard).call(this.#inner, address, bytes);
  }
}

/** Runs with libc and the kernel. */
export function withKernel(run: (kernel: LibcKernel, libc: Libc) => void): void {
  const { found, refusal } = probeLibc();
  assertEquals(refusal, null);
  try {
    run(new LibcKernel(found!), found!);
  } finally {
    found!.close();
  }
}

/** Runs with a ring. */
export function withRing(
  options: RingOptions,
  run: (ring: Ring, libc: Libc, kernel: UringKernel) => void,
  changes: Partial<UringKernel> = {},
): void {
  withKernel((inner, libc) => {
    const kernel = new ChangedKernel(inner, changes);
    const ring = Ring.open(kernel, options);
    try {
      run(ring, libc, kernel);
    } finally {
      ring.unmap();
      kernel.close(ring.descriptor);
    }
  });
}

/** Runs with an arena. */
export function withArena(
  bytes: number,
  isGuarded: boolean,
  run: (arena: PinnedArena, discarded: number[]) => void,
): void {
  withKernel((inner) => {
    const discarded: number[] = [];
    const kernel = new ChangedKernel(inner, {
      discard: (address, length) => (discarded.push(length), inner.discard(address, length)),
    });
    const address = kernel.reserve(bytes);
    if (address < 0) throw new TypeError(`no memory: ${address}`);
    try {
      run(new PinnedArena(kernel, address, { bytes, isGuarded }), discarded);
    } finally {
      kernel.unmap(address, bytes);
    }
  });
}

/** The completions a ring has now: what each is told by, and its result. */
export function completionsOf(ring: Ring): { user: [number, number]; result: number; flags: number }[] {
  const completions = [];
  while (ring.take(Infinity)) {
    const { backlog } = ring;
    for (let at = ring.backlogStart; at < ring.backlogEnd; at += 4) {
      const [low, high, result, flags] = backlog.subarray(at, at + 4) as unknown as [
        number,
        number,
        number,
        number,
      ];
      completions.push({ user: [low, high] as [number, number], result, flags });
    }
    ring.clearBacklog();
  }
  return completions;
}
