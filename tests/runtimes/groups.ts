/**
 * Test files that share a process or an isolate, so that a run of everything does not start one for each file.
 *
 * ```text
 * groups.ts <folder>   writes Deno's groups into the folder, and prints what `deno test` is to be given
 * ```
 *
 * Strategy: a runtime's start and the loading of the library take 0.4 s of a core, most files' tests a tenth of that. Files of
 * a folder that stand in memory or on sockets of their own are one group; those that measure a process, start many or are
 * about the whole stay alone. What a test belongs to does not change by it: Deno reports where it was registered,
 * and Node is told each file as it is loaded (`registration.ts`).
 *
 * @module
 */

/** Folders below `tests/` whose files need a process to themselves; "" is `tests/` itself. */
const ALONE: readonly string[] = ["", "bench", "e2e", "fuzz"];

/** What runs together; one file alone is a group, too. */
export interface Group {
  /** Names it in messages. */
  readonly name: string;
  /** Files, as below `tests/`. */
  readonly files: readonly string[];
}

/** Groups of files: those that are alone first, since they take longest. */
export function groupsOf(files: readonly string[]): Group[] {
  const alone: Group[] = [];
  const folders = new Map<string, string[]>();
  for (const file of files) {
    const folder = file.replace(/\/?[^/]*$/, "");
    if (ALONE.includes(folder.split("/")[0]!)) alone.push({ name: file, files: [file] });
    else folders.set(folder, [...folders.get(folder) ?? [], file]);
  }
  return [...alone, ...[...folders].map(([folder, files]) => ({ name: `${folder}/*`, files }))];
}

/** Files of a group that are reported by name, see `registration.ts`. */
const NAMED = /^(\S+_test\.ts): ([^]*)$/;

/** The file and the name of a test whose group reported both as its name; `null` for a test of a single file. */
export function splitName(reported: string): { readonly file: string; readonly name: string } | null {
  const [, file, name] = NAMED.exec(reported) ?? [];
  return file === undefined || name === undefined ? null : { file, name };
}

/** The text of a module that loads a group on Node. */
export function groupModule(files: readonly string[], tests: URL): string {
  const loads = files.map((file) => `  ["${file}", () => import("${new URL(file, tests)}")],\n`).join("");
  const registration = new URL("./runtimes/registration.ts", tests);
  return `import { testTogether } from "${registration}";\nawait testTogether([\n${loads}]);\n`;
}

/** All test files, as below `tests/`, in order. */
export async function listFiles(tests: URL, folder = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, tests))) {
    if (isDirectory) files.push(...await listFiles(tests, `${folder}${name}/`));
    else if (name.endsWith("_test.ts")) files.push(folder + name);
  }
  return files.sort();
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) throw new TypeError("Cannot write groups: say into which folder");
  const tests = new URL("../", import.meta.url);
  for (const { name, files } of groupsOf(await listFiles(tests))) {
    if (files.length === 1) {
      console.log(`tests/${files[0]}`);
      continue;
    }
    const path = `${folder}/${name.replaceAll(/\W+/g, "_")}group.ts`;
    await Deno.writeTextFile(path, files.map((file) => `import "${new URL(file, tests)}";\n`).join(""));
    console.log(path);
  }
}
