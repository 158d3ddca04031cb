/**
 * Brings what the benchmarks need and this project does not ship: other runtimes from npm, load generators from Debian.
 *
 * Everything is kept in one folder under the user's cache directory; a second run downloads nothing.
 *
 * @module
 */

/** Versions the figures are taken with. */
export const NODE_VERSION = "24";
/** Version of Bun. */
export const BUN_VERSION = "1.4.5";

/** Both packages fetch their executable in an install script, which npm 11 runs only where the project says so. */
const ALLOW_SCRIPTS = '{"private":true,"allowScripts":{"node":true,"bun":true}}';

/** Paths of the runtimes' executables. */
export interface Runtimes {
  /** This Deno. */
  readonly deno: string;
  /** Node 24. */
  readonly node: string;
  /** Bun. */
  readonly bun: string;
}

/** Runs a command to its end and returns what it printed; throws with its errors if it failed. */
export async function output(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot run ${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Installs Node 24 and Bun from npm, once. */
export async function installRuntimes(): Promise<Runtimes> {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  const folder = `${home}/sluice-bench`;
  await Deno.mkdir(folder, { recursive: true });
  const node = `${folder}/node_modules/node/bin/node`;
  const bun = `${folder}/node_modules/bun/bin/bun.exe`;
  if (!await works(node) || !await works(bun)) {
    await Deno.writeTextFile(`${folder}/package.json`, ALLOW_SCRIPTS);
    await output("npm", [
      "install",
      "--no-audit",
      "--no-fund",
      `node@${NODE_VERSION}`,
      `bun@${BUN_VERSION}`,
    ], folder);
  }
  return { deno: Deno.execPath(), node, bun };
}

/**
 * Installs an npm package, once; returns the folder whose `node_modules` has it.
 *
 * @param name the package
 * @param version exactly
 */
export async function installPackage(name: string, version: string): Promise<string> {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  const folder = `${home}/sluice-bench/${name}-${version}`;
  try {
    await Deno.stat(`${folder}/node_modules/${name}/package.json`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/package.json`, '{"private":true}');
    await output("npm", ["install", "--no-audit", "--no-fund", `${name}@${version}`], folder);
  }
  return folder;
}

/** Installs a Debian package unless its program is there. */
export async function needProgram(program: string, debianPackage: string): Promise<void> {
  const found = await new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdin: "null" })
    .output();
  if (found.success) return;
  await output("sh", ["-c", `apt-get update -q && apt-get install -y -q ${debianPackage}`]);
}

/** Whether an executable starts. */
async function works(path: string): Promise<boolean> {
  try {
    return (await new Deno.Command(path, { args: ["--version"], stdin: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
