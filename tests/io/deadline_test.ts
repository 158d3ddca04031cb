import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { watchDeadline, withDeadline } from "../../io/deadline.ts";
import { DeadlineExceededError } from "../../io/errors.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";

/** A signal that counts the listeners it has. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  return { controller, signal, listeners: () => listeners };
}

function setUp() {
  const clock = new VirtualClock();
  return { clock, timers: new TimerWheel(clock), ...countedSignal() };
}

const doing = "Cannot wait for the test";

Deno.test("the work's result or error comes through, and nothing is left behind", async () => {
  const { clock, timers, signal, listeners } = setUp();
  const options = { signal, timeoutMs: 1000, doing };
  assertEquals(await withDeadline(timers, Promise.resolve(7), options), 7);
  assertEquals(await withDeadline(timers, () => 8, options), 8);
  assertEquals(await withDeadline(timers, async () => await Promise.resolve(9), options), 9);
  const error = new Error("from the work");
  for (
    const work of [Promise.reject(error), () => Promise.reject(error), () => {
      throw error;
    }]
  ) {
    assertStrictEquals(await assertRejects(() => withDeadline<never>(timers, work, options)), error);
  }
  assertEquals([listeners(), timers.armedCount, clock.pendingCount], [0, 0, 0]);
});

Deno.test("a deadline ends the wait, tells what was waited for and aborts the work", async () => {
  const { clock, timers, signal, listeners } = setUp();
  let aborted: unknown;
  const wait = withDeadline(timers, (inner) => {
    inner.addEventListener("abort", () => aborted = inner.reason);
    return new Promise<never>(() => {});
  }, { signal, timeoutMs: 250, doing });
  const failed = assertRejects(
    () => wait,
    DeadlineExceededError,
    "Cannot wait for the test: not done within 250 ms",
  );
  await clock.advance(249);
  assertEquals(aborted, undefined);
  await clock.advance(4);
  const error = await failed;
  assertEquals([error.code, error.timeoutMs], ["SLUICE_DEADLINE_EXCEEDED", 250]);
  assertStrictEquals(aborted, error);
  assertEquals([listeners(), timers.armedCount], [0, 0]);
});

Deno.test("a signal ends the wait with its reason and aborts the work", async () => {
  const { timers, controller, signal, listeners } = setUp();
  let aborted: unknown;
  const wait = withDeadline(timers, (inner) => {
    inner.addEventListener("abort", () => aborted = inner.reason);
    return new Promise<never>(() => {});
  }, { signal, timeoutMs: 250, doing });
  const reason = new Error("not wanted any more");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => wait), reason);
  assertStrictEquals(aborted, reason);
  assertEquals([listeners(), timers.armedCount], [0, 0]);
});

Deno.test("a signal aborted before ends the wait before the work begins", async () => {
  const { timers } = setUp();
  const reason = new Error("too late");
  const options = { signal: AbortSignal.abort(reason), timeoutMs: 5, doing };
  let began = false;
  const error = await assertRejects(() => withDeadline(timers, () => began = true, options));
  assertStrictEquals(error, reason);
  assert(!began);
  // A promise is under way already; its own failure must not count as unhandled.
  assertStrictEquals(await assertRejects(() => withDeadline(timers, Promise.reject(1), options)), reason);
  assertEquals(timers.armedCount, 0);
});

Deno.test("how work that was given up ends later is ignored", async () => {
  const { clock, timers } = setUp();
  const late = Promise.withResolvers<never>();
  const wait = assertRejects(
    () => withDeadline(timers, late.promise, { timeoutMs: 4, doing }),
    DeadlineExceededError,
  );
  await clock.advance(4);
  await wait;
  late.reject(new Error("nobody listens"));
  await clock.advance(4); // an unhandled rejection would fail the test here
});

Deno.test("without signal and timeout it just waits; null means no deadline", async () => {
  const { clock, timers } = setUp();
  assertEquals(await withDeadline(timers, Promise.resolve(1), { doing }), 1);
  assertEquals(await withDeadline(timers, Promise.resolve(2), { timeoutMs: null, doing }), 2);
  assertEquals(watchDeadline(timers, {}, doing, () => {}), null);
  assertEquals(watchDeadline(timers, { timeoutMs: null, signal: undefined }, doing, () => {}), null);
  assertEquals(clock.pendingCount, 0);
});

Deno.test("a timeout that is no finite number from 0 on is refused", async () => {
  const { timers, signal, listeners } = setUp();
  for (const timeoutMs of [-1, NaN, Infinity]) {
    assertThrows(() => watchDeadline(timers, { signal, timeoutMs }, doing, () => {}), RangeError);
    await assertRejects(
      () => withDeadline(timers, Promise.resolve(), { signal, timeoutMs, doing }),
      RangeError,
    );
  }
  assertEquals([listeners(), timers.armedCount], [0, 0]);
});

Deno.test("a watch gives up once, and not at all after it was stopped", async () => {
  const { clock, timers, controller, signal } = setUp();
  const given: unknown[] = [];
  watchDeadline(timers, { signal, timeoutMs: 4 }, doing, (error) => given.push(error))!;
  const stopped = watchDeadline(timers, { signal, timeoutMs: 4 }, doing, (error) => given.push(error))!;
  stopped.stop();
  stopped.stop();
  await clock.advance(8);
  controller.abort();
  assertEquals(given.length, 1);
  assert(given[0] instanceof DeadlineExceededError);
});
