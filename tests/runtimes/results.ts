/**
 * What came of a run of tests: read from JUnit's XML, which all three runtimes write, summed by suite, shown as a table.
 *
 * @module
 */
import { optOutReason, placeOf, type RuntimeName } from "./opt_outs.ts";

/** How one test ended. */
export type Outcome = "passed" | "failed" | "skipped";

/** One test of one file. */
export interface TestResult {
  readonly file: string;
  readonly name: string;
  readonly outcome: Outcome;
}

/** Counts of one suite on one runtime. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A runtime's results, by suite. */
export type Suites = Record<string, Counts>;

const CASE = /<testcase\b([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g;

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The tests in a JUnit report; each is of `file`, unless the report names it in `classname` as Deno's does. */
export function parseJunit(xml: string, file?: string): TestResult[] {
  return [...xml.matchAll(CASE)].map(([, attributes = "", body = ""]) => ({
    file: file ?? attribute(attributes, "classname").replace(/^(\.\/)?tests\//, ""),
    name: attribute(attributes, "name"),
    outcome: /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed",
  }));
}

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value.replaceAll(/&(?:#(x?)([0-9a-f]+)|(\w+));/gi, (all, hex, code, word) => {
    if (code !== undefined) return String.fromCodePoint(parseInt(code, hex ? 16 : 10));
    return ENTITIES[word] ?? all;
  });
}

/** What a run of all tests on Node or Bun leaves for the table. */
export interface RunSummary {
  /** The counts. */
  readonly suites: Suites;
  /** Why tests were left out, and how many for each reason. */
  readonly reasons: readonly (readonly [reason: string, count: number])[];
}

/** Counts results by suite: the folder of the file, or where the file's own place is. */
export function sumUp(results: readonly TestResult[]): Suites {
  const suites: Suites = {};
  for (const { file, name, outcome } of results) {
    const suite = placeOf(file, name)?.about ?? (file.replace(/\/?[^/]*$/, "") || "tests");
    (suites[suite] ??= { passed: 0, failed: 0, skipped: 0 })[outcome]++;
  }
  return suites;
}

/** Suites × runtimes: passed/failed/opted out; `-` where a runtime has nothing of a suite. */
export function table(columns: Readonly<Record<string, Suites>>): string {
  const names = Object.keys(columns);
  const suites = [...new Set(Object.values(columns).flatMap((column) => Object.keys(column)))].sort();
  const cell = (counts: Counts | undefined) =>
    counts === undefined ? "-" : `${counts.passed}/${counts.failed}/${counts.skipped}`;
  const rows = [
    ["passed/failed/opted out", ...names],
    ...suites.map((suite) => [suite, ...names.map((name) => cell(columns[name]![suite]))]),
    ["all", ...names.map((name) => cell(total(columns[name]!)))],
  ];
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row.map((text, at) => at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)).join("  ")
  )
    .join("\n");
}

/** The sum of all suites. */
export function total(suites: Suites): Counts {
  const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of Object.values(suites)) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}

/** Share of a runtime's tests that may opt out: of all of them, for a single file may be about a gap. */
export const OPT_OUT_SHARE_MAX = 0.02;

/**
 * Says what opted out on a runtime and why.
 *
 * @throws RangeError when that is more than `shareMax` of its tests
 */
export function optOutText(
  runtime: RuntimeName,
  { suites, reasons }: RunSummary,
  shareMax: number = OPT_OUT_SHARE_MAX,
): string {
  const { passed, failed } = total(suites);
  const count = reasons.reduce((sum, [, count]) => sum + count, 0);
  const share = count / (passed + failed + count);
  const percent = `${(share * 100).toFixed(1)} %`;
  if (share > shareMax) throw new RangeError(`${count} tests opt out on ${runtime}: ${percent}`);
  const lines = reasons.map(([reason, count]) => `  ${count}: ${reason}`);
  return [`${count} of ${passed + failed + count} tests (${percent}) opt out on ${runtime}`, ...lines].join(
    "\n",
  );
}

/**
 * Why tests were skipped, each reason with how often; a test that skips itself has none. Those that are about another
 * runtime are not opted out: they have rows of their own.
 */
export function reasons(runtime: RuntimeName, results: readonly TestResult[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { file, name, outcome } of results) {
    if (outcome !== "skipped" || placeOf(file, name)?.runtimes.includes(runtime) === false) continue;
    const reason = optOutReason(runtime, file, name) ?? `${file}: the test leaves itself out`;
    found.set(reason, (found.get(reason) ?? 0) + 1);
  }
  return found;
}
