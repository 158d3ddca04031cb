/**
 * Reads the command line of `deno task serve`: text in, options or one line of complaint out.
 *
 * Strategy: a table of flags, each with the check of its value and the words that say what is accepted; both
 * `--flag value` and `--flag=value` are taken, each flag once. Pure: prints nothing, exits nothing.
 *
 * @module
 */
import { parseUpstream } from "./gateway/upstream.ts";
import { parseIp } from "./ip_address.ts";

/** What `deno task serve` was asked to do. */
export interface CliOptions {
  /** Port to listen on; 0 picks a free one. */
  port: number;
  /** Address to listen on. */
  hostname: string;
  /** A socket that listens already, instead of port and hostname; `null` for none. */
  fd: number | null;
  /** Threads that answer requests; 1 for none but the main one. */
  workers: number;
  /** Where `/v1/*` goes; `null` for the embedded demo. */
  upstream: string | null;
  /** Whether only the help text is wanted. */
  help: boolean;
}

/** What the command line means, or why it means nothing. */
export type CliResult = { readonly ok: true; readonly options: CliOptions } | {
  readonly ok: false;
  readonly message: string;
};

/** One flag: how its value is shown, checked and stored. */
interface Flag {
  readonly value: string;
  readonly accepts: string;
  readonly help: string;
  readonly take: (options: CliOptions, value: string) => boolean;
}

const DECIMAL = /^\d{1,5}$/; // five digits hold every port; anything longer cannot be one
/** Flags that a handed-over socket has settled already. */
const SETTLED_BY_FD = ["--port", "--hostname"] as const;

/** As `serve` has it: more threads than any machine this was meant for has cores. */
const WORKERS_MAX = 256;

/** All flags, by name. */
const FLAGS: ReadonlyMap<string, Flag> = new Map<string, Flag>([
  ["--port", {
    value: "N",
    accepts: "a whole number from 0 to 65535",
    help: "port to listen on, 0 picks a free one (default 8000)",
    take(options, value) {
      if (!DECIMAL.test(value) || Number(value) > 65535) return false;
      options.port = Number(value);
      return true;
    },
  }],
  ["--hostname", {
    value: "ADDR",
    accepts: 'an address to bind, such as "127.0.0.1", "0.0.0.0" or "::1"',
    help: "address to listen on (default 127.0.0.1)",
    take(options, value) {
      if (value !== "localhost" && parseIp(value) === null) return false; // binding resolves no names
      options.hostname = value;
      return true;
    },
  }],
  ["--fd", {
    value: "N",
    accepts: "the descriptor of a listening socket, such as systemd's 3",
    help: "socket to listen on, instead of --port and --hostname (default: what systemd hands over)",
    take(options, value) {
      if (!DECIMAL.test(value)) return false;
      options.fd = Number(value);
      return true;
    },
  }],
  ["--workers", {
    value: "N",
    accepts: "a whole number from 1 to 256",
    help: "threads that share the port (default 1); topics stay with the main thread",
    take(options, value) {
      const workers = Number(value);
      if (!DECIMAL.test(value) || workers < 1 || workers > WORKERS_MAX) return false;
      options.workers = workers;
      return true;
    },
  }],
  ["--upstream", {
    value: "URL",
    accepts: 'an http:// URL without credentials, query and fragment, such as "http://127.0.0.1:11434"',
    help: "where /v1/* goes (default: an embedded demo that speaks OpenAI's API)",
    take(options, value) {
      if (!isUpstream(value)) return false;
      options.upstream = value;
      return true;
    },
  }],
]);

/** The help text: usage and one line per flag. */
export function cliHelp(): string {
  const lines = [...FLAGS].map(([name, flag]) => `  ${`${name} ${flag.value}`.padEnd(18)} ${flag.help}`);
  return `usage: deno task serve [flags]\n\n${lines.join("\n")}\n  ${"--help".padEnd(18)} this text\n`;
}

/**
 * Parses the arguments after the program's name.
 *
 * @param args the arguments, as in `Deno.args`
 * @param inheritedFd a socket that was handed over: listened on unless the arguments name another one
 * @returns the options, or a message of one line that says what is wrong and what is accepted
 */
export function parseCli(args: readonly string[], inheritedFd: number | null = null): CliResult {
  const options: CliOptions = {
    port: 8000,
    hostname: "127.0.0.1",
    fd: null,
    workers: 1,
    upstream: null,
    help: false,
  };
  const seen = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "--help" || arg === "-h") {
      options.help = true;
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const flag = FLAGS.get(name);
    if (flag === undefined) return wrong(`unknown argument "${arg}"`, acceptedFlags());
    if (seen.has(name)) return wrong(`${name} is given twice`, "it once");
    seen.add(name);
    const value = equals < 0 ? args[++i] : arg.slice(equals + 1);
    if (value === undefined) return wrong(`${name} has no value`, flag.accepts);
    if (!flag.take(options, value)) return wrong(`${name} cannot be "${value}"`, flag.accepts);
  }
  const settled = SETTLED_BY_FD.find((name) => seen.has(name));
  if (options.fd === null && settled === undefined) options.fd = inheritedFd;
  if (options.fd !== null && settled !== undefined) {
    return wrong(`${settled} is given beside --fd`, "one of them");
  }
  if (options.fd !== null && options.workers > 1) {
    return wrong(
      "--workers cannot be combined with --fd",
      "one of the two: a socket handed over is one thread's",
    );
  }
  return { ok: true, options };
}

/** Whether the gateway could send to a URL. */
function isUpstream(value: string): boolean {
  if (!URL.canParse(value) || new URL(value).protocol !== "http:") return false;
  try {
    parseUpstream(value);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** The flags in one line. */
function acceptedFlags(): string {
  return [...[...FLAGS].map(([name, flag]) => `${name} ${flag.value}`), "--help"].join(", ");
}

/** A refusal in one line, control characters of the argument made visible. */
function wrong(what: string, accepts: string): CliResult {
  // deno-lint-ignore no-control-regex -- the argument may hold any character, a line break included
  const line = `${what}; accepted: ${accepts}`.replace(/[\x00-\x1f\x7f]/g, "?");
  return { ok: false, message: line };
}
