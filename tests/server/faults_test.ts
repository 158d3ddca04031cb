/**
 * A real `serve()` on a network that splits, stalls and resets by a seed, with clients that do so too, and an oracle:
 * every complete response a client sees is the right one, every incomplete one can be told from a complete one, and
 * the server is left with nothing open, active or armed.
 */
import { assert, assertEquals } from "@std/assert";
import type { Protocol, Transport } from "../../io/selector.ts";
import { CheckedSelector } from "../../io/selectors/checked.ts";
import { FaultPlan } from "../../io/testing/fault_plan.ts";
import { MemorySelector } from "../../io/testing/memory_selector.ts";
import { Prng } from "../../io/testing/prng.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { serve } from "../../server/serve.ts";
import { sampleSize } from "../support/sample_size.ts";
import { forSeeds } from "../support/seeds.ts";
import { expectedBody, handle, type Plan, planRequest, readOne } from "./faults/workload.ts";

/** How many seeds: the issue asks for a thousand at least, half of them with resets. */
const SEEDS = sampleSize(1_200, 200);

/** At most this many connections, and requests on each, a seed has. */
const CONNECTIONS_MAX = 3;
const REQUESTS_MAX = 6;

/** More than this of a body nobody reads ends the connection. */
const UNREAD_BYTES_MAX = 2_000;

/** What a client sees of its connection. */
class Client implements Protocol {
  text = "";
  end: "open" | "closed" | "reset" = "open";
  hasEnded = false;
  transport: Transport | null = null;

  opened(transport: Transport): void {
    this.transport = transport;
  }
  received(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 4_096) {
      this.text += String.fromCharCode(...bytes.subarray(at, at + 4_096));
    }
  }
  ended(): void {
    this.hasEnded = true;
  }
  pauseWriting(): void {}
  resumeWriting(): void {}
  closed(reason: Error | null): void {
    this.end = reason === null ? "closed" : "reset";
  }
}

/** What one client did, for the oracle. */
interface Run {
  readonly client: Client;
  readonly plans: readonly Plan[];
  /** Whether the client itself broke off, so that anything after may be missing. */
  hasBroken: boolean;
}

Deno.test(`whatever the network does, no client takes a wrong or partial response for a right one, and nothing leaks: ${SEEDS} seeds`, async () => {
  const seen = { complete: 0, incomplete: 0, requests: 0 };
  await forSeeds("whatever the network does", SEEDS, async (seed) => {
    const withResets = seed % 2 === 1;
    const faults = FaultPlan.fromSeed(seed, { resets: withResets });
    const clock = new VirtualClock();
    const memory = new MemorySelector({ clock, faults });
    const selector = new CheckedSelector(memory);
    const prng = Prng.derive(seed, 7);
    const server = serve({
      port: 80,
      selector,
      onError: () => new Response("failed", { status: 500 }),
      limits: { pipelinedRequestsMax: prng.integer(1, 4), unreadBodyBytesMax: UNREAD_BYTES_MAX },
      allowHalfClose: prng.chance(0.5),
    }, handle);
    const runs = await Promise.all(
      Array.from(
        { length: prng.integer(1, CONNECTIONS_MAX) },
        (_, i) => runClient(memory, Prng.derive(seed, 8, i)),
      ),
    );
    for (let i = 0; i < 5; i++) { // Web streams take macrotasks on Bun: they are not what the clock shall cut.
      await memory.runUntilIdle();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await memory.runUntilIdle();
    for (let i = 0; i < 4; i++) await clock.advance(100_000); // Whoever waits for what does not come is cut.
    await memory.runUntilIdle();
    for (const run of runs) {
      const complete = judge(run, withResets);
      seen.complete += complete;
      seen.requests += run.plans.length;
      seen.incomplete += run.plans.length - complete;
    }
    const stopped = server.shutdown({ graceMs: 0 });
    await memory.runUntilIdle();
    await stopped;
    const { stats } = server;
    assertEquals([stats.connectionsOpen, stats.requestsActive, stats.streamsOpen], [0, 0, 0]);
    assertEquals(clock.pendingCount, 0, "timers left armed");
    await memory.close();
    selector.assertClean();
  });
  // The suite would prove little if nearly nothing came through, or nearly nothing were cut.
  assert(seen.complete > seen.requests / 2, `${seen.complete} of ${seen.requests} responses were complete`);
  assert(seen.incomplete > seen.requests / 20, `${seen.incomplete} of ${seen.requests} responses were not`);
});

/** Sends some requests in pieces of some sizes, reads or does not read meanwhile, and sometimes breaks off. */
async function runClient(memory: MemorySelector, prng: Prng): Promise<Run> {
  const client = new Client();
  const plans = Array.from({ length: prng.integer(1, REQUESTS_MAX) }, (_, i) => planRequest(prng, i));
  const run: Run = { client, plans, hasBroken: false };
  const transport = await memory.connect({ hostname: "127.0.0.1", port: 80, timeoutMs: null }, () => client);
  let wire = plans.map(({ wire }) => wire).join("");
  if (prng.chance(0.1)) { // It never sends all.
    wire = wire.slice(0, prng.integer(0, wire.length - 1));
    run.hasBroken = true;
  }
  const end = prng.next();
  const pieces = prng.integer(1, 12);
  for (let i = 0; i < pieces && client.end === "open"; i++) {
    const size = i === pieces - 1 ? wire.length : prng.integer(0, Math.ceil(2 * wire.length / pieces));
    if (size > 0 && !transport.isClosing) transport.writeLatin1(wire.slice(0, size));
    wire = wire.slice(size);
    if (prng.chance(0.2)) transport.pauseReading();
    for (let hops = prng.integer(0, 200); hops > 0; hops--) await null;
    if (end < 0.06 && prng.chance(0.3)) {
      run.hasBroken = true;
      transport.abort();
    }
    transport.resumeReading();
  }
  if (end >= 0.06 && end < 0.16) {
    run.hasBroken = true; // A FIN may be taken for a client that left.
    if (!transport.isClosing) transport.closeWrite();
  } else if (end >= 0.16 && end < 0.2) run.hasBroken = true;
  if (end >= 0.16 && end < 0.2) transport.close();
  return run;
}

/** The oracle; returns how many responses were complete. */
function judge({ client, plans, hasBroken }: Run, withResets: boolean): number {
  let rest = client.text;
  let complete = 0;
  let hasToEnd = false;
  for (const plan of plans) {
    if (hasToEnd) break;
    const got = readOne(rest, plan, client.hasEnded, client.end === "reset");
    if (got === null) break;
    // The answer to a request that did not come whole: it says so, and is the last.
    if (hasBroken && (got.status === 400 || got.status === 408) && got.isClosing) break;
    assertEquals(got.status, plan.status, `status of ${plan.wire.slice(0, 60)}`);
    assert(!plan.fails, `a failed body looks complete: ${plan.wire.slice(0, 60)}`);
    assert(got.body === expectedBody(plan), `body of ${plan.wire.slice(0, 60)}: ${got.body.slice(0, 60)}`);
    rest = got.rest;
    complete++;
    hasToEnd = got.isClosing;
  }
  if (hasToEnd) assertEquals(rest, "", "bytes after the last response");
  const isTooMuch = plans.some(({ kind, length }) => kind === "ignore" && length > UNREAD_BYTES_MAX);
  const isCertain = !withResets && !hasBroken && !isTooMuch;
  if (isCertain && !hasToEnd) {
    // The reset that follows a failed body takes with it what had not been sent of the responses before.
    if (plans.some(({ fails }) => fails)) assertEquals(client.end, "reset");
    else {assertEquals(
        complete,
        plans.length,
        `incomplete without a fault; the connection is ${client.end}:\n${
          plans.map(({ wire }) => wire.slice(0, 120)).join("\n")
        }\n--\n${rest.slice(0, 300)}`,
      );}
  }
  return complete;
}
