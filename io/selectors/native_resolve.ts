/**
 * Names to addresses, by the runtime's own resolver (getaddrinfo(3): the hosts file, then the system's servers), which works
 * on threads of its own. Deno asks it for the permission to use the network.
 *
 * @module
 */
import { lookup } from "node:dns";
import net from "node:net";

/** 8 addresses at most are tried of a name that has more: each may cost a time-out. */
const ADDRESSES_MAX = 8;

/** A way to get the addresses of a name; see `resolveHost`. */
export type ResolveHost = (
  hostname: string,
  done: (error: unknown, addresses: readonly string[]) => void,
) => void;

/**
 * The addresses of a host, in the order to try them.
 *
 * @param hostname a name, or an address, which is its own
 * @param done called once, never from inside this call: with the addresses, or with the runtime's error
 */
export function resolveHost(
  hostname: string,
  done: (error: unknown, addresses: readonly string[]) => void,
): void {
  if (net.isIP(hostname) !== 0) return queueMicrotask(() => done(null, [hostname]));
  try {
    lookup(hostname, { all: true, verbatim: true }, (error, found) => {
      if (error) done(error, []);
      else done(null, found.slice(0, ADDRESSES_MAX).map(({ address }) => address));
    });
  } catch (error) {
    queueMicrotask(() => done(error, []));
  }
}
