import { assertEquals, assertStringIncludes } from "@std/assert";
import { detectRuntime, processId, readEnv } from "../../io/runtime.ts";

const modulePath = new URL("../../io/runtime.ts", import.meta.url).href;

/** Runs a line of code that has the module as `runtime`, and returns what it prints. */
async function evaluate(code: string, ...flags: string[]): Promise<string> {
  const source = `import * as runtime from ${JSON.stringify(modulePath)}; console.log(${code});`;
  const url = `data:application/typescript,${encodeURIComponent(source)}`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-import", "--allow-read", ...flags, url],
    env: { SLUICE_TEST_VARIABLE: "here" },
  }).output();
  return new TextDecoder().decode(stdout).trim() + new TextDecoder().decode(stderr).trim();
}

Deno.test("this runtime is Deno, with its version and system", () => {
  const os = Deno.build.os === "windows" ? "win32" : Deno.build.os;
  const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  assertEquals(detectRuntime(), { name: "deno", version: Deno.version.deno, os, arch });
});

Deno.test("the process has the number that the system knows it by", () => {
  assertEquals(processId(), Deno.pid);
});

Deno.test("a variable is read when that is permitted", () => {
  Deno.env.set("SLUICE_TEST_VARIABLE", "set");
  assertEquals(readEnv("SLUICE_TEST_VARIABLE"), "set");
  Deno.env.delete("SLUICE_TEST_VARIABLE");
  assertEquals(readEnv("SLUICE_TEST_VARIABLE"), null);
});

Deno.test("without the permission a variable is unknown, and nobody is asked", async () => {
  assertEquals(await evaluate("runtime.readEnv('SLUICE_TEST_VARIABLE')", "--quiet"), "null");
  assertStringIncludes(
    await evaluate("runtime.readEnv('SLUICE_TEST_VARIABLE')", "--quiet", "--allow-env=SLUICE_TEST_VARIABLE"),
    "here",
  );
});

Deno.test("Node and Bun are told apart by their process, and anything else is unknown", () => {
  const names = ["Deno", "process"] as const;
  const own = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name)!);
  const detectWith = (versions: unknown) => {
    const process = versions === null
      ? undefined
      : { platform: "linux", arch: "x64", versions, env: { NAME: "value" } };
    Object.defineProperty(globalThis, "Deno", { value: undefined, configurable: true });
    Object.defineProperty(globalThis, "process", { value: process, configurable: true });
    try {
      return [detectRuntime(), readEnv("NAME")];
    } finally {
      for (const [index, name] of names.entries()) Object.defineProperty(globalThis, name, own[index]!);
    }
  };
  assertEquals(detectWith({ node: "24.1.0" }), [
    { name: "node", version: "24.1.0", os: "linux", arch: "x64" },
    "value",
  ]);
  assertEquals(detectWith({ node: "24.1.0", bun: "1.4.5" }), [
    { name: "bun", version: "1.4.5", os: "linux", arch: "x64" },
    "value",
  ]);
  assertEquals(detectWith(null), [{ name: "unknown", version: "", os: "", arch: "" }, null]);
});
