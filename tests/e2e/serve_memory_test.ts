/** A GiB past a client that does not read, and past a handler that does not: nothing may pile up in the server. */
import { assert, assertEquals } from "@std/assert";
import type { ServerStats } from "../../server/server_stats.ts";
import { HEAP_FLAGS } from "../support/heap.ts";
import { RawClient } from "../support/raw_client.ts";
import { peakRssBytes, resetPeakRss, rssBytes } from "../support/rss.ts";
import { type Child, spawnChild } from "../support/spawn_child.ts";

const MIB = 1024 * 1024;
/** What is sent. */
const BODY_BYTES = 1024 * MIB;
/** What the process may grow by: the bound of the issue this was built for. */
const GROWTH_BYTES_MAX = 32 * MIB;
/**
 * What it may grow by while the GiB rushes through at full speed: buffers that wait for the garbage collector, which
 * comes when it likes. A server that piled up what passes would need four times that.
 */
const RUSH_BYTES_MAX = 256 * MIB;
/** What may be under way when nobody reads: the kernel's buffers of two sockets, and ours. */
const STUCK_BYTES_MAX = 32 * MIB;
/** What goes each way before measuring, so that code is compiled and the heap has the size it works with. */
const WARM_UP_BYTES = 128 * MIB;
/** How often a counter must be seen unchanged, by a request to the process each time, to be taken for standing still. */
const STILL_POLLS = 50;

const PIECE = new Uint8Array(256 * 1024).fill(0x61);

async function withServer(play: (port: number, child: Child) => Promise<void>): Promise<void> {
  await using child = spawnChild("deno", [
    "run",
    "-A",
    HEAP_FLAGS,
    new URL("support/serve_child.ts", import.meta.url).pathname,
  ]);
  const port = Number((await child.stdout.match(/listening on http:\/\/\S+:(\d+) /))[1]);
  assertEquals(await upload(port, "/in", WARM_UP_BYTES), `${WARM_UP_BYTES}`);
  using client = await Deno.connect({ port });
  await write(client, `GET /out/${WARM_UP_BYTES} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await countToEnd(client);
  resetPeakRss(child.pid);
  await play(port, child);
}

/** Waits until one of the server's counters stands still, and returns by how much it rose since `before`. */
async function untilStill(
  port: number,
  counter: "bytesSent" | "bytesReceived",
  before: number,
): Promise<number> {
  // Each look is a request itself, and costs the same each time: the growth of growth is what must be nil.
  const costs: number[] = [];
  let last = before;
  for (;;) {
    const stats: ServerStats = await (await fetch(`http://127.0.0.1:${port}/stats`)).json();
    costs.push(stats[counter] - last);
    last = stats[counter];
    const recent = costs.slice(-STILL_POLLS);
    if (recent.length === STILL_POLLS && Math.max(...recent) < PIECE.length / 16) return last - before;
  }
}

async function counterOf(port: number, counter: "bytesSent" | "bytesReceived"): Promise<number> {
  const stats: ServerStats = await (await fetch(`http://127.0.0.1:${port}/stats`)).json();
  return stats[counter];
}

async function write(conn: Deno.Conn, text: string): Promise<void> {
  await conn.write(new TextEncoder().encode(text));
}

async function countToEnd(conn: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(256 * 1024);
  let count = 0;
  for (let read = await conn.read(buffer); read !== null; read = await conn.read(buffer)) count += read;
  return count;
}

/** Sends a body as fast as it is taken; returns the response's body. */
async function upload(port: number, path: string, bytes: number): Promise<string> {
  using client = await RawClient.connect({ port });
  await client.send(
    `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n`,
  );
  for (let left = bytes; left > 0; left -= PIECE.length) await client.send(PIECE);
  return (await client.readResponse()).body;
}

function assertGrowth(child: Child, before: number, bytesMax: number): void {
  const growth = peakRssBytes(child.pid) - before;
  assert(growth < bytesMax, `the process grew by ${Math.round(growth / MIB)} MiB`);
}

Deno.test("a GiB for a client that reads nothing is not made before it is wanted", async () => {
  await withServer(async (port, child) => {
    const before = rssBytes(child.pid);
    const sent = await counterOf(port, "bytesSent");
    using client = await Deno.connect({ port });
    await write(client, `GET /out/${BODY_BYTES} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const stuck = await untilStill(port, "bytesSent", sent);
    assert(stuck > 0 && stuck < STUCK_BYTES_MAX, `${stuck} bytes are under way`);
    assertGrowth(child, before, GROWTH_BYTES_MAX);
    assert(await countToEnd(client) > BODY_BYTES, "the whole body arrives once it is read");
    assertGrowth(child, before, RUSH_BYTES_MAX);
  });
});

Deno.test("a GiB for a handler that does not read stays with its client", async () => {
  await withServer(async (port, child) => {
    const before = rssBytes(child.pid);
    const received = await counterOf(port, "bytesReceived");
    const answer = upload(port, "/in-slowly", BODY_BYTES);
    const stuck = await untilStill(port, "bytesReceived", received);
    assert(stuck > 0 && stuck < STUCK_BYTES_MAX, `${stuck} bytes were taken`);
    assertGrowth(child, before, GROWTH_BYTES_MAX);
    assertEquals(await (await fetch(`http://127.0.0.1:${port}/go`)).text(), "going");
    assertEquals(await answer, `${BODY_BYTES}`);
    assertGrowth(child, before, RUSH_BYTES_MAX);
  });
});
