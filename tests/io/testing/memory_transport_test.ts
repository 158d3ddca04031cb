/** Connections in memory under seeded faults: what may change by them, and what may not. */

import { assert, assertEquals, assertInstanceOf, assertNotEquals } from "@std/assert";
import { ConnectionResetError } from "../../../io/errors.ts";
import { CheckedSelector } from "../../../io/selectors/checked.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { FaultPlan } from "../../../io/testing/fault_plan.ts";
import { MemorySelector } from "../../../io/testing/memory_selector.ts";
import { Prng } from "../../../io/testing/prng.ts";
import {
  assertGrammar,
  assertSameBytes,
  connectPair,
  noise,
  Pump,
} from "../../contracts/selector/harness.ts";
import { forSeeds } from "../../support/seeds.ts";

/** Runs one connection with traffic both ways to its end; returns all that was seen. */
async function exchange(faults: FaultPlan) {
  const prng = new Prng(faults.seed ?? 0);
  const memory = new MemorySelector({ faults, pipeBytes: prng.skewed(50_000) });
  const selector = new CheckedSelector(memory);
  const [up, down] = [noise(prng.skewed(20_000), 1), noise(prng.skewed(20_000), 2)];
  const end = (recorder: { transport: { closeWrite(): void } }) => recorder.transport.closeWrite();
  const { client, server } = await connectPair(
    selector,
    { ...new Pump(down, prng.skewed(5_000), end).hooks, ended: () => true },
    { ...new Pump(up, prng.skewed(5_000), end).hooks, ended: () => true },
  );
  await Promise.all([client.untilClosed(), server.untilClosed()]);
  await memory.runUntilIdle();
  await selector.close();
  selector.assertClean();
  assertGrammar(client);
  assertGrammar(server);
  return { up, down, client, server, turns: memory.turns };
}

Deno.test("splits, stalls and held sends change no byte", async () => {
  await forSeeds("splits, stalls and held sends change no byte", 200, async (seed) => {
    const { up, down, client, server } = await exchange(FaultPlan.fromSeed(seed));
    assertSameBytes(server.bytes, up);
    assertSameBytes(client.bytes, down);
    assertEquals([client.reason, server.reason], [null, null]);
  });
});

Deno.test("a connection that is reset gives a part and an error, never an end", async () => {
  let resets = 0;
  await forSeeds("a connection that is reset gives a part and an error, never an end", 200, async (seed) => {
    const { up, down, client, server } = await exchange(FaultPlan.fromSeed(seed, { resets: true }));
    assertSameBytes(server.bytes, up.subarray(0, server.length));
    assertSameBytes(client.bytes, down.subarray(0, client.length));
    for (const [side, whole] of [[server, up], [client, down]] as const) {
      if (side.calls.includes("ended")) assertEquals(side.length, whole.length, "an end means the whole");
      if (side.reason === null) assertEquals(side.length, whole.length);
      else assertInstanceOf(side.reason, ConnectionResetError);
    }
    if (client.reason !== null) resets++;
  });
  if (Deno.env.get("SLUICE_SEED") === undefined) assert(resets > 20, `only ${resets} resets`);
});

Deno.test("the same seed gives the same run, turn by turn", async () => {
  const trace = async (seed: number) => {
    const { client, server, turns } = await exchange(FaultPlan.fromSeed(seed, { resets: true }));
    return [turns, client.calls, server.calls, client.chunks.map(({ length }) => length)];
  };
  for (const seed of [1, 2, 3, 4, 5]) assertEquals(await trace(seed), await trace(seed));
  assertNotEquals(await trace(1), await trace(2));
});

Deno.test("a send that is held reads the bytes when it goes out: what is held must not change", async () => {
  const seed = Array.from({ length: 100 }, (_, at) => at)
    .find((at) => FaultPlan.fromSeed(at).forPipe(0, "fromClient").holdsSends)!;
  const selector = new CheckedSelector(
    new MemorySelector({ faults: FaultPlan.fromSeed(seed), pipeBytes: 100 }),
  );
  const { client, server } = await connectPair(selector, { opened: (transport) => transport.pauseReading() });
  const chunk = new SharedChunk(noise(5_000, 3));
  const expected: Uint8Array[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const bytes = noise(300, turn);
    client.transport.write(bytes);
    client.transport.writeShared(chunk);
    expected.push(bytes, chunk.bytes);
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  assert(chunk.refs > 1, "the peer does not read, so bytes are held");
  server.transport.resumeReading();
  client.transport.close();
  await server.untilClosed();
  assertSameBytes(server.bytes, new Uint8Array(await new Blob(expected as BlobPart[]).arrayBuffer()));
  assertEquals(chunk.refs, 1);
  await selector.close();
  selector.assertClean();
});

Deno.test("closing with bytes unread resets the peer, as a kernel does", async () => {
  const selector = new MemorySelector();
  const { client, server } = await connectPair(selector, { opened: (transport) => transport.pauseReading() });
  client.transport.writeText("never read");
  await selector.runUntilIdle();
  server.transport.close();
  assertInstanceOf(await client.untilClosed(), ConnectionResetError);
  assertEquals(client.count("ended"), 0);
  await selector.close();
});
