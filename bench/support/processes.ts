/**
 * Starts servers to be measured, pinned to one core, and reads what the kernel says they used.
 *
 * CPU is user + system time of the whole process, all threads, from `/proc/<pid>/stat` (proc(5)); memory is `VmHWM`,
 * the peak resident set. A server prints `port N` when it listens.
 *
 * @module
 */

/** A server under measurement. */
export interface Measured {
  /** Port it listens on. */
  readonly port: number;
  /** Process id. */
  readonly pid: number;
  /** User and system CPU used so far, seconds. */
  cpuSeconds(): number;
  /** Peak resident memory so far, MiB. */
  peakMiB(): number;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Clock ticks per second in `/proc/<pid>/stat`; Linux's user interface fixes it at 100 (time(7)). */
const TICKS_PER_SECOND = 100;

/**
 * Starts `command` on core `cpu` and waits for its `port N` line.
 *
 * @param command program and arguments; it must replace itself by the server, not fork it
 * @param cpu number of the core to pin to
 */
export async function startServer(command: readonly string[], cpu: number): Promise<Measured> {
  const child = new Deno.Command("taskset", {
    args: ["-c", String(cpu), ...command],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const port = await portLine(child);
  const pid = child.pid;
  return {
    port,
    pid,
    cpuSeconds: () => cpuSeconds(pid),
    peakMiB: () => statusKiB(pid, "VmHWM") / 1024,
    async stop() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** Reads output up to the `port N` line; goes on discarding the rest so that the pipe never fills. */
async function portLine(child: Deno.ChildProcess): Promise<number> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`Cannot measure the server: it ended before it listened, having said: ${text}`);
    text += value;
    const match = /^port (\d+)$/m.exec(text);
    if (match === null) continue;
    const discard = async () => {
      while (!(await reader.read()).done);
    };
    discard().catch((error) => console.error("bench: the server's output broke off:", error));
    return Number(match[1]);
  }
}

/** CPU seconds of a process. Fields 14 and 15 are utime and stime; the name before them may hold spaces. */
export function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** One value of `/proc/<pid>/status`, KiB. */
export function statusKiB(pid: number, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  if (match === null) throw new Error(`Cannot read ${name} of process ${pid}`);
  return Number(match[1]);
}
