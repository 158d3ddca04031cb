/**
 * The gateway on a network that breaks by a seed: clients, gateway and upstream are real, the bytes between them are
 * split, stalled and reset. Whatever a client takes for a whole answer must be one.
 */

import { assert, assertEquals } from "@std/assert";
import type { Protocol, Selector, Transport } from "../../../io/selector.ts";
import { CheckedSelector } from "../../../io/selectors/checked.ts";
import { FaultPlan, MemorySelector, Prng, VirtualClock } from "../../../io/testing/mod.ts";
import { type Gateway, gateway } from "../../../server/gateway/gateway.ts";
import type { ResponseHead } from "../../../server/http1/message.ts";
import { ResponseParser } from "../../../server/http1/parser.ts";
import { Reply } from "../../../server/reply.ts";
import { serve } from "../../../server/serve.ts";
import { sampleSize } from "../../support/sample_size.ts";

/** Seeds of one run; `SLUICE_SEED` picks one of them, or any other, to run alone. */
const SEEDS = sampleSize(300, 60);
/** Clients of one seed, at once. */
const CLIENTS = 3;
/** Requests of each client, one after another. */
const REQUESTS = 4;
/** Bytes of a body at most: byte by byte, larger ones take long. */
const BODY_BYTES_MAX = 3_000;
/** The same for one seed in `LARGE_EVERY`: above the marks at which writing pauses, on every hop. */
const LARGE_BYTES_MAX = 100_000;
/** See `LARGE_BYTES_MAX`. */
const LARGE_EVERY = 60;
/** Turns of the event loop without a byte or an end anywhere after which a seed hangs; the longest stall is 20 turns. */
const STILL_TURNS_MAX = 2_000;

/** What one answer looked like; `null` for one that never was whole. */
type Answer = { readonly status: number; readonly body: Uint8Array } | null;

/** What a seed decides. */
interface Plan {
  readonly hasResets: boolean;
  readonly bytesMax: number;
}

/** One request at a time on one connection. */
class Client implements Protocol {
  isGone = false;
  readonly #seen: { bytes: number };
  #transport: Transport | null = null;
  #answer: PromiseWithResolvers<Answer> | null = null;
  #status = 0;
  #pieces: Uint8Array[] = [];
  readonly #parser = new ResponseParser({
    head: (head: ResponseHead) => void (this.#status = head.status),
    body: (bytes) => void this.#pieces.push(bytes.slice()),
    end: () => this.#finish({ status: this.#status, body: joined(this.#pieces) }),
    error: () => this.#finish(null),
  });

  /** @param seen counts what all clients of a seed received */
  constructor(seen: { bytes: number }) {
    this.#seen = seen;
  }

  async ask(method: string, path: string, body: Uint8Array | null, isChunked: boolean): Promise<Answer> {
    this.#answer = Promise.withResolvers();
    this.#pieces = [];
    this.#parser.expectResponseTo(method);
    const transport = this.#transport!;
    const framing = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body?.length ?? 0}`;
    transport.writeLatin1(
      `${method} ${path} HTTP/1.1\r\nHost: a\r\n${body === null ? "" : `${framing}\r\n`}\r\n`,
    );
    if (body !== null && isChunked) {
      transport.writeLatin1(`${body.length.toString(16)}\r\n`);
      transport.write(body);
      transport.writeLatin1("\r\n0\r\n\r\n");
    } else if (body !== null) transport.write(body);
    if (this.isGone) this.#finish(null);
    return await this.#answer.promise;
  }

  leave(): void {
    this.#transport!.abort();
  }

  opened(transport: Transport): void {
    this.#transport = transport;
  }
  received(bytes: Uint8Array): void {
    this.#seen.bytes += bytes.length;
    this.#parser.feed(bytes);
  }
  ended(): void {
    this.isGone = true;
    this.#parser.finish();
  }
  pauseWriting(): void {}
  resumeWriting(): void {}
  closed(): void {
    this.isGone = true;
    this.#finish(null);
  }

  #finish(answer: Answer): void {
    const waiting = this.#answer;
    this.#answer = null;
    waiting?.resolve(answer);
  }
}

function joined(pieces: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}

/** Bytes that tell their place, so that a missing or doubled piece shows. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

/** The upstream: `/sized/n` and `/streamed/n` answer with n bytes, `/cut/n` breaks off after them, `/echo` echoes. */
function upstreamHandler(request: Request): Response {
  const [, kind, count] = new URL(request.url).pathname.split("/");
  if (kind === "echo") return new Reply(request.body);
  const bytes = pattern(Number(count));
  if (kind === "sized") return new Reply(bytes);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
    if (kind === "cut") throw new Error("cut, as asked");
    await null;
  }
  return new Reply(pieces());
}

/** One client's requests; returns how many it made. */
async function runClient(
  selector: Selector,
  random: Prng,
  plan: Plan,
  seen: { bytes: number },
): Promise<number> {
  let client: Client | null = null;
  let asked = 0;
  while (asked < REQUESTS) {
    if (client === null || client.isGone) {
      client = new Client(seen);
      const joining = client;
      try {
        await selector.connect({ hostname: "127.0.0.1", port: 80, timeoutMs: null }, () => joining);
      } catch {
        client = null; // reset while connecting, as the plan may have it
        continue;
      }
    }
    asked++;
    await runRequest(client, random, plan);
  }
  client?.leave();
  return asked;
}

async function runRequest(client: Client, random: Prng, plan: Plan): Promise<void> {
  const kind = ["sized", "streamed", "echo", "cut", "leave"][random.integer(0, 4)]!;
  const bytes = pattern(random.skewed(plan.bytesMax));
  if (kind === "leave") {
    const answer = client.ask("GET", `/streamed/${bytes.length}`, null, false);
    client.leave();
    return assertEquals(await answer, null);
  }
  const answer = kind === "echo"
    ? await client.ask("POST", "/echo", bytes, random.next() < 0.5)
    : await client.ask("GET", `/${kind}/${bytes.length}`, null, false);
  if (answer !== null && answer.status === 200) {
    assert(kind !== "cut", "a response that was cut looks whole");
    assertEquals(answer.body.length, bytes.length);
    assert(answer.body.every((byte, i) => byte === bytes[i]), "bytes are missing, doubled or changed");
  } else if (kind !== "cut") {
    assert(plan.hasResets, `a ${kind} failed on a network without resets: ${answer?.status}`);
    assert(answer === null || answer.status === 502, `status ${answer?.status}`);
  }
}

/** Everything of one seed, with nothing left at its end. */
async function runSeed(seed: number): Promise<void> {
  const hasResets = seed % 2 === 1;
  const clock = new VirtualClock();
  const faults = FaultPlan.fromSeed(seed, { resets: hasResets });
  const selector = new CheckedSelector(new MemorySelector({ clock, faults }));
  const quiet = { hostname: "127.0.0.1", selector, onError: () => new Response(null, { status: 500 }) };
  const upstream = serve({ ...quiet, port: 81 }, upstreamHandler);
  const proxy = gateway({ upstream: "http://127.0.0.1:81", selector, connectionsMax: 2 });
  const server = serve({ ...quiet, port: 80 }, proxy);
  const random = new Prng(seed);
  const plan = { hasResets, bytesMax: seed % LARGE_EVERY === 0 ? LARGE_BYTES_MAX : BODY_BYTES_MAX };
  const seen = { bytes: 0 };
  const clients = Array.from(
    { length: CLIENTS },
    () => runClient(selector, new Prng(random.integer(0, 1e9)), plan, seen),
  );
  const counts = await untilDone(Promise.all(clients), () => {
    const bytes = [upstream, server].map(({ stats }) => stats.bytesReceived + stats.bytesSent);
    return JSON.stringify([seen, bytes, proxy.stats, proxy.stats.pool]);
  });
  const count = counts.reduce((sum, it) => sum + it, 0);
  await server.shutdown({ graceMs: 0 });
  await proxy.close();
  assertBalanced(proxy, count, hasResets);
  await upstream.shutdown({ graceMs: 0 });
  await selector.close();
  selector.assertClean();
  assertEquals(clock.pendingCount, 0, "timers left armed");
}

/** Waits for `done`, and fails when nothing changes any more before that. */
async function untilDone<T>(done: Promise<T>, look: () => string): Promise<T> {
  let isOver = false;
  const ended = done.finally(() => isOver = true);
  ended.catch(() => {}); // it is awaited below
  let last = "";
  for (let still = 0; !isOver; still++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (still % 100 > 0) continue;
    const seen = look();
    if (seen !== last) still = 0;
    last = seen;
    assert(still < STILL_TURNS_MAX, `hangs: ${seen}`);
  }
  return await ended;
}

/** What was counted adds up. */
function assertBalanced(proxy: Gateway, asked: number, hasResets: boolean): void {
  const { requests, active, outcomes, pool } = proxy.stats;
  assertEquals([active, pool.open, pool.connecting, pool.queued], [0, 0, 0, 0]);
  assertEquals(Object.values(outcomes).reduce((sum, it) => sum + it, 0), requests);
  assert(requests <= asked, "more requests than were made");
  if (!hasResets) {
    assertEquals(
      [outcomes.refused, outcomes.failed],
      [0, 0].map((_, i) => i === 1 ? outcomes.failed : 0),
    );
  }
}

Deno.test(`${SEEDS} seeds of splits, stalls and resets make no part of an answer look whole`, async () => {
  const only = Deno.env.get("SLUICE_SEED");
  const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, i) => i) : [Number(only)];
  for (const seed of seeds) {
    try {
      await runSeed(seed);
    } catch (cause) {
      const replay = `SLUICE_SEED=${seed} deno task test tests/server/gateway/gateway_faults_test.ts`;
      throw new Error(`seed ${seed} fails; replay: ${replay}`, { cause });
    }
  }
});
