/**
 * The ready-made server as a child process, run exactly as `deno task serve` would: with the same permissions.
 *
 * Strategy: the command comes out of `deno.json`, so that a server which needs one permission more fails its tests.
 */

import { type Child, spawnChild } from "./spawn_child.ts";

/** The running server; `await using` kills it and waits until it is gone. */
export interface ServeProcess extends Child {
  /** What it listens on, as in its `listening on` line, without a slash at the end. */
  readonly url: string;
  /** The port of `url`. */
  readonly port: number;
}

/** Where the repository is. */
const ROOT = new URL("../../", import.meta.url);

/** The arguments for Deno that `deno task <name>` stands for, if the task is a single Deno command. */
export function taskArguments(name: string): string[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  const [program, ...args] = String(tasks[name]).split(" ");
  if (program !== "deno" || args.includes("&&")) {
    throw new RangeError(`Cannot run task ${name} as one command`);
  }
  return args;
}

/** Starts `deno task serve` with flags of its own, to do with as the test likes: it may well refuse them. */
export function spawnServeCommand(args: readonly string[], env: Record<string, string> = {}): Child {
  return spawnChild("deno", [...taskArguments("serve"), ...args], { cwd: ROOT, env });
}

/** Starts the ready-made server, on a free port unless `args` name one, and resolves when it listens. */
export async function spawnServe(
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<ServeProcess> {
  const port = args.some((arg) => arg.startsWith("--port")) ? [] : ["--port", "0"];
  const child = spawnServeCommand([...port, ...args], env);
  try {
    const [, url = ""] = await child.stdout.match(/listening on (http:\/\/\S+?)\/?\s/);
    return { ...child, url, port: Number(new URL(url).port) };
  } catch (cause) {
    await child.stop("SIGKILL");
    const said = child.stdout.text + child.stderr.text;
    throw new Error(`the server does not listen; it said: ${said}`, { cause });
  }
}
