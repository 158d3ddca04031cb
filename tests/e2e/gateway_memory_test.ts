/** A GiB through the gateway, past readers that do not read: nothing may pile up. */

import { assert, assertEquals } from "@std/assert";
import type { GatewayStats } from "../../server/gateway/gateway_stats.ts";
import { HEAP_FLAGS } from "../support/heap.ts";
import { peakRssBytes, resetPeakRss, rssBytes } from "../support/rss.ts";
import { type Child, spawnChild } from "../support/spawn_child.ts";

const MIB = 1024 * 1024;
/** What is sent through. */
const BODY_BYTES = 1024 * MIB;
/** What the process may grow by: the bound of the issue this was built for. */
const GROWTH_BYTES_MAX = 32 * MIB;
/**
 * What it may grow by while the GiB rushes through at full speed: buffers that wait for the garbage collector, which
 * comes when it likes. A gateway that piled up what passes would need four times that.
 */
const RUSH_BYTES_MAX = 256 * MIB;
/** What may be under way when nobody reads: the kernel's buffers of four sockets, and ours. */
const STUCK_BYTES_MAX = 64 * MIB;
/** What goes each way before measuring, so that code is compiled and the heap has the size it works with. */
const WARM_UP_BYTES = 384 * MIB;
/** How often a counter must be seen unchanged, by a request to the process each time, to be taken for standing still. */
const STILL_POLLS = 50;

const PIECE = new Uint8Array(256 * 1024).fill(0x61);

/** Runs a test with the gateway's process in front of an upstream that handles each connection. */
async function withGatewayProcess(
  upstream: (conn: Deno.Conn) => Promise<void>,
  play: (port: number, child: Child) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) connections.push(upstream(conn).finally(() => conn.close()));
  })();
  const script = new URL("support/gateway_child.ts", import.meta.url).pathname;
  {
    const args = ["run", "-A", HEAP_FLAGS, script, `http://127.0.0.1:${listener.addr.port}`];
    await using child = spawnChild("deno", args);
    const [, port] = await child.stdout.match(/listening on http:\/\/\S+:(\d+)\s/);
    await warmUp(Number(port));
    await play(Number(port), child);
  }
  listener.close();
  await accepting;
  await Promise.all(connections);
}

/** Sends and receives a body of `WARM_UP_BYTES`. */
async function warmUp(port: number): Promise<void> {
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  const head = `POST /warm HTTP/1.1\r\nHost: a\r\nContent-Length: ${WARM_UP_BYTES}\r\n\r\n`;
  await client.write(new TextEncoder().encode(head));
  await writeBytes(client, WARM_UP_BYTES);
  const [, rest] = await readHead(client);
  assertEquals(rest + await readBytes(client, WARM_UP_BYTES - rest), WARM_UP_BYTES);
}

/** Waits until a counter stands still, and returns it. */
async function untilStill(port: number, counter: "responseBytes" | "requestBytes"): Promise<number> {
  let last = -1;
  for (let still = 0; still < STILL_POLLS;) {
    const stats: GatewayStats = await (await fetch(`http://127.0.0.1:${port}/stats`)).json();
    still = stats[counter] === last ? still + 1 : 0;
    last = stats[counter];
  }
  return last;
}

/** Reads a head; returns it with what came of the body. */
async function readHead(conn: Deno.Conn): Promise<[head: string, rest: number]> {
  const buffer = new Uint8Array(64 * 1024);
  let seen = "";
  while (!seen.includes("\r\n\r\n")) {
    const count = await conn.read(buffer);
    if (count === null) return ["", 0];
    seen += new TextDecoder("latin1").decode(buffer.subarray(0, count));
  }
  const end = seen.indexOf("\r\n\r\n") + 4;
  return [seen.slice(0, end), seen.length - end];
}

/** Writes all of `count` bytes, no faster than they are taken. */
async function writeBytes(conn: Deno.Conn, count: number): Promise<void> {
  for (let left = count; left > 0;) left -= await conn.write(PIECE.subarray(0, Math.min(left, PIECE.length)));
}

/** Reads and counts until `count` bytes or the end. */
async function readBytes(conn: Deno.Conn, count: number): Promise<number> {
  const buffer = new Uint8Array(256 * 1024);
  let seen = 0;
  while (seen < count) {
    const bytes = await conn.read(buffer);
    if (bytes === null) break;
    seen += bytes;
  }
  return seen;
}

/** Answers requests for warming up, until another one comes; returns its head. */
async function pastWarmUp(conn: Deno.Conn): Promise<[head: string, rest: number]> {
  for (;;) {
    const [head, rest] = await readHead(conn);
    if (!head.startsWith("POST /warm ")) return [head, rest];
    await readBytes(conn, WARM_UP_BYTES - rest);
    await conn.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${WARM_UP_BYTES}\r\n\r\n`));
    await writeBytes(conn, WARM_UP_BYTES);
  }
}

Deno.test("a GiB for a client that reads nothing stays with the upstream", async () => {
  await withGatewayProcess(async (conn) => {
    const [head] = await pastWarmUp(conn);
    if (head === "") return;
    await conn.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`));
    await writeBytes(conn, BODY_BYTES);
  }, async (port, child) => {
    resetPeakRss(child.pid);
    const before = rssBytes(child.pid);
    using client = await Deno.connect({ hostname: "127.0.0.1", port });
    await client.write(new TextEncoder().encode("GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    const taken = await untilStill(port, "responseBytes") - WARM_UP_BYTES;
    assert(taken > 0 && taken < STUCK_BYTES_MAX, `${taken} bytes were taken`);
    assert(
      peakRssBytes(child.pid) - before < GROWTH_BYTES_MAX,
      `grew by ${peakRssBytes(child.pid) - before}`,
    );
    const [, rest] = await readHead(client);
    assertEquals(rest + await readBytes(client, BODY_BYTES), BODY_BYTES);
    assert(
      peakRssBytes(child.pid) - before < RUSH_BYTES_MAX,
      `peak ${peakRssBytes(child.pid) - before} above`,
    );
  });
});

Deno.test("a GiB for an upstream that reads nothing stays with the client", async () => {
  const isTime = Promise.withResolvers<void>();
  await withGatewayProcess(async (conn) => {
    const [head, rest] = await pastWarmUp(conn);
    if (head === "") return;
    await isTime.promise;
    const count = rest + await readBytes(conn, BODY_BYTES - rest);
    const body = String(count);
    await conn.write(
      new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    );
  }, async (port, child) => {
    resetPeakRss(child.pid);
    const before = rssBytes(child.pid);
    using client = await Deno.connect({ hostname: "127.0.0.1", port });
    const head =
      `POST /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`;
    await client.write(new TextEncoder().encode(head));
    const sent = writeBytes(client, BODY_BYTES);
    const taken = await untilStill(port, "requestBytes") - WARM_UP_BYTES;
    assert(taken > 0 && taken < STUCK_BYTES_MAX, `${taken} bytes were taken`);
    assert(
      peakRssBytes(child.pid) - before < GROWTH_BYTES_MAX,
      `grew by ${peakRssBytes(child.pid) - before}`,
    );
    isTime.resolve();
    await sent;
    const [, rest] = await readHead(client);
    const digits = String(BODY_BYTES).length;
    assertEquals(rest + await readBytes(client, digits - rest), digits);
    assert(
      peakRssBytes(child.pid) - before < RUSH_BYTES_MAX,
      `peak ${peakRssBytes(child.pid) - before} above`,
    );
  });
});
