import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { DeadlineExceededError } from "../../io/errors.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { TooManyWaitersError, WaitQueue } from "../../io/wait_queue.ts";

const doing = "Cannot wait for the test";

Deno.test("wakeOne wakes in the order of waiting, wakeAll all that are left", async () => {
  const queue = new WaitQueue<string>(new TimerWheel(new VirtualClock()));
  const woken: string[] = [];
  const waits = ["a", "b", "c", "d"].map((name) =>
    queue.wait({}, doing).then((value) => woken.push(name + value))
  );
  assertEquals(queue.size, 4);
  assertEquals([queue.wakeOne("1"), queue.wakeOne("2")], [true, true]);
  queue.wakeAll("!");
  await Promise.all(waits);
  assertEquals(woken, ["a1", "b2", "c!", "d!"]);
  assertEquals([queue.wakeOne("nobody"), queue.size], [false, 0]);
});

Deno.test("whoever wakes a waiter can see what it left", async () => {
  const queue = new WaitQueue<void, string>(new TimerWheel(new VirtualClock()));
  assertEquals(queue.nextItem, undefined);
  const waits = [queue.wait({}, doing, "first"), queue.wait({}, doing, "second")];
  assertEquals(queue.nextItem, "first");
  queue.wakeOne();
  assertEquals(queue.nextItem, "second");
  queue.wakeOne();
  assertEquals(queue.nextItem, undefined);
  await Promise.all(waits);
});

Deno.test("who gives up leaves the queue, wherever it stands", async () => {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const queue = new WaitQueue<number>(timers);
  const controller = new AbortController();
  const first = queue.wait({ timeoutMs: 1000 }, doing);
  const second = assertRejects(() => queue.wait({ timeoutMs: 8 }, doing), DeadlineExceededError, doing);
  const third = assertRejects(
    () => queue.wait({ signal: controller.signal, timeoutMs: 2000 }, doing),
    DOMException,
  );
  const fourth = queue.wait({}, doing);
  await clock.advance(8);
  controller.abort();
  await Promise.all([second, third]);
  assertEquals(queue.size, 2);
  queue.wakeOne(1);
  queue.wakeOne(4);
  assertEquals([await first, await fourth], [1, 4]);
  assertEquals(timers.armedCount, 0);
});

Deno.test("failAll rejects all with the one error", async () => {
  const timers = new TimerWheel(new VirtualClock());
  const queue = new WaitQueue<void>(timers);
  const error = new Error("gone");
  const waits = [queue.wait({ timeoutMs: 5 }, doing), queue.wait({}, doing)].map((wait) =>
    assertRejects(() => wait)
  );
  queue.failAll(error);
  for (const wait of waits) assertStrictEquals(await wait, error);
  assertEquals([queue.size, timers.armedCount], [0, 0]);
});

Deno.test("one more than the bound is refused; a place that becomes free is free", async () => {
  const queue = new WaitQueue<void>(new TimerWheel(new VirtualClock()), 2);
  const waits = [queue.wait({}, doing), queue.wait({}, doing)];
  const error = await assertRejects(() => queue.wait({}, doing), TooManyWaitersError, "2 callers");
  assertEquals([error.code, error.waitersMax], ["SLUICE_TOO_MANY_WAITERS", 2]);
  queue.wakeOne();
  waits.push(queue.wait({}, doing));
  queue.wakeAll();
  await Promise.all(waits);
});
