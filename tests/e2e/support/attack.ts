/** What tests of attacks share: a server with bounds of the test's, its metrics, and a client that only wants to be served. */

import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async";
import type { ServeDeadlines } from "../../../server/deadlines.ts";
import type { ServeLimits } from "../../../server/limits.ts";
import { HEAP_FLAGS } from "../../support/heap.ts";
import { RawClient } from "../../support/raw_client.ts";
import { peakRssBytes, resetPeakRss, rssBytes } from "../../support/rss.ts";
import { type Child, spawnChild } from "../../support/spawn_child.ts";

const MIB = 1024 * 1024;

/** What an attack may leave behind in objects and buffers: counters, and code that was compiled on the way. */
const LEFT_BYTES_MAX = 8 * MIB;

/**
 * What the process may grow by at most meanwhile. Attacks make the server produce several times that, so whoever queued it
 * would be seen; what waits for the garbage collector is less by far, since the child runs with `HEAP_FLAGS`.
 */
const PEAK_BYTES_MAX = 128 * MIB;

/** A server under attack. */
export interface Attacked extends Child {
  /** Where it is, without a slash at the end. */
  readonly url: string;
  /** The port of `url`. */
  readonly port: number;
}

/** Bounds for `startAttacked`, as `serve()` takes them. */
export interface Bounds {
  readonly limits?: ServeLimits;
  readonly deadlines?: ServeDeadlines;
}

/** Starts `attacked_child.ts`. */
export async function startAttacked(bounds: Bounds = {}, upstream?: string): Promise<Attacked> {
  const script = new URL("attacked_child.ts", import.meta.url).pathname;
  const flags = ["--allow-net", "--allow-env=SLUICE_SELECTOR", HEAP_FLAGS];
  const args = ["run", ...flags, script, JSON.stringify(bounds)];
  const child = spawnChild("deno", upstream === undefined ? args : [...args, upstream]);
  try {
    const [, url = ""] = await child.stdout.match(/listening on (http:\/\/\S+)\n/);
    return { ...child, url, port: Number(new URL(url).port) };
  } catch (cause) {
    await child.stop("SIGKILL");
    throw new Error(`the server does not listen; it said: ${child.stderr.text}`, { cause });
  }
}

/** One GET on a connection of its own, that leaves nothing behind; the body of a 200. */
export async function getOnce(url: string): Promise<string> {
  const { port, pathname } = new URL(url);
  using client = await RawClient.connect({ port: Number(port) });
  await client.send(`GET ${pathname} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  const { status, body } = await client.readResponse();
  assertEquals(status, 200);
  return body;
}

/** Every sample of a server's `/metrics`, by name with labels; one that is not there is `undefined`. */
export async function metricsOf(url: string): Promise<Map<string, number>> {
  const samples = new Map<string, number>();
  for (const line of (await getOnce(`${url}/metrics`)).split("\n")) {
    const [, name, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) samples.set(name, Number(value));
  }
  return samples;
}

/** Asks for the metrics until they are as wanted; the test run's own limit ends it. */
export async function untilMetrics(
  url: string,
  isWanted: (samples: Map<string, number>) => boolean,
): Promise<Map<string, number>> {
  for (;;) {
    const samples = await metricsOf(url);
    if (isWanted(samples)) return samples;
    await delay(10); // the server is asked, not flooded
  }
}

/**
 * Waits until nobody is left but the one who asks: connections, requests, streams, readers and forwarded requests are
 * back to nothing, so nothing of what a test did is kept.
 */
export async function untilQuiet(url: string): Promise<void> {
  await untilMetrics(url, (samples) => {
    const own = ["sluice_connections_open", "sluice_requests_active"].map((name) => samples.get(name));
    const others = ["sluice_streams_open", "sluice_hub_readers", "sluice_gateway_requests_active"];
    return own.every((count) => count === 1) && others.every((name) => samples.get(name) === 0);
  });
}

/** Asks for `/healthz` on new connections, one after another, until a promise is settled; each must be answered 200. */
export async function servedDuring<T>(server: Attacked, attack: Promise<T>): Promise<T> {
  let isOver = false;
  const over = attack.finally(() => isOver = true);
  over.catch(() => {}); // told below
  do {
    await getOnce(`${server.url}/healthz`);
    await delay(10); // a client, not a second attacker
  } while (!isOver);
  return await over;
}

/** What the server's process holds, garbage excluded. */
export async function heldBytesOf(url: string): Promise<number> {
  return Number(await getOnce(`${url}/held`));
}

/**
 * Plays an attack while others are served (`servedDuring`), and when nothing of it is left (`untilQuiet`) sees to it that
 * it cost no more memory than anybody may cost, and left none behind.
 */
export async function boundedDuring<T>(server: Attacked, attack: () => Promise<T>): Promise<T> {
  const heldBefore = await heldBytesOf(server.url);
  const before = rssBytes(server.pid);
  resetPeakRss(server.pid);
  const result = await servedDuring(server, attack());
  await untilQuiet(server.url);
  const growth = peakRssBytes(server.pid) - before;
  assert(growth < PEAK_BYTES_MAX, `the process grew by ${growth} bytes`);
  const left = await heldBytesOf(server.url) - heldBefore;
  assert(left < LEFT_BYTES_MAX, `${left} bytes more are held than before`);
  return result;
}
