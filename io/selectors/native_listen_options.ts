/**
 * Checks what `listen` is asked for and fills in the defaults, alike for every runtime's own sockets.
 *
 * @module
 */
import net from "node:net";
import { AddressNotAvailableError } from "../errors.ts";
import type { ListenOptions } from "../selector.ts";

/** 511 is what nginx, Node and Deno ask for; the system cuts it to its own limit (net.core.somaxconn). */
const BACKLOG_DEFAULT = 511;

/** 16,384: above the ten thousand streams this is made for, below the usual descriptor limits of containers. */
const CONNECTIONS_MAX_DEFAULT = 16_384;

/** What to listen on, with nothing left to decide. */
export interface CheckedListenOptions {
  /** An IP address, or the path of a Unix socket. */
  readonly address: string;
  /** The port; -1 for a Unix socket. */
  readonly port: number;
  /** The version of IP; -1 for a Unix socket. */
  readonly family: 4 | 6 | -1;
  /** Whether others may listen on the same port. */
  readonly reusePort: boolean;
  /** Length of the kernel's queue. */
  readonly backlog: number;
  /** Connections open at once. */
  readonly connectionsMax: number;
  /** The socket that listens already; -1 when one is to be made. */
  readonly fd: number;
  /** The address for messages. */
  readonly text: string;
}

/**
 * Checks the options of `Selector.listen`.
 *
 * @param options as the caller gave them
 * @throws RangeError for a number outside its range
 * @throws TypeError for an empty path
 * @throws AddressNotAvailableError for a name that is no address
 */
export function checkListenOptions(options: ListenOptions): CheckedListenOptions {
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
  if (!Number.isSafeInteger(connectionsMax) || connectionsMax < 1) {
    throw new RangeError(`Cannot listen: connectionsMax must be an integer from 1 on, not ${connectionsMax}`);
  }
  const target = checkTarget(options);
  const backlog = options.backlog ?? BACKLOG_DEFAULT;
  if (!Number.isSafeInteger(backlog) || backlog < 1) {
    throw new RangeError(
      `Cannot listen on ${target.text}: backlog must be an integer from 1 on, not ${backlog}`,
    );
  }
  return { ...target, backlog, connectionsMax };
}

function checkTarget(options: ListenOptions): Omit<CheckedListenOptions, "backlog" | "connectionsMax"> {
  if (options.transport === "unix") {
    const { path } = options;
    if (path === "") throw new TypeError("Cannot listen: the path of the Unix socket is empty");
    return { address: path, port: -1, family: -1, reusePort: false, fd: -1, text: `unix:${path}` };
  }
  if (options.transport === "fd") {
    const { fd } = options;
    if (!Number.isSafeInteger(fd) || fd < 0) {
      throw new RangeError(`Cannot listen: the descriptor must be an integer from 0 on, not ${fd}`);
    }
    return { address: "", port: 0, family: 4, reusePort: false, fd, text: `descriptor ${fd}` };
  }
  const { port, hostname = "0.0.0.0", reusePort = false } = options;
  if (!Number.isSafeInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`Cannot listen: the port must be an integer from 0 to 65535, not ${port}`);
  }
  const address = hostname === "localhost" ? "127.0.0.1" : hostname;
  const version = net.isIP(address);
  const text = version === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  if (version === 0) {
    throw new AddressNotAvailableError(
      text,
      "the hostname must be an IP address, or localhost: binding resolves no names",
    );
  }
  return { address, port, family: version === 6 ? 6 : 4, reusePort, fd: -1, text };
}
