/** What the parts of the pool's contract have in common. */

import { assert } from "@std/assert";
import { createPool, type Isolation, type Pool, type PoolOptions } from "../../../pool/mod.ts";

/** The tasks that the contract runs. */
export type Tasks = typeof import("../../support/pool_tasks.ts");

/** Where they are. */
export const TASKS = new URL("../../support/pool_tasks.ts", import.meta.url);

/** A pool of one worker whose tasks have long to obey, unless told otherwise; destroyed by `await using`. */
export function open(isolation: Isolation, options: PoolOptions = {}): Pool<Tasks> {
  const pool = createPool<Tasks>(TASKS, { isolation, workersMax: 1, graceMs: 60_000, ...options });
  return new Proxy(pool, {
    get(target, key) {
      if (key === Symbol.asyncDispose) return () => target.destroy();
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What the tests' names say of an isolation. */
export function title(isolation: Isolation): string {
  return isolation === "thread" ? "threads" : "processes";
}

/** Registers a test that gets a pool. */
export function poolTest(
  isolation: Isolation,
  name: string,
  run: (pool: Pool<Tasks>) => Promise<void>,
  options: PoolOptions = {},
): void {
  Deno.test(`pool of ${title(isolation)}: ${name}`, async () => {
    await using pool = open(isolation, options);
    await run(pool);
  });
}

/** What a promise rejects with, which must be of a class. */
export async function rejection<E extends Error>(
  promise: PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- constructors of errors take what they like
  type: new (...args: any[]) => E,
): Promise<E> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof type, `rejected with ${error}, not ${type.name}`);
    return error;
  }
  throw new Error(`did not reject with ${type.name}`);
}

/** Whether this is Deno, whose threads cannot be stopped while they compute. */
export function isDeno(): boolean {
  return "Deno" in globalThis;
}

/** Whether this is Bun. */
export function isBun(): boolean {
  return "Bun" in globalThis;
}

/** Resolves when no thread that was given up computes any more. */
export async function allReturned(pool: Pool<Tasks>): Promise<void> {
  while (pool.stats.workers.abandoned > 0) await new Promise((resolve) => setTimeout(resolve));
}
