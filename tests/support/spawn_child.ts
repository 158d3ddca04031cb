/** A child process that a test can wait for and is sure to be rid of. */

import { ChildOutput } from "./child_output.ts";
import { permitSelector } from "./selector_flags.ts";

/** A running child; `await using` kills it and waits until it is gone. */
export interface Child extends AsyncDisposable {
  /** Process id, for `rssBytes`. */
  readonly pid: number;
  /** What it has printed so far. */
  readonly stdout: ChildOutput;
  /** What it has complained about so far. */
  readonly stderr: ChildOutput;
  /** Resolves with how it ended. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Sends a signal, SIGTERM unless told, and waits for the end; no harm if it has ended already. */
  stop(signal?: Deno.Signal): Promise<Deno.CommandStatus>;
}

/** Where and with what a child runs. */
export interface ChildOptions {
  /** Its working folder; ours unless given. */
  cwd?: string | URL;
  /** Environment variables besides ours. */
  env?: Record<string, string>;
}

/**
 * Starts a program; `"deno"` is the Deno that runs the test, and may open the selector that the test runs on. Other runtimes
 * open their best. Colours are off.
 */
export function spawnChild(program: string, args: readonly string[], options: ChildOptions = {}): Child {
  const { env, ...rest } = options;
  const isDeno = program === "deno";
  const selector = env?.["SLUICE_SELECTOR"] ?? Deno.env.get("SLUICE_SELECTOR");
  const process = new Deno.Command(isDeno ? Deno.execPath() : program, {
    args: isDeno ? permitSelector(args, selector) : [...args],
    ...rest,
    env: { NO_COLOR: "1", ...(isDeno ? {} : { SLUICE_SELECTOR: "" }), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = new ChildOutput(process.stdout);
  const stderr = new ChildOutput(process.stderr);
  const { pid, status } = process;
  const stop = async (signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> => {
    try {
      process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended by itself
    }
    const [ended] = await Promise.all([status, stdout.ended, stderr.ended]);
    return ended;
  };
  return { pid, stdout, stderr, status, stop, [Symbol.asyncDispose]: async () => void await stop("SIGKILL") };
}
