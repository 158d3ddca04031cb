/** Brings Node 24 from npm, for tests that ask it for a second opinion. */

/** The version asked for. */
const NODE_VERSION = "24";

/** Runs a command to its end; fails with what it complained about. */
async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot run ${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Whether an executable is the version asked for. */
async function isWanted(path: string): Promise<boolean> {
  try {
    return (await run(path, ["--version"])).startsWith(`v${NODE_VERSION}.`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Path of Node 24: the one that is there, or one from npm, kept in the user's cache folder.
 *
 * @returns a path or name that `Deno.Command` takes
 */
export async function installNode(): Promise<string> {
  if (await isWanted("node")) return "node";
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  const folder = `${home}/sluice-tests/node-${NODE_VERSION}`;
  const path = `${folder}/node_modules/node/bin/node`;
  if (await isWanted(path)) return path;
  await Deno.mkdir(folder, { recursive: true });
  // The package brings the executable by its install script, which newer versions of npm run only if told.
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify({ private: true, allowScripts: { node: true } }),
  );
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefix", folder, `node@${NODE_VERSION}`]);
  return path;
}
