/** A TCP port that was free a moment ago. */

/**
 * Finds a free TCP port of the loopback address.
 *
 * Somebody else may take it before the caller does, so use it only where port 0 cannot be given.
 */
export function freePort(hostname = "127.0.0.1"): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}
