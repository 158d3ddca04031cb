/** What child processes need to open the selector that `SLUICE_SELECTOR` asks for in this run of the tests. */

import { probeLibc } from "../../io/ffi/libc.ts";

/** Flags that permit what is asked for, and no more. */
export function selectorFlags(selector: string | undefined): string[] {
  if (selector === "uring") return ["--allow-ffi"];
  if (selector !== "epoll") return [];
  const { found, refusal } = probeLibc();
  if (found === null) throw new TypeError(`Cannot run the tests on epoll: ${refusal}`);
  const { path } = found.library;
  found.close();
  return [`--allow-ffi=${path}`];
}

/** The arguments of Deno with `flags` in them; `deno run` takes some, other commands none. */
export function permitSelector(args: readonly string[], selector: string | undefined): string[] {
  const [command, ...rest] = args;
  const isRun = command === "run" && !rest.some((arg) => arg === "-A" || arg.startsWith("--allow-all"));
  return isRun ? [command, ...selectorFlags(selector), ...rest] : [...args];
}
