/**
 * Counts what `node:net` sockets are given to send, as the runtime sees it: after corking, before the system call.
 *
 * @module
 */
import { Socket } from "node:net";

type Write = (this: Socket, ...args: unknown[]) => unknown;

/** Runs `run` and returns how many writes with at least one byte all sockets made meanwhile. */
export async function countSocketWrites(run: () => Promise<void>): Promise<number> {
  const prototype = Socket.prototype as unknown as { _writeGeneric: Write };
  const original = prototype._writeGeneric;
  let count = 0;
  prototype._writeGeneric = function (...args) {
    const data = args[1] as { length: number };
    if (data.length > 0) count++;
    return original.apply(this, args);
  };
  try {
    await run();
  } finally {
    prototype._writeGeneric = original;
  }
  return count;
}
