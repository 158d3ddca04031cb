/** The selector on io_uring runs the whole contract, with memory guarded; also in cramped rooms. */

import { readdirSync } from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import type { UringKernel } from "../../../io/ffi/uring_kernel.ts";
import { openUring, probeUring, type UringOptions } from "../../../io/selectors/uring.ts";
import { parkByDescriptor } from "../../../io/selectors/uring_parking.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";
import { ChangedKernel } from "./uring_support.ts";

const ABILITIES = { hasSockets: true, countSends: null };

selectorContract(
  "uring selector",
  () => openUring({ isGuarded: true, buffers: { count: 64 } }),
  ABILITIES,
);

selectorContract("uring selector, cramped, parked as a descriptor", () =>
  openUring({
    isGuarded: true,
    ring: { entries: 4, completions: 4 },
    buffers: { count: 2, bytes: 3_000 },
    arenaBytes: 512 * 1024,
    ways: [parkByDescriptor],
  }), ABILITIES);

/** Descriptors this process has open. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

Deno.test("uring is refused with the reason, and holds nothing then", async () => {
  const before = descriptors();
  const refusals: [RegExp, UringOptions][] = [
    [/seccomp/, { wrapKernel: changed({ setup: () => -1 }) }],
    [/no io_uring/, { wrapKernel: changed({ setup: () => -38 }) }],
    [/memory/, { wrapKernel: changed({ reserve: () => -12 }) }],
    [/receive buffers/, {
      wrapKernel: changed({ register: (_ring, operation) => operation === 22 ? -22 : undefined as never }),
    }],
    [/no way/, { ways: [() => ({ found: null, refusal: "no way to sleep" })] }],
    [/no FFI/, { load: () => ({ found: null, refusal: "no FFI today" }) }],
    [/ can be loaded: /, { paths: ["/no/such/libc.so.6"] }],
  ];
  for (const [message, options] of refusals) {
    const { found, refusal } = probeUring(options);
    assertEquals(found, null);
    assertMatch(refusal!, message);
    assertThrows(() => openUring(options), UnsupportedError, refusal!);
  }
  for (let turn = 0; turn < 100 && descriptors() > before; turn++) { // Bun's end of a socket pair closes a little later.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals(descriptors(), before);
});

Deno.test("a collector of garbage sees only what is used of the memory to send from", async () => {
  const before = process.memoryUsage();
  await using selector = openUring(); // 256 MiB of addresses
  const after = process.memoryUsage();
  for (const kind of ["external", "arrayBuffers"] as const) {
    const seen = after[kind] - before[kind];
    assert(seen < 32 << 20, `${seen} bytes of ${kind} are seen, which so much garbage is let grow for`);
  }
  assertEquals(selector.arena.seenBytes, 1 << 20);
});

function changed(changes: Partial<UringKernel>): (kernel: UringKernel) => UringKernel {
  return (kernel) => new ChangedKernel(kernel, changes);
}

Deno.test("sizes that make no sense are refused", () => {
  for (
    const options of [{ arenaBytes: 1_000_000 }, { arenaBytes: 64 * 1024 }, { ring: { entries: 5 } }, {
      buffers: { count: 5 },
    }]
  ) {
    assertThrows(() => probeUring(options), RangeError);
  }
});

Deno.test("opening and closing many times leaves no descriptor behind", async () => {
  const before = descriptors();
  for (let round = 0; round < 10; round++) {
    const selector = openUring();
    assert(selector.how.length > 0);
    await selector.close();
    await selector.close();
  }
  assertEquals(descriptors(), before);
});
