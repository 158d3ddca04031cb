/**
 * Counts what the handles of `node:net` sockets are given to send: each is one system call.
 *
 * @module
 */
import process from "node:process";

type Method = (this: unknown, request: object, data: { length: number }, ...rest: unknown[]) => unknown;

/** Runs `run` and returns how many writes with at least one byte all sockets made meanwhile. */
export async function countSocketWrites(run: () => Promise<void>): Promise<number> {
  const { TCP } = (process as unknown as { binding(name: string): { TCP: { prototype: object } } })
    .binding("tcp_wrap");
  let count = 0;
  const restores = ["writeBuffer", "writev"].map((name) => {
    const owner = ownerOf(TCP.prototype, name);
    const original = owner[name]!;
    owner[name] = function (request, data, ...rest) {
      if (data.length > 0) count++;
      return original.call(this, request, data, ...rest);
    };
    return () => owner[name] = original;
  });
  try {
    await run();
  } finally {
    for (const restore of restores) restore();
  }
  return count;
}

/** The object of a prototype chain that has a method itself. */
function ownerOf(prototype: object, name: string): Record<string, Method> {
  let owner = prototype;
  while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner);
  return owner as Record<string, Method>;
}
