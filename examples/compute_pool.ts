/**
 * Computing on other cores while this one serves: the tasks are functions of this same module.
 *
 * A client that leaves cancels its task, `primes` streams no faster than its reader reads, and `/stats` shows the pool.
 * Run: `deno run --allow-net --allow-read=. examples/compute_pool.ts [port]`, then open http://127.0.0.1:8000/count/5000000
 * and http://127.0.0.1:8000/primes/100.
 */

import { createPool, Reply, Router, serve, type TaskContext, TaskDeadlineError } from "../mod.ts";

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}

/** A task: counts the primes below a number. */
export function countPrimes(below: number, context: TaskContext): number {
  let count = 0;
  for (let n = 2; n < below; n++) {
    if (n % 1024 === 0) context.throwIfCancelled();
    if (isPrime(n)) count++;
  }
  return count;
}

/** A task that streams: the primes below a number. */
export function* listPrimes(below: number): Generator<string> {
  for (let n = 2; n < below; n++) if (isPrime(n)) yield `${n}\n`;
}

if (import.meta.main) { // not in the workers, which load this module for its tasks
  await using pool = createPool<typeof import("./compute_pool.ts")>(import.meta.url);
  const router = new Router()
    .get("/count/:below", async (_request, info) => {
      const options = { signal: info.disconnected, deadlineMs: 10_000 };
      try {
        return Reply.json({ primes: await pool.run("countPrimes", Number(info.params.below), options) });
      } catch (error) {
        if (!(error instanceof TaskDeadlineError)) throw error;
        return new Reply("that would take too long\n", { status: 503 });
      }
    })
    .get("/primes/:below", (_request, info) => {
      const primes = pool.stream("listPrimes", Number(info.params.below), { signal: info.disconnected });
      return new Response(ReadableStream.from(primes).pipeThrough(new TextEncoderStream()));
    })
    .get("/stats", () => Reply.json(pool.stats));

  const server = serve({
    port: Number(Deno.args[0] ?? 8000),
    hostname: "127.0.0.1",
    onListen: ({ hostname, port }) => console.log(`listening on http://${hostname}:${port}`),
  }, router.handler);
  await server.finished;
}
