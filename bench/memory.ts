/**
 * Where the memory of the fan-out bench's server is: empty after the warm-up, with idle connections or readers, and
 * after a garbage collection with them there.
 *
 * Not controlled: when V8 collects, and how much of what is free it gives back.
 *
 * Run: `deno task bench memory [--selectors uring,epoll,native] [--connections 10000] [--readers 5000]
 * [--flags --max-semi-space-size=4] [--dry]`, the flags being V8's. Written down when nothing is left out.
 *
 * @module
 */
import type { Anatomy } from "./servers/sluice_anatomy.ts";
import { fixed, flags, versionLine } from "./support/command_line.ts";
import { compileReaders } from "./support/readers.ts";
import { table, writeSection } from "./support/report.ts";

/** The rows, in words. */
const PARTS: Readonly<Record<keyof Anatomy, string>> = {
  resident: "resident memory",
  young: "V8's young generation",
  old: "the rest of V8's heap",
  objects: "(objects in both)",
  mallocPages: "malloc's pages",
  malloced: "(in use of them)",
  files: "pages of the program's file",
  others: "others: rings, buffers, arena, stacks",
};

/** What the servers are loaded with. */
interface Load {
  readonly mode: "idle" | "sse";
  readonly count: number;
}

/** A server that answers questions. */
class AnatomyServer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #text = "";

  constructor(selector: string, v8Flags: string) {
    const script = new URL("servers/sluice_anatomy.ts", import.meta.url).pathname;
    const deno = [Deno.execPath(), "run", "-A", "--no-check", `--v8-flags=${v8Flags}`, script];
    this.#child = new Deno.Command("sh", {
      args: ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", ...deno],
      env: { SLUICE_SELECTOR: selector },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The rest of the next line that begins with `prefix`. */
  async line(prefix: string): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        if (line.startsWith(prefix)) return line.slice(prefix.length);
        continue;
      }
      const { done, value } = await this.#lines.read();
      if (done) throw new Error(`Cannot measure memory: the server ended, having said: ${this.#text}`);
      this.#text += value;
    }
  }

  async ask(question: "look" | "collect"): Promise<Anatomy> {
    await this.#input.write(new TextEncoder().encode(`${question}\n`));
    return JSON.parse(await this.line("memory ")) as Anatomy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await Promise.allSettled([this.#input.abort(), this.#lines.cancel()]);
  }
}

/** Loads a server; resolves once the load has come, as many times as it has steps. Ends with the process. */
async function* load(program: string, server: AnatomyServer, port: string, { mode, count }: Load) {
  const path = mode === "sse" ? "/events" : "/plain";
  // The first step is nobody but one, after the warm-up: the empty server. The last is only to hold the one before.
  const args = [mode, port, server.pid, path, "/publish", 1, 1, count, count, count].map(String);
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped" }).spawn();
  try {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      for (const line of text.split("\n")) if (line !== "") yield line;
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** The three looks at one server. */
async function dissect(
  program: string,
  selector: string,
  v8Flags: string,
  what: Load,
): Promise<readonly Anatomy[]> {
  await using server = new AnatomyServer(selector, v8Flags);
  const port = await server.line("port ");
  const looks: Anatomy[] = [];
  for await (const _step of load(program, server, port, what)) {
    looks.push(await server.ask("look"));
    if (looks.length === 2) return [...looks, await server.ask("collect")];
  }
  throw new Error("Cannot measure memory: the load gave up");
}

function section(selector: string, { mode, count }: Load, looks: readonly Anatomy[]): string {
  const [empty, full, collected] = looks as [Anatomy, Anatomy, Anatomy];
  const rows = (Object.keys(PARTS) as (keyof Anatomy)[]).map((part) => [
    PARTS[part],
    fixed(empty[part]),
    fixed(full[part]),
    fixed(collected[part]),
    fixed(full[part] - empty[part]),
    fixed((full[part] - empty[part]) * 1024 / count),
  ]);
  const load = `${count.toLocaleString("en")} ${mode === "sse" ? "readers" : "idle connections"}`;
  const head = [`MiB; ${selector}, ${load}`, "empty", "with them", "collected", "more", "KiB each"];
  return table(head, rows);
}

/** Runs it all and writes the section. */
export async function benchMemory(args: readonly string[]): Promise<void> {
  const defaults = {
    selectors: "uring,epoll,native",
    connections: "10000",
    readers: "5000",
    flags: "--max-semi-space-size=4",
    dry: false,
  };
  const options = flags(args, defaults);
  const loads: Load[] = [
    { mode: "idle", count: Number(options.connections) },
    { mode: "sse", count: Number(options.readers) },
  ];
  const folder = await Deno.makeTempDir({ prefix: "sluice-memory-" });
  const parts: string[] = [];
  try {
    const program = await compileReaders(folder);
    for (const selector of options.selectors.split(",")) {
      for (const what of loads) {
        const v8Flags = `--expose-gc,${options.flags}`;
        parts.push(section(selector, what, await dissect(program, selector, v8Flags, what)));
        console.log(`${parts.at(-1)}\n`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const body = `${await versionLine()}\n\nV8 runs with ${options.flags}.\n\n${parts.join("\n\n")}\n`;
  const isWhole = Object.entries(defaults).every(([name, value]) =>
    options[name as keyof typeof defaults] === value
  );
  if (isWhole) {
    await writeSection(new URL("RESULTS.md", import.meta.url).pathname, "Where the memory is", body);
  }
}

if (import.meta.main) await benchMemory(Deno.args);
