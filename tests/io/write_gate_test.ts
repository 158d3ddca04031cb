import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ConnectionClosedError, ConnectionResetError, DeadlineExceededError } from "../../io/errors.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { WriteGate } from "../../io/write_gate.ts";

function setUp() {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  return { clock, timers, gate: new WriteGate(timers) };
}

Deno.test("an open gate does not hold drains back", async () => {
  const { gate } = setUp();
  await gate.drain(false, {});
  gate.pause();
  assert(gate.isPaused);
  gate.resume();
  assert(!gate.isPaused);
  await gate.drain(false, { timeoutMs: 0 });
});

Deno.test("a paused gate holds many drains back, each with its own deadline, and lets them all go on", async () => {
  const { clock, timers, gate } = setUp();
  gate.pause();
  const order: string[] = [];
  const drains = ["a", "b", "c"].map((name) => gate.drain(false, {}).then(() => order.push(name)));
  const impatient = assertRejects(
    () => gate.drain(false, { timeoutMs: 8 }),
    DeadlineExceededError,
    "Cannot drain",
  );
  await clock.advance(8);
  await impatient;
  assertEquals(order, []);
  gate.resume();
  await Promise.all(drains);
  assertEquals([order, timers.armedCount], [["a", "b", "c"], 0]);
});

Deno.test("drains fail with the reason of the close, those that wait and those that come later", async () => {
  const { gate } = setUp();
  gate.pause();
  const waiting = [gate.drain(false, {}), gate.drain(true, {})].map((drain) => assertRejects(() => drain));
  const reason = new ConnectionResetError("Cannot write");
  gate.close(reason);
  assert(gate.isClosed);
  for (const drain of waiting) assertStrictEquals(await drain, reason);
  assertStrictEquals(await assertRejects(() => gate.drain(false, {})), reason);
  assertStrictEquals(await assertRejects(() => gate.waitClosed({})), reason);
});

Deno.test("after an orderly close drains fail too, and waiting for the close does not", async () => {
  const { gate } = setUp();
  gate.pause();
  const drain = assertRejects(() => gate.drain(false, {}), ConnectionClosedError, "Cannot drain");
  const closes = [gate.waitClosed({}), gate.waitClosed({ timeoutMs: 100 })];
  gate.close(null);
  await drain;
  await Promise.all(closes);
  await gate.waitClosed({});
  await assertRejects(() => gate.drain(false, {}), ConnectionClosedError);
});

Deno.test("a drain on a closing connection waits for the close, so that a loop of writes cannot spin", async () => {
  const { gate } = setUp();
  let turns = 0;
  const loop = assertRejects(async () => {
    for (;; turns++) await gate.drain(true, {});
  }, ConnectionClosedError);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(turns, 0);
  gate.close(null);
  await loop;
});

Deno.test("a signal aborted before is heeded even when there is nothing to wait for", async () => {
  const { gate } = setUp();
  const reason = new Error("cancelled");
  assertStrictEquals(
    await assertRejects(() => gate.drain(false, { signal: AbortSignal.abort(reason) })),
    reason,
  );
});
