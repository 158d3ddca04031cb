import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { EBADF } from "../../../io/ffi/errno.ts";
import { probeLibc } from "../../../io/ffi/libc.ts";
import type { TryLibrary } from "../../../io/ffi/load.ts";
import { detectRuntime, type Runtime } from "../../../io/runtime.ts";
import { withLibc } from "./broken_libc.ts";

const here = detectRuntime();
const elsewhere = (change: Partial<Runtime>): string | null =>
  probeLibc({ runtime: { ...here, ...change }, load: () => ({ found: null, refusal: "it was asked for" }) })
    .refusal;

Deno.test("a call that fails says why", () => {
  withLibc((libc) => {
    assertEquals([libc.call.close(-1), libc.errno()], [-1, EBADF]);
    assertEquals([libc.call.recv(-1, new Uint8Array(16), libc.size(16), 0), libc.errno()], [-1, EBADF]);
  });
});

Deno.test("small sizes are made once, and large ones are right, too", () => {
  withLibc((libc) => {
    assertStrictEquals(libc.size(100), libc.size(100));
    const pair = new Int32Array(2);
    assertEquals(libc.call.socketpair(1, 1, 0, pair), 0);
    const bytes = new Uint8Array(50_000).fill(7);
    assertEquals(libc.call.send(pair[0]!, bytes, libc.size(bytes.length), 0), 50_000);
    const got = new Uint8Array(60_000);
    let count = 0;
    while (count < 50_000) {
      const part = libc.call.recv(pair[1]!, got.subarray(count), libc.size(got.length - count), 0);
      assert(part > 0);
      count += part;
    }
    assertEquals([count, got[49_999], got[50_000]], [50_000, 7, 0]);
    for (const fd of pair) assertEquals(libc.call.close(fd), 0);
  });
});

Deno.test("where there is no libc to be had, the reason is told", () => {
  assertEquals(elsewhere({ os: "darwin" }), 'it is for Linux, not for "darwin"');
  assertEquals(elsewhere({ arch: "riscv64" }), 'it does not know the architecture "riscv64"');
  assertEquals(elsewhere({ name: "node" }), "Node has no FFI without a flag (Deno and Bun have)");
  assertEquals(elsewhere({}), "it was asked for");
});

Deno.test("libc is looked for by absolute paths: glibc's first, then musl's", () => {
  let asked: readonly string[] = [];
  const load: TryLibrary = (paths) => {
    asked = paths;
    return { found: null, refusal: "none" };
  };
  probeLibc({ runtime: { ...here, arch: "arm64" }, load });
  assert(asked.every((path) => path.startsWith("/")));
  assertEquals(asked[0], "/lib/aarch64-linux-gnu/libc.so.6");
  assertEquals(asked.at(-1), "/usr/lib/ld-musl-aarch64.so.1");
});

Deno.test("each probe has a library of its own", () => {
  withLibc((one) => withLibc((other) => assertNotStrictEquals(one.library, other.library)));
});
