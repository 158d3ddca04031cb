/** `deno task compile` makes one executable that serves, its page included. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spawnChild } from "../support/spawn_child.ts";

/** Why nothing can be compiled here, or `null`: the runtime that executables are made of is fetched when it is not there. */
async function whyNot(): Promise<string | null> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/nothing.ts`, "");
  const { success, stderr } = await compile([
    "--no-config",
    "--output",
    `${folder}/it`,
    `${folder}/nothing.ts`,
  ]);
  await Deno.remove(folder, { recursive: true });
  if (success) return null;
  const text = new TextDecoder().decode(stderr);
  if (!/dl\.deno\.land/.test(text)) return null; // any other failure is for the test to show
  return /\d: (.*dl\.deno\.land.*)/.exec(text)?.[1] ?? text;
}

function compile(args: readonly string[]): Promise<Deno.CommandOutput> {
  const command = ["compile", "--quiet", ...args];
  return new Deno.Command(Deno.execPath(), { args: command, stdin: "null", env: { NO_COLOR: "1" } }).output();
}

const reason = await whyNot();
if (reason !== null) console.log(`opted out: "deno compile" needs denort: ${reason}`);

Deno.test({
  name: "the compiled server is one file that serves, page included",
  ignore: reason !== null,
  async fn() {
    const root = new URL("../../", import.meta.url);
    const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
    const folder = await Deno.makeTempDir();
    const program = `${folder}/sluice`;
    const args: string[] = tasks.compile.split(" ").slice(2);
    const entry = new URL(args.pop()!, root).pathname;
    args.splice(args.indexOf("--output"), 2);
    const { success, stderr } = await compile([...args, "--output", program, entry]);
    assert(success, new TextDecoder().decode(stderr));
    {
      await using child = spawnChild(program, ["--port", "0"], { cwd: folder });
      const [url] = await child.stdout.match(/http:\/\/[\d.]+:\d+/);
      const page = await fetch(url);
      assertEquals(page.headers.get("content-type"), "text/html;charset=UTF-8");
      assertStringIncludes(await page.text(), "<!doctype html>");
      const { code } = await child.stop("SIGTERM");
      assertEquals(code, 0);
    }
    await Deno.remove(folder, { recursive: true });
  },
});
