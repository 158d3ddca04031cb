/**
 * Runs `wrk` and reads its figures.
 *
 * A Lua `done` hook prints the figures as one JSON line, so nothing depends on wrk's prose.
 *
 * @module
 */

/** What wrk is to do. */
export interface Load {
  /** Path of the URL. */
  readonly path: string;
  /** Connections held open. */
  readonly connections: number;
  /** Requests sent at once on a connection; default 1. */
  readonly pipeline?: number;
  /** Bytes to POST; default none: a GET. */
  readonly uploadBytes?: number;
}

/** What wrk saw. */
export interface Figures {
  /** Responses. */
  readonly requests: number;
  /** Length of the run, seconds. */
  readonly seconds: number;
  /** Median latency, microseconds. */
  readonly p50Us: number;
  /** 99th percentile, microseconds. */
  readonly p99Us: number;
  /** Responses that were not 2xx/3xx, and connect, read, write and time-out errors. */
  readonly errors: number;
}

/** The Lua program: builds the request once and prints the result as JSON. */
function script(load: Load): string {
  const body = load.uploadBytes === undefined ? "" : `wrk.method = "POST"
wrk.body = string.rep("x", ${load.uploadBytes})`;
  return `${body}
local request_text
function init(args)
  local parts = {}
  for i = 1, ${load.pipeline ?? 1} do parts[i] = wrk.format() end
  request_text = table.concat(parts)
end
function request() return request_text end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%f,"p50Us":%d,"p99Us":%d,"errors":%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;
}

/**
 * Loads a server for some seconds.
 *
 * @param port where the server listens, on 127.0.0.1
 * @param load what to do
 * @param seconds how long
 * @param cpu core to pin wrk to
 */
export async function wrk(port: number, load: Load, seconds: number, cpu: number): Promise<Figures> {
  const file = await Deno.makeTempFile({ suffix: ".lua" });
  try {
    await Deno.writeTextFile(file, script(load));
    const args = ["-c", String(cpu), "wrk", "-t1", `-c${load.connections}`, `-d${seconds}s`, "-s", file];
    args.push(`http://127.0.0.1:${port}${load.path}`);
    const { stdout, stderr } = await new Deno.Command("taskset", { args, stdin: "null" }).output();
    const text = new TextDecoder().decode(stdout);
    const line = text.split("\n").find((row) => row.startsWith("{"));
    if (line === undefined) {
      throw new Error(`Cannot read wrk's figures: ${text}${new TextDecoder().decode(stderr)}`);
    }
    return JSON.parse(line) as Figures;
  } finally {
    await Deno.remove(file);
  }
}
