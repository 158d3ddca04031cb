/**
 * Which tests do not run on Node or Bun, and why: the only place that says so.
 *
 * Files about the repository, about Deno or about the selector of one runtime have a place of their own (`PLACES`): they
 * are no part of the comparison, and run where they belong. Every other test runs everywhere unless `OPT_OUTS` names
 * it; those are counted.
 *
 * @module
 */

/** Runtimes a test may opt out of. */
export type RuntimeName = "node" | "bun";

/** Where a file belongs that does not belong everywhere. */
export interface Place {
  /** What it is about; the row of the table it is counted in. */
  readonly about: string;
  /** Where it runs besides Deno. */
  readonly runtimes: readonly RuntimeName[];
}

const REPOSITORY: Place = { about: "(the repository)", runtimes: [] };
const DENO: Place = { about: "(Deno itself)", runtimes: [] };
const NODE_NET: Place = { about: "(the selector on node:net)", runtimes: ["node"] };

const PLACES: Readonly<Record<string, Place>> = {
  "repo_test.ts": REPOSITORY,
  "tidy_test.ts": REPOSITORY,
  "std_test.ts": REPOSITORY,
  "support_test.ts": REPOSITORY,
  "url_import_test.ts": DENO, // Node and Bun cannot import by URL.
  "server/main_test.ts": DENO, // It is about `deno task serve`, a program for Deno.
  "io/selectors/native_deno_test.ts": DENO,
  "io/selectors/native_net_test.ts": NODE_NET,
  "io/selectors/native_socket_test.ts": NODE_NET,
  "io/selectors/native_listener_test.ts": NODE_NET,
  "io/selectors/native_node_test.ts": NODE_NET,
};

interface OptOut {
  readonly runtimes: readonly RuntimeName[];
  /** The file, below `tests/`. */
  readonly file: string;
  /** What the test's name is or, with a `*` at its end, how it begins. */
  readonly name: string;
  readonly reason: string;
}

const OPT_OUTS: readonly OptOut[] = [];

/** Where a file belongs; `null` for everywhere. */
export function placeOf(file: string): Place | null {
  return PLACES[file] ?? null;
}

/** Why a test does not run on a runtime; `null` when it does. */
export function optOutReason(runtime: RuntimeName, file: string, name: string): string | null {
  const found = OPT_OUTS.find((one) =>
    one.runtimes.includes(runtime) && one.file === file &&
    (one.name.endsWith("*") ? name.startsWith(one.name.slice(0, -1)) : name === one.name)
  );
  return found?.reason ?? null;
}
