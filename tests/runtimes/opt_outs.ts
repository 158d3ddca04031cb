/**
 * Which tests do not run on Node or Bun, and why: the only place that says so.
 *
 * Tests about the repository and the ready-made server (`DENO_ONLY`) run once, on Deno, and are no part of the comparison;
 * the opt-outs of all others are counted against them.
 *
 * @module
 */

/** Runtimes a test may opt out of. */
export type RuntimeName = "node" | "bun";

/** Test files, or folders of them, that are about Deno, the repository or its tools. */
export const DENO_ONLY: readonly { readonly path: string; readonly reason: string }[] = [
  { path: "repo_test.ts", reason: "it is about the repository's own files" },
  { path: "tidy_test.ts", reason: "it is about the repository's own files" },
  {
    path: "std_test.ts",
    reason: "it is about the stand-ins for @std, which are the tests' and not the library's",
  },
  { path: "support_test.ts", reason: "it is about the tests' own tools" },
  { path: "url_import_test.ts", reason: "it imports by URL, which Node and Bun cannot" },
  { path: "server/main_test.ts", reason: "it is about `deno task serve`, a program for Deno" },
];

interface OptOut {
  readonly runtime: RuntimeName | "both";
  /** The file, below `tests/`. */
  readonly file: string;
  /** What the test's name is or, with a `*` at its end, how it begins. */
  readonly name: string;
  readonly reason: string;
}

const OPT_OUTS: readonly OptOut[] = [];

/** Why a test does not run on a runtime; `null` when it does. */
export function optOutReason(runtime: RuntimeName, file: string, name: string): string | null {
  const found = OPT_OUTS.find((one) =>
    (one.runtime === "both" || one.runtime === runtime) && one.file === file &&
    (one.name.endsWith("*") ? name.startsWith(one.name.slice(0, -1)) : name === one.name)
  );
  return found?.reason ?? null;
}
