/**
 * Broken conversations on real sockets: mutated requests in pipelines, in pieces, behind requests that stream, by clients
 * that end, reset or stop to read at any moment. Afterwards the server holds nothing of them (`boundedDuring`).
 */

import net from "node:net";
import { assert } from "@std/assert";
import { Prng } from "../../io/testing/prng.ts";
import { fuzzInput } from "../fuzz/http1_messages.ts";
import { boundedDuring, startAttacked } from "./support/attack.ts";

/** How many there are, and how many at once. */
const CONVERSATIONS = 1_000;
const AT_ONCE = 50;

/** The first seed; each conversation has its own. A run with another one is `SLUICE_SEED=7 deno test …`. */
const SEED = Number(Deno.env.get("SLUICE_SEED") ?? 1);

/** What the ready-made server has: streams, forwarded requests (to nobody), large, fresh and small answers. */
const PATHS = ["/events/t", "/v1/x", "/large", "/fresh", "/metrics", "/"];

/** Short, so that what the clients leave hanging is over soon; but who is to be served has time for the first byte. */
const BOUNDS = {
  deadlines: {
    firstByteMs: 10_000,
    headMs: 500,
    bodyIdleMs: 500,
    keepAliveMs: 500,
    lingerMs: 300,
    writeStallMs: 500,
  },
};

/** Three requests as the fuzzer breaks them, often behind one that is answered slowly or at length. */
function wireOf(prng: Prng, seed: number): Uint8Array {
  let wire = "";
  if (prng.chance(0.5)) {
    const path = PATHS[prng.integer(0, PATHS.length - 1)];
    const offer = prng.chance(0.3) ? "Connection: upgrade\r\nUpgrade: x\r\n" : "";
    wire = `GET ${path} HTTP/1.1\r\nHost: a\r\n${offer}\r\n`;
  }
  for (let i = prng.integer(1, 3); i > 0; i--) wire += fuzzInput(3 * seed + i, "request").wire;
  return Uint8Array.from(wire, (char) => char.charCodeAt(0));
}

/** One conversation, until its socket is closed. */
async function converse(port: number, seed: number): Promise<void> {
  const prng = Prng.derive(seed, 31);
  const socket = net.connect(port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => {}); // the server may cut it, and often has to
  await Promise.race([closed, new Promise<void>((resolve) => socket.on("connect", () => resolve()))]);
  const reads = prng.chance(0.7);
  if (reads) socket.on("data", () => {});
  const wire = wireOf(prng, seed);
  const breaksAt = prng.chance(0.3) ? prng.integer(0, wire.length) : wire.length;
  for (let at = 0; at < breaksAt && !socket.destroyed;) {
    const size = Math.min(breaksAt - at, 1 + prng.skewed(300));
    socket.write(wire.subarray(at, at + size));
    at += size;
    if (prng.chance(0.5)) await new Promise<void>((resolve) => setImmediate(resolve)); // another packet
  }
  const end = prng.next();
  if (end < 0.4 && reads) socket.end(); // it waits for what comes, if it can hear the end of it
  else if (end < 0.7) socket.resetAndDestroy();
  else socket.destroy();
  const isStream = /GET \/events/.test(String.fromCharCode(...wire.subarray(0, 20)));
  if (end < 0.4 && reads && isStream) socket.destroy(); // whose end would not come
  await closed;
}

Deno.test("a thousand broken conversations leave nothing behind, and others are served meanwhile", async () => {
  await using server = await startAttacked(BOUNDS);
  let next = 0;
  const worker = async () => {
    while (next < CONVERSATIONS) await converse(server.port, SEED + next++);
  };
  await boundedDuring(server, () => Promise.all(Array.from({ length: AT_ONCE }, worker)));
  assert(!server.stderr.text.includes("Uncaught"), `seed ${SEED}: ${server.stderr.text}`);
});
