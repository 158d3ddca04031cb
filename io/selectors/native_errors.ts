/**
 * Translates what `node:net` and its runtimes report into the errors of io/errors.ts, by the error's `code`.
 *
 * Deno refuses a missing permission with an error named `NotCapable`, which has no code; its message names the flag.
 *
 * @module
 */
import { getSystemErrorName } from "node:util";
import {
  AccessDeniedError,
  AddressInUseError,
  AddressNotAvailableError,
  ConnectionError,
  ConnectionRefusedError,
  ConnectionResetError,
  ResourceExhaustedError,
  type SluiceError,
  UnreachableError,
  UnsupportedError,
} from "../errors.ts";

/** The system's words for a limit that was hit, in ours. */
const EXHAUSTED: ReadonlyMap<string, string> = new Map([
  ["EMFILE", "this process has no descriptor left (raise `ulimit -n`)"],
  ["ENFILE", "the system has no descriptor left"],
  ["ENOMEM", "the system is out of memory"],
  ["ENOBUFS", "the system has no socket buffer left"],
]);

/** Codes by which a peer that went away is known; ENOTCONN is what shutdown(2) answers when it did before. */
const RESET: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ENOTCONN"]);

/** What is known of an error, whichever runtime made it. */
function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (name === "NotCapable" || name === "PermissionDenied") return "ENOTCAPABLE";
  return typeof code === "string" ? code : "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function withCode(why: string, code: string): string {
  return code === "" || why.includes(code) ? why : `${why} (${code})`;
}

/** What every operation may meet: a refusal or a limit; `null` for anything else. */
function commonError(code: string, doing: string, cause: unknown): SluiceError | null {
  if (code === "ENOTCAPABLE") return new AccessDeniedError(doing, messageOf(cause), { cause });
  if (code === "EACCES" || code === "EPERM") {
    return new AccessDeniedError(doing, `the system refuses it (${code})`, { cause });
  }
  const resource = EXHAUSTED.get(code);
  return resource === undefined ? null : new ResourceExhaustedError(doing, resource, { cause });
}

/**
 * The error for a failed `listen`.
 *
 * @param error what the runtime threw
 * @param address the address that was asked for, for the message
 */
export function listenError(error: unknown, address: string): SluiceError {
  return toListenError(codeOf(error), messageOf(error), address, error);
}

/**
 * The error for a `listen` that the system refused.
 *
 * @param status the system's error number, negative
 * @param address the address that was asked for, for the message
 */
export function listenStatusError(status: number, address: string): SluiceError {
  return toListenError(getSystemErrorName(status), "the system refuses the address", address, undefined);
}

/**
 * The error for a `connect` that the system refused.
 *
 * @param status the system's error number, negative
 * @param address the address that was tried, for the message
 */
export function connectStatusError(status: number, address: string): SluiceError {
  return toConnectError(getSystemErrorName(status), "the system refuses it", address, undefined);
}

/**
 * The error for a descriptor that the system does not wait for.
 *
 * @param errno the system's error number, positive
 * @param doing what was asked, as in "Cannot register descriptor 5"
 */
export function descriptorError(errno: number, doing: string): SluiceError {
  const code = getSystemErrorName(-errno);
  if (code === "EPERM") {
    return new UnsupportedError(doing, "it is a plain file, which is always ready (EPERM)");
  }
  return commonError(code, doing, undefined) ??
    new UnsupportedError(doing, `the system refuses it (${code})`);
}

function toListenError(code: string, why: string, address: string, cause: unknown): SluiceError {
  if (code === "EADDRINUSE") return new AddressInUseError(address, { cause });
  const common = commonError(code, `Cannot listen on ${address}`, cause);
  return common ?? new AddressNotAvailableError(address, withCode(why, code), { cause });
}

/**
 * The error for a failed `connect`.
 *
 * @param error what the runtime reported; an `AggregateError` of several tries counts as its `code` or first error
 * @param address the address that was tried, for the message
 */
export function connectError(error: unknown, address: string): SluiceError {
  let code = codeOf(error);
  if (code === "" && error instanceof AggregateError) code = codeOf(error.errors[0]);
  return toConnectError(code, messageOf(error), address, error);
}

function toConnectError(code: string, why: string, address: string, cause: unknown): SluiceError {
  if (code === "ECONNREFUSED" || code === "ENOENT") return new ConnectionRefusedError(address, { cause });
  const doing = `Cannot connect to ${address}`;
  const common = commonError(code, doing, cause);
  if (common !== null) return common;
  if (RESET.has(code)) return new ConnectionResetError(doing, { cause });
  return new UnreachableError(address, withCode(why, code), { cause });
}

/**
 * The error that ended a connection.
 *
 * @param error what the runtime reported
 */
export function connectionError(error: unknown): SluiceError {
  return toConnectionError(codeOf(error), messageOf(error), error);
}

/**
 * The error that ended a connection, by the system's number.
 *
 * @param status the system's error number, negative
 */
export function connectionStatusError(status: number): SluiceError {
  return toConnectionError(getSystemErrorName(status), "the system refuses to send", undefined);
}

function toConnectionError(code: string, why: string, cause: unknown): SluiceError {
  if (RESET.has(code)) return new ConnectionResetError("Cannot go on", { cause });
  const doing = "Cannot go on with the connection";
  return commonError(code, doing, cause) ??
    new ConnectionError("SLUICE_CONNECTION_LOST", `${doing}: ${withCode(why, code)}`, { cause });
}
