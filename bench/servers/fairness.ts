/**
 * The fairness bench's server: answers `/plain`, and for `/probe?ms=N` uses the runtime's own I/O in the same thread for
 * N milliseconds each (an echo over a `Deno.Conn`, a `fetch`, timers), and tells as JSON how long each took.
 *
 * Arguments: `sluice` or `deno`, whose `serve` it is; the peer's port (`fairness_peer.ts`). Prints `port N`.
 *
 * @module
 */
import { serve } from "../../mod.ts";
import { PLAIN } from "./bodies.ts";

/** What one probe saw, milliseconds. */
export interface Spread {
  /** How often it was done. */
  readonly count: number;
  /** Median. */
  readonly p50: number;
  /** 99th percentile. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/** What all of them saw. */
export interface Probes {
  /** A round trip of one byte over a `Deno.Conn`. */
  readonly echo: Spread;
  /** A `fetch` of two bytes on a kept connection. */
  readonly fetch: Spread;
  /** How late a timer was. */
  readonly timer: Spread;
}

/** What the timers of the probe wait, milliseconds. */
const TIMER_MS = 2;

const [whose, peerPort] = Deno.args;
const peer = `http://127.0.0.1:${peerPort}`;

/** Does `once` again and again for some milliseconds. */
async function probe(ms: number, once: () => Promise<number>): Promise<Spread> {
  const taken: number[] = [];
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) taken.push(await once());
  taken.sort((a, b) => a - b);
  const at = (share: number) => taken[Math.min(taken.length - 1, Math.floor(taken.length * share))] as number;
  return { count: taken.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** How long `work` takes, milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await work();
  return performance.now() - fromMs;
}

/** One after the other, so that none is another's load. */
async function probes(ms: number): Promise<Probes> {
  const port = Number(await (await fetch(`${peer}/echo-port`)).text());
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const byte = new Uint8Array(1);
  const echo = await probe(ms, () =>
    timed(async () => {
      await conn.write(byte);
      await conn.read(byte);
    }));
  const fetched = await probe(ms, () => timed(async () => await (await fetch(peer)).text()));
  const timer = await probe(ms, async () => {
    const dueMs = performance.now() + TIMER_MS;
    await new Promise((resolve) => setTimeout(resolve, TIMER_MS));
    return performance.now() - dueMs;
  });
  return { echo, fetch: fetched, timer };
}

/** Answers both paths. */
function handler(request: Request): Response | Promise<Response> {
  if (request.url.endsWith("/plain")) return new Response(PLAIN);
  return probes(Number(new URL(request.url).searchParams.get("ms"))).then((result) => Response.json(result));
}

const address = { port: 0, hostname: "127.0.0.1" };
if (whose === "deno") {
  Deno.serve({ ...address, onListen: (addr) => console.log(`port ${addr.port}`) }, handler);
} else {
  const server = serve(address, handler);
  console.log(`port ${server.addr.port}`);
}
