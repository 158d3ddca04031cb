/**
 * Runs the tests on Node or Bun, or shows what came of all three runs.
 *
 * ```text
 * run.ts node [--results=<file>] [test file …]
 * run.ts bun  [--results=<file>] [test file …]
 * run.ts table <deno's JUnit report> <node's results> <bun's results>
 * ```
 *
 * Strategy: each test file has a process of its own, or on Node each group of them (`groups.ts`; Bun starts fast enough to
 * do without), so that one that hangs or breaks its globals harms few others, and ends after `FILE_MS_MAX` whatever happens. The runtimes come from npm, as for the benchmarks, and so do the packages
 * that tests name. A process that ends badly without a failed test counts as one failure; one whose runtime crashed runs once more,
 * and that is said.
 *
 * @module
 */
import { installRuntimes, output } from "../../bench/support/runtimes.ts";
import { type Group, groupModule, groupsOf, listFiles, splitName } from "./groups.ts";
import { placeOf, type RuntimeName } from "./opt_outs.ts";
import {
  OPT_OUT_SHARE_MAX,
  optOutText,
  parseJunit,
  reasons,
  type RunSummary,
  sumUp,
  table,
  type TestResult,
  total,
} from "./results.ts";

const ROOT = new URL("../../", import.meta.url);
const TESTS = new URL("tests/", ROOT);

/** 6 minutes: several times what the longest file takes on a machine with other work to do. */
const FILE_MS_MAX = 360_000;

/** As many as the machines that check this have cores. */
const PROCESSES_MAX = 2;

/** How many of the files or groups that took longest are named at the end. */
const SLOWEST_SHOWN = 8;

/** How much of a failed file's output is shown, characters: the end, where runners say what failed. */
const SHOWN_MAX = 20_000;

/** V8's last words: a mistake of the runtime's, not of the program's (Node 24 has one: nodejs/node#60755, open). */
const CRASHED = "\n# Fatal error in ";

interface GroupRun {
  readonly results: readonly TestResult[];
  /** What it said, if anything failed. */
  readonly complaint: string;
}

const [mode, ...rest] = Deno.args;
if (mode === "table") await showTable(rest);
else if (mode === "node" || mode === "bun") Deno.exit(await runAll(mode, rest));
else throw new TypeError(`Cannot run the tests on "${mode}": say node, bun or table`);

async function showTable([deno = "", node = "", bun = ""]: readonly string[]): Promise<void> {
  const read = async (path: string): Promise<RunSummary> => JSON.parse(await Deno.readTextFile(path));
  const [onNode, onBun] = [await read(node), await read(bun)];
  const onDeno = sumUp(parseJunit(await Deno.readTextFile(deno)));
  console.log(table({ deno: onDeno, node: onNode.suites, bun: onBun.suites }));
  console.log(`\n${optOutText("node", onNode)}\n${optOutText("bun", onBun)}`);
}

async function runAll(runtime: RuntimeName, args: readonly string[]): Promise<number> {
  const resultsPath = args.find((arg) => arg.startsWith("--results="))?.slice("--results=".length);
  const named = args.filter((arg) => !arg.startsWith("--"));
  const files = named.length > 0
    ? named.map((path) => path.replace(/^(\.\/)?tests\//, ""))
    : await listFiles(TESTS);
  const here = files.filter((file) => placeOf(file)?.runtimes.includes(runtime) ?? true);
  const program = (await installRuntimes())[runtime];
  const packages = await installPackages(here);
  const reports = await Deno.makeTempDir();
  const results: TestResult[] = [];
  const took: [seconds: number, name: string][] = [];
  const groups = runtime === "node" ? groupsOf(here) : here.map((file) => ({ name: file, files: [file] }));
  const queue = groups.values();
  const work = async (): Promise<void> => {
    for (const group of queue) {
      const began = performance.now();
      let run = await runGroup(runtime, program, packages, group, reports);
      if (run.complaint.includes(CRASHED)) {
        console.log(
          `== ${group.name} on ${runtime}, run once more, since ${runtime} itself crashed\n${run.complaint}`,
        );
        run = await runGroup(runtime, program, packages, group, reports);
      }
      took.push([(performance.now() - began) / 1000, group.name]);
      results.push(...run.results);
      if (run.complaint !== "") console.log(`== ${group.name} on ${runtime}\n${run.complaint}`);
    }
  };
  await Promise.all(Array.from({ length: PROCESSES_MAX }, work));
  await Deno.remove(reports, { recursive: true });
  const slowest = took.sort(([a], [b]) => b - a).slice(0, SLOWEST_SHOWN);
  console.log(`slowest: ${slowest.map(([seconds, name]) => `${name} ${seconds.toFixed(0)} s`).join(", ")}`);
  const shareMax = named.length > 0 ? 1 : OPT_OUT_SHARE_MAX;
  return report(runtime, results, files.length - here.length, resultsPath, shareMax);
}

function report(
  runtime: RuntimeName,
  results: readonly TestResult[],
  filesElsewhere: number,
  resultsPath: string | undefined,
  shareMax: number,
): number {
  const suites = sumUp(results);
  const summary: RunSummary = { suites, reasons: [...reasons(runtime, results)] };
  if (resultsPath !== undefined) Deno.writeTextFileSync(resultsPath, JSON.stringify(summary));
  console.log(`\n${table({ [runtime]: suites })}\n\n${optOutText(runtime, summary, shareMax)}`);
  console.log(
    `${filesElsewhere} files are about Deno, the repository or another runtime's selector (tests/runtimes/opt_outs.ts)`,
  );
  const { passed, failed, skipped } = total(suites);
  console.log(
    `\n${failed === 0 ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed | ${skipped} ignored`,
  );
  return failed === 0 ? 0 : 1;
}

async function runGroup(
  runtime: RuntimeName,
  program: string,
  packages: string,
  { name, files }: Group,
  reports: string,
): Promise<GroupRun> {
  const reportPath = `${reports}/${name.replaceAll(/\W/g, "_")}.xml`;
  let path = `./tests/${files[0]}`;
  if (files.length > 1) {
    path = `${reportPath}.mts`;
    await Deno.writeTextFile(path, groupModule(files, TESTS));
  }
  const args = runtime === "node"
    ? [
      "--import",
      "./tests/runtimes/preload_node.ts",
      "--experimental-eventsource",
      "--test-reporter=junit",
      `--test-reporter-destination=${reportPath}`,
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      path,
    ]
    : [
      "test",
      "--preload",
      "./tests/runtimes/preload_bun.ts",
      "--reporter=junit",
      `--reporter-outfile=${reportPath}`,
      path,
    ];
  const ended = await new Deno.Command(program, {
    args,
    cwd: ROOT,
    env: { SLUICE_TEST_PACKAGES: packages, NODE_COMPILE_CACHE: `${packages}/compiled`, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(FILE_MS_MAX),
  }).output();
  const results = (await readReport(reportPath, name)).map((one) => ({ ...one, ...splitName(one.name) }));
  const failed = results.filter(({ outcome }) => outcome === "failed").length;
  if (failed === 0 && ended.success && results.length > 0) return { results, complaint: "" };
  const decoder = new TextDecoder();
  const said = decoder.decode(ended.stdout) + decoder.decode(ended.stderr);
  const complaint = `ended with code ${ended.code}\n${said.slice(-SHOWN_MAX)}`;
  if (failed > 0) return { results, complaint };
  return { results: [...results, { file: name, name: "ends well", outcome: "failed" }], complaint };
}

async function readReport(path: string, file: string): Promise<TestResult[]> {
  try {
    return parseJunit(await Deno.readTextFile(path), file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Installs the npm packages that test files import, once, and returns the folder: one for each set of packages, so that
 * runs of different files or working copies at the same time leave each other's alone.
 */
async function installPackages(files: readonly string[]): Promise<string> {
  const wanted = new Set<string>();
  for (const file of files) {
    const text = await Deno.readTextFile(new URL(file, TESTS));
    for (const [, specifier] of text.matchAll(/(?:from\s+|import\s*\(\s*)"npm:((?:@[^/"]+\/)?[^/"]+)/g)) {
      wanted.add(specifier!);
    }
  }
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  const names = JSON.stringify([...wanted].sort());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(names)));
  const folder = `${home}/sluice-tests/${digest.slice(0, 8).toHex()}`;
  const list = `${folder}/installed.json`;
  await Deno.mkdir(folder, { recursive: true });
  const installed = await Deno.readTextFile(list).catch(() => "");
  if (installed !== names) {
    await Deno.writeTextFile(`${folder}/package.json`, '{"private":true}');
    if (wanted.size > 0) await output("npm", ["install", "--no-audit", "--no-fund", ...wanted], folder);
    await Deno.writeTextFile(list, names);
  }
  return folder;
}
