/**
 * Events out of a generator: a clock that goes on where a client left it.
 * Run: `deno run --allow-net examples/sse_clock.ts [port]`, then `curl -N http://127.0.0.1:8000/`.
 */

import { serve, sse } from "../mod.ts";

/** Waits, or not if nobody wants more: a timer must not outlive its stream. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

const clock = sse(async function* (_request, _info, stream) {
  let tick = Number(stream.lastEventId ?? 0);
  while (!stream.signal.aborted) {
    tick++;
    yield { id: `${tick}`, event: "tick", data: { tick, at: new Date().toISOString() } };
    await pause(100, stream.signal);
  }
}, { retryMs: 1_000 });

const server = serve({ port: Number(Deno.args[0] ?? 8000), hostname: "127.0.0.1" }, clock);
console.log(`listening on http://127.0.0.1:${server.addr.port}`);
