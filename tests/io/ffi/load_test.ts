import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { probeLibc } from "../../../io/ffi/libc.ts";
import { tryLibrary } from "../../../io/ffi/load.ts";
import { withLibc } from "./broken_libc.ts";

Deno.test("a library that is nowhere is refused, with the reason", () => {
  const getpid = { parameters: [], result: "i32" } as const; // Bun opens a library for its functions, one by one
  const { found, refusal } = tryLibrary(["/nowhere/a.so", "/nowhere/b.so"], { getpid });
  assertEquals(found, null);
  assertStringIncludes(refusal!, "none of /nowhere/a.so, /nowhere/b.so can be loaded: ");
  assertStringIncludes(refusal!, "a.so");
});

Deno.test("the next path is tried, and a function that is missing is a reason", () => {
  withLibc((libc) => {
    const { path } = libc.library;
    const { found, refusal } = tryLibrary<{ getpid(): number }>(["/nowhere/a.so", path], {
      getpid: { parameters: [], result: "i32" },
    });
    assertEquals([refusal, found?.path], [null, path]);
    assert(found!.functions.getpid() > 0);
    found!.close();
    const missing = tryLibrary([path], { noSuchFunction: { parameters: [], result: "i32" } });
    assertStringIncludes(missing.refusal!, "noSuchFunction");
  });
});

Deno.test("a view's memory is found by its address, the short one's as well", () => {
  withLibc(({ library }) => {
    for (const length of [8, 100_000]) {
      const view = new Uint8Array(length).fill(9);
      const end = library.pointerTo(library.addressOf(view) + length - 4);
      const copy = new Uint8Array(4);
      library.copyFrom(end, copy);
      assertEquals([...copy], [9, 9, 9, 9]);
      view[length - 1] = 1;
      library.copyFrom(end, copy);
      assertEquals([...copy], [9, 9, 9, 1]);
    }
  });
});

Deno.test("a buffer over C memory is that memory", () => {
  withLibc(({ library, call }) => {
    assert(library.canView);
    const address = call.mmap(null, 4096, 3, 0x22, -1, 0);
    assert(address > 0);
    const pointer = library.pointerTo(address);
    const bytes = new Uint8Array(library.viewOf(pointer, 4096));
    bytes.set([1, 2, 3], 4000);
    const copy = new Uint8Array(3);
    library.copyFrom(library.pointerTo(address + 4000), copy);
    assertEquals([...copy], [1, 2, 3]);
    assertEquals(call.munmap(pointer, 4096), 0);
  });
});

Deno.test("a wide result is a number, and -1 is -1", () => {
  withLibc(({ call }) => assertEquals(call.mmap(null, 4096, 3, 0x22, -1, 1), -1));
});

/** Probes libc in a process with these permissions, and tells what came of it. */
async function probeWith(...flags: string[]): Promise<string> {
  const module = new URL("../../../io/ffi/libc.ts", import.meta.url).href;
  const text = `import { probeLibc } from ${JSON.stringify(module)};
    const { found, refusal } = probeLibc();
    const pair = new Int32Array(2);
    console.log(refusal ?? [found.library.canView, found.call.socketpair(1, 1, 0, pair), found.call.close(pair[0])]);`;
  const url = `data:application/typescript,${encodeURIComponent(text)}`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-import", "--allow-read", ...flags, url],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim() + new TextDecoder().decode(stderr).trim();
}

Deno.test("permission for FFI that was not given is not asked for; the refusal names the flag", async () => {
  assertStringIncludes(await probeWith(), "FFI is not permitted (run with --allow-ffi=/");
  assertStringIncludes(await probeWith("--deny-ffi"), "FFI is not permitted");
  assertStringIncludes(await probeWith("--allow-ffi=/nowhere"), "FFI is not permitted");
});

Deno.test("permission for the one path is enough for all but views of C memory", async () => {
  const { found } = probeLibc();
  const { path } = found!.library;
  found!.close();
  assertEquals(await probeWith(`--allow-ffi=${path}`), "[ false, 0, 0 ]");
  assertEquals(await probeWith("--allow-ffi"), "[ true, 0, 0 ]");
});
