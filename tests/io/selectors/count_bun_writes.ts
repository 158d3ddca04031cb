/**
 * Counts what Bun's sockets are given to send; each `write` is one system call.
 *
 * @module
 */

interface Sockets {
  listen(options: object): { readonly port: number; stop(): void };
  connect(options: object): Promise<{ end(): void }>;
}

type Write = (this: unknown, bytes: Uint8Array) => number;

/** Makes a function that counts: it runs `run` and tells how many writes with at least one byte all sockets made meanwhile. */
export async function bunWriteCounter(): Promise<(run: () => Promise<void>) => Promise<number>> {
  const prototype = await socketPrototype();
  return async (run) => {
    const original = prototype.write;
    let count = 0;
    prototype.write = function (bytes) {
      if (bytes.length > 0) count++;
      return original.call(this, bytes);
    };
    try {
      await run();
    } finally {
      prototype.write = original;
    }
    return count;
  };
}

/** What all connections of Bun share; seen from one of them. */
async function socketPrototype(): Promise<{ write: Write }> {
  const { Bun: bun } = globalThis as unknown as { readonly Bun: Sockets };
  const hostname = "127.0.0.1";
  const listener = bun.listen({ hostname, port: 0, socket: { data() {} } });
  const socket = await bun.connect({ hostname, port: listener.port, socket: { data() {} } });
  socket.end();
  listener.stop();
  return Object.getPrototypeOf(socket);
}
