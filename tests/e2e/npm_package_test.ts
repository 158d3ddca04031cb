/** The npm package installs with nothing else in an empty project of Node and of Bun, runs the README's example, and type-checks. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { installRuntimes, output } from "../../bench/support/runtimes.ts";

const ROOT = new URL("../../", import.meta.url);

/** The compiler that users have, pinned. */
const TSC = "npm:typescript@5.9.3/tsc";

/** A project with the package in it; `dispose` removes it. */
interface Installed extends AsyncDisposable {
  readonly folder: string;
}

/** Builds the package into a folder; the tarball's path. */
async function build(folder: string): Promise<string> {
  const script = new URL("scripts/build_npm.ts", ROOT).pathname;
  return (await output(Deno.execPath(), ["run", "-A", "--no-lock", script, folder])).trim();
}

/** Makes an empty project of a package manager's and installs the package into it. */
async function install(tarball: string, manager: string, args: readonly string[]): Promise<Installed> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/package.json`, '{"private":true,"type":"module"}');
  await output(manager, [...args, tarball], folder);
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** The README's first TypeScript example. */
async function readmeExample(): Promise<string> {
  const [, example = ""] = /```ts\n([\s\S]*?)```/.exec(await Deno.readTextFile(new URL("README.md", ROOT))) ??
    [];
  assert(example.includes('"@sluice/kit"'));
  return example;
}

/** A task module for the pool, and a program that runs it in threads and processes. */
const POOL_TASKS =
  "export const double = (value) => 2 * value;\nexport function* upTo(n) { for (let i = 1; i <= n; i++) yield i; }\n";
const POOL_PROGRAM = `import { createPool } from "@sluice/kit/pool";
for (const isolation of ["thread", "process"]) {
  const pool = createPool(new URL("./tasks.js", import.meta.url), { isolation, workersMax: 1 });
  console.log(isolation, await pool.run("double", 21), (await Array.fromAsync(pool.stream("upTo", 3))).join());
  await pool.close();
}
`;

/** What the program prints, run by a runtime in a project that has the package. */
async function runPool(runtime: string, folder: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/tasks.js`, POOL_TASKS);
  await Deno.writeTextFile(`${folder}/pool.js`, POOL_PROGRAM);
  return await output(runtime, ["pool.js"], folder);
}

/** What npm is told: to ask nobody. */
const NPM = ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts"];

Deno.test("the npm package installs by itself, runs and type-checks", async (t) => {
  const folder = await Deno.makeTempDir();
  const tarball = await build(folder);

  await t.step("in an empty Node project the package runs the README's example", async () => {
    await using project = await install(tarball, "npm", NPM);
    const { node } = await installRuntimes();
    await Deno.writeTextFile(`${project.folder}/example.js`, await readmeExample());
    assertMatch(await output(node, ["example.js"], project.folder), /^on port \d+\n$/);
    const entries = ["", "/io", "/server", "/testing", "/pool"].map((path) => `@sluice/kit${path}`);
    const program = `for (const name of ${JSON.stringify(entries)}) {
    console.log(Object.keys(await import(name)).length > 3 ? name : "empty");
  }`;
    const seen = await output(node, ["--input-type=module", "-e", program], project.folder);
    assertEquals(seen.trim().split("\n"), entries);
    assertEquals(await runPool(node, project.folder), "thread 42 1,2,3\nprocess 42 1,2,3\n");
  });

  await t.step("in an empty Bun project the package runs the README's example", async () => {
    const { bun } = await installRuntimes();
    await using project = await install(tarball, bun, ["add"]);
    await Deno.writeTextFile(`${project.folder}/example.ts`, await readmeExample());
    assertMatch(await output(bun, ["example.ts"], project.folder), /^on port \d+\n$/);
    assertEquals(await runPool(bun, project.folder), "thread 42 1,2,3\nprocess 42 1,2,3\n");
  });

  await t.step(
    "the package brings no dependency, no source and no path of the machine it was built on",
    async () => {
      await using project = await install(tarball, "npm", NPM);
      const home = `${project.folder}/node_modules/@sluice/kit`;
      const { dependencies, type, engines } = JSON.parse(await Deno.readTextFile(`${home}/package.json`));
      assertEquals([dependencies, type, engines.node], [undefined, "module", ">=24"]);
      const files = (await output("find", [home, "-type", "f"])).trim().split("\n");
      assertEquals(files.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts")), []);
      for (const path of files) {
        const text = await Deno.readTextFile(path);
        assert(!text.includes(ROOT.pathname), path);
      }
    },
  );

  await t.step("a strict compiler with nodenext takes the package's types, and uses them", async () => {
    await using project = await install(tarball, "npm", NPM);
    await Deno.writeTextFile(
      `${project.folder}/all.ts`,
      `import * as kit from "@sluice/kit";
import { openSelector, type Selector } from "@sluice/kit/io";
import { createPool } from "@sluice/kit/pool";
import { type Handler, Reply, Router, toNodeListener } from "@sluice/kit/server";
import * as testing from "@sluice/kit/testing";
const selector: Selector = openSelector();
const handler: Handler = new Router().get("/:name", (_request, info) => new Reply(info.params.name)).handler;
// @ts-expect-error a port is a number
kit.serve({ port: "1" }, handler);
export const sum: Promise<number> = createPool<{ add(pair: number[]): number }>("./x.js").run("add", [1, 2]);
export const all = [selector, handler, toNodeListener(handler), kit, testing];
`,
    );
    await Deno.writeTextFile(`${project.folder}/example.ts`, await readmeExample());
    await Deno.writeTextFile(
      `${project.folder}/tsconfig.json`,
      '{"compilerOptions":{"strict":true,"module":"nodenext","noEmit":true,"types":[]},"files":["all.ts","example.ts"]}',
    );
    await output(Deno.execPath(), ["run", "-A", "--no-lock", TSC, "--pretty", "false"], project.folder);
  });

  await Deno.remove(folder, { recursive: true });
});
