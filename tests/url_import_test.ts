/** Use by URL: a program of two lines, with no import map and no configuration, gets a server from `mod.ts`. */

import { assertEquals } from "@std/assert";
import { serveSources } from "./support/serve_sources.ts";
import { spawnChild } from "./support/spawn_child.ts";

/** The whole program. */
const program = (url: string) =>
  `import { serve } from "${url}/mod.ts";
serve({ port: 0, onListen: ({ port }) => console.log("port", port, ".") }, () => new Response("hello from a URL"));
`;

Deno.test("a two-line program importing mod.ts over http runs with no import map", async () => {
  await using sources = serveSources();
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/two_lines.ts`, program(sources.url));
  const flags = ["--no-config", "--no-prompt", "--allow-net", `--allow-import=${sources.host}`];
  const child = spawnChild("deno", ["run", ...flags, "two_lines.ts"], {
    cwd: folder,
    env: { DENO_DIR: `${folder}/cache` },
  });
  try {
    const [, port] = await child.stdout.match(/port (\d+) \./).catch((cause) => {
      throw new Error(`the program did not start: ${child.stderr.text}`, { cause });
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assertEquals(await response.text(), "hello from a URL");
  } finally {
    await child.stop("SIGKILL");
    await Deno.remove(folder, { recursive: true });
  }
});

/** A program whose pool and tasks both come by http. */
const poolProgram = (url: string) =>
  `import { createPool } from "${url}/mod.ts";
await using pool = createPool("${url}/examples/compute_pool.ts");
console.log("primes", await pool.run("countPrimes", 100), ".");
`;

Deno.test("a pool that was imported over http runs a task module from there", async () => {
  await using sources = serveSources();
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/pool.ts`, poolProgram(sources.url));
  const flags = ["--no-config", "--no-prompt", `--allow-import=${sources.host}`];
  const child = spawnChild("deno", ["run", ...flags, "pool.ts"], {
    cwd: folder,
    env: { DENO_DIR: `${folder}/cache` },
  });
  try {
    const { code } = await child.status;
    assertEquals([child.stdout.text, code], ["primes 25 .\n", 0], child.stderr.text);
  } finally {
    await child.stop("SIGKILL");
    await Deno.remove(folder, { recursive: true });
  }
});
