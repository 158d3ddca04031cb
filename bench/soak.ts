/**
 * `deno task soak [--minutes 10] [--clients 8]`: the ready-made server under every kind of use at once, for long.
 *
 * Strategy: plain requests, plain requests in pipelines of 16 as fast as the server answers them, token streams read to their
 * end, token streams left after two chunks, and readers of a topic that reconnect with `Last-Event-ID` go on side by side
 * until the time is over. Then these must hold: nothing failed, no stream ended without its `[DONE]`, no reader missed or
 * repeated an event, memory is flat after the first minute (`support/growth.ts` has the rule), and SIGTERM ends the server
 * with 0. Exits 1 if one does not.
 *
 * @module
 */
import { rssBytes } from "../tests/support/rss.ts";
import { type ServeProcess, spawnServe } from "../tests/support/spawn_serve.ts";
import { judgeGrowth, type MemorySample } from "./support/growth.ts";

/** Milliseconds between two looks at the server's memory. */
const SAMPLE_MS = 1_000;

/** Milliseconds between two published events. */
const PUBLISH_MS = 20;

/** Milliseconds that a use gets to finish what it has begun: several times what a stream takes. */
const FINISH_MS = 3_000;

/** Events after which a reader leaves and comes back. */
const EVENTS_PER_READ = 50;

/** Connections that pipeline, enough to keep a server's core busy, and requests under way on each. */
const PIPELINES = 2;
const PIPELINED = 16;

/** Tokens of a stream, and how fast they come: half a second a stream. */
const DEMO = { tokens: 100, tokens_per_second: 200 };

/** How often each thing was done. */
type Counts = Record<"requests" | "pipelined" | "streams" | "streams left" | "events" | "reconnects", number>;

interface Soak {
  readonly url: string;
  readonly model: string;
  readonly counts: Counts;
  /** Aborts when the time is over. */
  readonly over: AbortSignal;
}

function chat({ url, model }: Soak, signal: AbortSignal | null): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      stream: true,
      messages: [{ role: "user", content: "soak" }],
      sluice_demo: DEMO,
    }),
    signal,
  });
}

async function requests(soak: Soak): Promise<void> {
  while (!soak.over.aborted) {
    const response = await fetch(`${soak.url}/healthz`);
    await response.text();
    if (!response.ok) throw new Error(`GET /healthz: ${response.status}`);
    soak.counts.requests++;
  }
}

/** Sends requests in pipelines, on a new connection whenever one has had all it may (`requestsPerConnectionMax`). */
async function pipelined(soak: Soak): Promise<void> {
  while (!soak.over.aborted) await pipelinedOnce(soak);
}

/** Sends them on one connection, until the server says that it closes it; sees that each is answered by 200. */
async function pipelinedOnce(soak: Soak): Promise<void> {
  const { hostname, port } = new URL(soak.url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const requests = new TextEncoder().encode(`GET /healthz HTTP/1.1\r\nHost: soak\r\n\r\n`.repeat(PIPELINED));
  const buffer = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  while (!soak.over.aborted) {
    for (let sent = 0; sent < requests.length;) sent += await connection.write(requests.subarray(sent));
    let text = "";
    for (let answers = 0; answers < PIPELINED; answers = text.split("HTTP/1.1 200 OK\r\n").length - 1) {
      const count = await connection.read(buffer);
      if (count === null) throw new Error(`the connection ended after ${answers} answers: ${text}`);
      text += decoder.decode(buffer.subarray(0, count));
    }
    soak.counts.pipelined += PIPELINED;
    if (/^connection: close\r$/im.test(text)) return;
  }
}

async function streams(soak: Soak): Promise<void> {
  while (!soak.over.aborted) {
    const response = await chat(soak, null);
    const text = await response.text();
    if (!response.ok || !text.includes("data: [DONE]")) {
      throw new Error(`a stream ended without [DONE]: ${response.status} ${text.slice(-500)}`);
    }
    soak.counts.streams++;
  }
}

async function streamsLeft(soak: Soak): Promise<void> {
  while (!soak.over.aborted) {
    const leave = new AbortController();
    const response = await chat(soak, leave.signal);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    leave.abort();
    // Not awaiting `reader.closed`: about once in a thousand aborts Deno 2.9.6 never settles it.
    soak.counts["streams left"]++;
  }
}

async function publish(soak: Soak): Promise<void> {
  for (let number = 1; !soak.over.aborted; number++) {
    const response = await fetch(`${soak.url}/events/soak`, { method: "POST", body: String(number) });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`POST /events/soak: ${response.status}`);
    await new Promise((resolve) => setTimeout(resolve, PUBLISH_MS));
  }
}

/** Reads a topic of numbers in order, leaving and coming back with `Last-Event-ID`. */
async function events(soak: Soak): Promise<void> {
  let lastId: string | undefined;
  let lastNumber: number | undefined;
  while (!soak.over.aborted) {
    const headers: HeadersInit = lastId === undefined ? {} : { "last-event-id": lastId };
    const response = await fetch(`${soak.url}/events/soak`, { headers, signal: soak.over });
    let count = 0;
    let rest = "";
    for await (
      const text of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())
    ) {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = /^data: ?(\d+)$/m.exec(block)?.[1];
        lastId = /^id: ?(.*)$/m.exec(block)?.[1] ?? lastId;
        if (data === undefined) continue;
        if (lastNumber !== undefined && Number(data) !== lastNumber + 1) {
          throw new Error(`after event ${lastNumber} came ${data}`);
        }
        lastNumber = Number(data);
        count++;
        soak.counts.events++;
      }
      if (count >= EVENTS_PER_READ) break;
    }
    soak.counts.reconnects++;
  }
}

/** Runs one kind of use until the time is over; being cut off by that is its proper end. */
async function until(soak: Soak, use: (soak: Soak) => Promise<void>): Promise<void> {
  const cut = new Promise<void>((resolve) => {
    soak.over.addEventListener("abort", () => setTimeout(resolve, FINISH_MS), { once: true });
  });
  try {
    // Not only the use itself: now and then an abort of Deno's `fetch` leaves a read pending for ever.
    await Promise.race([use(soak), cut]);
  } catch (error) {
    if (!soak.over.aborted) throw new Error(`${use.name} failed`, { cause: error });
  }
}

/** Samples the server's memory until the time is over. */
async function memory(soak: Soak, server: ServeProcess, samples: MemorySample[]): Promise<void> {
  while (!soak.over.aborted) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const uses = Object.values(soak.counts).reduce((sum, count) => sum + count, 0);
    samples.push({ rssBytes: rssBytes(server.pid), uses });
    if (samples.length % 30 === 0) report(soak.counts, samples);
  }
}

function report(counts: Counts, samples: readonly MemorySample[]): void {
  const rss = samples.at(-1)?.rssBytes ?? NaN;
  const done = Object.entries(counts).map(([what, count]) => `${count} ${what}`).join(", ");
  console.log(`${done}; ${(rss / 2 ** 20).toFixed(1)} MiB`);
}

function option(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(Deno.args[at + 1]);
  if (!(value > 0)) throw new RangeError(`Cannot soak: --${name} takes a number above 0`);
  return value;
}

/** Runs everything and returns what did not hold. */
async function soak(minutes: number, clients: number): Promise<string[]> {
  await using server = await spawnServe();
  const { data: [{ id: model }] } = await (await fetch(`${server.url}/v1/models`)).json();
  const over = new AbortController();
  const counts: Counts = {
    requests: 0,
    pipelined: 0,
    streams: 0,
    "streams left": 0,
    events: 0,
    reconnects: 0,
  };
  const state: Soak = { url: server.url, model, counts, over: over.signal };
  const timer = setTimeout(() => over.abort(), minutes * 60_000);
  const samples: MemorySample[] = [];
  const uses = [requests, streams, streamsLeft, events].flatMap((use) =>
    Array<typeof use>(clients).fill(use)
  );
  uses.push(...Array<typeof pipelined>(PIPELINES).fill(pipelined));
  const running = [publish, ...uses].map((use) => until(state, use));
  const faults: string[] = [];
  try {
    await Promise.all([...running, memory(state, server, samples)]);
  } catch (error) {
    faults.push(Deno.inspect(error));
  }
  over.abort();
  clearTimeout(timer);
  await Promise.allSettled(running);
  report(counts, samples);
  const { grownBytes, uses: judged, fault } = judgeGrowth(samples);
  console.log(
    `memory: ${
      (grownBytes / 2 ** 20).toFixed(1)
    } MiB more at the end than after warm-up, over ${judged} uses`,
  );
  if (fault !== null) faults.push(fault);
  for (const [what, count] of Object.entries(counts)) if (count === 0) faults.push(`no ${what}`);
  const { code } = await server.stop("SIGTERM");
  if (code !== 0) faults.push(`SIGTERM ended the server with ${code}: ${server.stderr.text}`);
  return faults;
}

const faults = await soak(option("minutes", 10), option("clients", 8));
for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "the soak held" : "the soak did not hold");
Deno.exit(faults.length === 0 ? 0 : 1);
