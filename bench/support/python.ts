/**
 * Finds Debian's Python with uvloop, and installs the package unless it is there.
 *
 * The path is absolute: Debian's packages are seen by Debian's interpreter only, whichever one is first on the path.
 *
 * @module
 */
import { output } from "./runtimes.ts";

/** Debian's interpreter. */
const PYTHON = "/usr/bin/python3";

/** Prints both versions; fails when one of the two is not there. */
const VERSIONS = "import platform, uvloop; print(platform.python_version(), uvloop.__version__)";

/** Python with uvloop. */
export interface Python {
  /** Path of the interpreter. */
  readonly path: string;
  /** Version of the interpreter. */
  readonly version: string;
  /** Version of uvloop. */
  readonly uvloopVersion: string;
}

/** Installs Debian's `python3` and `python3-uvloop` unless they work; returns where and which they are. */
export async function needPython(): Promise<Python> {
  const works = await new Deno.Command("sh", {
    args: ["-c", `${PYTHON} -c '${VERSIONS}' > /dev/null 2>&1`],
    stdin: "null",
  }).output();
  if (!works.success) {
    await output("sh", ["-c", "apt-get update -q && apt-get install -y -q python3 python3-uvloop"]);
  }
  const [version = "", uvloopVersion = ""] = (await output(PYTHON, ["-c", VERSIONS])).trim().split(" ");
  return { path: PYTHON, version, uvloopVersion };
}
