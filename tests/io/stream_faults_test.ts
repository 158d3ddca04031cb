import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect } from "../../io/connect.ts";
import { ConnectionError } from "../../io/errors.ts";
import { listen } from "../../io/listen.ts";
import type { TcpAddr } from "../../io/selector.ts";
import { CheckedSelector } from "../../io/selectors/checked.ts";
import { FaultPlan } from "../../io/testing/fault_plan.ts";
import { MemorySelector } from "../../io/testing/memory_selector.ts";
import { Prng } from "../../io/testing/prng.ts";

/** Connections of one run. */
const CLIENTS = 3;

Deno.test("150 seeds of splits and stalls: every line comes back", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const outcomes = await echoUnderFaults(seed, FaultPlan.fromSeed(seed));
    assertEquals(outcomes, new Array(CLIENTS).fill("whole"), `seed ${seed}`);
  }
});

Deno.test("400 seeds with resets: a client gets everything or an error, never a part that looks whole", async () => {
  let resets = 0;
  // Seed 1040 has a reset come after the FIN, with bytes unread.
  for (const seed of [1040, ...Array.from({ length: 400 }, (_, index) => index + 1)]) {
    const outcomes = await echoUnderFaults(seed, FaultPlan.fromSeed(seed, { resets: true }));
    for (const outcome of outcomes) {
      if (outcome === "whole") continue;
      assertInstanceOf(outcome, ConnectionError, `seed ${seed}`);
      resets++;
    }
  }
  assert(resets > 50, `the plans reset only ${resets} connections`);
});

/** Some clients send lines, end, and read what an echo server sends back; says how each came out. */
async function echoUnderFaults(seed: number, faults: FaultPlan): Promise<unknown[]> {
  const selector = new CheckedSelector(new MemorySelector({ faults, pipeBytes: 1 + seed % 5000 }));
  const server = listen(
    selector,
    { port: 80, limitBytes: 400, onError: () => {} },
    async (reader, writer) => {
      for await (const line of reader) {
        writer.write(line);
        await writer.drain();
      }
    },
  );
  const target = server.addr as TcpAddr;
  const outcomes = await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    const prng = Prng.derive(seed, client);
    const lines = Array.from({ length: prng.integer(1, 12) }, () => "x".repeat(prng.skewed(300)) + "\n");
    try {
      await using connection = await connect(selector, { ...target, hostname: "127.0.0.1" });
      const { reader, writer } = connection;
      const sending = (async () => {
        for (const line of lines) {
          writer.writeText(line);
          await writer.drain();
        }
        writer.closeWrite();
      })();
      const [all] = await Promise.all([reader.read(), sending]);
      assertEquals(new TextDecoder().decode(all), lines.join(""), `seed ${seed}, client ${client}`);
      return "whole";
    } catch (error) {
      return error;
    }
  }));
  await server.close();
  await selector.close();
  selector.assertClean();
  return outcomes;
}
