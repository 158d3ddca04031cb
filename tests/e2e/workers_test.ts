/** Several threads on one port: dealt out, crashed under load, hung, stopped with streams open. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve, type WorkersServer } from "../../mod.ts";
import { RawClient } from "../support/raw_client.ts";
import { spawnChild } from "../support/spawn_child.ts";

const MODULE = new URL("../server/workers/service_module.ts", import.meta.url);
const OPTIONS = { module: MODULE, port: 0, hostname: "127.0.0.1", onCrash() {} };

/** A connection that stays with the worker it was dealt to. */
interface Dealt extends Disposable {
  readonly client: RawClient;
  readonly index: number;
}

/** Asks on a connection which worker answers. */
async function ask(client: RawClient): Promise<number> {
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const { status, body } = await client.readResponse();
  assertEquals(status, 200, body);
  return JSON.parse(body).index;
}

/** Opens connections until every worker has `count` of them. */
async function connectToAll(server: WorkersServer, count: number): Promise<Dealt[]> {
  const all: Dealt[] = [];
  const { size } = server.workers;
  const missing = () => Array.from({ length: size }, (_, i) => all.filter(({ index }) => index === i).length);
  while (Math.min(...missing()) < count) {
    const client = await RawClient.connect({ port: server.addr.port });
    all.push({ client, index: await ask(client), [Symbol.dispose]: () => client[Symbol.dispose]() });
  }
  return all;
}

Deno.test("the kernel deals connections out to all workers, and each stays with its own", async () => {
  await using server = await serve({ ...OPTIONS, workers: 3 });
  const dealt = await connectToAll(server, 2);
  for (const { client, index } of dealt) assertEquals(await ask(client), index);
  const { connectionsTotal, requestsTotal } = await server.stats();
  assertEquals([connectionsTotal, requestsTotal], [dealt.length, dealt.length * 2]);
  for (const one of dealt) one[Symbol.dispose]();
});

Deno.test("a worker that crashes under load takes its own connections with it, no other's, and is replaced", async () => {
  await using server = await serve({ ...OPTIONS, workers: 2 });
  const dealt = await connectToAll(server, 8);
  const others = dealt.filter(({ index }) => index === 1);
  let isOver = false;
  /** Requests without a pause on one connection of the worker that goes on. */
  const load = async ({ client }: Dealt): Promise<number> => {
    let answered = 0;
    for (; !isOver; answered++) assertEquals(await ask(client), 1);
    return answered;
  };
  const loads = others.map(load);
  const victims = dealt.filter(({ index }) => index === 0);
  await victims[0]!.client.send("GET /crash HTTP/1.1\r\nHost: a\r\n\r\n");
  const ends = await Promise.all(victims.map(({ client }) => client.waitEnd()));
  assertEquals(ends.length, victims.length);
  const again = await connectToAll(server, 1); // connections to the new worker, while the load goes on
  isOver = true;
  const answered = await Promise.all(loads);
  assert(answered.every((count) => count > 0), `each of the others was served: ${answered}`);
  assertEquals(server.workers, { size: 2, up: 2, started: 3, crashed: 1, failedStarts: 0 });
  for (const one of [...dealt, ...again]) one[Symbol.dispose]();
});

Deno.test("one stop ends the streams of all workers in order, and reports their sum", async () => {
  await using server = await serve({ ...OPTIONS, workers: 2 });
  const dealt = await connectToAll(server, 3);
  for (const { client } of dealt) {
    await client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("id: ");
  }
  assertEquals((await server.stats()).streamsOpen, dealt.length);
  const report = await server.shutdown();
  assertEquals([report.ended, report.cut, report.finished, report.left], [dealt.length, 0, 0, 0]);
  for (const { client } of dealt) {
    const rest = await client.readToEnd();
    assertMatch(rest, /retry: \d+\n/);
    assert(rest.endsWith("0\r\n\r\n"), "the body is complete");
    client[Symbol.dispose]();
  }
  assertEquals((await server.stats()).streamsOpen, 0);
});

Deno.test("a worker that never comes back from a handler does not keep the server from stopping", async () => {
  const program = new URL("./support/hung_worker_child.ts", import.meta.url).pathname;
  await using child = spawnChild("deno", ["run", "-A", program]); // On Deno the thread goes on, and would burn this process.
  const { code } = await child.status;
  await child.stdout.ended;
  assertEquals(code, 0, child.stderr.text);
  assertStringIncludes(child.stdout.text, "answered by the other worker\n");
  assertStringIncludes(child.stdout.text, "stopped\n");
});
