/** The selector in memory runs the whole contract; here too is what only it can show. */

import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { ConnectionResetError, DeadlineExceededError, SelectorClosedError } from "../../../io/errors.ts";
import { FaultPlan } from "../../../io/testing/fault_plan.ts";
import { MemorySelector } from "../../../io/testing/memory_selector.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { connectPair } from "../../contracts/selector/harness.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";

let last = new MemorySelector();

function open(): MemorySelector {
  last = new MemorySelector();
  return last;
}

async function countSends(run: () => Promise<void>): Promise<number> {
  const before = last.sends;
  await run();
  return last.sends - before;
}

selectorContract("memory selector", open, { hasSockets: false, countSends });

Deno.test("a host that never answers is given up at the deadline, in virtual time", async () => {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock, silentHosts: ["10.0.0.1"] });
  const client = new Recorder();
  const connecting = selector.connect({ hostname: "10.0.0.1", port: 80, timeoutMs: 5_000 }, () => client);
  const refusal = assertRejects(() => connecting, DeadlineExceededError, "Cannot connect to 10.0.0.1:80");
  await clock.advance(6_000);
  assertEquals((await refusal).timeoutMs, 5_000);
  assertEquals(client.calls, []);
});

Deno.test("connecting without a deadline ends with its signal or with the selector", async () => {
  const clock = new VirtualClock();
  const selector = new MemorySelector({ clock, silentHosts: ["10.0.0.1"] });
  const controller = new AbortController();
  const to = { hostname: "10.0.0.1", port: 80, timeoutMs: null };
  const aborted = selector.connect({ ...to, signal: controller.signal }, () => new Recorder());
  const closed = selector.connect(to, () => new Recorder());
  const refusals = [
    assertRejects(() => aborted, Error, "changed my mind"),
    assertRejects(() => closed, SelectorClosedError),
  ];
  await clock.advance(1_000_000);
  controller.abort(new Error("changed my mind"));
  await selector.close();
  await Promise.all(refusals);
});

Deno.test("a Unix path is a name like any other", async () => {
  await using selector = new MemorySelector();
  const { client, server, listener } = await connectPair(
    selector,
    {},
    {},
    { transport: "unix", path: "/run/x" } as never,
  );
  assertEquals(listener.addr, { transport: "unix", path: "/run/x" });
  assertEquals([client.transport.remoteAddr, client.transport.localAddr], [listener.addr, {
    transport: "unix",
    path: "",
  }]);
  client.transport.writeText("by path");
  await server.untilText("by path");
});

Deno.test("runUntilIdle resolves when only the program or the clock can go on", async () => {
  await using selector = new MemorySelector();
  const { client, server } = await connectPair(selector, {
    received: (bytes, transport) => transport.write(bytes),
  });
  client.transport.write(new Uint8Array(500_000));
  await selector.runUntilIdle();
  assertEquals([server.length, client.length], [500_000, 500_000]);
});

Deno.test("a plan that resets after nothing resets with the first byte", async () => {
  const seed = Array.from({ length: 2_000 }, (_, at) => at)
    .find((at) => FaultPlan.fromSeed(at, { resets: true }).forPipe(0, "fromClient").resetAfterBytes === 0)!;
  await using selector = new MemorySelector({ faults: FaultPlan.fromSeed(seed, { resets: true }) });
  const { client, server } = await connectPair(selector);
  client.transport.writeText("x");
  assertInstanceOf(await client.untilClosed(), ConnectionResetError);
  assertInstanceOf(await server.untilClosed(), ConnectionResetError);
  assertEquals(server.length, 0);
});

Deno.test("a pipe must hold at least one byte", () => {
  for (const pipeBytes of [0, -1, 1.5]) assertThrows(() => new MemorySelector({ pipeBytes }), RangeError);
});
