/**
 * `Deno.errors` on Node and Bun, and the translation of the system's error codes into them.
 *
 * @module
 */

const CODES = {
  NotFound: ["ENOENT", "ESRCH"],
  ConnectionRefused: ["ECONNREFUSED"],
  ConnectionReset: ["ECONNRESET"],
  ConnectionAborted: ["ECONNABORTED"],
  BrokenPipe: ["EPIPE"],
  AddrInUse: ["EADDRINUSE"],
  AddrNotAvailable: ["EADDRNOTAVAIL"],
  AlreadyExists: ["EEXIST"],
  PermissionDenied: ["EACCES", "EPERM"],
  BadResource: [],
  Interrupted: ["EINTR"],
  NotCapable: [],
} as const;

type Name = keyof typeof CODES;

function errorClass(name: Name): ErrorConstructor {
  const made = class extends Error {
    override name: string = name;
  };
  return made as unknown as ErrorConstructor;
}

const NAMES = Object.keys(CODES) as Name[];

/** `Deno.errors`, as far as tests use it. */
export const errors = Object.fromEntries(NAMES.map((name) => [name, errorClass(name)])) as Record<
  Name,
  ErrorConstructor
>;

/** Deno's error for what the system reported; what is not known stays as it is. */
export function failedAs(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  const name = NAMES.find((name) => (CODES[name] as readonly unknown[]).includes(code));
  return name === undefined ? error : new errors[name](String((error as Error).message), { cause: error });
}
