/** The `curl` program: a client that is none of ours. */

import { type Child, spawnChild } from "./spawn_child.ts";

/** What one finished run of curl said. */
export interface CurlResult {
  /** Exit code; 0 is success, 18 a body cut short, 52 an empty answer, 56 a reset. */
  readonly code: number;
  /** What came back. */
  readonly stdout: string;
  /** What curl complained about. */
  readonly stderr: string;
}

/** Flags of every run: no progress bar, errors shown, no user's settings, no proxy, and an end (60 s). */
const ALWAYS = ["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"];

/** Runs curl to its end. */
export async function curl(...args: string[]): Promise<CurlResult> {
  const output = await new Deno.Command("curl", { args: [...ALWAYS, ...args], stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}

/** Starts a curl that prints as it receives (`--no-buffer`) until it is stopped. */
export function curlStream(...args: string[]): Child {
  return spawnChild("curl", [...ALWAYS, "--no-buffer", ...args]);
}
