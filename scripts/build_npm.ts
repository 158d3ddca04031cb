/**
 * Makes the npm package: a tarball of JavaScript and declarations that Node and Bun install as it is.
 *
 * Run: `deno task build:npm [folder]`; the folder is `out` unless told. Prints the tarball's path.
 *
 * Strategy: the TypeScript compiler writes code and declarations, file by file as they are. `deno pack` would do the same, but leaves out the declarations of
 * a package this size, and puts the builder's own paths into source maps. `npm pack` makes the tarball: it needs no network.
 *
 * @module
 */

import ts from "npm:typescript@5.9.3";

const ROOT = new URL("../", import.meta.url);

/** Node's oldest version that the package is tested on. */
const NODE_MIN = ">=24";

/** What of the repository is in the package besides the library. */
const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"];

/** Library folders; `mod.ts` is beside them. */
const FOLDERS = ["io", "server", "pool"];

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
  types: [],
  rootDir: ROOT.pathname,
  declaration: true,
  noCheck: true, // `deno check` has; names of the runtimes are unknown here
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
  strict: true,
};

/** A relative specifier of a `.ts` file, where declarations name modules; the compiler rewrites them in code only. */
const TS_SPECIFIER = /((?:from|import)\s*\(?\s*")(\.{1,2}\/[^"]+)\.ts"/g;

/** Paths of the library's files. */
async function listSources(): Promise<string[]> {
  const paths = ["mod.ts"];
  async function list(folder: string): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, ROOT))) {
      if (isDirectory) await list(`${folder}/${name}`);
      else if (name.endsWith(".ts")) paths.push(`${folder}/${name}`);
    }
  }
  for (const folder of FOLDERS) {
    try {
      await list(folder);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || folder !== "pool") throw error;
    }
  }
  return paths.sort();
}

/** JavaScript and declarations of the library, by path; declarations that cannot be written fail the build. */
function translate(paths: readonly string[]): Map<string, string> {
  const root = ROOT.pathname;
  const program = ts.createProgram(paths.map((path) => root + path), OPTIONS);
  const files = new Map<string, string>();
  const { diagnostics } = program.emit(undefined, (path, text) => {
    const isTypes = path.endsWith(".d.ts");
    files.set(path.slice(root.length), isTypes ? text.replaceAll(TS_SPECIFIER, '$1$2.js"') : text);
  });
  const [problem] = diagnostics;
  if (problem === undefined) return files;
  const text = ts.flattenDiagnosticMessageText(problem.messageText, " ");
  throw new TypeError(`Cannot declare ${problem.file?.fileName}: ${text}`);
}

/** The package's `package.json`. */
function manifest(): string {
  const config = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const exports = Object.fromEntries(
    Object.entries<string>(config.exports).map(([name, path]) => {
      const stem = path.replace(/\.ts$/, "");
      return [name, { types: `${stem}.d.ts`, default: `${stem}.js` }];
    }),
  );
  const { name, version, license } = config;
  return JSON.stringify(
    {
      name,
      version,
      description: "A selector-driven TCP and HTTP server kit: gateways, event streams, bounded and strict",
      license,
      type: "module",
      engines: { node: NODE_MIN, bun: ">=1.4", deno: ">=2.9" },
      main: "./mod.js",
      types: "./mod.d.ts",
      exports: { ...exports, "./package.json": "./package.json" },
      sideEffects: false,
    },
    null,
    2,
  );
}

/** Writes a file and the folders above it. */
async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** Builds the package below `folder` and returns its tarball's path. */
async function build(folder: string): Promise<string> {
  const staged = `${folder}/package`;
  for (const [path, text] of translate(await listSources())) await write(`${staged}/${path}`, text);
  for (const name of DOCUMENTS) await Deno.copyFile(new URL(name, ROOT), `${staged}/${name}`);
  await write(`${staged}/package.json`, manifest());
  const { success, stdout, stderr } = await new Deno.Command("npm", {
    args: ["pack", "--json", "--offline", "--ignore-scripts", "--pack-destination", ".."],
    cwd: staged,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new TypeError(`Cannot pack ${staged}: ${decoder.decode(stderr)}`);
  const [packed] = JSON.parse(decoder.decode(stdout));
  await Deno.remove(staged, { recursive: true });
  return `${folder}/${packed.filename}`;
}

const [folder = new URL("out", ROOT).pathname] = Deno.args;
await Deno.mkdir(folder, { recursive: true });
await Deno.remove(`${folder}/package`, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
console.log(await build(folder));
