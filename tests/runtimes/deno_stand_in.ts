/**
 * The part of `Deno` that tests use, on Node and Bun: files, processes, raw connections, tests.
 *
 * It is what the tests stand on and never what they are about, so it goes the straightest way: `node:fs`, `node:net` and
 * `node:child_process`, with Deno's names and errors.
 *
 * @module
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { connect, listen } from "./deno_net.ts";
import { errors, failedAs } from "./deno_errors.ts";
import { importOfDeno } from "./adapt_source.ts";
import { RUNTIME, testFor } from "./registration.ts";
import { installErrorEvents } from "./uncaught_events.ts";

installErrorEvents();

type Path = string | URL;

async function asDeno<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw failedAs(error);
  }
}

function asDenoSync<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw failedAs(error);
  }
}

interface CommandOptions {
  readonly args?: readonly string[];
  readonly cwd?: Path;
  readonly env?: Record<string, string>;
  readonly stdin?: "null" | "piped" | "inherit";
  readonly stdout?: "null" | "piped" | "inherit";
  readonly stderr?: "null" | "piped" | "inherit";
  readonly signal?: AbortSignal;
}

interface CommandStatus {
  readonly success: boolean;
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

/** `Deno.Command`, without `outputSync`. */
class Command {
  readonly #program: string;
  readonly #options: CommandOptions;

  constructor(program: Path, options: CommandOptions = {}) {
    this.#program = String(program);
    this.#options = options;
  }

  spawn() {
    const { args = [], cwd, env, stdin = "inherit", stdout = "inherit", stderr = "inherit" } = this.#options;
    const stdio = [stdin, stdout, stderr].map((one) =>
      one === "null" ? "ignore" : one === "piped" ? "pipe" : one
    );
    const isDeno = this.#program === process.execPath; // Then the arguments are the deno command's.
    const child = spawn(this.#program, isDeno ? ownArguments(args) : [...args], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: stdio as ("ignore" | "pipe" | "inherit")[],
    });
    const status = new Promise<CommandStatus>((resolve, reject) => {
      child.on("error", (error) => reject(failedAs(error)));
      child.on("exit", (code, signal) => resolve({ success: code === 0, code: code ?? 128, signal }));
    });
    status.catch(() => {}); // Who asks for it hears of it.
    const kill = (signal: NodeJS.Signals = "SIGTERM"): void => {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new TypeError("Child process has terminated");
      }
      child.kill(signal);
    };
    return {
      pid: child.pid ?? -1,
      status,
      kill,
      stdout: child.stdout === null ? null : Readable.toWeb(child.stdout),
      stderr: child.stderr === null ? null : Readable.toWeb(child.stderr),
      stdin: child.stdin,
      ref: () => child.ref(),
      unref: () => child.unref(),
    };
  }

  async output() {
    const command = new Command(this.#program, { stdout: "piped", stderr: "piped", ...this.#options });
    const child = command.spawn();
    const read = async (stream: typeof child.stdout): Promise<Uint8Array> => {
      const chunks: Uint8Array[] = [];
      if (stream !== null) { for await (const chunk of stream) chunks.push(chunk as Uint8Array); }
      return new Uint8Array(Buffer.concat(chunks));
    };
    const [status, stdout, stderr] = await Promise.all([
      child.status,
      read(child.stdout),
      read(child.stderr),
    ]);
    return { ...status, stdout, stderr };
  }
}

/** What the arguments of `deno run` and `deno eval` are on this runtime; permissions have no counterpart. */
function ownArguments([command, ...rest]: readonly string[]): string[] {
  const isEval = command === "eval";
  if (!isEval && command !== "run") throw new TypeError(`Cannot run "deno ${command}" on ${RUNTIME}`);
  const at = rest.findIndex((arg) => !arg.startsWith("-"));
  const preload = new URL(`./preload_${RUNTIME}.ts`, import.meta.url).pathname;
  const [first = "", ...args] = rest.slice(at);
  const gc = rest.some((flag) => flag.includes("--expose-gc")) ? ["--expose-gc"] : [];
  const flags = [...gc, RUNTIME === "node" ? "--import" : "--preload", preload];
  if (!isEval) return [...flags, first, ...args];
  const code = `${importOfDeno("eval")}${first}`;
  return [...flags, ...(RUNTIME === "node" ? ["--input-type=module-typescript"] : []), "-e", code, ...args];
}

function statOf(stats: fs.Stats) {
  return {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
    size: stats.size,
    mtime: stats.mtime,
  };
}

const files = {
  makeTempDir: (): Promise<string> => asDeno(fs.promises.mkdtemp(`${tmpdir()}/sluice-`)),
  makeTempFile: async ({ suffix = "" } = {}): Promise<string> => {
    const path = `${tmpdir()}/sluice-${crypto.randomUUID()}${suffix}`;
    await asDeno(fs.promises.writeFile(path, "", { flag: "wx" }));
    return path;
  },
  makeTempDirSync: (): string => asDenoSync(() => fs.mkdtempSync(`${tmpdir()}/sluice-`)),
  readTextFile: (path: Path): Promise<string> => asDeno(fs.promises.readFile(path, "utf8")),
  readTextFileSync: (path: Path): string => asDenoSync(() => fs.readFileSync(path, "utf8")),
  readFile: async (path: Path) => new Uint8Array(await asDeno(fs.promises.readFile(path))),
  readFileSync: (path: Path) => new Uint8Array(asDenoSync(() => fs.readFileSync(path))),
  writeTextFile: (path: Path, text: string): Promise<void> => asDeno(fs.promises.writeFile(path, text)),
  writeTextFileSync: (path: Path, text: string): void => asDenoSync(() => fs.writeFileSync(path, text)),
  writeFile: (path: Path, bytes: Uint8Array): Promise<void> => asDeno(fs.promises.writeFile(path, bytes)),
  mkdir: (path: Path, options?: { recursive?: boolean }) => asDeno(fs.promises.mkdir(path, options)),
  remove: (path: Path, options?: { recursive?: boolean }): Promise<void> =>
    asDeno(fs.promises.rm(path, options)),
  removeSync: (path: Path, options?: { recursive?: boolean }): void =>
    asDenoSync(() => fs.rmSync(path, options)),
  stat: async (path: Path) => statOf(await asDeno(fs.promises.stat(path))),
  statSync: (path: Path) => statOf(asDenoSync(() => fs.statSync(path))),
  async *readDir(path: Path) {
    for (const entry of await asDeno(fs.promises.readdir(path, { withFileTypes: true }))) {
      const { name } = entry;
      yield {
        name,
        isFile: entry.isFile(),
        isDirectory: entry.isDirectory(),
        isSymlink: entry.isSymbolicLink(),
      };
    }
  },
};

/** `Deno.memoryUsage`: Bun counts what buffers hold outside of the heap as used in it besides, so it is taken off. */
function memoryUsage() {
  const usage = process.memoryUsage();
  return RUNTIME === "node" ? usage : { ...usage, heapUsed: Math.max(0, usage.heapUsed - usage.external) };
}

const host = {
  pid: process.pid,
  args: process.argv.slice(2),
  execPath: (): string => process.execPath,
  cwd: (): string => process.cwd(),
  exit: (code?: number): never => process.exit(code),
  build: { os: process.platform === "win32" ? "windows" : process.platform, arch: process.arch },
  version: { deno: `0.0.0 (${RUNTIME})`, v8: process.versions.v8, typescript: "" },
  env: {
    get: (name: string): string | undefined => process.env[name],
    set: (name: string, value: string): void => void (process.env[name] = value),
    delete: (name: string): void => void delete process.env[name],
    has: (name: string): boolean => name in process.env,
    toObject: () => ({ ...process.env }),
  },
  memoryUsage,
  inspect,
  unrefTimer: (timer: { unref(): void }): void => void timer.unref(),
  refTimer: (timer: { ref(): void }): void => void timer.ref(),
};

/** The `Deno` of one test file, named as below `tests/`. */
export function denoFor(file: string) {
  return { ...files, ...host, Command, errors, connect, listen, test: testFor(file) };
}
